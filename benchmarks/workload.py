"""Workload files: one message call each, with the state it starts from and what it must give.

Knows the format (benchmarks/workloads/README.md) and nothing of engines or clocks.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.make_workloads import FORMAT, gas_after_refund
from evmthread.errors import EvmthreadError
from evmthread.execution import BlockEnvironment
from evmthread.isa.forks import Fork, fork_named
from evmthread.primitives.types import parse_hex
from evmthread.state import MemoryState

WORKLOADS = Path(__file__).resolve().parent / "workloads"


class WorkloadError(Exception):
    """A file that is no workload; one line for the user."""


@dataclass(frozen=True, slots=True)
class Call:
    """The message call: `gas` is what the callee gets, in gas; `value` and `gas_price` are wei."""

    to: bytes
    data: bytes
    sender: bytes
    value: int
    gas: int
    gas_price: int


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the call must give: gas without the intrinsic price and before refunds, and the instructions it runs."""

    success: bool
    output: bytes
    gas_used: int
    refund: int
    opcodes: int


@dataclass(frozen=True, slots=True)
class Account:
    """An account before the call."""

    nonce: int
    balance: int
    code: bytes
    storage: dict[int, int]


@dataclass(frozen=True, slots=True)
class Workload:
    """One file. `record` is its JSON, for engines that read it themselves."""

    name: str
    path: Path
    fork: Fork
    environment: BlockEnvironment
    accounts: dict[bytes, Account]
    call: Call
    expect: Expectation
    record: dict[str, Any]

    def state(self) -> MemoryState:
        """A fresh state with the accounts in it."""
        state = MemoryState()
        for address, account in self.accounts.items():
            state.set_account(
                address, nonce=account.nonce, balance=account.balance, code=account.code, storage=account.storage
            )
        return state

    def problem(self, answer: Mapping[str, object]) -> str | None:
        """What is wrong with an engine's answer, in words; None when all is right.

        An answer has `success`, `output`, and either `execGas` and `refund` or `gas`: what a transaction pays.
        """
        expect = self.expect
        wanted: dict[str, object] = {"success": expect.success, "output": "0x" + expect.output.hex()}
        if "gas" in answer:
            wanted["gas"] = gas_after_refund(self.record, self.record["expect"])
        else:
            wanted |= {"execGas": expect.gas_used, "refund": expect.refund}
        return (
            "; ".join(f"{key} {answer[key]}, not {wanted[key]}" for key in wanted if answer[key] != wanted[key]) or None
        )


def read_workload(path: Path) -> Workload:
    """The workload in a file. Raises WorkloadError, which names the file."""
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise WorkloadError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise WorkloadError(f"{path}: not JSON: {error}") from error
    return parse_workload(record, path)


def parse_workload(record: Any, path: Path) -> Workload:
    """The workload that a file's JSON describes. Raises WorkloadError, which names the file."""
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise WorkloadError(f"{path}: not a workload of the format {FORMAT}")
    try:
        workload = _parse(record, path)
        workload.state()
    except KeyError as error:
        raise WorkloadError(f"{path}: {error.args[0]} is missing") from error
    except (EvmthreadError, ValueError, TypeError, AttributeError) as error:
        raise WorkloadError(f"{path}: {error}") from error
    return workload


def read_workloads(paths: Iterable[Path]) -> list[Workload]:
    """The workloads of files and, by name, of all .json files in and below folders. Raises WorkloadError."""
    found = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.rglob("*.json"))
            if not inside:
                raise WorkloadError(f"{path}: no .json file in it")
            found += [read_workload(file) for file in inside]
        else:
            found.append(read_workload(path))
    return found


def _parse(record: dict[str, Any], path: Path) -> Workload:
    env, call, expect = record["env"], record["call"], record["expect"]
    environment = BlockEnvironment(
        number=_number(env["number"]),
        timestamp=_number(env["timestamp"]),
        coinbase=_address(env["coinbase"]),
        gas_limit=_number(env["gasLimit"]),
        base_fee=_number(env["baseFee"]),
        prev_randao=_number(env["prevRandao"]),
        chain_id=_number(env["chainId"]),
    )
    accounts = {
        _address(address): Account(
            _number(account["nonce"]),
            _number(account["balance"]),
            parse_hex(account["code"]),
            {_number(key): _number(value) for key, value in account["storage"].items()},
        )
        for address, account in record["pre"].items()
    }
    return Workload(
        name=str(record["name"]),
        path=path,
        fork=fork_named(record["fork"]),
        environment=environment,
        accounts=accounts,
        call=Call(
            _address(call["to"]),
            parse_hex(call["data"]),
            _address(call["from"]),
            _number(call["value"]),
            _number(call["gas"]),
            _number(call["gasPrice"]),
        ),
        expect=Expectation(
            bool(expect["success"]),
            parse_hex(expect["output"]),
            _number(expect["execGas"]),
            _number(expect["refund"]),
            _number(expect["ops"]),
        ),
        record=record,
    )


def _address(text: str) -> bytes:
    address = parse_hex(text)
    if len(address) != 20:
        raise ValueError(f"not an address of 20 bytes: {text}")
    return address


def _number(value: object) -> int:
    """An integer, or 0x-prefixed hex."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.startswith("0x"):
        return int(value, 16)
    raise ValueError(f"not a number: {value!r}")
