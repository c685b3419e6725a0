"""Run one workload, read from standard input, on pyrevm and print what came out, as JSON.

Runs under a Python of its own that has pyrevm; knows nothing of evmthread. Prints `success`, `output` and `logs`, and
`gas`: what the call used with the intrinsic price and after refunds (at most a fifth), all that pyrevm tells.
benchmarks/worker.py times it.
"""

# mypy: ignore-errors
# (pyrevm may be missing, and its stubs are incomplete)

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pyrevm


def number(text: str) -> int:
    return int(text, 16)


def data(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def providers() -> dict[str, str]:
    """What computes hashes and signatures here: revm's own Rust."""
    return {"pyrevm": version("pyrevm")}


def prepared(workload: dict[str, Any]) -> pyrevm.EVM:
    """An EVM in the state in which the call runs."""
    env, call = workload["env"], workload["call"]
    block = pyrevm.BlockEnv(
        number=number(env["number"]),
        coinbase=env["coinbase"],
        timestamp=number(env["timestamp"]),
        prevrandao=data(env["prevRandao"]),
        basefee=number(env["baseFee"]),
        gas_limit=number(env["gasLimit"]),
        excess_blob_gas=0,
    )
    settings = pyrevm.CfgEnv(chain_id=number(env["chainId"]))
    evm = pyrevm.EVM(env=pyrevm.Env(cfg=settings, block=block), gas_limit=number(call["gas"]), spec_id="CANCUN")
    for address, account in workload["pre"].items():
        code = data(account["code"])
        evm.insert_account_info(
            address,
            pyrevm.AccountInfo(balance=number(account["balance"]), nonce=number(account["nonce"]), code=code or None),
        )
        for slot, value in account["storage"].items():
            # The first slot of an account goes into the database and the account into the journal, as warm; reverting
            # takes it out of the journal again, so that each slot is the first and all is cold.
            before = evm.snapshot()
            evm.insert_account_storage(address, number(slot), number(value))
            evm.revert(before)
    return evm


def timed(evm: pyrevm.EVM, workload: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Make the call, a whole transaction for pyrevm: CPU seconds and answer."""
    call = workload["call"]
    sender, to, calldata = call["from"], call["to"], data(call["data"])
    value, gas, gas_price = number(call["value"]), number(call["gas"]), number(call["gasPrice"])
    success, output = True, b""
    start = time.process_time()
    try:
        output = evm.message_call(caller=sender, to=to, calldata=calldata, value=value, gas=gas, gas_price=gas_price)
    except RuntimeError:  # what pyrevm raises for a revert or a halt
        success = False
    seconds = time.process_time() - start
    result = evm.result
    return seconds, {
        "success": success and result.is_success,
        "output": "0x" + bytes(output).hex(),
        "gas": result.gas_used,
        "gas_refunded": result.gas_refunded,
        "logs": len(result.logs),
    }


def repeatable(workload: dict[str, Any]) -> Callable[[], tuple[float, dict[str, Any]]]:
    """A function that makes the call from a state prepared afresh each time: CPU seconds and answer."""
    return lambda: timed(prepared(workload), workload)


def run(workload: dict[str, Any]) -> dict[str, Any]:
    _, answer = timed(prepared(workload), workload)
    return answer


if __name__ == "__main__":
    print(json.dumps(run(json.load(sys.stdin))))
