"""The law of suspension: stopped anywhere, turned into bytes, resumed elsewhere, any number of times: all the same."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from evmthread.errors import DecodingError, EvmthreadError, InvalidInput
from evmthread.execution.computation import Computation
from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.result import TransactionResult
from evmthread.execution.snapshot import machine_hash
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.isa.forks import CANCUN, FRONTIER, HISTORY, OSAKA, fork_named
from evmthread.isa.instructions.creates import create2_address
from evmthread.machine.breakpoints import AtOpcode, AtStep
from evmthread.machine.traps import Break, Question, Suspended
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256
from evmthread.state.memory import MemoryState
from evmthread.state.pending import WrongBase
from tests.assembler import assemble
from tests.conftest import Engine
from tests.differential.cases import BLOCK, KEY, Case, make_case, view_of
from tests.differential.peers import count_of, seed_of
from tests.execution.interrupted import ENGINES, Elsewhere, InterruptedWorld
from tests.execution.resume_elsewhere import summary

A, B, SENDER = b"\xaa" * 20, b"\xbb" * 20, b"\x5e" * 20
FAST, SLOW = 300, 20_000


def cases(count: int) -> tuple[int, list[Case]]:
    seed = seed_of()
    print(f"{count} transactions from seed {seed}")
    made = []
    for number in range(seed, seed + count):
        fork = HISTORY[number % len(HISTORY)].name
        made.append(make_case(Random(number), fork, f"EVMTHREAD_SEED={number}", transactions=True))
    return seed, made


def applied(world_type: type[World], case: Case, **options: Any) -> dict[str, Any] | None:
    view = view_of(case)
    world = world_type(fork=fork_named(case.fork), environment=BLOCK, view=view, **options)
    try:
        done = world.apply(case.transaction.signed(KEY))
    except EvmthreadError as error:
        return {"refused": repr(error)}
    world.settle()
    return summary(done, view)


def check_law(count: int) -> None:
    seed, made = cases(count)
    InterruptedWorld.random = Random(seed)
    InterruptedWorld.stops = 0
    for case in made:
        assert applied(InterruptedWorld, case, **ENGINES[0]) == applied(World, case), case.name
    assert InterruptedWorld.stops > count // 2


def test_random_transactions_stopped_anywhere() -> None:
    check_law(count_of(FAST))


@pytest.mark.slow
def test_many_random_transactions_stopped_anywhere() -> None:
    check_law(count_of(SLOW))


def check_elsewhere(count: int) -> None:
    _, made = cases(count)
    other = Elsewhere()
    resumed = 0
    try:
        for case in made:
            random = Random(case.name)
            engine = random.choice(ENGINES)
            world = World(
                fork=fork_named(case.fork),
                environment=BLOCK,
                view=view_of(case),
                hooks=[AtStep(random.choice((1, 20, 100)))],
                **engine,
            )
            try:
                computation = world.open_transaction(case.transaction.signed(KEY))
            except EvmthreadError:
                continue
            if not isinstance(computation.run(), Suspended):
                continue
            accounts = {
                place.hex(): {
                    "nonce": account.nonce,
                    "balance": account.balance,
                    "code": account.code.hex(),
                    "storage": account.storage,
                }
                for place, account in case.accounts.items()
            }
            told = other.resume(
                {
                    "accounts": accounts,
                    "fork": case.fork,
                    "engine": "auto" if engine["engine"] == "stepper" else "stepper",
                    "snapshot": computation.snapshot().hex(),
                }
            )
            assert told == applied(World, case), case.name
            resumed += 1
    finally:
        other.close()
    assert resumed > count // 4


def test_resumed_in_another_process() -> None:
    check_elsewhere(60)


@pytest.mark.slow
def test_many_resumed_in_another_process() -> None:
    check_elsewhere(3_000)


def test_both_engines_give_the_same_bytes() -> None:
    _, made = cases(120)
    compared = 0
    for case in made:
        fork = fork_named(case.fork)
        snapshots: list[list[bytes]] = []
        for engine in ENGINES:
            world = World(
                fork=fork, environment=BLOCK, view=view_of(case), hooks=[AtOpcode("SSTORE", "CALL")], **engine
            )
            try:
                computation = world.open_transaction(case.transaction.signed(KEY))
            except EvmthreadError:
                continue
            outcome, found = computation.run(), []
            while isinstance(outcome, Suspended) and len(found) < 8:
                found.append(computation.snapshot())
                outcome = computation.resume()
            snapshots.append(found)
        assert not snapshots or snapshots[0] == snapshots[1], case.name
        compared += sum(map(len, snapshots))
    assert compared > 60


# A machine with a bit of everything -----------------------------------------------------------------------------------
CREATES = assemble(
    "PUSH1 3 PUSH1 7 SSTORE PUSH1 1 PUSH1 2 TSTORE PUSH1 77 PUSH1 64 MSTORE PUSH1 9 PUSH1 32 PUSH1 0 LOG1"
    f" PUSH1 32 PUSH1 0 PUSH1 5 PUSH1 0 PUSH1 6 PUSH20 0x{B.hex()} GAS CALL PUSH1 0 MSTORE PUSH1 96 PUSH1 0 RETURN"
)
CALLED = assemble(
    "PUSH1 1 PUSH1 2 SSTORE PUSH1 8 PUSH1 7 SSTORE PUSH5 0x6001600055 PUSH1 0 MSTORE"
    " PUSH1 5 PUSH1 27 PUSH1 1 CREATE POP"
    " PUSH1 4 PUSH1 9 TSTORE PUSH1 5 PUSH1 0 KECCAK256 PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN"
)


def rich_state() -> MemoryState:
    view = MemoryState()
    view.set_account(A, code=CREATES, balance=100, storage={7: 1})
    view.set_account(B, code=CALLED, balance=3, nonce=1)
    view.set_account(SENDER, balance=10**18)
    return view


def stopped(engine: Engine | None = None, *, steps: int = 45, view: MemoryState | None = None) -> Computation:
    """A transaction that stands in the inner of two calls, after writes, logs and a creation."""
    world = (engine or Engine("stepper")).world(
        fork=CANCUN, environment=BLOCK, view=rich_state() if view is None else view, hooks=[AtStep(steps)]
    )
    computation = world.open_transaction(Transaction(gas_limit=500_000, gas_price=9, to=A, value=2), sender=SENDER)
    assert isinstance(computation.run(), Suspended)
    return computation


def test_every_step_of_a_rich_machine(engine: Engine) -> None:
    expected = None
    for steps in range(1, 70):
        view = rich_state()
        world = engine.world(fork=CANCUN, environment=BLOCK, view=view, hooks=[AtStep(steps)])
        transaction = Transaction(gas_limit=500_000, gas_price=9, to=A, value=2)
        computation = world.open_transaction(transaction, sender=SENDER)
        outcome = computation.run()
        if isinstance(outcome, Suspended):
            world = engine.world(fork=CANCUN, view=view)
            outcome = world.load(computation.snapshot()).resume()
        assert isinstance(outcome, TransactionResult)
        assert outcome.success
        world.settle()
        told = summary(outcome, view)
        expected = expected or told
        assert told == expected


def test_the_bytes_of_a_machine_are_pinned(engine: Engine) -> None:
    """Another value means other bytes: then the version in front of them must change too."""
    snapshot = stopped(engine).snapshot()
    assert len(stopped(engine).frames) == 2
    assert (len(snapshot), machine_hash(snapshot).hex()) == PINNED


PINNED = (4719, "ac07ff52adcad8fdced73a1d655fd59d6996c9232f4c8e6326090e2f6790eaf9")


def load(snapshot: bytes, view: MemoryState | None = None, **options: Any) -> Computation:
    return World(fork=options.pop("fork", CANCUN), view=rich_state() if view is None else view, **options).load(
        snapshot
    )


def test_a_changed_bit_is_refused_or_another_machine() -> None:
    """No byte can be changed without being seen: either the bytes are refused, or the hash is another."""
    snapshot = stopped().snapshot()
    random = Random(5)
    refused = 0
    for _ in range(1500):
        changed = bytearray(snapshot)
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
        try:
            loaded = load(bytes(changed))
        except (DecodingError, WrongBase):
            refused += 1
            continue
        assert loaded.snapshot() == bytes(changed)
        assert machine_hash(bytes(changed)) != machine_hash(snapshot)
        run_out(loaded)
    assert refused > 300


def run_out(computation: Computation) -> None:
    """Runs whatever this machine is: it may end in any way, but only with a result or one of our errors."""
    with suppress(EvmthreadError):
        computation.resume(b"" if isinstance(computation.trap, Question) else None)


@pytest.mark.parametrize("size", [*range(0, 200, 7), -1, -2, -33])
def test_truncated_bytes_are_refused(size: int) -> None:
    with pytest.raises(DecodingError):
        load(stopped().snapshot()[:size])


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x02\xc0", b"\x01", b"\x01\xc0", b"\x01\x80", b"evmthread", b"\x01" * 99]
)
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DecodingError):
        load(data)


def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(DecodingError):
        load(stopped().snapshot() + b"\x00")


def test_no_bytes_at_all_are_refused() -> None:
    with pytest.raises(InvalidInput, match="bytes"):
        load("0x01")  # type: ignore[arg-type]


def test_items_in_another_order_are_not_canonical() -> None:
    snapshot = stopped().snapshot()
    fields = rlp.decode(snapshot[1:])
    assert isinstance(fields, list)
    pending = fields[5]
    assert isinstance(pending, list)
    warm = pending[5]
    assert isinstance(warm, bytes)
    pending[5] = warm[20:] + warm[:20]
    with pytest.raises(DecodingError, match="canonical"):
        load(b"\x01" + rlp.encode(fields))


def test_another_fork_and_another_state_are_refused() -> None:
    snapshot = stopped().snapshot()
    with pytest.raises(DecodingError, match="fork"):
        load(snapshot, fork=OSAKA)
    other = rich_state()
    other.set_account(SENDER, balance=1)
    with pytest.raises(WrongBase) as refused:
        load(snapshot, other)
    assert refused.value.address == SENDER


def test_nothing_changes_where_loading_is_refused() -> None:
    world = World(fork=CANCUN, view=rich_state())
    world.set_balance(B, 9)
    with pytest.raises(InvalidInput, match="pending"):
        world.load(stopped().snapshot())
    assert world.balance(B) == 9
    world.settle()
    with pytest.raises(WrongBase):
        world.load(stopped().snapshot())
    assert not world.changes().accounts
    assert world.call(A).success


def test_a_suspended_world_runs_nothing_else() -> None:
    computation = stopped()
    world = computation._world
    for attempt in (
        lambda: world.call(A),
        lambda: world.create(b""),
        lambda: world.apply(Transaction(to=A), sender=SENDER),
        world.begin_transaction,
        world.settle,
        lambda: world.load(b""),
        lambda: world.set_balance(A, 1),
        lambda: world.set_nonce(A, 1),
        lambda: world.set_code(A, b""),
        lambda: world.set_storage(A, 1, 1),
        computation.run,
        lambda: computation.resume(b"answer"),
    ):
        with pytest.raises(InvalidInput):
            attempt()
    assert isinstance(computation.resume(), TransactionResult)


def test_an_abort_leaves_the_state_before_it(engine: Engine) -> None:
    view = rich_state()
    computation = stopped(engine, view=view)
    loaded = load(computation.snapshot(), view)
    for each in (computation, loaded):
        each.abort()
        assert not each._world.changes().accounts
        for ended in (each.abort, each.resume, each.snapshot, each.run):
            with pytest.raises(InvalidInput, match="ended"):
                ended()
        each._world.hooks = ()
        assert each._world.call(A).success


def test_going_back_to_a_mark_ends_a_suspended_computation() -> None:
    world = World(fork=CANCUN, view=rich_state(), hooks=[AtStep(3)])
    mark = world.mark()
    computation = world.open_call(A)
    computation.run()
    world.rollback(mark)
    with pytest.raises(InvalidInput, match="ended"):
        computation.resume()
    world.hooks = ()
    assert world.call(A).success


def test_what_earlier_transactions_left_pending_comes_along() -> None:
    view = rich_state()
    world = World(fork=CANCUN, environment=BLOCK, view=view)
    world.set_code(B, b"")
    first = Transaction(gas_limit=100_000, to=A, gas_price=9)
    world.apply(first, sender=SENDER)
    twin = World(fork=CANCUN, environment=BLOCK, view=rich_state())
    twin.set_code(B, b"")
    twin.apply(first, sender=SENDER)
    second = replace(first, nonce=1)
    expected = twin.apply(second, sender=SENDER)
    world.hooks = (AtOpcode("LOG1"),)
    computation = world.open_transaction(second, sender=SENDER)
    computation.run()
    other = World(fork=CANCUN, view=view)
    done = other.load(computation.snapshot()).resume()
    assert isinstance(done, TransactionResult)
    assert (done.gas_used, done.gas_refunded) == (expected.gas_used, expected.gas_refunded)
    assert other.changes() == twin.changes()
    assert other.state_root() == twin.state_root()


def test_environment_and_origin_come_along() -> None:
    code = assemble("TIMESTAMP NUMBER ADD ORIGIN ADD GASPRICE ADD COINBASE ADD PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN")
    block = BlockEnvironment(number=5, timestamp=77, coinbase=B)
    world = World(environment=block, hooks=[AtStep(1)])
    computation = world.open_call(A, code=code, origin=SENDER, gas_price=3)
    computation.run()
    expected = World(environment=block).call(A, code=code, origin=SENDER, gas_price=3)
    done = World().load(computation.snapshot()).resume()
    assert done.output == expected.output  # type: ignore[union-attr]


def test_a_creation_goes_on_elsewhere(engine: Engine) -> None:
    init = assemble("PUSH1 5 PUSH1 1 SSTORE PUSH3 0x010203 PUSH1 0 MSTORE PUSH1 3 PUSH1 29 RETURN")
    expected = engine.world().create(init)
    world = engine.world(hooks=[AtOpcode("SSTORE")])
    computation = world.open_create(init)
    computation.run()
    other = engine.world()
    done = other.load(computation.snapshot()).resume()
    assert (done.created, done.gas_used) == (expected.created, expected.gas_used)  # type: ignore[union-attr]
    assert other.code(expected.created or b"") == bytes((1, 2, 3))


def test_breakpoints_elsewhere_are_kept(engine: Engine) -> None:
    """What stopped a machine here says nothing of where it is to stop there."""
    code = assemble("PUSH1 1 PUSH1 0 SSTORE PUSH1 2 PUSH1 1 SSTORE STOP")
    world = engine.world(hooks=[AtStep(1)])
    computation = world.open_call(A, code=code)
    computation.run()
    other = engine.world(hooks=[AtOpcode("SSTORE")])
    loaded = other.load(computation.snapshot())
    assert loaded.resume() == Suspended(Break(("opcode SSTORE",)))
    assert loaded.frames[-1].pc == 4
    assert loaded.resume() == Suspended(Break(("opcode SSTORE",)))
    assert loaded.frames[-1].pc == 9
    assert not isinstance(loaded.resume(), Suspended)


def test_a_thousand_frames(engine: Engine) -> None:
    """Each frame calls itself as deep as that goes; the deepest is suspended."""
    call = f"PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH20 0x{A.hex()} GAS CALL"
    code = assemble(f"PUSH1 1 PUSH1 0 MSTORE {call} PUSH1 0 SSTORE STOP")
    view = MemoryState()
    view.set_account(A, code=code)
    gas = 10**12
    plain = engine.world(view=view, fork=FRONTIER.evolve("Deep", rules=CANCUN_CALL_GAS)).call(A, gas=gas)
    world = engine.world(view=view, fork=FRONTIER.evolve("Deep", rules=CANCUN_CALL_GAS), hooks=[AtOpcode("SSTORE")])
    computation = world.open_call(A, gas=gas)
    assert isinstance(computation.run(), Suspended)
    assert len(computation.frames) == 1025
    snapshot = computation.snapshot()
    other = engine.world(view=view, fork=FRONTIER.evolve("Deep", rules=CANCUN_CALL_GAS))
    done = other.load(snapshot).resume()
    assert (done.gas_used, done.success) == (plain.gas_used, plain.success)  # type: ignore[union-attr]


CANCUN_CALL_GAS = {"call_gas": CANCUN.rules.call_gas}


def test_a_call_whose_output_goes_nowhere(engine: Engine) -> None:
    """With a size of zero, the offset of a call's output may be any word."""
    inner = assemble("PUSH1 1 PUSH1 0 SSTORE STOP")
    far = "PUSH32 0x" + "ff" * 32
    code = assemble(f"PUSH1 0 {far} PUSH1 0 {far} PUSH1 0 PUSH20 0x{B.hex()} GAS CALL PUSH1 5 SSTORE STOP")
    view = MemoryState()
    view.set_account(A, code=code)
    view.set_account(B, code=inner)
    computation = engine.world(view=view, hooks=[AtOpcode("SSTORE")]).open_call(A)
    computation.run()
    assert len(computation.frames) == 2
    other = engine.world(view=view)
    done = other.load(computation.snapshot()).resume()
    assert done.success  # type: ignore[union-attr]
    assert (other.storage(A, 5), other.storage(B, 0)) == (1, 1)


def test_a_megabyte_of_memory(engine: Engine) -> None:
    code = assemble(
        "PUSH1 7 PUSH3 0x0fffe0 MSTORE PUSH1 5 SLOAD PUSH3 0x0fffe0 MLOAD ADD PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN"
    )
    world = engine.world(hooks=[AtOpcode("SLOAD")])
    computation = world.open_call(A, code=code)
    computation.run()
    snapshot = computation.snapshot()
    assert len(snapshot) > 2**20
    done = engine.world().load(snapshot).resume()
    assert int.from_bytes(done.output, "big") == 7  # type: ignore[union-attr]


def test_equal_machines_have_equal_hashes_only() -> None:
    assert machine_hash(stopped().snapshot()) == machine_hash(stopped().snapshot()) == keccak256(stopped().snapshot())
    assert machine_hash(stopped(steps=44).snapshot()) != machine_hash(stopped().snapshot())


# Equal machines, reached by other ways --------------------------------------------------------------------------------
def machine_after(before: Callable[[World], None], view: MemoryState) -> bytes:
    """A transaction that stands after its first write, in a world that did something else before it."""
    world = World(fork=CANCUN, environment=BLOCK, view=view)
    before(world)
    assert not world.changes().accounts
    world.hooks = (AtOpcode("LOG1"),)
    computation = world.open_transaction(Transaction(gas_limit=500_000, gas_price=9, to=A, value=2), sender=SENDER)
    assert isinstance(computation.run(), Suspended)
    return computation.snapshot()


def undoes(world: World) -> None:
    """A code that A will deploy, an empty code, and slots."""
    mark = world.mark()
    world.set_code(b"\x99" * 20, CREATES)
    world.set_code(b"\x98" * 20, b"")
    world.set_storage(A, 7, 99)
    world.begin_transaction()
    world.rollback(mark)


def changes_back(world: World) -> None:
    for value in (9, 1):
        world.set_storage(A, 7, value)
        world.begin_transaction()


def creates_and_destroys(world: World) -> None:
    world.call(b"\x97" * 20, code=assemble("PUSH3 0x6000ff PUSH1 0 MSTORE PUSH1 3 PUSH1 29 PUSH1 0 CREATE POP STOP"))
    world.set_nonce(b"\x97" * 20, 0)
    world.begin_transaction()


@pytest.mark.parametrize("before", [undoes, changes_back, creates_and_destroys])
def test_what_a_world_did_before_leaves_no_trace(before: Callable[[World], None]) -> None:
    view = rich_state()
    assert machine_after(before, view) == machine_after(lambda _: None, view)
    world = World(fork=CANCUN, view=view)
    before(world)
    loaded = world.load(machine_after(lambda _: None, view))
    twin = World(fork=CANCUN, view=view)
    expected = twin.load(machine_after(before, view)).resume()
    assert loaded.resume().gas_used == expected.gas_used  # type: ignore[union-attr]
    assert world.changes() == twin.changes()


def test_marks_stay_good_where_a_world_did_something_before() -> None:
    view = rich_state()
    snapshot = machine_after(lambda _: None, view)
    world = World(fork=CANCUN, view=view)
    undoes(world)
    mark = world.mark()
    world.load(snapshot).resume()
    world.rollback(mark)
    assert not world.changes().accounts
    assert world.storage(A, 7) == 1


def test_what_was_read_before_does_not_count_where_storage_was_wiped() -> None:
    view = MemoryState()
    view.set_account(B, code=assemble("PUSH1 0 SELFDESTRUCT"), storage={5: 7})
    world = World(fork=FRONTIER, view=view)
    world.apply(Transaction(gas_limit=100_000, to=B), sender=SENDER)
    world.hooks = (AtStep(1),)
    code = assemble("PUSH1 5 SLOAD PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN")
    computation = world.open_call(B, code=code)
    computation.run()
    other = World(fork=FRONTIER, view=view)
    assert other.storage(B, 5) == 7
    done = other.load(computation.snapshot()).resume()
    assert done.output == bytes(32)  # type: ignore[union-attr]


def test_a_call_that_begins_behind_its_code(engine: Engine) -> None:
    computation = engine.world(hooks=[AtStep(0)]).open_call(A, code=b"\x00", start_pc=1000)
    assert isinstance(computation.run(), Suspended)
    assert not isinstance(engine.world().load(computation.snapshot()).resume(), Suspended)


def test_a_machine_without_bytes_says_so() -> None:
    """A call runs code of its caller's choice where there is none, and a contract comes into being at that place."""
    view = MemoryState()
    place = create2_address(B, bytes(32), b"")
    view.set_account(B, code=assemble("PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 CREATE2 STOP"))
    world = World(view=view, hooks=[AtOpcode("LOG0")])
    calls = f"PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH20 0x{B.hex()} GAS CALL"
    computation = world.open_call(place, code=assemble(f"{calls} PUSH1 2 SLOAD PUSH1 0 PUSH1 0 LOG0"))
    assert isinstance(computation.run(), Suspended)
    with pytest.raises(InvalidInput, match="no bytes"):
        computation.snapshot()
