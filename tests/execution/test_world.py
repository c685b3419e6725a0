from dataclasses import replace

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from evmthread.errors import InvalidInput, LimitExceeded, Missing
from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.isa.forks import BERLIN, CANCUN, PRAGUE, SHANGHAI
from evmthread.isa.halts import HaltReason, Status
from evmthread.isa.instructions.creates import create_address
from evmthread.primitives.keccak import keccak256
from evmthread.state.memory import MemoryState
from evmthread.state.view import Account
from tests.conftest import Engine
from tests.isa.instructions.test_creates import creation
from tests.sandbox import (
    BLOCK,
    CONTRACT,
    COUNTER,
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


def test_the_environment_of_a_world() -> None:
    world = World()
    assert world.environment == BlockEnvironment()
    world.environment = BLOCK
    assert world.environment is BLOCK
