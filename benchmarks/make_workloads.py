"""Make the Solidity workloads from their compiled contracts; what they must give comes from other implementations.

    python benchmarks/make_workloads.py --py-evm PYTHON --pyrevm PYTHON [--check]

Each PYTHON is an interpreter in whose environment that package is installed (py-evm 0.12.1b1, pyrevm 0.3.7). py-evm
gives output, gas, refund and instruction counts; pyrevm must agree on success, output and gas. Nothing of what is
measured runs here: of evmthread only the artifact loader and the ABI encoding are used.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evmthread.contracts import Artifact, parse_artifact

HERE = Path(__file__).resolve().parent
CONTRACTS = HERE / "contracts"
WORKLOADS = HERE / "workloads" / "solidity"
FORMAT = "evmthread-bench/1"

# The same world as in the other workloads.
ENVIRONMENT = {
    "coinbase": "0x000000000000000000000000000000000000c01b",
    "number": "0x1",
    "timestamp": "0x61a8d289",
    "prevRandao": "0x0000000000000000000000000000000000000000000000000000000000000001",
    "baseFee": "0x1",
    "gasLimit": "0x3b9aca00",
    "chainId": "0x1",
}
CALLER = "0xa94f5374fce5edbc8e2a8697c15331677e6ebf0b"
CALLER_BALANCE = 100 * 10**18
FIRST_CONTRACT = 0xBE7C43A580000000000000000000000000000001
GAS = 10**9


@dataclass(frozen=True, slots=True)
class Recipe:
    """A contract, how many iterations of its `run`, and the other contracts that its address variables name."""

    contract: str
    iterations: int
    linked: dict[str, str] = field(default_factory=dict)


RECIPES = [
    Recipe("Arrays", 80),
    Recipe("Calls", 200, linked={"ledger": "CallsLedger", "logic": "CallsLogic"}),
    Recipe("Erc20", 400),
    Recipe("Hashing", 60),
    Recipe("Mapping", 300),
    Recipe("Recursion", 4),
    Recipe("Sort", 4),
]


class WorkloadError(Exception):
    """A reference failed, or two references don't agree."""


def load(contract: str) -> Artifact:
    return parse_artifact((CONTRACTS / f"{contract}.json").read_bytes())


def account(*, balance: int = 0, nonce: int = 0, code: bytes = b"", storage: dict[int, int] | None = None) -> Any:
    slots = {hex(slot): hex(value) for slot, value in sorted((storage or {}).items())}
    return {"balance": hex(balance), "nonce": hex(nonce), "code": "0x" + code.hex(), "storage": slots}


def workload(recipe: Recipe) -> dict[str, Any]:
    """A workload without its `expect`: contracts at successive addresses, the entry contract first."""
    entry = load(recipe.contract)
    slots = {variable.label: variable for variable in entry.storage}
    storage: dict[int, int] = {}
    pre = {CALLER: account(balance=CALLER_BALANCE)}
    others = {}
    for index, (variable, contract) in enumerate(recipe.linked.items(), start=1):
        others[hex(FIRST_CONTRACT + index)] = account(nonce=1, code=load(contract).runtime_code)
        storage[slots[variable].slot] = FIRST_CONTRACT + index
    to = hex(FIRST_CONTRACT)
    pre[to] = account(nonce=1, code=entry.runtime_code, storage=storage)
    return {
        "format": FORMAT,
        "name": f"solidity_{recipe.contract.lower()}",
        "source": f"benchmarks/contracts/{recipe.contract}.sol run({recipe.iterations}), {entry.compiler_version}",
        "fork": "cancun",
        "env": ENVIRONMENT,
        "pre": pre | others,
        "call": {
            "from": CALLER,
            "to": to,
            "value": "0x0",
            "gas": hex(GAS),
            "gasPrice": "0x1",
            "data": "0x" + entry.function("run").encode(recipe.iterations).hex(),
        },
    }


def reference(python: Path, script: str, record: dict[str, Any]) -> dict[str, Any]:
    """What one of the reference scripts prints for a workload."""
    command = [str(python), str(HERE / script)]
    done = subprocess.run(command, input=json.dumps(record), capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkloadError(f"{script} failed on {record['name']}: {done.stderr.strip()[-1000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def gas_after_refund(record: dict[str, Any], expect: dict[str, Any]) -> int:
    """What a transaction making the call pays: with the intrinsic price (EIP-2028), less refunds (EIP-3529)."""
    data = bytes.fromhex(record["call"]["data"].removeprefix("0x"))
    used: int = 21_000 + sum(16 if byte else 4 for byte in data) + expect["execGas"]
    refund: int = expect["refund"]
    return used - min(refund, used // 5)


def with_expectation(record: dict[str, Any], *, py_evm: Path, pyrevm: Path) -> dict[str, Any]:
    """The workload with what py-evm gives; raises WorkloadError when pyrevm gives something else, or the call fails."""
    expect = reference(py_evm, "reference_pyevm.py", record)
    if error := expect.pop("error"):
        raise WorkloadError(f"{record['name']}: the call fails: {error}")
    other = reference(pyrevm, "reference_pyrevm.py", record)
    ours = (expect["success"], expect["output"], gas_after_refund(record, expect))
    theirs = (other["success"], other["output"], other["gas"])
    if ours != theirs:
        raise WorkloadError(f"{record['name']}: py-evm says {ours}, pyrevm {theirs}")
    return record | {"expect": expect}


def make(description: str, records: Iterable[tuple[Path, dict[str, Any]]]) -> int:
    """A command line that completes workloads by what the references give and writes them; its exit code."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--py-evm", type=Path, required=True, metavar="PYTHON", help="a Python that has py-evm")
    parser.add_argument("--pyrevm", type=Path, required=True, metavar="PYTHON", help="a Python that has pyrevm")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a committed workload differs")
    options = parser.parse_args()
    different = 0
    for path, unfinished in records:
        try:
            record = with_expectation(unfinished, py_evm=options.py_evm, pyrevm=options.pyrevm)
        except WorkloadError as error:
            print(f"{parser.prog}: {error}", file=sys.stderr)
            return 1
        text = json.dumps(record, indent=1) + "\n"
        expect = record["expect"]
        same = path.is_file() and path.read_text(encoding="utf-8") == text
        different += not same
        if not same and not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        verdict = "as committed" if same else "differs" if options.check else "written"
        print(f"{record['name']}: {expect['ops']:,} instructions, {expect['execGas']:,} gas, {verdict}")
    return 1 if options.check and different else 0


def main() -> int:
    """Exit code 0 when the workloads are written, or with --check are what is committed; else 1."""
    return make(
        __doc__ or "", [(WORKLOADS / f"{recipe.contract.lower()}.json", workload(recipe)) for recipe in RECIPES]
    )


if __name__ == "__main__":
    sys.exit(main())
