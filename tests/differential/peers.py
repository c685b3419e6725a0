"""Other EVMs that are asked the same questions: pyrevm in this process, EELS in one of its own.

Neither is needed to use evmthread. A peer that isn't there skips its tests with one line, or fails them when
EVMTHREAD_REQUIRE_PEERS=1 asks for that.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest

from evmthread.execution.invalid import InvalidTransaction
from evmthread.execution.transaction import Transaction
from evmthread.execution.validation import floor_gas, intrinsic_gas
from evmthread.execution.world import World
from evmthread.isa.forks import fork_named
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import Log
from evmthread.state.memory import MemoryState
from tests.conftest import Engine
from tests.differential.cases import (
    BLOCK,
    CONTRACTS,
    GAS_PRICE,
    KEY,
    SENDER,
    Account,
    Case,
    Outcome,
    accounts_of,
    block_hash,
    view_of,
)
from tests.words import EDGES

REQUIRE_VARIABLE = "EVMTHREAD_REQUIRE_PEERS"
EELS_VARIABLE = "EVMTHREAD_EELS_PYTHON"
REFUND_QUOTIENT = 5  # EIP-3529
OUTPUT = re.compile(r"output: 0x([0-9a-f]*)")
ASKED_KEYS = (*range(8), *EDGES)


def missing(what: str) -> NoReturn:
    """A peer isn't there."""
    if os.environ.get(REQUIRE_VARIABLE) == "1":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def count_of(default: int) -> int:
    """How many cases to run: EVMTHREAD_DIFFERENTIAL_CASES, or else the default."""
    return int(os.environ.get("EVMTHREAD_DIFFERENTIAL_CASES", default))


def seed_of() -> int:
    """Where random cases begin: EVMTHREAD_SEED, or else somewhere new. The caller prints it."""
    return int(os.environ.get("EVMTHREAD_SEED", int.from_bytes(os.urandom(6), "big")))


# pyrevm ---------------------------------------------------------------------------------------------------------------
def pyrevm() -> ModuleType:
    """The package."""
    try:
        import pyrevm
    except ImportError:
        missing("no pyrevm: pip install 'evmthread[peers]'")
    module: ModuleType = pyrevm
    return module


def _evm(case: Case, fork: str) -> Any:
    revm = pyrevm()
    block = revm.BlockEnv(
        number=BLOCK.number,
        coinbase="0x" + BLOCK.coinbase.hex(),
        timestamp=BLOCK.timestamp,
        prevrandao=BLOCK.prev_randao.to_bytes(32, "big"),
        basefee=0,
        gas_limit=BLOCK.gas_limit,
        excess_blob_gas=0,
    )
    evm = revm.EVM(
        env=revm.Env(cfg=revm.CfgEnv(chain_id=BLOCK.chain_id), block=block, tx=revm.TxEnv()),
        gas_limit=BLOCK.gas_limit,
        spec_id=fork.upper(),
    )
    for place, account in case.accounts.items():
        name = "0x" + place.hex()
        evm.insert_account_info(
            name, revm.AccountInfo(balance=account.balance, nonce=account.nonce, code=account.code or None)
        )
        for key, value in account.storage.items():
            evm.insert_account_storage(name, key, value)
    return evm


def ask_pyrevm(case: Case, asked: Outcome) -> Outcome:
    """What pyrevm makes of a case: a call with the intrinsic gas of a transaction, but without fee and nonce.

    It tells storage by key only: the keys asked for are those in `asked`, the case's own, and all that programs favour.
    It ends no transaction: what `asked` has as destroyed is still there, and left out.
    """
    evm, sent = _evm(case, case.fork), case.transaction
    output: bytes | None
    try:
        output = bytes(
            evm.message_call(
                caller="0x" + SENDER.hex(),
                to="0x" + (sent.to or b"").hex(),
                calldata=sent.data,
                value=sent.value,
                gas=sent.gas_limit,
                gas_price=GAS_PRICE,
            )
        )
    except RuntimeError as error:
        told = OUTPUT.search(str(error))
        output = bytes.fromhex(told.group(1)) if told else b""
    result = evm.result
    status = "success" if result.is_success else "halt" if result.is_halt else "revert"
    logs = tuple(
        [
            Log(
                bytes.fromhex(log.address[2:]),
                tuple([bytes.fromhex(topic[2:]) for topic in log.topics]),
                bytes(log.data[1]),
            )
            for log in result.logs
        ]
    )
    places = {*case.accounts, *asked.accounts, *(bytes.fromhex(name[2:]) for name in evm.journal_state)}
    accounts = {}
    for place in places - {*asked.destroyed}:
        name = "0x" + place.hex()
        info = evm.basic(name)
        code = _code_of(evm, place)
        if not (info.nonce or info.balance or code):
            continue
        keys = {*ASKED_KEYS} if code else set()
        for known in (case.accounts.get(place), asked.accounts.get(place)):
            keys.update(known.storage if known else ())
        storage = {key: value for key in keys if (value := evm.storage(name, key))}
        accounts[place] = Account(info.nonce, info.balance, code, storage)
    return Outcome(status, result.gas_used, output, logs, accounts)


def _code_of(evm: Any, place: bytes) -> bytes:
    """An account's code, without the zeros that revm puts after it: by its hash, as their number varies."""
    name = "0x" + place.hex()
    padded = bytes(evm.get_code(name) or b"")
    wanted = bytes(evm.basic(name).code_hash)
    for size in range(len(padded), -1, -1):
        if keccak256(padded[:size]) == wanted:
            return padded[:size]
        if size and padded[size - 1]:
            break
    raise AssertionError(f"no part of the code of {name} has its hash")


def pyrevm_knows(fork: str) -> bool:
    """Whether the installed pyrevm has a fork's rules: it takes any name, but may go no further than Cancun."""
    program = {"Cancun": "5f5f5f5e00", "Prague": "00", "Osaka": "60011e00"}[fork]  # MCOPY; the calldata floor; CLZ
    sent = Transaction(gas_limit=100_000, to=CONTRACTS[0], data=b"\x01" * 100)
    accounts = {SENDER: Account(0, 10**20, b"", {}), CONTRACTS[0]: Account(1, 0, bytes.fromhex(program), {})}
    told = ask_pyrevm(Case("probe", fork, sent, accounts), Outcome("", 0, b"", (), {}))
    floor = floor_gas(sent, fork_named(fork))
    return told.status == "success" and told.gas_used >= floor


def call_as_pyrevm_does(engine: Engine, case: Case) -> Outcome:
    """What evmthread makes of a case, in the way of pyrevm's message_call."""
    view, fork = view_of(case), fork_named(case.fork)
    # pyrevm's calls see a base fee of zero, whatever the block says.
    world = engine.world(fork=fork, environment=replace(BLOCK, base_fee=0), view=view)
    for place, account in case.accounts.items():
        if account.storage:
            # pyrevm's insert_account_storage leaves the account warm (and from the second slot on the slots, too).
            world._host.warm_account(place)
    sent, intrinsic = case.transaction, intrinsic_gas(case.transaction, fork)
    result = world.call(
        sent.to or b"",
        sent.data,
        sender=SENDER,
        value=sent.value,
        gas=sent.gas_limit - intrinsic,
        gas_price=GAS_PRICE,
    )
    destroyed = world._host.destroyed()
    used = intrinsic + result.gas_used
    used = max(used - min(result.refund, used // REFUND_QUOTIENT), floor_gas(sent, fork))
    return Outcome(result.status.value, used, result.output, result.logs, accounts_of(world, view), destroyed)


# EELS -----------------------------------------------------------------------------------------------------------------
class Eels:
    """The execution specifications under a Python of their own; one JSON object a line each way."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, case: Case) -> Outcome | None:
        """What EELS makes of the case's transaction; None where it has nothing to say, as it overflows itself."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        question = {
            "fork": case.fork,
            "transaction": case.transaction.signed(KEY).encode().hex(),
            "block": {
                "number": BLOCK.number,
                "timestamp": BLOCK.timestamp,
                "coinbase": BLOCK.coinbase.hex(),
                "gas_limit": BLOCK.gas_limit,
                "base_fee": BLOCK.base_fee,
                "difficulty": BLOCK.difficulty,
                "prev_randao": BLOCK.prev_randao.to_bytes(32, "big").hex(),
                "chain_id": BLOCK.chain_id,
            },
            "block_hashes": [block_hash(number).hex() for number in range(BLOCK.number - 256, BLOCK.number)],
            "accounts": {
                place.hex(): {
                    "nonce": account.nonce,
                    "balance": account.balance,
                    "code": account.code.hex(),
                    "storage": {str(key): value for key, value in account.storage.items()},
                }
                for place, account in case.accounts.items()
            },
        }
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"{case.name}: EELS has ended, with status {self._process.wait()}")
        answer = json.loads(line)
        if "silent" in answer:
            return None
        if "error" in answer:
            raise AssertionError(f"{case.name}: EELS failed: {answer['error']}")
        return Outcome(
            answer["status"],
            answer["gas_used"],
            bytes.fromhex(answer["output"]),
            tuple(
                [
                    Log(bytes.fromhex(place), tuple([bytes.fromhex(topic) for topic in topics]), bytes.fromhex(data))
                    for place, topics, data in answer["logs"]
                ]
            ),
            {
                bytes.fromhex(place): Account(
                    account["nonce"],
                    account["balance"],
                    bytes.fromhex(account["code"]),
                    {int(key): value for key, value in account["storage"].items()},
                )
                for place, account in answer["accounts"].items()
            },
        )


@contextmanager
def eels() -> Iterator[Eels]:
    """EELS, running. Its Python is named by EVMTHREAD_EELS_PYTHON."""
    python = os.environ.get(EELS_VARIABLE)
    if not python:
        missing(f"no EELS: set {EELS_VARIABLE} to a Python that has ethereum-execution")
    driver = Path(__file__).with_name("eels_driver.py")
    with subprocess.Popen([python, str(driver)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Eels(process)
        finally:
            process.kill()


def apply_transaction(engine: Engine, case: Case) -> Outcome:
    """What evmthread makes of the case's transaction."""
    view: MemoryState = view_of(case)
    world: World = engine.world(fork=fork_named(case.fork), environment=BLOCK, view=view)
    try:
        done = world.apply(case.transaction.signed(KEY))
    except InvalidTransaction:
        return Outcome("refused", 0, b"", (), accounts_of(world, view))
    return Outcome(done.result.status.value, done.gas_used, done.result.output, done.logs, accounts_of(world, view))
