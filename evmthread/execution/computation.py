"""A computation in a World that can stop on the way, become bytes, and go on: here or elsewhere, now or much later."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from evmthread.errors import InvalidInput, Missing
from evmthread.execution.environment import BlockEnvironment, WorldHost
from evmthread.execution.result import CallResult, TransactionResult
from evmthread.execution.snapshot import OpenTransaction, encode_snapshot
from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame
from evmthread.machine.hooks import Observers
from evmthread.machine.traps import Break, Question, Suspended, Trap
from evmthread.machine.watched import WatchedMachine

if TYPE_CHECKING:
    from evmthread.execution.world import World

Finished: TypeAlias = CallResult | TransactionResult


class Computation:
    """A call, a creation or a transaction that was begun. Made by World.open_call, open_create, open_transaction, load.

    As long as it is open its World can be read, but runs nothing else: let it end, `abort` it, or go back to a mark.
    """

    __slots__ = (
        *("_aborted", "_block", "_machine", "_mark", "_refused", "_result"),
        *("_transaction", "_trap", "_world"),
    )

    def __init__(
        self,
        world: "World",
        transaction: OpenTransaction | None,
        mark: tuple[int, int, int],
        *,
        refused: CallResult | None = None,
        trap: Trap | None = None,
        block: BlockEnvironment | None = None,
    ) -> None:
        """Made by World. `trap`: what a machine that was loaded waits for; `block`: the World's before it was."""
        self._world = world
        self._machine: WatchedMachine | None = None
        self._transaction = transaction
        self._mark = mark
        self._refused = refused
        self._result: Finished | None = None
        self._trap = trap
        self._block = world._host.block if block is None else block
        self._aborted = False

    def begin(self, machine: WatchedMachine) -> "Computation":
        """Gives it what it runs. It was open before: as a machine is made, hooks are told of it."""
        self._machine = machine
        return self

    @property
    def trap(self) -> Trap | None:
        """Why it is suspended; None when it isn't."""
        return self._trap

    @property
    def result(self) -> Finished | None:
        """What came of it; None as long as it hasn't ended."""
        return self._result

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The open frames, the outermost first; only to be read."""
        return () if self._machine is None else tuple(self._machine.frames)

    @property
    def steps(self) -> int:
        """How many instructions were begun here while the machine was stepping (see Hook)."""
        return 0 if self._machine is None else self._machine.steps

    def run(self) -> Finished | Suspended:
        """Runs to the end or to the next stop.

        May raise Missing: get the state, then run again. Whatever else is raised (LimitExceeded, what a hook raises)
        ends the computation, and its World is as before it.
        """
        self._check_open()
        if self._trap is not None:
            raise InvalidInput("the computation is suspended: resume it")
        return self._advance(None if self._machine is None else self._machine.advance)

    def resume(self, answer: bytes | None = None) -> Finished | Suspended:
        """Goes on after a stop: with an answer after a Question, without one after a Break.

        Raises InvalidInput when it isn't suspended, or wants the other; and as `run` does.
        """
        self._check_open()
        if self._trap is None:
            raise InvalidInput("the computation isn't suspended")
        machine = self._machine
        assert machine is not None
        machine.check_answer(answer)
        self._trap = None
        return self._advance(partial(machine.resume, answer))

    def abort(self) -> None:
        """Drops it: its World is as before it."""
        self._check_open()
        self._undo()

    def snapshot(self) -> bytes:
        """The canonical bytes of the suspended computation (docs/snapshot.md). Raises InvalidInput else."""
        self._check_open()
        if self._machine is None or self._trap is None:
            raise InvalidInput("only a suspended computation has a snapshot")
        return encode_snapshot(self._machine, self._world._host, self._transaction, self._mark)

    def drop(self) -> None:
        """Its World went back to a mark: it has ended."""
        self._end()
        self._aborted = True

    def _check_open(self) -> None:
        if self._aborted or self._result is not None:
            raise InvalidInput("the computation has ended")

    def _undo(self) -> None:
        self.drop()
        self._world._host.rollback(self._mark)
        self._world._host.block = self._block

    def _end(self) -> None:
        self._trap = None
        if self._world._computation is self:
            self._world._computation = None

    def _advance(self, go_on: Callable[[], Frame | Suspended] | None) -> Finished | Suspended:
        world = self._world
        machine = self._machine
        try:
            if go_on is None:
                assert self._refused is not None
                result = self._refused
            else:
                outcome = go_on()
                if isinstance(outcome, Suspended):
                    self._trap = outcome.trap
                    return outcome
                logs = world._host.logs[outcome.log_start : outcome.log_end]
                result = CallResult(outcome, logs, world._origin())
            finished: Finished = result
            if self._transaction is not None:
                observers = None if machine is None else machine.observers
                finished = finish_transaction(world._host, world.fork, self._transaction, result, observers)
        except Missing:
            raise
        except BaseException:
            self._undo()
            raise
        self._end()
        self._result = finished
        return finished


def trap_of(machine: WatchedMachine) -> Trap:
    """What a machine that was loaded waits for. Asks its hooks."""
    pending = machine.pending
    if pending is None:
        return Break(("a snapshot",))
    verdict = machine.observers.ask(machine.frames[-1], pending)
    return verdict if isinstance(verdict, Question) else Question(pending.address, bytes(pending.data))


def finish_transaction(
    host: WorldHost, fork: Fork, opened: OpenTransaction, result: CallResult, observers: Observers | None = None
) -> TransactionResult:
    """Ends a transaction whose call has ended: refund, payment, deletions (Yellow Paper, section 6.2)."""
    block, sender, price = host.block, host.transaction.origin, opened.price
    base_fee = block.base_fee if fork.transactions.base_fee else 0
    used = opened.gas_limit - result.gas_left
    refunded = max(min(host.refund, used // fork.transactions.refund_quotient), 0)
    used = max(used - refunded, opened.floor)
    # Whatever may be missing is read before anything is paid.
    before = {address: host.balance(address) for address in (sender, block.coinbase)}
    host.credit(sender, (opened.gas_limit - used) * price)
    host.credit(block.coinbase, used * (price - base_fee))
    if observers is not None:
        observers.tell_balances(before, host)
    destroyed = host.destroyed()
    host.end_transaction(delete_empty=fork.rules.deletes_empty_accounts)
    return TransactionResult(result, used, refunded, price, tuple(host.logs), result.created, destroyed)
