"""Watches the calls of one input while they are made: whom it calls, and whom it asks.

Looking at the tree of calls afterwards would be simpler, but a tree with every call's data takes gigabytes for inputs
that cost little gas: a call charges nothing for the length of its data. Knows messages, not batches.
"""

from collections.abc import Sequence

from evmthread.channel.errors import MissingAccount
from evmthread.channel.rules import ThreadRules
from evmthread.isa.frame import Frame
from evmthread.isa.message import CallKind, Message
from evmthread.machine.breakpoints import Traps
from evmthread.machine.hooks import Hook
from evmthread.machine.traps import Answer, Question

_PLAIN_CALLS = (CallKind.CALL, CallKind.STATICCALL)


class ThreadCalls(Hook):
    """Refuses a forbidden call before it is made, and suspends the machine at a TRAP.

    `index` is the input's, `nonce` the commitment's, for errors: both change from input to input, as the same object
    watches all that a thread executes.
    """

    def __init__(self, rules: ThreadRules, index: int = 0, nonce: int = 0, *, beside: Sequence[Hook] = ()) -> None:
        """`beside`: hooks that observe the same calls, after it."""
        self.rules = rules
        self.index = index
        self.nonce = nonce
        self.watching: tuple[Hook, ...] = (self, *beside)
        """All hooks of a thread's World: the same tuple each time, which the World sorts once."""
        self._traps = Traps(rules.ruleset.trap, who=rules.terms.owners)

    def call(self, caller: Frame | None, message: Message) -> Answer | Question | None:
        """Raises MissingAccount."""
        kind, callee, rules = message.kind, message.code_address, self.rules
        if kind is CallKind.TRAP:
            return self._traps.call(caller, message)
        if callee == rules.ruleset.trap and rules.has_trap:
            return self._traps.call(caller, message)
        if (
            not message.code
            and not rules.ruleset.empty_calls
            and callee not in rules.known
            and (len(message.data) or kind not in _PLAIN_CALLS)
        ):
            raise MissingAccount(
                "no call, with data, of an account that the thread doesn't hold", callee, self.index, self.nonce
            )
        return None
