"""Why a call failed, in the words of the contracts' sources: which error, in which function, on which line."""

from dataclasses import dataclass

from evmthread.contracts.abi import SELECTOR_SIZE, CustomError
from evmthread.contracts.artifact import decode_revert, parse_revert
from evmthread.contracts.source_map import Place, SourceMap
from evmthread.debugging.known_code import KnownCode
from evmthread.execution.result import CallResult
from evmthread.isa.halts import Status


@dataclass(frozen=True, slots=True)
class Failure:
    """What a call failed with. `origin` is the call in which it began, `title` what was called there.

    `place` is where in the source, where the code is known and the compiler says so.
    """

    reason: str
    origin: CallResult
    title: str
    place: Place | None

    def __str__(self) -> str:
        if self.place is None:
            return f"{self.reason} in {self.title}"
        function = "" if self.place.function is None else f" in {self.place.function.name}"
        return f"{self.reason}{function} ({self.place.source}:{self.place.line})"


def failure_of(result: CallResult, known: KnownCode) -> Failure | None:
    """Why a call failed; None for one that succeeded. Errors are those of the contract where it began, or any known."""
    if result.success:
        return None
    origin = _origin(result)
    found = known.source_map(origin.message)
    if origin.halt_reason is not None:
        reason, said = origin.halt_reason.value, ""
    else:
        errors = [error for artifact in known.artifacts for error in artifact.errors]
        errors = errors if found is None else [*found.artifact.errors, *errors]
        reason, said = decode_revert(origin.output, errors), _said(origin.output, errors)
    place = None if found is None else source_place(found, origin.pc, origin.stack)
    if found is not None and place is not None and found.artifact.is_optimized:
        place = _checked(found, place, said, origin)
    return Failure(reason, origin, known.title(origin.message), place)


def source_place(source_map: SourceMap, pc: int, stack: list[int]) -> Place | None:
    """The line of source that code stands for; for what the compiler made, the one to which it would have returned."""
    for where in (pc, *reversed(stack)):
        place = source_map.at(where)
        if place is not None and place.is_code:
            return place
    return None


def _said(output: bytes, errors: list[CustomError]) -> str:
    """What must stand in the source where this revert was written: the error's name, or the message."""
    decoded = parse_revert(output, errors)
    if decoded is None or decoded.name == "Panic":
        return ""
    return str(decoded.values[0]) if decoded.name == "Error" else decoded.name


def _checked(source_map: SourceMap, place: Place, said: str, origin: CallResult) -> Place | None:
    """The place, unless the optimizer has merged its code with other functions': then the only one that can be."""
    artifact, selector = source_map.artifact, bytes(origin.message.data[:SELECTOR_SIZE])
    # A function that is entered from outside isn't where another one was.
    others = {each.name for each in artifact.functions if each.selector != selector}
    others -= {each.name for each in artifact.functions if each.selector == selector}

    def is_possible(each: Place) -> bool:
        return each.function is None or each.function.name.rpartition(".")[2] not in others

    if is_possible(place) and said in _text(source_map, place):
        return place
    places = {each for each in source_map.places() if each.is_code}
    saying = [each for each in places if said and is_possible(each) and _is_revert(_text(source_map, each), said)]
    lines = {(each.source, each.line) for each in saying}
    return min(saying, key=lambda each: each.start) if len(lines) == 1 else None


def _is_revert(text: str, said: str) -> bool:
    return said in text and text.startswith((f"revert {said}", f"{said}(", "require(", "revert("))


def _text(source_map: SourceMap, place: Place) -> str:
    text = source_map.text(place.source)
    return "" if text is None else text.raw[place.start :][: place.length].decode()


def _origin(result: CallResult) -> CallResult:
    """The call in which a failure began: the last call of a call that hands its failure on, and so forth."""
    while result.status is Status.REVERT and result.children:
        last = result.children[-1]
        if last.success or last.output != result.output:
            break
        result = last
    return result
