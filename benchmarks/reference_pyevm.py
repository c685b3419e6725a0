"""Run one workload, read from standard input, on py-evm and print what came out, as JSON.

Runs under a Python of its own that has py-evm; knows nothing of evmthread. Prints the keys of a workload's `expect`.
benchmarks/worker.py times it.
"""

# mypy: disable-error-code="import-not-found"

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.computation import CancunComputation
from eth.vm.forks.cancun.state import CancunState
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.message import Message
from eth_hash.utils import auto_choose_backend
from eth_keys.backends import get_backend_class


def number(text: str) -> int:
    return int(text, 16)


def data(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def counting(counts: Counter[str]) -> type[CancunComputation]:
    """A computation class that counts each instruction as it begins, whatever then becomes of it."""

    def counted(instruction: Any) -> Any:
        mnemonic = getattr(instruction, "mnemonic", None) or instruction.__wrapped__.mnemonic

        def run(computation: Any) -> Any:
            counts[mnemonic] += 1
            return instruction(computation=computation)

        return run

    table = {opcode: counted(instruction) for opcode, instruction in CancunComputation.opcodes.items()}
    return type("CountingComputation", (CancunComputation,), {"opcodes": table})


def prepared(workload: dict[str, Any]) -> CancunState:
    """The state in which the call runs: py-evm's own, with sender and callee warm as in a transaction."""
    env = workload["env"]
    context = ExecutionContext(
        coinbase=data(env["coinbase"]),
        timestamp=number(env["timestamp"]),
        block_number=number(env["number"]),
        difficulty=0,
        mix_hash=data(env["prevRandao"]),
        gas_limit=number(env["gasLimit"]),
        prev_hashes=(),
        chain_id=number(env["chainId"]),
        base_fee_per_gas=number(env["baseFee"]),
        excess_blob_gas=0,
    )
    state = CancunState(AtomicDB(), context, BLANK_ROOT_HASH)
    for text, account in workload["pre"].items():
        address = data(text)
        state.set_balance(address, number(account["balance"]))
        state.set_nonce(address, number(account["nonce"]))
        state.set_code(address, data(account["code"]))
        for slot, value in account["storage"].items():
            state.set_storage(address, number(slot), number(value))
    state.persist()  # so that the slots' original values are those of `pre`
    call = workload["call"]
    state.mark_address_warm(data(call["from"]))
    state.mark_address_warm(data(call["to"]))
    state.mark_address_warm(context.coinbase)  # EIP-3651
    for precompile in CancunComputation.get_precompiles():
        state.mark_address_warm(precompile)
    return state


def providers() -> dict[str, str]:
    """What computes hashes and signatures here."""
    return {
        "py-evm": version("py-evm"),
        "keccak": auto_choose_backend().__class__.__module__,
        "secp256k1": get_backend_class().__name__,
    }


def message_of(workload: dict[str, Any], state: CancunState) -> tuple[Message, CancunTransactionContext]:
    """The call, and the transaction that it is of."""
    call = workload["call"]
    message = Message(
        gas=number(call["gas"]),
        to=data(call["to"]),
        sender=data(call["from"]),
        value=number(call["value"]),
        data=data(call["data"]),
        code=state.get_code(data(call["to"])),
    )
    transaction = CancunTransactionContext(
        gas_price=number(call["gasPrice"]), origin=data(call["from"]), blob_versioned_hashes=[]
    )
    return message, transaction


def answer_of(computation: CancunComputation) -> dict[str, Any]:
    return {
        "success": computation.is_success,
        "output": "0x" + computation.output.hex(),
        "execGas": computation.get_gas_used(),
        "refund": computation.get_gas_refund(),
    }


def repeatable(workload: dict[str, Any]) -> Callable[[], tuple[float, dict[str, Any]]]:
    """A function that makes the call from the prepared state, with py-evm's caches warm: CPU seconds and answer."""
    state = prepared(workload)
    message, transaction = message_of(workload, state)

    def call() -> tuple[float, dict[str, Any]]:
        snapshot = state.snapshot()
        start = time.process_time()
        computation = CancunComputation.apply_message(state, message, transaction)
        seconds = time.process_time() - start
        state.revert(snapshot)
        return seconds, answer_of(computation)

    return call


def run(workload: dict[str, Any]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    state = prepared(workload)
    message, transaction = message_of(workload, state)
    computation = counting(counts).apply_message(state, message, transaction)
    return answer_of(computation) | {
        "ops": counts.total(),
        "hist": dict(counts.most_common()),
        "error": repr(computation.error) if computation.is_error else None,
    }


if __name__ == "__main__":
    print(json.dumps(run(json.load(sys.stdin))))
