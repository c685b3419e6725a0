"""A computation that is open holds its World; whatever ends it leaves nothing half-done."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from evmthread.errors import InvalidInput, Missing
from evmthread.execution.computation import Computation
from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.result import TransactionResult
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.isa.frame import Frame
from evmthread.isa.instruction import Instruction
from evmthread.isa.message import Message
from evmthread.machine.breakpoints import TRAP_ADDRESS, AtOpcode, AtStep, Traps
from evmthread.machine.hooks import Hook
from evmthread.machine.traps import Answer, Question, Suspended
from evmthread.state.memory import MemoryState
from evmthread.state.view import Account
from tests.assembler import assemble
from tests.conftest import Engine

A, B, SENDER, OTHER = b"\xaa" * 20, b"\xbb" * 20, b"\x5e" * 20, b"\x99" * 20
PAYS = assemble(
    f"PUSH1 1 SLOAD PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 7 PUSH20 0x{B.hex()} GAS CALL PUSH1 2 SSTORE"
    " PUSH1 0 PUSH1 0 LOG0 STOP"
)
ASKS = assemble(
    f"PUSH20 0x{B.hex()} PUSH1 0 MSTORE PUSH1 64 PUSH1 32 MSTORE PUSH1 32 PUSH1 0 PUSH1 96 PUSH1 0 PUSH1 0"
    f" PUSH20 0x{TRAP_ADDRESS.hex()} GAS CALL PUSH1 0 MLOAD PUSH1 0 SSTORE STOP"
)
TRANSACTION = Transaction(gas_limit=500_000, gas_price=9, to=A)

Result = TypeVar("Result")


class Fetched(MemoryState):
    """A state of which each piece is missing until it was fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.here: set[tuple[Any, ...]] = set()
        self.all = False
        self.gone: set[tuple[Any, ...]] = set()

    def _want(self, kind: str, *key: bytes | int) -> None:
        if (kind, key) in self.gone or not (self.all or (kind, key) in self.here):
            raise Missing(kind, key)

    def account(self, address: bytes) -> Account | None:
        self._want("account", address)
        return super().account(address)

    def code(self, code_hash: bytes) -> bytes:
        self._want("code", code_hash)
        return super().code(code_hash)

    def slot(self, address: bytes, key: int) -> int:
        self._want("slot", address, key)
        return super().slot(address, key)

    def fetching(self, run: Callable[[], Result]) -> Result:
        """Runs again and again, with what was missing."""
        while True:
            try:
                return run()
            except Missing as missing:
                self.here.add((missing.kind, missing.key))


def state() -> Fetched:
    view = Fetched()
    view.set_account(A, code=PAYS, balance=100, storage={1: 5})
    view.set_account(B, code=assemble("PUSH1 9 PUSH1 3 SSTORE STOP"))
    view.set_account(SENDER, balance=10**18)
    return view


def whole() -> Fetched:
    view = state()
    view.all = True
    return view


def test_nothing_else_runs_while_a_computation_is_begun(engine: Engine) -> None:
    world = engine.world(view=whole())
    computation = world.open_transaction(TRANSACTION, sender=SENDER)
    for attempt in (lambda: world.call(A), world.begin_transaction, world.settle, lambda: world.open_call(A)):
        with pytest.raises(InvalidInput, match="open in this world"):
            attempt()
    done = computation.run()
    assert isinstance(done, TransactionResult)
    expected = engine.world(view=whole()).apply(TRANSACTION, sender=SENDER)
    assert done.gas_used == expected.gas_used
    assert world.call(B).success


def test_nothing_else_runs_where_state_is_missing_in_the_middle(engine: Engine) -> None:
    view = state()
    world = engine.world(view=view)
    computation = view.fetching(lambda: world.open_transaction(TRANSACTION, sender=SENDER))
    view.all, view.gone = True, {("slot", (B, 3))}
    with pytest.raises(Missing, match="slot"):
        computation.run()
    for attempt in (lambda: world.call(B), world.settle):
        with pytest.raises(InvalidInput, match="open in this world"):
            attempt()
    computation.abort()
    assert not world.changes().accounts


def test_the_block_stays_what_it_was_when_a_call_began(engine: Engine) -> None:
    block = BlockEnvironment(number=5)
    world = engine.world(hooks=[AtStep(1)], environment=block)
    computation = world.open_call(A, code=assemble("NUMBER PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN"))
    computation.run()
    with pytest.raises(InvalidInput, match="open in this world"):
        world.environment = BlockEnvironment(number=99)
    other = engine.world(environment=BlockEnvironment(number=7))
    loaded = other.load(computation.snapshot())
    assert other.environment == block
    loaded.abort()
    assert other.environment.number == 7


EVENTS = ("resumed", "frame_end", "step_start")


@pytest.mark.parametrize("event", EVENTS)
def test_what_a_hook_raises_when_a_computation_goes_on_ends_it(event: str) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    world = World(hooks=[Traps()])
    computation = world.open_call(A, code=ASKS)
    assert isinstance(computation.run(), Suspended)
    broken = World(hooks=[Traps(), type("Broken", (Hook,), {event: fails})()])
    loaded = broken.load(computation.snapshot())
    with pytest.raises(InvalidInput, match="wants an answer"):
        loaded.resume()
    assert isinstance(loaded.trap, Question)
    with pytest.raises(ZeroDivisionError):
        loaded.resume(b"answer")
    assert not broken.changes().accounts
    with pytest.raises(InvalidInput, match="ended"):
        loaded.resume(b"answer")
    broken.hooks = ()
    assert broken.call(B).success


def test_a_hook_that_raises_while_a_snapshot_is_loaded_changes_nothing() -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    world = World(hooks=[Traps()])
    computation = world.open_call(A, code=ASKS)
    computation.run()
    other = World(hooks=[type("Broken", (Hook,), {"call": fails})()])
    with pytest.raises(ZeroDivisionError):
        other.load(computation.snapshot())
    assert not other.changes().accounts
    other.hooks = ()
    assert other.load(computation.snapshot()).trap == Question(
        TRAP_ADDRESS, bytes(12) + B + bytes(31) + b"@" + bytes(32)
    )


class Reads(Hook):
    """Reads state before the call or instruction of a number."""

    opcodes = ("SSTORE",)

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.left = number

    def read(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.left = 1
            self.world.balance(OTHER)
            self.left = 0

    def call(self, caller: Frame | None, message: Message) -> Answer | None:
        self.read()
        return None

    def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> None:
        self.read()


class ReadsAtSteps(Reads):
    def step_start(self, frame: Frame, instruction: Instruction | None) -> None:
        self.read()


@pytest.mark.parametrize("kind", [Reads, ReadsAtSteps])
@pytest.mark.parametrize("number", range(1, 5))
def test_hooks_may_wait_for_state_before_a_call_and_an_instruction(
    kind: type[Reads], number: int, engine: Engine
) -> None:
    """What they read is fetched, and the machine goes on as if it had always been there."""
    expected = engine.world(view=whole()).apply(TRANSACTION, sender=SENDER)
    view = whole()
    view.gone = {("account", (OTHER,))}
    world = engine.world(view=view)
    world.hooks = (kind(world, number),)
    computation: Computation | None = None
    while True:
        try:
            computation = computation or world.open_transaction(TRANSACTION, sender=SENDER)
            done = computation.run()
            break
        except Missing as missing:
            view.gone.remove((missing.kind, missing.key))
    assert isinstance(done, TransactionResult)
    assert (done.success, done.gas_used, done.logs) == (True, expected.gas_used, expected.logs)
    assert not view.gone


@pytest.mark.parametrize("event", ["frame_start", "frame_end", "log", "storage_write", "balance_change", "step_end"])
def test_hooks_can_not_wait_for_state_afterwards(event: str, engine: Engine) -> None:
    view = state()
    world = engine.world(view=view)
    world.hooks = (type("Reads", (Hook,), {event: lambda *_: world.balance(OTHER)})(),)
    with pytest.raises(InvalidInput, match="read by a hook"):
        view.fetching(lambda: world.apply(TRANSACTION, sender=SENDER))
    world.hooks = ()
    assert view.fetching(lambda: world.apply(TRANSACTION, sender=SENDER)).success


def test_steps_are_counted_once() -> None:
    view = state()
    world = World(view=view, hooks=[AtStep(10**6)])
    computation = view.fetching(lambda: world.open_transaction(TRANSACTION, sender=SENDER))
    view.fetching(computation.run)
    plain = World(view=whole(), hooks=[AtStep(10**6)])
    straight: Computation = plain.open_transaction(TRANSACTION, sender=SENDER)
    straight.run()
    assert computation.steps == straight.steps > 10


def test_a_stop_inside_a_changed_block_must_end_there() -> None:
    world = World(hooks=[AtOpcode("SSTORE")])

    def stops_inside() -> None:
        with world.in_block(number=9):
            world.open_call(A, code=ASKS).run()

    with pytest.raises(InvalidInput, match="open in this world"):
        stops_inside()
    world.rollback(world.mark())
    world.hooks = ()
    assert world.call(B).success
