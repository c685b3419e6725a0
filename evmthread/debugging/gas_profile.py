"""Where gas goes: a hook that follows calls, and functions inside them, and counts what each took.

It is told of jumps and of the beginning and end of calls, and reads the gas then; what is in between belongs to the
innermost open function. Knows no format (see speedscope.py). What a transaction pays before it runs, and refunds, are
no part of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from evmthread.contracts.source_map import SourceMap
from evmthread.debugging.function_calls import FunctionCall, after_jump
from evmthread.debugging.known_code import KnownCode
from evmthread.isa.frame import Frame
from evmthread.isa.instruction import Instruction
from evmthread.isa.message import Message
from evmthread.machine.hooks import Hook


@dataclass(frozen=True, slots=True)
class Called:
    """What gas is counted for: a call of a contract, a function inside it, a precompile."""

    name: str
    source: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something was opened or closed, when so much gas had been used."""

    opens: bool
    called: Called
    gas: int


@dataclass(slots=True)
class GasProfile:
    """One call from outside: everything that was opened and closed in it, in order, well nested."""

    title: str
    gas: int = 0
    events: list[Event] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class GasRow:
    """What something took in all: itself (`own`) and with what it called (`total`; of a recursion the outermost)."""

    called: Called
    calls: int
    own: int
    total: int


@dataclass(slots=True)
class _Open:
    frame: Frame
    calls: tuple[FunctionCall, ...] = ()


class GasProfiler(Hook):
    """Makes a GasProfile of each call from outside; any number of Worlds may have it, one after the other."""

    opcodes: Iterable[str] = ("JUMP",)

    def __init__(self, known: KnownCode) -> None:
        self.profiles: list[GasProfile] = []
        self._known = known
        self._open: list[_Open] = []
        self._names: list[Called] = []
        self._profile = GasProfile("")
        self._seen = 0  # the innermost frame's gas when something was last counted

    # What it is told --------------------------------------------------------------------------------------------------
    def transaction_start(self, message: Message) -> None:
        self._begin(self._known.title(message))

    def resumed(self, frames: tuple[Frame, ...]) -> None:
        if [each.frame for each in self._open] == list(frames):
            return
        self._begin(self._known.title(frames[0].message) + ", resumed")
        for frame in frames:
            self._enter(frame)

    def frame_start(self, frame: Frame) -> None:
        if self._open:
            # What goes along with a call is used by nobody yet; a stipend is less than what the call itself took.
            self._count(self._seen - self._open[-1].frame.gas - frame.gas)
        self._enter(frame)

    def frame_end(self, frame: Frame) -> None:
        if not self._open or self._open[-1].frame is not frame:
            return  # a precompile, or an answer
        self._count(self._seen - frame.gas)
        for _ in range(len(self._open.pop().calls) + 1):
            self._close()
        if self._open:
            self._seen = self._open[-1].frame.gas
        else:
            self.profiles.append(self._profile)

    def precompile(self, frame: Frame) -> None:
        caller = self._open[-1].frame if self._open else frame
        took = frame.message.gas - frame.gas
        name = frame.fork.precompiles[frame.message.code_address].name
        if self._open:
            self._count(self._seen - caller.gas - took)
        self._enter_name(Called(f"precompile {name}"))
        self._count(took)
        self._close()
        self._seen = caller.gas
        if not self._open:
            self.profiles.append(self._profile)

    def opcode_end(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...], result: object) -> None:  # noqa: ARG002
        source_map = self._known.source_map(frame.message)
        if source_map is None:
            return
        opened = self._open[-1]
        before = opened.calls
        after = after_jump(source_map, before, frame.pc, operands[0], frame.stack[:-1])
        if after is before:
            return
        self._count(self._seen - frame.gas)
        self._seen = frame.gas
        opened.calls = after
        for _ in range(len(before) - len(after)):
            self._close()
        if len(after) > len(before):
            self._enter_name(_called(after[-1], source_map))

    # The profile ------------------------------------------------------------------------------------------------------
    def _begin(self, title: str) -> None:
        self._open, self._names, self._profile, self._seen = [], [], GasProfile(title), 0

    def _enter(self, frame: Frame) -> None:
        self._open.append(_Open(frame))
        self._enter_name(Called(self._known.title(frame.message)))
        self._seen = frame.gas

    def _count(self, gas: int) -> None:
        self._profile.gas += gas

    def _enter_name(self, called: Called) -> None:
        self._names.append(called)
        self._profile.events.append(Event(True, called, self._profile.gas))

    def _close(self) -> None:
        self._profile.events.append(Event(False, self._names.pop(), self._profile.gas))


def _called(call: FunctionCall, source_map: SourceMap) -> Called:
    """A function by its name and, where somebody wrote it, its line."""
    text = source_map.text(call.source)
    if text is None or text.generated or call.function is None:
        return Called(call.name)
    return Called(call.name, call.source, text.line_at(call.function.start))


def gas_rows(profiles: Iterable[GasProfile]) -> list[GasRow]:
    """What everything took, by name; what took most by itself comes first."""
    calls: dict[Called, int] = defaultdict(int)
    own: dict[Called, int] = defaultdict(int)
    total: dict[Called, int] = defaultdict(int)
    for profile in profiles:
        opened: list[tuple[Called, int]] = []
        depth: dict[Called, int] = defaultdict(int)
        last = 0
        for event in profile.events:
            if opened:
                own[opened[-1][0]] += event.gas - last
            last = event.gas
            if event.opens:
                opened.append((event.called, event.gas))
                calls[event.called] += 1
                depth[event.called] += 1
            else:
                called, since = opened.pop()
                depth[called] -= 1
                if not depth[called]:
                    total[called] += event.gas - since
    rows = [GasRow(called, calls[called], own[called], total[called]) for called in calls]
    return sorted(rows, key=lambda row: (-row.own, -row.total, row.called.name))


def gas_table(profiles: Sequence[GasProfile], *, rows: int | None = None) -> str:
    """A table of who used most: own gas and its share, gas with calls, number of calls, name, where it is written."""
    every = gas_rows(profiles)
    whole = sum(profile.gas for profile in profiles)
    lines = [f"{'own gas':>12} {'':>6}  {'with calls':>12}  {'calls':>8}  function"]
    for row in every[:rows]:
        share = f"{100 * row.own / whole:.1f}%" if whole else ""
        where = "" if row.called.line is None else f"  {row.called.source}:{row.called.line}"
        lines.append(f"{row.own:>12,} {share:>6}  {row.total:>12,}  {row.calls:>8,}  {row.called.name}{where}")
    if rows is not None and len(every) > rows:
        rest = sum(row.own for row in every[rows:])
        lines.append(f"{rest:>12,} {'':>6}  {'':>12}  {'':>8}  and {len(every) - rows} more")
    lines.append(f"{whole:>12,} {'100%' if whole else '':>6}  in all, of {len(profiles)} calls from outside")
    return "\n".join(lines)
