"""Where a debugger stops: breakpoints that users set, and the moments at which a line, a call, a function ends.

Each is a condition of a Timeline. Breakpoints of machine/breakpoints.py serve as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evmthread.contracts.abi import SELECTOR_SIZE
from evmthread.debugging.known_code import KnownCode
from evmthread.debugging.timeline import Condition, Line, Moment
from evmthread.errors import InvalidInput
from evmthread.isa.forks import Fork
from evmthread.isa.instruction import Instruction
from evmthread.machine.breakpoints import AtCall, AtOpcode, AtPc, AtSlot, AtTopic
from evmthread.machine.hooks import Hook
from evmthread.primitives.types import parse_hex

WANTED = ""  # the reason of a stop that a command asked for: nothing to be told
_ANY = 2**16  # more functions than are ever open in a frame: the stack has 1,024 places

FORMS = """\
pc N, line [FILE:]N, function NAME, opcode NAME..., slot KEY [read|write],
call ADDRESS|SELECTOR|FUNCTION, topic HASH|EVENT"""

_FORMS_ON_ONE_LINE = FORMS.replace("\n", " ")


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """Something that a user wants to stop at. `text` is how it was asked for."""

    text: str
    meets: Condition


def parse_breakpoint(words: Sequence[str], known: KnownCode, fork: Fork, *, here: str | None) -> Breakpoint:
    """The breakpoint that these words ask for; `here` is the source in which a bare line number is.

    Raises InvalidInput.
    """
    if len(words) < 2:
        raise InvalidInput(f"a breakpoint is one of {_FORMS_ON_ONE_LINE}")
    kind, first, *rest = words
    text = " ".join(words)
    match kind, rest:
        case "pc", []:
            return Breakpoint(text, of_hook(AtPc(parse_number(first))))
        case "line", []:
            return Breakpoint(text, at_line(*find_line(first, known, here)))
        case "function", []:
            return Breakpoint(text, at_function(_function(first, known)))
        case "opcode", _:
            names = [name.upper() for name in (first, *rest)]
            have = {record.name for record in fork.table if record is not None}
            for name in names:
                if name not in have:
                    raise InvalidInput(f"fork {fork.name} has no instruction {name}")
            return Breakpoint(text, of_hook(AtOpcode(*names)))
        case "slot", [] | ["read"] | ["write"]:
            hook = AtSlot(parse_number(first), reads=rest != ["write"], writes=rest != ["read"])
            return Breakpoint(text, of_hook(hook))
        case "call", []:
            return Breakpoint(text, of_hook(_called(first, known)))
        case "topic", []:
            return Breakpoint(text, of_hook(AtTopic(_topic(first, known))))
    raise InvalidInput(f"no breakpoint: {text[:80]!r}; it is one of {_FORMS_ON_ONE_LINE}")


# Conditions -----------------------------------------------------------------------------------------------------------
def of_hook(hook: Hook) -> Condition:
    """The condition that a hook's breakpoint is."""
    opcodes = frozenset(hook.opcodes)

    def meets(moment: Moment, last_line: Line | None) -> str | None:  # noqa: ARG001 - the form of a condition
        instruction = moment.instruction
        reason = hook.step_start(moment.frame, instruction)
        if reason is None and instruction is not None and instruction.name in opcodes:
            return _asked(hook, moment, instruction)
        return reason

    return meets


def _asked(hook: Hook, moment: Moment, instruction: Instruction) -> str | None:
    operands = moment.operands
    return None if operands is None else hook.opcode_start(moment.frame, instruction, operands)


def at_line(source: str, line: int) -> Condition:
    """Where code of a line begins to run."""

    def meets(moment: Moment, last_line: Line | None) -> str | None:
        here = moment.line
        return f"{source}:{line}" if here is not None and here[1:] == (source, line) and here != last_line else None

    return meets


def at_function(name: str) -> Condition:
    """Where a function begins: the jump into it was made."""

    def meets(moment: Moment, last_line: Line | None) -> str | None:  # noqa: ARG001
        calls = moment.calls
        entered = bool(calls) and calls[-1].name == name and calls[-1].target == moment.frame.pc
        return f"function {name}" if entered else None

    return meets


def at_other_line(here: Moment | None, *, over_calls: bool) -> Condition:
    """The next line of source, or going back the one before; with `over_calls` none in anything that is called.

    A line to which a function returns has begun before. Where the present code has no source, it is the instruction.
    `here` is None at the end, from where one can only go back.
    """
    if here is not None and here.known.source_map(here.frame.message) is None:
        return at_other_instruction(here, over_calls=over_calls)
    depth = (0, _ANY) if here is None else here.depth
    if here is not None and not here.calls:
        depth = here.frame.depth, _ANY  # before any function was entered, all are ahead

    def meets(moment: Moment, last_line: Line | None) -> str | None:
        line = moment.line
        if line is None or line == last_line or (over_calls and moment.depth > depth):
            return None
        return WANTED

    return meets


def at_other_instruction(here: Moment | None, *, over_calls: bool) -> Condition:
    """The next instruction, or going back the one before; with `over_calls` in this frame or one above."""
    depth = 0 if here is None else here.frame.depth

    def meets(moment: Moment, last_line: Line | None) -> str | None:  # noqa: ARG001
        return None if over_calls and moment.frame.depth > depth else WANTED

    return meets


def at_return(start: Moment) -> Condition:
    """Where the present function, or else the present call, has ended."""
    depth = start.depth

    def meets(moment: Moment, last_line: Line | None) -> str | None:  # noqa: ARG001
        return WANTED if moment.depth < depth else None

    return meets


# What users write -----------------------------------------------------------------------------------------------------
def find_source(name: str, known: KnownCode) -> str:
    """The one source of this name, or whose name ends with it. Raises InvalidInput."""
    names = {source.name for artifact in known.artifacts for source in artifact.sources}
    found = sorted(each for each in names if each == name or each.endswith("/" + name))
    if len(found) != 1:
        raise InvalidInput(f"{len(found) or 'no'} source{'s' * (len(found) > 1)} {name!r}: {', '.join(found or names)}")
    return found[0]


def find_line(text: str, known: KnownCode, here: str | None) -> tuple[str, int]:
    """(source, line) of "N" (in the source `here`) or "FILE:N": the line, or the next that has code.

    Raises InvalidInput.
    """
    name, colon, number = text.rpartition(":")
    if not colon and here is None:
        raise InvalidInput(f"line {text} of which source? Say FILE:{text}")
    source = find_source(name, known) if colon else str(here)
    line = parse_number(number)
    lines = {place.line for each in known.maps() for place in each.places() if place.is_code and place.source == source}
    later = [each for each in lines if each >= line]
    if not later:
        raise InvalidInput(f"no code on line {line} of {source}, nor after it")
    return source, min(later)


def _function(name: str, known: KnownCode) -> str:
    """The whole name of a function: "play" is "Morpion.play" where there is one of that name alone."""
    every = {
        place.function.name
        for each in known.maps()
        for place in each.places()
        if place.function is not None and not place.generated
    }
    found = sorted(each for each in every if each == name or each.rpartition(".")[2] == name)
    if len(found) != 1:
        raise InvalidInput(f"{len(found) or 'no'} function{'s' * (len(found) > 1)} {name!r}: {', '.join(found)}")
    return found[0]


def _called(text: str, known: KnownCode) -> AtCall:
    """A call of an address, a selector, or a function by its name or signature."""
    if text.startswith("0x"):
        value = parse_hex(text, what="hex")
        if len(value) == 20:
            return AtCall(value)
        if len(value) == SELECTOR_SIZE:
            return AtCall(selector=value)
        raise InvalidInput(f"{text[:80]} is no address (20 bytes) and no selector (4)")
    functions = [each for artifact in known.artifacts for each in artifact.functions]
    selectors = {each.selector for each in functions if text in (each.name, each.signature)}
    if len(selectors) != 1:
        raise InvalidInput(f"{len(selectors) or 'no'} function{'s' * (len(selectors) > 1)} {text!r}")
    return AtCall(selector=selectors.pop())


def _topic(text: str, known: KnownCode) -> bytes:
    if text.startswith("0x"):
        value = parse_hex(text, what="hex")
        if len(value) != 32:
            raise InvalidInput(f"a topic is 32 bytes, not {len(value)}")
        return value
    events = [each for artifact in known.artifacts for each in artifact.events]
    topics = {each.topic for each in events if text in (each.name, each.signature)}
    if len(topics) != 1:
        raise InvalidInput(f"{len(topics) or 'no'} event{'s' * (len(topics) > 1)} {text!r}")
    return topics.pop()


def parse_number(text: str) -> int:
    """A number in decimal, or in hex with 0x."""
    try:
        value = int(text, 16) if text.startswith("0x") else int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 2**256:
        raise InvalidInput(f"no number: {text[:80]!r}")
    return value
