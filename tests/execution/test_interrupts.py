"""What a signal's handler raises (Ctrl-C, a test's time limit) comes between any two lines: the World stays good."""

from collections.abc import Sequence

import pytest

from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.isa.forks import SHANGHAI
from evmthread.isa.frame import Frame
from evmthread.machine.hooks import Hook
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.conftest import Engine
from tests.interrupts import interrupted

A, B, SENDER = b"\xaa" * 20, b"\xbb" * 20, b"\x5e" * 20
FILES = ("execution/world.py", "execution/computation.py", "execution/messages.py", "state/journal.py")
INNER = assemble(f"PUSH1 7 PUSH1 1 SSTORE PUSH20 0x{SENDER.hex()} SELFDESTRUCT")
OUTER = assemble(
    "PUSH1 1 PUSH1 0 SSTORE PUSH1 1 PUSH1 0 PUSH1 0 LOG1 "
    f"PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 3 PUSH20 0x{B.hex()} GAS CALL "
    "PUSH1 0 PUSH1 0 PUSH1 0 CREATE SLOAD"
)
SENT = Transaction(gas_limit=300_000, to=A, gas_price=1)


class Ends(Hook):
    def frame_end(self, frame: Frame) -> None:
        pass


def world_of(engine: Engine, hooks: Sequence[Hook]) -> World:
    view = MemoryState()
    view.set_account(SENDER, balance=10**18)
    view.set_account(A, code=OUTER, balance=10)
    view.set_account(B, code=INNER)
    return engine.world(fork=SHANGHAI, view=view, hooks=hooks)


@pytest.mark.parametrize("hooks", [(), (Ends(),)], ids=["plain", "watched"])
def test_an_exception_at_any_line_leaves_all_or_nothing(engine: Engine, hooks: Sequence[Hook]) -> None:
    undisturbed = world_of(engine, hooks)
    wanted = undisturbed.apply(SENT, sender=SENDER)
    world, line, through = world_of(engine, hooks), 0, 0
    mark = world.mark()
    while interrupted(lambda: world.apply(SENT, sender=SENDER), line := line + 1, FILES):
        if world.changes():  # it was through
            through += 1
            assert world.state_root() == undisturbed.state_root()
        elif line % 50 == 0:  # and it goes on as if nothing had been
            done = world.apply(SENT, sender=SENDER)
            assert (done.gas_used, done.logs, done.destroyed) == (wanted.gas_used, wanted.logs, wanted.destroyed)
            assert world.state_root() == undisturbed.state_root()
        world.rollback(mark)
    assert line > 200
    assert through < 10
    assert world.state_root() == undisturbed.state_root()


def test_a_transaction_does_not_end_what_another_has_open(engine: Engine) -> None:
    world = world_of(engine, (Ends(),))
    computation = world.open_transaction(SENT, sender=SENDER)
    with pytest.raises(Exception, match="open in this world"):
        world.apply(SENT, sender=SENDER)
    computation.run()
    assert computation.result is not None
