from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from evmthread.errors import InvalidInput, LimitExceeded, Missing
from evmthread.execution.environment import BLOB_GAS, BlockEnvironment
from evmthread.execution.transaction import AccessEntry, Authorization, Transaction
from evmthread.execution.world import World
from evmthread.isa.forks import BERLIN, CANCUN, FRONTIER, LONDON, PRAGUE, SHANGHAI, SPURIOUS_DRAGON
from evmthread.isa.halts import HaltReason, Status
from evmthread.isa.instructions.creates import create_address
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.secp256k1 import private_key_address, sign_digest
from evmthread.primitives.types import Address
from evmthread.state.memory import MemoryState
from evmthread.state.view import Account
from tests.conftest import Engine
from tests.isa.instructions.test_creates import creation
from tests.sandbox import (
    BLOCK,
    COINBASE,
    CONTRACT,
    OTHER,
    RETURN_TOP,
    RICH,
    SENDER,
    THIRD,
    code_of,
    push,
    return_bytes,
    state,
    world_of,
)

COUNTER = f"PUSH 0 SLOAD PUSH 1 ADD DUP1 PUSH 0 SSTORE{RETURN_TOP}"
KEY = bytes(31) + b"\x07"


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


# State reads and setters ----------------------------------------------------------------------------------------------
def test_reads_and_setters(engine: Engine) -> None:
    world = engine.world()
    assert (world.account(OTHER), world.balance(OTHER), world.nonce(OTHER)) == (None, 0, 0)
    assert (world.code(OTHER), world.storage(OTHER, 1)) == (b"", 0)
    world.set_balance(OTHER, 2**256 - 1)
    world.set_nonce(OTHER, 2**64 - 1)
    world.set_code(OTHER, b"\x60")
    world.set_storage(OTHER, 2**256 - 1, 9)
    assert world.account(OTHER) == Account(2**64 - 1, 2**256 - 1, keccak256(b"\x60"))
    assert (world.code(OTHER), world.storage(OTHER, 2**256 - 1)) == (b"\x60", 9)
    world.set_storage(OTHER, 2**256 - 1, 0)
    assert world.storage(OTHER, 2**256 - 1) == 0


def test_an_account_made_by_a_slot_alone_stays(engine: Engine) -> None:
    """Setting state isn't touching it: EIP-161 doesn't take it away."""
    world = engine.world()
    world.set_storage(OTHER, 1, 2)
    world.begin_transaction()
    assert (world.account(OTHER), world.storage(OTHER, 1)) == (Account(), 2)


WRONG: list[Callable[[World], object]] = [
    lambda world: world.account(bytes(19)),
    lambda world: world.balance(b""),
    lambda world: world.nonce(bytes(21)),
    lambda world: world.code(bytes(32)),
    lambda world: world.storage(bytes(19), 0),
    lambda world: world.storage(OTHER, -1),
    lambda world: world.storage(OTHER, 2**256),
    lambda world: world.set_balance(bytes(19), 1),
    lambda world: world.set_balance(OTHER, -1),
    lambda world: world.set_balance(OTHER, 2**256),
    lambda world: world.set_nonce(OTHER, 2**64),
    lambda world: world.set_nonce(OTHER, -1),
    lambda world: world.set_code(bytes(19), b""),
    lambda world: world.set_storage(bytes(19), 0, 0),
    lambda world: world.set_storage(OTHER, -1, 0),
    lambda world: world.set_storage(OTHER, 2**256, 0),
    lambda world: world.set_storage(OTHER, 0, 2**256),
    lambda world: world.call(bytes(19)),
    lambda world: world.call(OTHER, sender=bytes(19)),
    lambda world: world.call(OTHER, origin=bytes(21)),
    lambda world: world.call(OTHER, value=-1),
    lambda world: world.call(OTHER, value=2**256),
    lambda world: world.call(OTHER, gas=-1),
    lambda world: world.call(OTHER, gas_price=-1),
    lambda world: world.call(OTHER, gas_price=2**256),
    lambda world: world.call(OTHER, start_pc=-1),
    lambda world: world.call(OTHER, static=True, value=1),
    lambda world: world.create(b"", sender=bytes(19)),
    lambda world: world.create(b"", address=bytes(19)),
    lambda world: world.create(b"", value=-1),
    lambda world: world.create(b"", value=2**256),
    lambda world: world.create(b"", gas=-1),
    lambda world: world.create(b"", origin=b""),
    lambda world: world.with_limits(code_sise=1),
    # Other types: a float or a number of bytes would become part of the state, a text would fail far inside.
    lambda world: world.set_balance(OTHER, 10**18 / 1),  # type: ignore[arg-type]
    lambda world: world.set_balance(OTHER, "1"),  # type: ignore[arg-type]
    lambda world: world.set_balance("0x" + OTHER.hex(), 1),  # type: ignore[arg-type]
    lambda world: world.set_balance("a" * 20, 1),  # type: ignore[arg-type]
    lambda world: world.set_nonce(OTHER, 1.0),  # type: ignore[arg-type]
    lambda world: world.set_storage(OTHER, 1.0, 1),  # type: ignore[arg-type]
    lambda world: world.set_storage(OTHER, 1, 1.0),  # type: ignore[arg-type]
    lambda world: world.set_storage(OTHER, bytes(32), 1),  # type: ignore[arg-type]
    lambda world: world.set_storage(OTHER, 1, True),
    lambda world: world.set_code(OTHER, 5),  # type: ignore[arg-type]
    lambda world: world.set_code(OTHER, "6001"),  # type: ignore[arg-type]
    lambda world: world.balance(bytearray(OTHER)),  # type: ignore[arg-type]
    lambda world: world.balance(None),  # type: ignore[arg-type]
    lambda world: world.storage(OTHER, None),  # type: ignore[arg-type]
    lambda world: world.call(bytearray(OTHER)),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, 3),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, "0x1234"),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, code=5),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, sender=None),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, value=1.5),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, gas=1e6),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, gas_price=1.5),  # type: ignore[arg-type]
    lambda world: world.create(3),  # type: ignore[arg-type]
    lambda world: world.create(b"", address=bytearray(20)),  # type: ignore[arg-type]
    lambda world: world.apply(None),  # type: ignore[arg-type]
    lambda world: world.apply(Transaction(to=OTHER), sender=bytes(4)),
    lambda world: world.apply(Transaction(to=OTHER), sender="a" * 20),  # type: ignore[arg-type]
    lambda world: world.rollback(5),  # type: ignore[arg-type]
    lambda world: world.rollback(World().mark()),
    lambda world: setattr(world, "environment", {}),
    lambda world: World(fork="Cancun"),  # type: ignore[arg-type]
    lambda world: World(environment={}),  # type: ignore[arg-type]
    lambda world: World(view="memory:"),  # type: ignore[arg-type]
    lambda world: World(view={}),  # type: ignore[arg-type]
    lambda world: World(threshold=-1),
]


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_arguments_of_the_wrong_form_are_refused_and_nothing_happens(
    engine: Engine, wrong: Callable[[World], object]
) -> None:
    world = world_of(engine, {})
    with pytest.raises(InvalidInput):
        wrong(world)
    assert not world.changes()


def test_what_holds_bytes_is_taken_and_kept_as_bytes(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: COUNTER})
    for made in (bytes, bytearray, memoryview):
        assert world.call(Address(CONTRACT), made(b"12")).message.data == b"12"  # type: ignore[operator]
        assert type(world.call(OTHER, code=made(b"\0")).code) is bytes  # type: ignore[operator]
    world.set_code(Address(OTHER), memoryview(b"\1"))
    assert world.code(OTHER) == b"\1"
    assert all(type(address) is bytes for address in world.changes().accounts)


def test_a_text_in_the_place_of_an_address_is_told() -> None:
    with pytest.raises(InvalidInput, match=r"20 bytes, not '0xaa'; Address\(text\) makes them of hex"):
        World().balance("0xaa")  # type: ignore[arg-type]


def test_an_unknown_engine() -> None:
    with pytest.raises(InvalidInput, match="no engine is called 'warp'"):
        World(engine="warp")


# Calls ----------------------------------------------------------------------------------------------------------------
def test_calls_keep_state_and_warmth_until_a_transaction_begins(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: COUNTER})
    first, second = world.call(CONTRACT), world.call(CONTRACT)
    assert [number(result.output) for result in (first, second)] == [1, 2]
    assert first.gas_used - second.gas_used == 2_000 + 20_000 - 100
    world.begin_transaction()
    third = world.call(CONTRACT)
    # Cold again, and for the first time in this transaction written.
    assert third.gas_used - second.gas_used == 2_000 + 2_900 - 100


def test_options_of_a_call(engine: Engine) -> None:
    see = "PUSH 0 MSTORE PUSH 32 PUSH 0 RETURN"
    world = world_of(engine, {CONTRACT: "INVALID"})
    assert number(world.call(CONTRACT, code=code_of(f"ADDRESS {see}", CANCUN)).output) == number(CONTRACT)
    assert number(world.call(CONTRACT, code=code_of(f"ORIGIN {see}", CANCUN), origin=THIRD).output) == number(THIRD)
    assert number(world.call(CONTRACT, code=code_of(f"ORIGIN {see}", CANCUN), sender=SENDER).output) == number(SENDER)
    assert number(world.call(CONTRACT, code=code_of(f"GASPRICE {see}", CANCUN), gas_price=77).output) == 77
    assert world.call(CONTRACT, code=code_of("INVALID STOP", CANCUN), start_pc=1).success
    assert world.call(CONTRACT, code=bytearray(b"\x00")).success
    assert world.call(CONTRACT, start_pc=10**9).success
    assert world.call(CONTRACT, code=code_of("PUSH 1 PUSH 0 SSTORE", CANCUN), static=True).halt_reason is (
        HaltReason.WRITE_PROTECTION
    )
    assert world.call(CONTRACT).halt_reason is HaltReason.INVALID_OPCODE


def test_calls_of_nobody_and_of_precompiles(engine: Engine) -> None:
    world = world_of(engine, {})
    assert (world.call(OTHER, b"data").success, world.call(OTHER).gas_used) == (True, 0)
    echo = world.call((4).to_bytes(20, "big"), b"echo")
    assert (echo.output, echo.gas_used) == (b"echo", 18)


def test_a_call_leaves_no_empty_accounts_in_the_root(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 4 GAS STATICCALL {push(OTHER)} BALANCE"})
    before = world.state_root()
    world.call(CONTRACT)
    world.call(THIRD)
    world.begin_transaction()
    assert world.state_root() == before


def test_selfdestruct_in_calls_happens_when_the_transaction_ends(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: f"{push(OTHER)} SELFDESTRUCT"}, fork=SHANGHAI, balances={CONTRACT: 5})
    assert world.call(CONTRACT).success
    assert world.code(CONTRACT) != b""
    world.begin_transaction()
    assert (world.account(CONTRACT), world.balance(OTHER)) == (None, 5)
    world.set_code(CONTRACT, b"\x00")
    world.begin_transaction()
    assert world.code(CONTRACT) == b"\x00"


def test_create(engine: Engine) -> None:
    world = world_of(engine, {})
    made = world.create(code_of(return_bytes(b"code"), CANCUN), sender=SENDER, value=5)
    address = create_address(SENDER, 0)
    assert (made.created, made.output, world.code(address), world.balance(address)) == (address, b"code", b"code", 5)
    assert (world.nonce(SENDER), world.nonce(address)) == (1, 1)
    elsewhere = world.create(code_of(return_bytes(b"code"), CANCUN), sender=SENDER, address=OTHER)
    assert (elsewhere.created, world.nonce(SENDER)) == (OTHER, 2)
    again = world.create(b"", sender=SENDER, address=OTHER)
    assert (again.halt_reason, again.created, world.nonce(SENDER)) == (HaltReason.CONTRACT_COLLISION, None, 3)
    failed = world.create(code_of("PUSH 0 PUSH 0 REVERT", CANCUN), sender=SENDER)
    assert (failed.created, failed.status, world.nonce(SENDER)) == (None, Status.REVERT, 4)
    assert world.account(create_address(SENDER, 3)) is None
    poor = world.create(b"", sender=OTHER, value=1)
    assert (poor.halt_reason, poor.gas_used) == (HaltReason.INSUFFICIENT_BALANCE, 0)


class OnceMissing(MemoryState):
    """Slots must be fetched first."""

    fetched = False

    def slot(self, address: bytes, key: int) -> int:
        if not self.fetched:
            raise Missing("slot", (address, key))
        return super().slot(address, key)


@pytest.mark.parametrize("act", ["call", "create", "apply"])
def test_what_must_wait_has_not_begun(engine: Engine, act: str) -> None:
    """Nonce, warmth, logs and state are as before; asked again, all is as if it had been there at once."""
    program = code_of("PUSH 0 PUSH 0 LOG0 PUSH 1 PUSH 1 SSTORE PUSH 2 SLOAD PUSH 0 SSTORE", CANCUN)

    def begin(fetched: bool) -> World:
        view = OnceMissing()
        view.fetched = fetched
        view.set_account(SENDER, balance=RICH)
        view.set_account(CONTRACT, nonce=1, code=program, storage={2: 6})
        return engine.world(environment=BLOCK, view=view)

    def do(world: World) -> tuple[object, ...]:
        if act == "call":
            result = world.call(CONTRACT, sender=SENDER, value=3)
        elif act == "create":
            calls = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(CONTRACT)} GAS CALL"
            result = world.create(code_of(calls, CANCUN), sender=SENDER, value=3)
        else:
            done = world.apply(Transaction(gas_price=9, gas_limit=200_000, to=CONTRACT, value=3), sender=SENDER)
            return done.gas_used, done.logs, world.state_root()
        return result.gas_used, result.logs, result.message.address, world.state_root()

    waiting, plain = begin(fetched=False), begin(fetched=True)
    untouched = waiting.state_root()
    for _ in range(2):
        with pytest.raises(Missing):
            do(waiting)
        assert (waiting.nonce(SENDER), waiting.logs, waiting.state_root()) == (0, (), untouched)
    waiting.view.fetched = True  # type: ignore[attr-defined]
    assert do(waiting) == do(plain)


class NoAccount(MemoryState):
    """One account must be fetched first."""

    wanted = b""

    def account(self, address: bytes) -> Account | None:
        if address == self.wanted:
            raise Missing("account", (address,))
        return super().account(address)


def test_a_creation_that_must_wait_keeps_the_nonce(engine: Engine) -> None:
    view = NoAccount()
    view.set_account(SENDER, balance=RICH)
    view.wanted = create_address(SENDER, 0)
    world = engine.world(view=view)
    for _ in range(3):
        with pytest.raises(Missing):
            world.create(b"", sender=SENDER)
        assert world.nonce(SENDER) == 0
    view.wanted = b""
    assert world.create(b"", sender=SENDER).created == create_address(SENDER, 0)


# Marks ----------------------------------------------------------------------------------------------------------------
def test_marks_nest_hold_across_transactions_and_cover_the_environment(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: COUNTER})
    outer = world.mark()
    world.call(CONTRACT)
    inner = world.mark()
    world.environment = replace(BLOCK, number=2_000)
    world.apply(Transaction(gas_price=9, gas_limit=100_000, to=CONTRACT), sender=SENDER)
    world.begin_transaction()
    world.call(CONTRACT)
    assert world.storage(CONTRACT, 0) == 3
    world.rollback(inner)
    assert (world.storage(CONTRACT, 0), world.environment, world.nonce(SENDER)) == (1, BLOCK, 0)
    world.call(CONTRACT)
    world.rollback(inner)
    assert world.storage(CONTRACT, 0) == 1
    world.rollback(outer)
    assert world.storage(CONTRACT, 0) == 0
    with pytest.raises(InvalidInput, match="mark is void"):
        world.rollback(inner)


def test_a_rollback_brings_warmth_transient_storage_logs_and_refund_back(engine: Engine) -> None:
    text = f"PUSH 1 TLOAD PUSH 1 ADD DUP1 PUSH 1 TSTORE PUSH 0 PUSH 0 LOG0 PUSH 0 PUSH 7 SSTORE{RETURN_TOP}"
    world = world_of(engine, {CONTRACT: text}, storage={CONTRACT: {7: 1}})
    first = world.call(CONTRACT)
    mark = world.mark()
    second = world.call(CONTRACT)
    world.begin_transaction()
    assert world.logs == ()
    world.rollback(mark)
    again = world.call(CONTRACT)
    assert (again.output, again.gas_used, again.refund) == (second.output, second.gas_used, second.refund)
    assert (first.refund, second.refund, number(second.output)) == (4_800, 0, 2)
    assert len(world.logs) == 2


def test_isolated(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: COUNTER})
    before = world.state_root()
    with world.isolated() as same:
        assert same is world
        world.call(CONTRACT)
        world.environment = replace(BLOCK, number=5)
        with world.isolated():
            world.call(CONTRACT)
            assert world.storage(CONTRACT, 0) == 2
        assert world.storage(CONTRACT, 0) == 1
    assert (world.state_root(), world.environment) == (before, BLOCK)

    def fail() -> None:
        with world.isolated():
            world.call(CONTRACT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert world.state_root() == before


def test_isolated_work_leaves_nothing_behind_that_grows(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: COUNTER})
    for _ in range(5):
        with world.isolated():
            world.call(CONTRACT)
    world.call(CONTRACT)
    world.begin_transaction()
    assert len(world._host._undo) < 10
    outer = world.mark()
    with world.isolated():
        world.call(CONTRACT)
    world.call(CONTRACT)
    world.begin_transaction()
    world.rollback(outer)
    assert world.storage(CONTRACT, 0) == 1


# Settling, roots ------------------------------------------------------------------------------------------------------
def trie_root(accounts: dict[bytes, tuple[int, int, bytes, dict[int, int]]]) -> bytes:
    """The state root as the `trie` package makes it."""
    outer = HexaryTrie({})
    for address, (nonce, balance, code, storage) in accounts.items():
        inner = HexaryTrie({})
        for key, value in storage.items():
            if value:
                inner[keccak256(key.to_bytes(32, "big"))] = rlp.encode(value)
        outer[keccak256(address)] = rlp.encode([nonce, balance, inner.root_hash, keccak256(code)])
    return bytes(outer.root_hash)


small_accounts = st.dictionaries(
    st.integers(1, 2**160 - 1).map(lambda value: value.to_bytes(20, "big")),
    st.tuples(
        st.integers(0, 300),
        st.integers(0, 2**256 - 1),
        st.binary(max_size=5),
        st.dictionaries(st.integers(0, 5) | st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1), max_size=4),
    ),
    max_size=5,
)


@settings(max_examples=50)
@given(before=small_accounts, after=small_accounts)
def test_state_root_is_that_of_the_trie_package(
    engine: Engine,
    before: dict[bytes, tuple[int, int, bytes, dict[int, int]]],
    after: dict[bytes, tuple[int, int, bytes, dict[int, int]]],
) -> None:
    view = MemoryState()
    for address, (nonce, balance, code, storage) in before.items():
        view.set_account(address, nonce=nonce, balance=balance, code=code, storage=storage)
    world = engine.world(view=view)
    assert world.state_root() == trie_root(before)
    expected = dict(before)
    for address, (nonce, balance, code, storage) in after.items():
        world.set_nonce(address, nonce)
        world.set_balance(address, balance)
        world.set_code(address, code)
        for key, value in storage.items():
            world.set_storage(address, key, value)
        expected[address] = (nonce, balance, code, {**before.get(address, (0, 0, b"", {}))[3], **storage})
    assert world.state_root() == trie_root(expected)
    world.settle()
    assert world.state_root() == view.roots().root() == trie_root(expected)
    assert not world.changes()


def test_settle(engine: Engine) -> None:
    view = state({CONTRACT: COUNTER}, storage={CONTRACT: {0: 5}})
    world = engine.world(environment=BLOCK, view=view)
    mark = world.mark()
    world.call(CONTRACT, sender=SENDER, value=2)
    world.call(THIRD)
    changes = world.settle()
    assert set(changes.accounts) == {CONTRACT, SENDER}
    assert dict(changes.accounts[CONTRACT].slots) == {0: (5, 6)}
    assert (view.slot(CONTRACT, 0), view.account(THIRD)) == (6, None)
    assert not world.changes()
    assert world.call(CONTRACT).output == (7).to_bytes(32, "big")
    assert view.slot(CONTRACT, 0) == 6
    with pytest.raises(InvalidInput, match="mark is void"):
        world.rollback(mark)


def test_settling_what_is_known(engine: Engine) -> None:
    roots = []
    for tells in (False, True):
        view = state({CONTRACT: COUNTER}, storage={CONTRACT: {0: 5}})
        world = engine.world(environment=BLOCK, view=view)
        for _ in range(2):
            world.call(CONTRACT, sender=SENDER, value=2)
            world.begin_transaction()
            changes = world.changes()
            assert world.settle(changes if tells else None).accounts == changes.accounts
            assert not world.changes()
        assert view.slot(CONTRACT, 0) == 7
        roots.append(view.roots().root())
    assert roots[0] == roots[1]


def test_settling_a_deleted_and_recreated_contract(engine: Engine) -> None:
    view = state({CONTRACT: f"{push(OTHER)} SELFDESTRUCT"}, fork=SHANGHAI, storage={CONTRACT: {1: 1, 2: 2}})
    world = engine.world(fork=SHANGHAI, environment=BLOCK, view=view)
    world.call(CONTRACT)
    world.begin_transaction()
    init = f"PUSH 9 PUSH 3 SSTORE {creation('STOP')}"
    assert world.create(code_of(init, SHANGHAI), sender=SENDER, address=CONTRACT).success
    assert [world.storage(CONTRACT, key) for key in (1, 2, 3)] == [0, 0, 9]
    expected = world.state_root()
    world.settle()
    assert view.storage(CONTRACT) == {3: 9}
    assert view.roots().root() == expected


class ReadOnly:
    """Four reads and nothing else."""

    def account(self, address: bytes) -> Account | None:
        return Account(0, 7)

    def code(self, code_hash: bytes) -> bytes:
        return b""

    def slot(self, address: bytes, key: int) -> int:
        return key + 1

    def block_hash(self, number: int) -> bytes:
        return bytes(32)


def test_a_view_of_four_reads_is_enough_to_run_on(engine: Engine) -> None:
    world = engine.world(view=ReadOnly())
    result = world.call(CONTRACT, code=code_of(f"PUSH 4 SLOAD ADDRESS BALANCE MUL{RETURN_TOP}", CANCUN))
    assert number(result.output) == 35
    with pytest.raises(InvalidInput, match="no apply"):
        world.settle()
    with pytest.raises(InvalidInput, match="no Merkle tries"):
        world.state_root()


def test_two_worlds_with_two_forks_share_nothing_but_the_cache(engine: Engine) -> None:
    old = world_of(engine, {CONTRACT: COUNTER}, fork=BERLIN)
    new = engine.world(fork=PRAGUE, environment=BLOCK, view=state({CONTRACT: COUNTER}), cache=old.cache)
    assert number(old.call(CONTRACT).output) == number(new.call(CONTRACT).output) == 1
    assert not old.call(CONTRACT, code=b"\x5f").success
    assert new.call(CONTRACT, code=b"\x5f").success


# Limits and forks -----------------------------------------------------------------------------------------------------
def test_with_limits(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: creation("PUSH 100 PUSH 0 RETURN")})
    shared = world.fork
    world.with_limits(code_size=99)
    assert world.call(CONTRACT).children[0].halt_reason is HaltReason.CODE_TOO_LARGE
    world.with_limits(code_size=100)
    assert world.call(CONTRACT).children[0].success
    world.with_limits(memory_bytes=64)
    with pytest.raises(LimitExceeded):
        world.call(CONTRACT, code=code_of("PUSH 64 MLOAD", CANCUN))
    assert (shared is CANCUN, CANCUN.limits.code_size, world.fork.name) == (True, 24_576, "Cancun")


def test_a_world_moves_on_to_the_next_fork(engine: Engine) -> None:
    """Warm precompiles, too, are the new fork's."""
    world = world_of(engine, {CONTRACT: f"PUSH 0x0b BALANCE{RETURN_TOP}"})
    cold = world.call(CONTRACT).gas_used
    world.fork = PRAGUE
    world.begin_transaction()
    assert cold - world.call(CONTRACT).gas_used == 2_500


# Transactions ---------------------------------------------------------------------------------------------------------
def test_a_transaction_pays_for_itself(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: COUNTER}, fork=LONDON)
    before = world.balance(SENDER)
    fees = {"type": 2, "chain_id": BLOCK.chain_id, "max_fee": 100, "max_priority_fee": 4}
    done = world.apply(Transaction(**fees, gas_limit=100_000, to=CONTRACT, value=9), sender=SENDER)
    assert (done.success, done.gas_price, done.gas_used) == (True, 11, 21_000 + done.result.gas_used)
    assert world.balance(SENDER) == before - 9 - done.gas_used * 11
    assert (world.balance(COINBASE), world.balance(CONTRACT), world.nonce(SENDER)) == (done.gas_used * 4, 9, 1)


def test_before_london_the_coinbase_gets_the_whole_price(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: COUNTER}, fork=BERLIN)
    done = world.apply(Transaction(gas_price=5, gas_limit=100_000, to=CONTRACT), sender=SENDER)
    assert world.balance(COINBASE) == done.gas_used * 5


def test_failed_transactions_are_paid_and_counted(engine: Engine) -> None:
    for code, used in (("INVALID", 100_000), ("PUSH 0 PUSH 0 REVERT", 21_006)):
        world = world_of(engine, {CONTRACT: f"PUSH 0 PUSH 0 LOG0 {code}" if code == "INVALID" else code})
        done = world.apply(Transaction(gas_price=10, gas_limit=100_000, to=CONTRACT, value=5), sender=SENDER)
        assert (done.success, done.gas_used, done.logs, done.gas_refunded) == (False, used, (), 0)
        assert (world.balance(SENDER), world.nonce(SENDER)) == (RICH - used * 10, 1)


@pytest.mark.parametrize(("fork", "quotient", "refund"), [(BERLIN, 2, 15_000), (LONDON, 5, 4_800)])
def test_refunds_are_bounded(engine: Engine, fork: Any, quotient: int, refund: int) -> None:
    clears = " ".join(f"PUSH 0 PUSH {key} SSTORE" for key in range(20))
    world = world_of(engine, {CONTRACT: clears}, fork=fork, storage={CONTRACT: dict.fromkeys(range(20), 1)})
    done = world.apply(Transaction(gas_price=10, gas_limit=1_000_000, to=CONTRACT), sender=SENDER)
    spent = 21_000 + done.result.gas_used
    assert done.gas_refunded == min(spent // quotient, 20 * refund)
    assert done.gas_used == spent - done.gas_refunded


def test_the_floor_of_calldata_bounds_what_is_given_back(engine: Engine) -> None:
    """EIP-7623."""
    clear = world_of(engine, {CONTRACT: "PUSH 0 PUSH 0 SSTORE"}, fork=PRAGUE, storage={CONTRACT: {0: 1}})
    data = b"\x01" * 400
    done = clear.apply(Transaction(gas_price=10, gas_limit=100_000, to=CONTRACT, data=data), sender=SENDER)
    assert done.gas_used == 21_000 + 40 * 400
    short = world_of(engine, {CONTRACT: "PUSH 0 PUSH 0 SSTORE"}, fork=CANCUN, storage={CONTRACT: {0: 1}})
    assert short.apply(
        Transaction(gas_price=10, gas_limit=100_000, to=CONTRACT, data=data), sender=SENDER
    ).gas_used == (21_000 + 16 * 400 + 5_006 - 4_800)


def test_a_creating_transaction(engine: Engine) -> None:
    world = world_of(engine, {})
    data = code_of(return_bytes(b"code"), CANCUN)
    done = world.apply(Transaction(gas_price=10, gas_limit=100_000, data=data, value=3), sender=SENDER)
    assert done.created == create_address(SENDER, 0)
    assert done.created is not None
    assert (world.code(done.created), world.balance(done.created), world.nonce(SENDER)) == (b"code", 3, 1)
    world.set_code(create_address(SENDER, 1), b"\x00")
    taken = world.apply(Transaction(nonce=1, gas_price=10, gas_limit=100_000, data=data, value=3), sender=SENDER)
    assert (taken.success, taken.created, taken.gas_used, world.nonce(SENDER)) == (False, None, 100_000, 2)
    assert world.balance(create_address(SENDER, 1)) == 0


def test_a_blob_transaction_burns_its_blob_fee(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: "STOP"})
    hashes = (b"\x01" + bytes(31),) * 2
    blob = {"type": 3, "chain_id": 1337, "max_fee": 10, "max_blob_fee": 50, "blob_hashes": hashes}
    done = world.apply(Transaction(**blob, gas_limit=50_000, to=CONTRACT), sender=SENDER)  # type: ignore[arg-type]
    assert world.balance(SENDER) == RICH - 21_000 * 7 - 2 * BLOB_GAS * BLOCK.blob_base_fee
    assert (done.gas_used, world.balance(COINBASE)) == (21_000, 0)


def authorization(nonce: int, *, chain_id: int = 1337, to: bytes = CONTRACT, key: bytes = KEY) -> Authorization:
    digest = keccak256(b"\x05" + rlp.encode([chain_id, to, nonce]))
    r, s, parity = sign_digest(key, digest)
    return Authorization(chain_id, to, nonce, parity, r, s)


AUTHORITY = private_key_address(KEY)


def set_code(world: World, *authorizations: Authorization, nonce: int = 0) -> int:
    """Applies a set-code transaction; the gas it used."""
    call = {"type": 4, "chain_id": 1337, "max_fee": 10, "gas_limit": 200_000, "nonce": nonce, "to": OTHER}
    return world.apply(Transaction(**call, authorizations=authorizations), sender=SENDER).gas_used  # type: ignore[arg-type]


def test_delegations_are_set_and_cleared(engine: Engine) -> None:
    """EIP-7702."""
    world = world_of(engine, {CONTRACT: f"ADDRESS{RETURN_TOP}"}, fork=PRAGUE)
    assert set_code(world, authorization(0)) == 21_000 + 25_000
    assert (world.code(AUTHORITY), world.nonce(AUTHORITY)) == (b"\xef\x01\x00" + CONTRACT, 1)
    assert number(world.call(AUTHORITY).output) == number(AUTHORITY)
    # The account is there now: half of the price comes back, as far as refunds may.
    refunded = min(12_500, (21_000 + 25_000) // 5)
    assert set_code(world, authorization(1, to=bytes(20)), nonce=1) == 21_000 + 25_000 - refunded
    assert (world.code(AUTHORITY), world.nonce(AUTHORITY)) == (b"", 2)


@pytest.mark.parametrize(
    "passed_over",
    [
        authorization(1),
        authorization(0, chain_id=1),
        authorization(0)._replace(s=0),
        authorization(0)._replace(y_parity=2),
        authorization(2**64 - 1),
    ],
    ids=["nonce", "chain", "signature", "parity", "last nonce"],
)
def test_authorizations_that_do_not_hold_are_passed_over(engine: Engine, passed_over: Authorization) -> None:
    world = world_of(engine, {CONTRACT: "STOP"}, fork=PRAGUE)
    assert set_code(world, passed_over) == 46_000
    assert (world.account(AUTHORITY), world.code(AUTHORITY)) == (None, b"")
    anywhere = authorization(0, chain_id=0)
    set_code(world, passed_over, anywhere, nonce=1)
    assert world.code(AUTHORITY) == b"\xef\x01\x00" + CONTRACT


def test_an_account_with_code_of_its_own_does_not_delegate(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: "STOP", AUTHORITY: "STOP"}, fork=PRAGUE)
    set_code(world, authorization(1))
    assert world.code(AUTHORITY) == b"\x00"


def test_delegations_outlive_the_failure_of_their_transaction(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: "STOP", OTHER: "INVALID"}, fork=PRAGUE)
    set_code(world, authorization(0))
    assert world.code(AUTHORITY) == b"\xef\x01\x00" + CONTRACT


def test_who_is_warm_in_a_transaction(engine: Engine) -> None:
    looks = f"{push(THIRD)} BALANCE POP CALLER BALANCE POP ADDRESS BALANCE POP COINBASE BALANCE POP PUSH 1 SLOAD"
    world = world_of(engine, {CONTRACT: looks})
    plain = Transaction(gas_price=10, gas_limit=100_000, to=CONTRACT)
    all_cold = 3 + 2_600 + 2 + (2 + 100 + 2) * 3 + 3 + 2_100
    assert world.apply(plain, sender=SENDER).result.gas_used == all_cold
    listed = replace(
        plain, type=1, chain_id=1337, nonce=1, access_list=(AccessEntry(THIRD), AccessEntry(CONTRACT, (1,)))
    )
    assert world.apply(listed, sender=SENDER).result.gas_used == all_cold - 2_500 - 2_000


def test_a_signed_transaction_finds_its_sender(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: "CALLER PUSH 0 SSTORE"}, balances={AUTHORITY: RICH})
    done = world.apply(Transaction(gas_price=10, gas_limit=100_000, to=CONTRACT, chain_id=1337).signed(KEY))
    assert done.success
    assert world.storage(CONTRACT, 0) == number(AUTHORITY)


def test_touching_the_coinbase(engine: Engine) -> None:
    """A block without reward: an empty coinbase stays before EIP-161 and goes after it."""
    for fork, stays in ((FRONTIER, True), (SPURIOUS_DRAGON, False)):
        world = world_of(engine, {}, fork=fork, balances={COINBASE: 0})
        world.touch_coinbase()
        assert (world.account(COINBASE) is not None) is stays


def test_the_environment_of_a_world() -> None:
    world = World()
    assert world.environment == BlockEnvironment()
    world.environment = BLOCK
    assert world.environment is BLOCK


@pytest.mark.parametrize("options", [{"gas": 2**256}, {"gas": -1}, {"start_pc": 2**64}, {"start_pc": -1}])
def test_gas_and_places_in_code_are_numbers_that_fit(options: dict[str, int], engine: Engine) -> None:
    world = engine.world()
    with pytest.raises(InvalidInput, match=r"an integer from 0 on|more than (256|64) bits"):
        world.call(CONTRACT, code=b"\x5a\x5f\x52", **options)  # type: ignore[arg-type]
    assert world.call(CONTRACT, code=b"\x5a\x5f\x52", gas=2**256 - 1).success
