"""Hostile bytecode, transactions and requests: an answer or a typed error, in bounded memory, whatever comes.

A short budget here, with a seed of Hypothesis's own each time (it prints the example that failed); a long one with
`pytest -m slow`. Fixtures are fuzzed in tests/commands/test_statetest.py.
"""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.errors import LimitExceeded
from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.invalid import InvalidTransaction
from evmthread.execution.result import CallResult
from evmthread.execution.transaction import Transaction, decode_transaction
from evmthread.execution.world import World
from evmthread.isa.forks import FRONTIER, HISTORY, OSAKA, Fork
from evmthread.isa.halts import Status
from evmthread.isa.instructions.creates import create_address
from tests.assembler import assemble
from tests.conftest import Engine
from tests.hostile_programs import CALLER, CONTRACT, PROGRAMS

CODE_LIMIT, INIT_CODE_LIMIT = 24_576, 49_152  # EIP-170, EIP-3860
MAX = 2**256 - 1
KEY = bytes(31) + b"\x01"
MEMORY = 1200  # megabytes of address space; the interpreter itself has some 100 of them
SECONDS = 60  # far more than any of these takes

# Bytes that do something more often than chance has it.
LIKELY = bytes.fromhex("5b60617f5f5253515657809050f1f0f5fa2037393e5e55545c5da0f3fdff0a0904")
LIKELY_BYTES = st.lists(st.sampled_from(LIKELY), min_size=1, max_size=300).map(bytes)


def filled(part: bytes, size: int) -> bytes:
    """The part over and over."""
    return (part * (size // len(part) + 1))[:size]


SIZES = st.integers(0, CODE_LIMIT)
BYTECODE = st.one_of(
    st.binary(max_size=300),
    LIKELY_BYTES,
    st.builds(filled, st.binary(min_size=1, max_size=12), SIZES),
    st.builds(filled, LIKELY_BYTES, SIZES),
)
FORKS = st.sampled_from(HISTORY)


def check(result: CallResult, gas: int) -> None:
    """What is true of every result."""
    assert 0 <= result.gas_left <= gas
    assert result.gas_used + result.gas_left == gas
    assert (result.status is Status.HALT) == (result.halt_reason is not None)
    assert result.status is not Status.HALT or result.gas_left == 0
    assert (result.reason is None) == result.success
    assert result.success or result.logs == ()


def run_code(engine: Engine, fork: Fork, code: bytes, data: bytes, gas: int) -> None:
    world = engine.world(fork=fork)
    world.set_code(CONTRACT, code)
    world.set_balance(CONTRACT, 10**18)
    with world.isolated():
        check(world.call(CONTRACT, data, sender=CALLER, gas=gas), gas)
    assert not world.changes().accounts.keys() - {CONTRACT}


@settings(max_examples=200)
@given(code=BYTECODE, data=st.binary(max_size=200), gas=st.integers(0, 200_000), fork=FORKS)
def test_any_bytecode_has_a_result(engine: Engine, code: bytes, data: bytes, gas: int, fork: Fork) -> None:
    run_code(engine, fork, code, data, gas)


@pytest.mark.slow
@settings(max_examples=20_000)
@given(code=BYTECODE, data=st.binary(max_size=2_000), gas=st.integers(0, 2_000_000), fork=FORKS)
def test_any_bytecode_has_a_result_in_the_long_run(
    engine: Engine, code: bytes, data: bytes, gas: int, fork: Fork
) -> None:
    run_code(engine, fork, code, data, gas)


@settings(max_examples=100)
@given(
    code=BYTECODE | st.binary(min_size=1, max_size=8).map(lambda part: part * (INIT_CODE_LIMIT // len(part))),
    fork=FORKS,
)
def test_any_init_code_has_a_result(engine: Engine, code: bytes, fork: Fork) -> None:
    world = engine.world(fork=fork)
    world.set_balance(CALLER, 10**18)
    result = world.create(code, sender=CALLER, value=1, gas=300_000)
    check(result, 300_000)
    created = create_address(CALLER, 0)
    assert result.success or world.code(created) == b""
    assert not result.success or world.balance(created) <= 1 or fork is FRONTIER


EDGES = (0, 1, 31, 32, 2**16, 2**31, 2**32, 2**63, 2**64 - 1, 2**64, 2**128, 2**255, MAX - 31, MAX - 1, MAX)


@pytest.mark.parametrize("opcode", [code for code in range(256) if OSAKA.table[code] is not None])
def test_every_opcode_takes_any_word(opcode: int, engine: Engine) -> None:
    instruction = OSAKA.table[opcode]
    assert instruction is not None
    world = engine.world(fork=OSAKA)
    world.set_balance(CONTRACT, 10**18)
    for place in range(max(1, min(instruction.pops, 7))):
        for edge in EDGES:
            for others in (0, 1, MAX):
                words = [others] * instruction.pops
                if words:
                    words[min(place, instruction.pops - 1)] = edge
                # Twice, so that memory, warm places and return data are there the second time.
                once = b"".join([b"\x7f" + word.to_bytes(32, "big") for word in words]) + bytes((opcode,))
                with world.isolated():
                    world.set_code(CONTRACT, once * 2)
                    check(world.call(CONTRACT, b"\x01" * 40, sender=CALLER, gas=200_000), 200_000)


@contextmanager
def little_recursion() -> Iterator[None]:
    """Python's own stack may grow by next to nothing."""
    depth = len(inspect.stack(0))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 60)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def test_calls_are_1024_deep_whatever_pythons_stack(engine: Engine) -> None:
    world = engine.world(fork=FRONTIER)  # no 63/64 rule
    world.set_code(CONTRACT, assemble("PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 ADDRESS PUSH1 200 GAS SUB CALL"))
    world.call(CONTRACT, gas=10**4)  # whatever is imported lazily is here now
    with little_recursion():
        result = world.call(CONTRACT, sender=CALLER, gas=10**7)
        deepest, depth = result, 0
        while deepest.children:
            (deepest,) = deepest.children
            depth += 1
    assert result.success
    assert depth == 1024
    assert deepest.message.depth == 1024


@pytest.mark.parametrize("name", PROGRAMS)
def test_memory_stays_bounded(name: str) -> None:
    gas = 2**63 - 1 if "byte" in name else 10_000_000
    command = [sys.executable, "-m", "tests.hostile_programs", str(MEMORY), str(gas), name]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    ending, megabytes = done.stdout.split()
    assert ending in ("success", "revert", "halt", "LimitExceeded")
    assert int(megabytes) < MEMORY


def test_a_limit_of_memory_is_a_typed_error_and_leaves_no_trace() -> None:
    world = World(fork=OSAKA)
    world.set_code(CONTRACT, assemble("PUSH1 1 PUSH1 0 SSTORE PUSH1 1 PUSH5 0xffffffffff MSTORE"))
    before = world.changes()
    with pytest.raises(LimitExceeded):
        world.call(CONTRACT, gas=2**63 - 1)
    assert world.changes() == before


RULES = OSAKA.transactions
BLOCK = BlockEnvironment(gas_limit=2**24)


def apply_bytes(raw: bytes) -> bool:
    """Whether signed bytes are a transaction that can be run. Raises nothing but what a user must expect."""
    world = World(fork=OSAKA, environment=BLOCK)
    try:
        transaction = decode_transaction(raw, RULES)
        assert transaction.encode() == raw
        world.set_balance(transaction.sender(RULES, 1), 2**200)
        world.apply(transaction)
    except InvalidTransaction:
        return False
    return True


@given(
    st.binary(max_size=200)
    | st.builds(lambda kind, rest: bytes([kind]) + rest, st.integers(0, 5), st.binary(max_size=200))
)
def test_any_bytes_are_a_transaction_or_refused(raw: bytes) -> None:
    apply_bytes(raw)


def valid_transactions() -> Iterator[bytes]:
    """Signed transactions of the types without contracts of their own."""
    target = b"\x11" * 20
    for fields in (
        {"type": 0, "gas_price": 1},
        {"type": 0, "gas_price": 1, "chain_id": 1},
        {"type": 1, "gas_price": 1, "chain_id": 1},
        {"type": 2, "max_fee": 1, "chain_id": 1},
        {"type": 3, "max_fee": 1, "max_blob_fee": 1, "blob_hashes": (b"\x01" * 32,), "chain_id": 1},
    ):
        yield Transaction(to=target, gas_limit=50_000, data=b"\x01\x02", **fields).signed(KEY).encode()


VALID = list(valid_transactions())


def test_the_transactions_that_are_changed_are_valid() -> None:
    assert all(apply_bytes(raw) for raw in VALID)


@settings(max_examples=300)
@given(raw=st.sampled_from(VALID), data=st.data())
def test_any_change_of_a_transaction_is_one_or_refused(raw: bytes, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw)))
        raw = raw[:place] + data.draw(st.binary(max_size=3)) + raw[place + data.draw(st.integers(0, 3)) :]
    apply_bytes(raw)


NUMBERS = st.integers(0, 2**300) | st.sampled_from([0, 1, 30_000, 2**64 - 1, 2**64, 2**256 - 1, 2**256])


@settings(max_examples=100)
@given(
    numbers=st.lists(NUMBERS, min_size=7, max_size=7),
    kind=st.integers(0, 6),
    to=st.none() | st.binary(min_size=20, max_size=20),
    data=st.binary(max_size=40),
)
def test_any_fields_are_a_transaction_or_refused(numbers: list[int], kind: int, to: bytes | None, data: bytes) -> None:
    nonce, price, fee, tip, gas, value, blob_fee = numbers
    world = World(fork=OSAKA, environment=BLOCK)
    world.set_balance(CALLER, MAX)
    transaction = Transaction(kind, 1, nonce, price, fee, tip, gas, to, value, data, max_blob_fee=blob_fee)
    before = world.changes()
    try:
        world.apply(transaction, sender=CALLER)
    except InvalidTransaction:
        assert world.changes() == before
    else:
        assert world.nonce(CALLER) == 1
