"""Runs a case of a state test on py-evm: for benchmarks/conformance_worker.py. Knows nothing of evmthread."""

# mypy: disable-error-code="import-not-found"

from collections.abc import Callable
from typing import Any

from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.vm import forks
from eth.vm.execution_context import ExecutionContext

from benchmarks.reference_pyevm import data, providers

__all__ = ["checker", "providers"]

CHAIN_ID = 1
MACHINES = {
    "Frontier": forks.FrontierVM,
    "Homestead": forks.HomesteadVM,
    "EIP150": forks.TangerineWhistleVM,
    "EIP158": forks.SpuriousDragonVM,
    "Byzantium": forks.ByzantiumVM,
    "ConstantinopleFix": forks.PetersburgVM,
    "Istanbul": forks.IstanbulVM,
    "Berlin": forks.BerlinVM,
    "London": forks.LondonVM,
    "Paris": forks.ParisVM,
    "Shanghai": forks.ShanghaiVM,
    "Cancun": forks.CancunVM,
    "Prague": forks.PragueVM,
}
# Before Spurious Dragon an account that is touched is there from then on.
TOUCHING = ("Frontier", "Homestead", "EIP150")


def number(text: str) -> int:
    return int(text, 16) if text.startswith("0x") else int(text or "0")


def check(case: dict[str, Any]) -> str:
    """The state root after a case."""
    env, machine = case["env"], MACHINES[case["fork"]]
    coinbase = data(env["currentCoinbase"])
    context = ExecutionContext(
        coinbase=coinbase,
        timestamp=number(env["currentTimestamp"]),
        block_number=number(env["currentNumber"]),
        difficulty=number(env.get("currentDifficulty", "0x0")),
        mix_hash=number(env.get("currentRandom", "0x0")).to_bytes(32, "big"),
        gas_limit=number(env["currentGasLimit"]),
        prev_hashes=[data(env["previousHash"])] if "previousHash" in env else [],
        chain_id=CHAIN_ID,
        base_fee_per_gas=number(env.get("currentBaseFee", "0x0")),
        excess_blob_gas=number(env.get("currentExcessBlobGas", "0x0")),
    )
    state = machine.get_state_class()(AtomicDB(), context, BLANK_ROOT_HASH)
    for text, account in case["pre"].items():
        address = data(text)
        state.set_balance(address, number(account["balance"]))
        state.set_nonce(address, number(account["nonce"]))
        state.set_code(address, data(account["code"]))
        for slot, value in account["storage"].items():
            state.set_storage(address, number(slot), number(value))
    state.persist()
    state.lock_changes()
    transaction = machine.get_transaction_builder().decode(data(case["transaction"]))
    transaction.validate()
    state.apply_transaction(transaction)
    if case["fork"] in TOUCHING:
        state.touch_account(coinbase)
    state.persist()
    root: bytes = state.state_root
    return root.hex()


def checker() -> Callable[[dict[str, Any]], str]:
    """A function that runs one case; py-evm keeps what it keeps."""
    return check
