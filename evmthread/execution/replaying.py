"""Running a call again from the state in which it began: tracing costs only when somebody looks.

The journal still knows how to undo what the transaction did, so nothing has to be kept for it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from evmthread.errors import InvalidInput
from evmthread.execution.environment import BlockEnvironment, TransactionEnvironment, WorldHost
from evmthread.execution.result import CallResult
from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.hooks import Hook, Observers
from evmthread.machine.machine import Engine
from evmthread.machine.traps import Suspended
from evmthread.machine.watched import WatchedMachine
from evmthread.primitives import rlp
from evmthread.state.pending import encode_pending, restore_pending


class CallOrigin(NamedTuple):
    """Where a call ran: the journal, the transaction scope in it, and all that its code could see.

    `returns`: how often the journal had gone back to a mark.
    """

    host: WorldHost
    scope: object
    returns: int
    block: BlockEnvironment
    transaction: TransactionEnvironment
    fork: Fork
    cache: CodeCache
    engine: Engine

    def replay(self, frame: Frame, hooks: Sequence[Hook]) -> CallResult:
        """The call of this frame, run again beside its World. Raises InvalidInput where its state is gone."""
        host = self.host
        if host.scope is not self.scope or host.returns != self.returns:
            raise InvalidInput("the state in which this call began is gone: its transaction's scope has ended")
        beside = WorldHost(host.view, self.block)
        beside.transaction = self.transaction
        decoded = rlp.decode(rlp.encode(encode_pending(host)))
        assert isinstance(decoded, list)
        restore_pending(beside, decoded, host.refund)
        undo, logs, refund = frame.mark
        beside.rollback((undo - host.transaction_start + beside.transaction_start, logs, refund))
        observers = Observers(hooks, self.fork)
        machine = WatchedMachine(
            frame.message, fork=self.fork, host=beside, cache=self.cache, engine=self.engine, observers=observers
        )
        outcome = machine.advance()
        if isinstance(outcome, Suspended):
            raise InvalidInput(f"{outcome.trap} stopped the machine: a replay runs to its end")
        return CallResult(outcome, beside.logs[outcome.log_start : outcome.log_end])
