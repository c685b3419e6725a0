"""Watches the calls of one input while they are made: whom it called, and what it created.

Looking at the tree of calls afterwards would be simpler, but a tree with every call's data takes gigabytes for inputs
that cost little gas: a call charges nothing for the length of its data. Knows messages, not batches.
"""

from dataclasses import dataclass

from evmthread.channel.errors import InvalidBatch, MissingAccount, NeedsSuspension
from evmthread.channel.rules import ThreadRules
from evmthread.isa.frame import Frame
from evmthread.isa.halts import Status
from evmthread.isa.instruction import HALTED
from evmthread.isa.message import CallKind, Message
from evmthread.machine.machine import Machine

_PLAIN_CALLS = (CallKind.CALL, CallKind.STATICCALL)


@dataclass(frozen=True, slots=True)
class CallWatch:
    """Drives machines as `Machine.run` does and refuses a forbidden call before it is made.

    `index` is the input's, `nonce` the commitment's, for errors.
    """

    rules: ThreadRules
    index: int
    nonce: int

    def __call__(self, machine: Machine) -> Frame:
        """Runs the machine to its end. Raises MissingAccount, NeedsSuspension, InvalidBatch."""
        self._check_call(machine.root.message)
        frames, engine = machine.frames, machine.engine
        created: list[bytes] = []  # by frames that stand so far
        begun: list[int] = [0] * len(frames)  # how many there were when each open frame began
        while frames:
            frame = frames[-1]
            outcome = engine(frame)
            if outcome is HALTED:
                machine._leave(frame)
                before = begun.pop()
                if frame.status is not Status.SUCCESS:
                    del created[before:]
                continue
            assert isinstance(outcome, Message)
            if not outcome.kind.creates:
                self._check_call(outcome)
            before = len(created)
            machine._enter(outcome, frame)
            if frames[-1] is not frame:  # else it has ended already: a precompile
                begun.append(before)
                if outcome.kind.creates:
                    created.append(outcome.address)
        if created and not self.rules.ruleset.create:
            raise InvalidBatch(
                "nothing is created where the ruleset says no create", created[0], self.index, self.nonce
            )
        return machine.root

    def _check_call(self, message: Message) -> None:
        kind, callee, rules = message.kind, message.code_address, self.rules
        if kind.creates:
            return
        if callee == rules.ruleset.trap:
            if rules.has_trap and kind in _PLAIN_CALLS:
                raise NeedsSuspension("a TRAP", self.index, self.nonce)
        elif (
            not message.code
            and not rules.ruleset.empty_calls
            and callee not in rules.known
            and (len(message.data) or kind not in _PLAIN_CALLS)
        ):
            raise MissingAccount(
                "no call, with data, of an account that the thread doesn't hold", callee, self.index, self.nonce
            )
