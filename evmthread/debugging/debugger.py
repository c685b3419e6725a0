"""A debugger that goes both ways: what its commands do. Who types them and who reads the answers is not known here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from evmthread.debugging import showing
from evmthread.debugging.stops import (
    FORMS,
    WANTED,
    Breakpoint,
    at_other_instruction,
    at_other_line,
    at_return,
    parse_breakpoint,
    parse_number,
)
from evmthread.debugging.timeline import Condition, Line, Moment, Timeline
from evmthread.errors import EvmthreadError, InvalidInput
from evmthread.primitives.types import parse_hex

MOST_REPEATS = 10**6


class Debugger:
    """Obeys one line after the other. `ended` is True after `quit`."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.breakpoints: dict[int, Breakpoint] = {}
        self.ended = False
        self._numbers = 0
        self._source: str | None = None
        frames = timeline.frames
        self._has_source = bool(frames) and timeline.known.source_map(frames[0].message) is not None

    def obey(self, line: str) -> list[str]:
        """What a command answers, as lines. What a user got wrong, or the machine refuses, is an answer too."""
        words = line.split()
        if not words or words[0].startswith("#"):
            return []
        try:
            return find_command(words[0]).run(self, words[1:])
        except EvmthreadError as error:
            return [f"error: {showing.printable(str(error))}"]

    def here(self) -> list[str]:
        """Where it stands."""
        moment = self.timeline.moment
        if moment is None or self.timeline.question is not None:
            return showing.ending(self.timeline)
        line = moment.line
        self._source = line[1] if line is not None else self._source
        return showing.position(moment)

    def moment(self) -> Moment:
        """The machine now. Raises InvalidInput at the end."""
        moment = self.timeline.moment
        if moment is None:
            raise InvalidInput("it has ended; back, backi, reverse and goto go back")
        return moment

    # Going ------------------------------------------------------------------------------------------------------------
    def forward(self, words: Sequence[str], condition: Callable[[Moment], Condition] | None = None) -> list[str]:
        """Goes on until a condition, as often as a number says; stops at breakpoints on the way."""
        for _ in range(_count(words)):
            moment = self.moment()
            reason = self.timeline.run(self._stop(None if condition is None else condition(moment)))
            if reason is None:
                break
            if reason != WANTED:
                return [f"stopped: {reason}", *self.here()]
        return self.here()

    def backward(
        self, words: Sequence[str], condition: Callable[[Moment | None], Condition] | None = None
    ) -> list[str]:
        """Goes back to where a condition was met, as often as a number says; to breakpoints without one."""
        for _ in range(_count(words)):
            if not self.timeline.step:
                return ["this is the beginning", *self.here()]
            moment = self.timeline.moment
            if condition is None:
                reason = self.timeline.last(self._stop(None))
            elif moment is None and not self._has_source:
                reason = self.timeline.last(at_other_instruction(None, over_calls=False))
            else:
                reason = self.timeline.last(condition(moment))
            if reason is None:
                return ["back at the beginning", *self.here()]
            if reason != WANTED:
                return [f"stopped: {reason}", *self.here()]
        return self.here()

    def goto(self, words: Sequence[str]) -> list[str]:
        """Goes to a step by its number, or to the end."""
        if len(words) != 1:
            raise InvalidInput("goto takes the number of a step, or end")
        if words[0] == "end":
            self.timeline.run(lambda moment, line: None)  # noqa: ARG005
        else:
            self.timeline.go_to(parse_number(words[0]))
        return self.here()

    def answer(self, words: Sequence[str]) -> list[str]:
        """Answers what the machine asks."""
        if len(words) != 1:
            raise InvalidInput("answer takes the bytes of the answer as hex, 0x for none")
        self.timeline.answer(parse_hex(words[0], what="answer"))
        return self.here()

    def _stop(self, wanted: Condition | None) -> Condition:
        breakpoints = tuple(self.breakpoints.items())

        def meets(moment: Moment, last_line: Line | None) -> str | None:
            reasons = [
                f"breakpoint {number}, {reason}"
                for number, each in breakpoints
                if (reason := each.meets(moment, last_line)) is not None
            ]
            if reasons:
                return "; ".join(reasons)
            return None if wanted is None else wanted(moment, last_line)

        return meets

    # Breakpoints ------------------------------------------------------------------------------------------------------
    def set_breakpoint(self, words: Sequence[str]) -> list[str]:
        """Sets a breakpoint, or lists them."""
        if not words:
            return [f"{number}  {each.text}" for number, each in self.breakpoints.items()] or ["no breakpoints"]
        frames = self.timeline.frames
        fork = frames[-1].fork if frames else self.timeline.world.fork
        breakpoint_ = parse_breakpoint(words, self.timeline.known, fork, here=self._source)
        self._numbers += 1
        self.breakpoints[self._numbers] = breakpoint_
        return [f"breakpoint {self._numbers}: {breakpoint_.text}"]

    def delete_breakpoint(self, words: Sequence[str]) -> list[str]:
        """Deletes breakpoints by their numbers, or all."""
        if words == ["all"]:
            self.breakpoints.clear()
            return []
        for word in words:
            if self.breakpoints.pop(parse_number(word), None) is None:
                raise InvalidInput(f"no breakpoint {word}")
        return [] if words else _needs("delete", "the numbers of breakpoints, or all")

    # Looking ----------------------------------------------------------------------------------------------------------
    def source(self, words: Sequence[str]) -> list[str]:
        """The source around the present line, or around a line."""
        return showing.source_lines(self.moment(), parse_number(words[0]) if words else None)

    def memory(self, words: Sequence[str]) -> list[str]:
        """Memory from a byte on, so many bytes."""
        start, size = ([parse_number(word) for word in words] + [0, -1][len(words) :])[:2]
        return showing.memory_lines(self.moment(), start, None if size < 0 else size)

    def storage(self, words: Sequence[str]) -> list[str]:
        """A slot, or those that were touched."""
        return showing.storage_lines(self.timeline, self.moment(), parse_number(words[0]) if words else None)

    def call_data(self, words: Sequence[str]) -> list[str]:  # noqa: ARG002 - the form of a command
        """The data of the innermost call."""
        return showing.byte_lines(bytes(self.moment().frame.data), "call data")

    def return_data(self, words: Sequence[str]) -> list[str]:  # noqa: ARG002
        """What the last call inside the innermost one returned."""
        return showing.byte_lines(self.moment().frame.return_data, "return data")

    def logs(self, words: Sequence[str]) -> list[str]:  # noqa: ARG002
        """The logs so far."""
        return showing.log_lines(self.timeline)

    def where(self, words: Sequence[str]) -> list[str]:  # noqa: ARG002
        """The open calls and functions."""
        return showing.call_lines(self.timeline) if self.timeline.frames else showing.ending(self.timeline)

    def quit(self, words: Sequence[str]) -> list[str]:  # noqa: ARG002
        """Leaves."""
        self.ended = True
        return []

    def help(self, words: Sequence[str]) -> list[str]:
        """All commands, or one."""
        if words:
            return [_help_line(find_command(words[0]))]
        return [*map(_help_line, COMMANDS), "a breakpoint is one of", *FORMS.split("\n")]


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name and short names, its arguments, what it does, in words and as a function."""

    names: tuple[str, ...]
    arguments: str
    help: str
    run: Callable[[Debugger, Sequence[str]], list[str]]


def _lines(*, over_calls: bool) -> Callable[[Moment | None], Condition]:
    return partial(at_other_line, over_calls=over_calls)


def _instructions(*, over_calls: bool) -> Callable[[Moment | None], Condition]:
    return partial(at_other_instruction, over_calls=over_calls)


COMMANDS = (
    Command(
        ("step", "s"),
        "[N]",
        "to the next line, into calls; without source the next instruction",
        lambda debugger, words: debugger.forward(words, _lines(over_calls=False)),
    ),
    Command(
        ("next", "n"),
        "[N]",
        "to the next line, over calls",
        lambda debugger, words: debugger.forward(words, _lines(over_calls=True)),
    ),
    Command(
        ("stepi", "si"),
        "[N]",
        "to the next instruction",
        lambda debugger, words: debugger.forward(words, _instructions(over_calls=False)),
    ),
    Command(
        ("nexti", "ni"),
        "[N]",
        "to the next instruction, over calls of contracts",
        lambda debugger, words: debugger.forward(words, _instructions(over_calls=True)),
    ),
    Command(
        ("out", "o", "finish"),
        "[N]",
        "to where the present function, or call, has returned",
        lambda debugger, words: debugger.forward(words, at_return),
    ),
    Command(("continue", "c"), "[N]", "to the next breakpoint, or the end", Debugger.forward),
    Command(
        ("back", "b"),
        "[N]",
        "back to the line before, into calls; without source the instruction before",
        lambda debugger, words: debugger.backward(words, _lines(over_calls=False)),
    ),
    Command(
        ("backn", "bn"),
        "[N]",
        "back to the line before, over calls",
        lambda debugger, words: debugger.backward(words, _lines(over_calls=True)),
    ),
    Command(
        ("backi", "bi"),
        "[N]",
        "back to the instruction before",
        lambda debugger, words: debugger.backward(words, _instructions(over_calls=False)),
    ),
    Command(("reverse", "r"), "[N]", "back to the last breakpoint, or the beginning", Debugger.backward),
    Command(("goto", "g"), "N|end", "to a step by its number (the # of a position)", Debugger.goto),
    Command(("answer",), "HEX", "answer what the machine asks, and go on", Debugger.answer),
    Command(("break", "br"), "[KIND ...]", "set a breakpoint, or list them", Debugger.set_breakpoint),
    Command(("delete", "d"), "N...|all", "delete breakpoints", Debugger.delete_breakpoint),
    Command(("where", "w", "bt"), "", "the open calls and functions", Debugger.where),
    Command(("list", "l"), "[LINE]", "the source around here, or around a line", Debugger.source),
    Command(("code",), "", "the instructions around here", lambda debugger, _: showing.code_lines(debugger.moment())),
    Command(
        ("stack", "st"), "", "the stack, its top first", lambda debugger, _: showing.stack_lines(debugger.moment())
    ),
    Command(("memory", "m"), "[START [SIZE]]", "memory, 32 bytes on a line", Debugger.memory),
    Command(("storage",), "[KEY]", "the slots touched so far, or one", Debugger.storage),
    Command(("calldata", "cd"), "", "the call data", Debugger.call_data),
    Command(("returndata", "rd"), "", "what the last call returned", Debugger.return_data),
    Command(("logs",), "", "the logs so far", Debugger.logs),
    Command(("here", "p"), "", "where it stands", lambda debugger, _: debugger.here()),
    Command(("help", "h", "?"), "[COMMAND]", "this list", Debugger.help),
    Command(("quit", "q"), "", "leave", Debugger.quit),
)


def find_command(word: str) -> Command:
    """The command of this name, or whose name alone begins so. Raises InvalidInput."""
    for command in COMMANDS:
        if word in command.names:
            return command
    found = [command for command in COMMANDS if command.names[0].startswith(word)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidInput(f"{word}: {', '.join(command.names[0] for command in found)}?")
    raise InvalidInput(f"no command {word[:40]!r}; help lists them")


def _count(words: Sequence[str]) -> int:
    """How often: a number, 1 where there is none. Raises InvalidInput."""
    if not words:
        return 1
    count = parse_number(words[0])
    if len(words) > 1 or not 0 < count <= MOST_REPEATS:
        raise InvalidInput(f"a number from 1 to {MOST_REPEATS:,} is wanted, not {' '.join(words)[:80]!r}")
    return count


def _needs(name: str, what: str) -> list[str]:
    raise InvalidInput(f"{name} takes {what}")


def _help_line(command: Command) -> str:
    names = ", ".join(command.names)
    return f"{names:<16} {command.arguments:<15} {command.help}"
