"""Hooks: who wants to see what a machine does, and may answer or stop it.

A user overrides some of Hook's methods; those alone are called, and what nobody asked for costs nothing. Which of them
leave the compiled engine's fast path is said at each; docs/hooks.md has the prices.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from evmthread.errors import InvalidInput, Missing
from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame
from evmthread.isa.host import Host
from evmthread.isa.instruction import Instruction, Shape
from evmthread.isa.message import Message
from evmthread.machine.traps import Answer, Break, Question, Stopped
from evmthread.primitives.arguments import is_a, show
from evmthread.primitives.types import Log


class Hook:
    """Observes a machine. Override what is of interest; frames are the machine's own and are only to be read.

    A method that is called before something may be called again for the same thing when state was missing and the
    machine ran again. Exceptions that a method raises end the call, which is undone, and reach the caller of the World.
    State that may be missing is read before an instruction: afterwards it is too late to wait for it.
    """

    opcodes: Iterable[str] = ()
    """The instructions, by name, of which `opcode_start` and `opcode_end` are told; only these leave the fast path.
    PUSH, DUP, SWAP, POP, PC and JUMPDEST can only be told of by stepping, as with `step_start`."""

    # Calls: told between engine runs, at no cost to the instructions inside ------------------------------------------
    def transaction_start(self, message: Message) -> None:
        """The outermost call is about to begin; fees are paid, the nonce is counted up."""

    def transaction_end(self, frame: Frame) -> None:
        """The outermost call has ended."""

    def resumed(self, frames: tuple[Frame, ...]) -> None:
        """A machine that was suspended goes on, with these open frames; a hook may never have seen them before."""

    def call(self, caller: Frame | None, message: Message) -> Answer | Question | None:
        """A message call (no creation) is about to be made, by None from outside. An answer replaces it."""

    def frame_start(self, frame: Frame) -> None:
        """A call or creation has begun: value has moved, no instruction has run. Precompiles have no such event."""

    def frame_failing(self, frame: Frame) -> None:
        """A frame has reverted or halted: status and reason are known, its effects not yet rolled back."""

    def frame_end(self, frame: Frame) -> None:
        """A frame has ended; its effects stand or are rolled back."""

    def created(self, frame: Frame) -> None:
        """A creation has succeeded: `frame.output` is the code, `frame.address` where it lies."""

    def precompile(self, frame: Frame) -> None:
        """A precompile has run: `frame.data` is its input, `frame.output` its output."""

    def balance_change(self, address: bytes, old: int, new: int) -> None:
        """A balance was changed by a call's value, a self-destruct or a fee. What is rolled back isn't told of."""

    # Instructions: told by a wrapper around the instruction's function, in both engines ------------------------------
    def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> str | None:
        """One of `opcodes` is about to run: its base price is paid. A text stops the machine, with it as the reason.

        Compiled code keeps the words in its own variables: `frame.stack` holds them only at jumps, calls and creations,
        there with the operands on top. The operands are always given.
        """

    def opcode_end(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...], result: object) -> None:
        """One of `opcodes` has run, without failing; `result` is what its function gave."""

    def log(self, frame: Frame, log: Log) -> None:
        """A log entry was emitted; it may yet be rolled back."""

    def storage_read(self, frame: Frame, key: int, value: int) -> None:
        """SLOAD."""

    def storage_write(self, frame: Frame, key: int, old: int, new: int) -> None:
        """SSTORE, also of an equal value."""

    def keccak(self, frame: Frame, preimage: bytes, digest: int) -> None:
        """KECCAK256."""

    def self_destruct(self, frame: Frame, beneficiary: bytes, balance: int) -> None:
        """SELFDESTRUCT, with the balance that went to the beneficiary."""

    # Steps: the machine runs one instruction at a time ---------------------------------------------------------------
    def step_start(self, frame: Frame, instruction: Instruction | None) -> str | None:
        """An instruction is about to begin, None for an invalid opcode. A text stops the machine here."""

    def step_end(self, frame: Frame, instruction: Instruction | None, pc: int) -> None:
        """The instruction that stood at `pc` of this frame's code has run, or failed (`frame.halt_reason`)."""

    def gas_change(self, frame: Frame, instruction: Instruction | None, before: int, after: int) -> None:
        """An instruction changed the gas that its frame has; what a call takes along counts as taken."""


# Not what the interpreter puts there: from CPython 3.14 on a class may have a function of its annotations (PEP 649).
EVENTS = tuple(name for name, value in vars(Hook).items() if callable(value) and not name.startswith("__"))
_NOBODY: MappingProxyType[str, tuple[Callable[..., Any], ...]] = MappingProxyType(dict.fromkeys(EVENTS, ()))
STEP_EVENTS = ("step_start", "step_end", "gas_change")
# The instructions that must be watched for an event.
WATCHED = {
    "log": ("LOG0", "LOG1", "LOG2", "LOG3", "LOG4"),
    "storage_read": ("SLOAD",),
    "storage_write": ("SSTORE",),
    "keccak": ("KECCAK256",),
    "self_destruct": ("SELFDESTRUCT",),
    "balance_change": ("SELFDESTRUCT",),
}


@lru_cache(maxsize=256)
def overridden(kind: type[Hook]) -> tuple[str, ...]:
    """The events that a class of hooks wants to hear of, in the order of EVENTS."""
    return tuple([event for event in EVENTS if getattr(kind, event, None) not in (None, getattr(Hook, event))])


@lru_cache(maxsize=256)
def _interests(
    kinds: tuple[type[Hook], ...],
) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], bool, tuple[str, ...]]:
    """Of hooks of these classes: which of them hear of which event, whether of steps, the instructions to be watched.

    Remembered, for machines are made by the thousand with the same few.
    """
    heard: dict[str, tuple[int, ...]] = {}
    for place, kind in enumerate(kinds):
        if not issubclass(kind, Hook):
            raise InvalidInput(f"a hook is an object of a class derived from Hook, not a {kind.__name__}")
        for event in overridden(kind):  # type: ignore[arg-type] # mypy doubts that a class is hashable
            heard[event] = (*heard.get(event, ()), place)
    watched = [name for event in heard for name in WATCHED.get(event, ())]
    return tuple(heard.items()), any(event in STEP_EVENTS for event in heard), tuple(watched)


def too_late(missing: Missing) -> InvalidInput:
    """What comes of it when a hook reads state that isn't here after an instruction: it can't be run again."""
    return InvalidInput(f"{missing}, read by a hook after an instruction: what may be missing is read before it")


class Observers:
    """Some hooks, sorted by what they override; belongs to one machine at a time."""

    __slots__ = (
        *("by_event", "ends", "gas_changes", "hooks", "passing", "resumed_at", "starts"),
        *("step_ends", "step_starts", "steps", "watched"),
    )

    def __init__(self, hooks: Sequence[Hook], fork: Fork) -> None:
        """Raises InvalidInput for what is no hook, and for an opcode that the fork doesn't have."""
        self.hooks = tuple(hooks)
        self.by_event = _NOBODY.copy()
        heard, stepwise, wanted = _interests(tuple(map(type, self.hooks)))
        for event, places in heard:
            self.by_event[event] = tuple([getattr(self.hooks[place], event) for place in places])
        self.starts: dict[int, list[Callable[..., str | None]]] = {}
        self.ends: dict[int, list[Callable[..., None]]] = {}
        self.step_starts, self.step_ends, self.gas_changes = [self.by_event[event] for event in STEP_EVENTS]
        self.steps = stepwise
        self.passing = False
        self.resumed_at: tuple[Frame, int] | None = None  # the instruction at which a stop was just left
        self.watched: frozenset[int] = frozenset()
        if wanted or any([hook.opcodes for hook in self.hooks]):  # noqa: C419 - a list is made faster, once an input
            self._watch(wanted, fork)

    def serve(self, hooks: tuple[Hook, ...]) -> bool:
        """Whether another machine with these hooks can use this, too: it watches no instruction, so nothing changes."""
        return self.hooks is hooks and not (self.steps or self.watched or any([hook.opcodes for hook in hooks]))  # noqa: C419

    def _watch(self, wanted: Sequence[str], fork: Fork) -> None:
        by_name = {record.name: record for record in fork.table if record is not None}
        watched = {by_name[name] for name in wanted if name in by_name}
        for hook in self.hooks:
            if is_a(hook.opcodes, str):
                raise InvalidInput(f"a hook's opcodes are a tuple of names, not the text {hook.opcodes!r}")
            for name in hook.opcodes:
                if name not in by_name:
                    raise InvalidInput(f"fork {fork.name} has no instruction {name!r}")
                record = by_name[name]
                watched.add(record)
                self.starts.setdefault(record.opcode, []).append(hook.opcode_start)
                self.ends.setdefault(record.opcode, []).append(hook.opcode_end)
        if any(record.shape is Shape.STACK for record in watched):
            self.steps = True
        self.watched = frozenset([record.opcode for record in watched])

    def tell(self, event: str, *arguments: object) -> None:
        """Calls everybody who wants to know. What has happened isn't told again, so nobody can wait for state here."""
        try:
            for method in self.by_event[event]:
                method(*arguments)
        except Missing as missing:
            if event == "transaction_start":
                raise
            raise too_late(missing) from missing

    def tell_balances(self, before: Mapping[bytes, int], host: Host) -> None:
        """Tells of the accounts whose balance isn't what it was."""
        if not self.by_event["balance_change"]:
            return
        for address, old in before.items():
            if (new := host.balance(address)) != old:
                self.tell("balance_change", address, old, new)

    def ask(self, caller: Frame | None, message: Message) -> Answer | Question | None:
        """What the first hook says that has an answer to a call, or a question of it."""
        for method in self.by_event["call"]:
            verdict: Answer | Question | None = method(caller, message)
            if isinstance(verdict, Answer | Question):
                return verdict
            if verdict is not None:
                raise InvalidInput(f"a hook's call gives None, an Answer or a Question, not {show(verdict)}")
        return None

    def begin(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> None:
        """Before a watched instruction. Raises Stopped where a hook wants to stop, unless that was just resumed."""
        resumed_at, self.resumed_at = self.resumed_at, None
        if self.passing or (resumed_at is not None and resumed_at[0] is frame and resumed_at[1] == frame.pc):
            self.passing = False
            return
        self.stop_for([method(frame, instruction, operands) for method in self.starts.get(instruction.opcode, ())])

    def stop_for(self, verdicts: Iterable[str | None]) -> None:
        """Raises Stopped with all reasons, if there is any."""
        reasons = tuple([verdict for verdict in verdicts if verdict is not None])
        if not reasons:
            return
        for reason in reasons:
            if not is_a(reason, str):
                raise InvalidInput(f"a hook stops the machine by a text, not by {show(reason)}")
        raise Stopped(Break(reasons))

    def finish(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...], result: object) -> None:
        """After a watched instruction."""
        for method in self.ends.get(instruction.opcode, ()):
            method(frame, instruction, operands, result)
