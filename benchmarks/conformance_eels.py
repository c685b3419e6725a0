"""Runs a case of a state test on EELS: for benchmarks/conformance_worker.py. Knows nothing of evmthread."""

# mypy: disable-error-code="import-not-found"

import dataclasses
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ethereum_types.bytes import Bytes, Bytes32
from ethereum_types.numeric import U64, U256, Uint

from benchmarks.reference_eels import data, providers
from tests.differential.eels_driver import block_environment, decode

__all__ = ["checker", "providers"]

CHAIN_ID = 1
MODULES = {
    "Frontier": "frontier",
    "Homestead": "homestead",
    "EIP150": "tangerine_whistle",
    "EIP158": "spurious_dragon",
    "Byzantium": "byzantium",
    "ConstantinopleFix": "constantinople",
    "Istanbul": "istanbul",
    "Berlin": "berlin",
    "London": "london",
    "Paris": "paris",
    "Shanghai": "shanghai",
    "Cancun": "cancun",
    "Prague": "prague",
}
# Before Spurious Dragon an account that is touched is there from then on.
TOUCHING = ("Frontier", "Homestead", "EIP150")


def number(text: str) -> int:
    return int(text, 16) if text.startswith("0x") else int(text or "0")


def check(case: dict[str, Any]) -> str:
    """The state root after a case."""
    base = f"ethereum.forks.{MODULES[case['fork']]}"
    fork, vm, states, types, transactions = (
        import_module(f"{base}.{name}") for name in ("fork", "vm", "state", "fork_types", "transactions")
    )
    state = states.State()
    for text, account in case["pre"].items():
        address = types.Address(data(text))
        record = types.Account(
            nonce=Uint(number(account["nonce"])),
            balance=U256(number(account["balance"])),
            code=Bytes(data(account["code"])),
        )
        states.set_account(state, address, record)
        for slot, value in account["storage"].items():
            states.set_storage(state, address, Bytes32(number(slot).to_bytes(32, "big")), U256(number(value)))
    env = case["env"]
    told = {
        "chain_id": CHAIN_ID,
        "gas_limit": number(env["currentGasLimit"]),
        "coinbase": env["currentCoinbase"].removeprefix("0x"),
        "number": number(env["currentNumber"]),
        "base_fee": number(env.get("currentBaseFee", "0x0")),
        "timestamp": number(env["currentTimestamp"]),
        "difficulty": number(env.get("currentDifficulty", "0x0")),
        "prev_randao": number(env.get("currentRandom", "0x0")).to_bytes(32, "big").hex(),
    }
    hashes = [env["previousHash"].removeprefix("0x")] if "previousHash" in env else []
    block = block_environment(vm, state, types, told, hashes)
    if hasattr(block, "excess_blob_gas"):
        excess = number(env.get("currentExcessBlobGas", "0x0"))
        block = dataclasses.replace(block, excess_blob_gas=U64(excess))
    fork.process_transaction(block, vm.BlockOutput(), decode(transactions, data(case["transaction"])), Uint(0))
    if case["fork"] in TOUCHING:
        states.touch_account(state, block.coinbase)
    return bytes(states.state_root(state)).hex()


def checker() -> Callable[[dict[str, Any]], str]:
    """A function that runs one case."""
    return check
