"""Run one workload, read from standard input, on EELS (the execution specification) and print what came out, as JSON.

Runs under a Python of its own that has ethereum-execution; knows nothing of evmthread. Prints `success`, `output`,
`execGas` and `refund`. benchmarks/worker.py times it.
"""

# mypy: disable-error-code="import-not-found"

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from ethereum.forks.cancun.fork_types import Account, Address
from ethereum.forks.cancun.state import State, TransientStorage, set_account, set_storage
from ethereum.forks.cancun.vm import BlockEnvironment, Message, TransactionEnvironment
from ethereum.forks.cancun.vm.interpreter import process_message
from ethereum.forks.cancun.vm.precompiled_contracts.mapping import PRE_COMPILED_CONTRACTS
from ethereum_types.bytes import Bytes, Bytes32
from ethereum_types.numeric import U64, U256, Uint


def number(text: str) -> int:
    return int(text, 16)


def data(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def providers() -> dict[str, str]:
    """What computes hashes and signatures here: the libraries that EELS names itself."""
    return {
        "ethereum-execution": version("ethereum-execution"),
        "keccak": "pycryptodome " + version("pycryptodome"),
        "secp256k1": "coincurve " + version("coincurve"),
    }


def prepared(workload: dict[str, Any]) -> Message:
    """The call in a fresh state, with sender and callee warm as in a transaction."""
    state = State()
    for text, account in workload["pre"].items():
        address = Address(data(text))
        record = Account(
            nonce=Uint(number(account["nonce"])),
            balance=U256(number(account["balance"])),
            code=Bytes(data(account["code"])),
        )
        set_account(state, address, record)
        for slot, value in account["storage"].items():
            set_storage(state, address, Bytes32(number(slot).to_bytes(32, "big")), U256(number(value)))
    env, call = workload["env"], workload["call"]
    coinbase, sender, to = Address(data(env["coinbase"])), Address(data(call["from"])), Address(data(call["to"]))
    block = BlockEnvironment(
        chain_id=U64(number(env["chainId"])),
        state=state,
        block_gas_limit=Uint(number(env["gasLimit"])),
        block_hashes=[],
        coinbase=coinbase,
        number=Uint(number(env["number"])),
        base_fee_per_gas=Uint(number(env["baseFee"])),
        time=U256(number(env["timestamp"])),
        prev_randao=Bytes32(data(env["prevRandao"])),
        excess_blob_gas=U64(0),
        parent_beacon_block_root=Bytes32(bytes(32)),
    )
    transaction = TransactionEnvironment(
        origin=sender,
        gas_price=Uint(number(call["gasPrice"])),
        gas=Uint(number(call["gas"])),
        access_list_addresses={coinbase},
        access_list_storage_keys=set(),
        transient_storage=TransientStorage(),
        blob_versioned_hashes=(),
        index_in_block=None,
        tx_hash=None,
    )
    return Message(
        block_env=block,
        tx_env=transaction,
        caller=sender,
        target=to,
        current_target=to,
        gas=Uint(number(call["gas"])),
        value=U256(number(call["value"])),
        data=Bytes(data(call["data"])),
        code_address=to,
        code=Bytes(data(workload["pre"][call["to"]]["code"])),
        depth=Uint(0),
        should_transfer_value=True,
        is_static=False,
        accessed_addresses={sender, to, coinbase, *PRE_COMPILED_CONTRACTS},  # coinbase: EIP-3651
        accessed_storage_keys=set(),
        parent_evm=None,
    )


def timed(message: Message) -> tuple[float, dict[str, Any]]:
    """Make the call: CPU seconds and answer."""
    start = time.process_time()
    evm = process_message(message)
    seconds = time.process_time() - start
    return seconds, {
        "success": evm.error is None,
        "output": "0x" + evm.output.hex(),
        "execGas": int(message.gas) - int(evm.gas_left),
        "refund": int(evm.refund_counter) if evm.error is None else 0,
    }


def repeatable(workload: dict[str, Any]) -> Callable[[], tuple[float, dict[str, Any]]]:
    """A function that makes the call from a state prepared afresh each time: CPU seconds and answer."""
    return lambda: timed(prepared(workload))


def run(workload: dict[str, Any]) -> dict[str, Any]:
    _, answer = timed(prepared(workload))
    return answer


if __name__ == "__main__":
    print(json.dumps(run(json.load(sys.stdin))))
