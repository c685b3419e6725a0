"""What a debugger shows of a moment, as lines of text: position, source, code, stack, memory, storage, open calls."""

from collections.abc import Iterator

from evmthread.contracts.artifact import Artifact
from evmthread.contracts.source_map import Place
from evmthread.debugging.failures import failure_of, source_place
from evmthread.debugging.known_code import KnownCode
from evmthread.debugging.timeline import Calls, Moment, Timeline
from evmthread.errors import DecodingError
from evmthread.execution.result import CallResult, TransactionResult
from evmthread.isa.frame import Frame
from evmthread.primitives.types import Log

_WORD = 32
_LINES = 64  # of memory, call data and the like, unless a range is asked for
_PRINTABLE = range(0x20, 0x7F)


def position(moment: Moment) -> list[str]:
    """Where a machine stands: step, function, line, gas, instruction; and the line's text."""
    frame, known = moment.frame, moment.known
    title = moment.calls[-1].name if moment.calls else known.title(frame.message)
    head = f"#{moment.step}  {title}"
    place = _place(moment)
    text = []
    if place is not None:
        head += f"  {place.source}:{place.line}"
        text = [_source_line(moment, place.source, place.line)]
    return [f"{head}  gas {frame.gas:,}  pc {frame.pc} {instruction_text(frame, frame.pc)}", *text]


def ending(timeline: Timeline) -> list[str]:
    """How a computation ended, or what it asks."""
    question = timeline.question
    if question is not None:
        return [
            f"#{timeline.step}  asks 0x{question.who.hex()}: 0x{question.question.hex()}",
            "it goes on with: answer HEX",
        ]
    result = timeline.result
    assert result is not None
    call = result.result if isinstance(result, TransactionResult) else result
    assert isinstance(call, CallResult)
    head = f"#{timeline.step}  ended: {call.status.value}, {result.gas_used:,} gas"
    failure = failure_of(call, timeline.known)
    if failure is not None:
        return [head, str(failure)]
    return [head, f"created 0x{call.created.hex()}" if call.created is not None else f"output 0x{call.output.hex()}"]


def instruction_text(frame: Frame, pc: int) -> str:
    """The instruction at a pc with the bytes that belong to it."""
    code = frame.code
    opcode = code[pc] if pc < len(code) else 0
    record = frame.fork.table[opcode]
    if record is None:
        return f"opcode 0x{opcode:02x} not defined"
    if not record.immediate:
        return str(record.name)
    return f"{record.name} 0x{code[pc + 1 : pc + 1 + record.immediate].hex()}"


def source_lines(moment: Moment, around: int | None, context: int = 5) -> list[str]:
    """The source around a line, by default the present one."""
    place = _place(moment) or _caller_place(moment)
    if place is None:
        return ["no source is known here"]
    source_map = moment.known.source_map(moment.frame.message)
    text = None if source_map is None else source_map.text(place.source)
    assert text is not None
    middle = place.line if around is None else around
    shown = range(max(1, middle - context), min(len(text.lines), middle + context) + 1)
    return [_numbered(line, text.lines[line - 1], here=line == place.line) for line in shown] or [
        f"{place.source} has {len(text.lines)} lines"
    ]


def code_lines(moment: Moment, before: int = 4, after: int = 8) -> list[str]:
    """The instructions around the present one."""
    frame = moment.frame
    pcs = [0]
    while pcs[-1] < len(frame.code):
        record = frame.fork.table[frame.code[pcs[-1]]]
        pcs.append(pcs[-1] + 1 + (record.immediate if record is not None else 0))
    here = pcs.index(frame.pc) if frame.pc in pcs else 0
    return [
        f"{'>' if pc == frame.pc else ' '} {pc:>6}  {instruction_text(frame, pc)}"
        for pc in pcs[max(0, here - before) : here + after + 1]
    ]


def stack_lines(moment: Moment) -> list[str]:
    """The stack, its top first."""
    stack = moment.frame.stack
    return [f"{index:>4}  {_value(word)}" for index, word in enumerate(reversed(stack))] or ["the stack is empty"]


def memory_lines(moment: Moment, start: int = 0, size: int | None = None) -> list[str]:
    """Memory, 32 bytes on a line."""
    memory = b"".join([word.to_bytes(_WORD, "big") for word in moment.frame.memory])
    return byte_lines(memory, "memory", start, size)


def byte_lines(data: bytes, what: str, start: int = 0, size: int | None = None) -> list[str]:
    """Bytes, 32 on a line; as many lines as fit, unless a size is given."""
    if not data:
        return [f"{what} is empty"]
    end = len(data) if size is None else min(len(data), start + size)
    if start >= len(data):
        return [f"{what} ends at {len(data):#x}"]
    last = end if size is not None else min(end, start + _LINES * _WORD)
    lines = [f"{place:#06x}  {_row(data[place : min(place + _WORD, last)])}" for place in range(start, last, _WORD)]
    return lines if last == end else [*lines, f"... to {len(data):#x}"]


def storage_lines(timeline: Timeline, moment: Moment, key: int | None) -> list[str]:
    """A slot of the account at work; else those that the transaction has touched, with the names they have."""
    frame = moment.frame
    artifact = _artifact(moment)
    if key is not None:
        return [_slot(key, timeline.world.storage(frame.address, key), artifact)]
    lines = [_slot(each, value, artifact) for each, value in sorted(frame.slots.items())]
    return lines or ["no slot was touched yet; storage KEY reads one"]


def log_lines(timeline: Timeline) -> list[str]:
    """The logs so far, decoded where an event is known."""
    return [_log(index, log, timeline.known) for index, log in enumerate(timeline.world.logs)] or ["no logs so far"]


def call_lines(timeline: Timeline) -> list[str]:
    """The open calls and the functions inside them, the innermost first."""
    lines = []
    frames = timeline.frames
    for frame in reversed(frames):
        for name, place in _functions(frame, timeline.calls(frame.depth), timeline.known):
            where = "" if place is None else f"  {place.source}:{place.line}"
            lines.append(f"{name}{where}")
        message = frame.message
        value = f", {message.value:,} wei" if message.value else ""
        lines.append(
            f"{timeline.known.title(message)}  {message.kind.value} of 0x{message.address.hex()}"
            f" by 0x{message.sender.hex()}{value}, {message.gas:,} gas"
        )
    return [f"{index:>3}  {line}" for index, line in enumerate(lines)]


def _functions(frame: Frame, calls: Calls, known: KnownCode) -> Iterator[tuple[str, Place | None]]:
    """The functions open in a frame, the innermost first, each with where it stands."""
    source_map = known.source_map(frame.message)
    if source_map is None:
        return
    pc = frame.pc
    for call in reversed(calls):
        yield call.name, source_place(source_map, pc, [])
        pc = call.pc


def _place(moment: Moment) -> Place | None:
    source_map = moment.known.source_map(moment.frame.message)
    place = None if source_map is None else source_map.at(moment.frame.pc)
    return place if place is not None and place.is_code else None


def _caller_place(moment: Moment) -> Place | None:
    """Where the innermost function stands of which that can be said."""
    functions = _functions(moment.frame, moment.calls, moment.known)
    return next((place for _, place in functions if place is not None), None)


def _source_line(moment: Moment, source: str, line: int) -> str:
    source_map = moment.known.source_map(moment.frame.message)
    text = None if source_map is None else source_map.text(source)
    assert text is not None
    return _numbered(line, text.lines[line - 1])


def _numbered(line: int, text: str, *, here: bool = False) -> str:
    return f"{'>' if here else ' '}{line:>5}  {printable(text.expandtabs(4))}".rstrip()


def printable(text: str) -> str:
    """The text without characters that a terminal would obey."""
    return "".join([character if character.isprintable() else "?" for character in text])


def _value(word: int) -> str:
    return f"{word:#x}" + (f"  {word:,}" if 9 < word < 10**15 else "")


def _row(row: bytes) -> str:
    text = "".join([chr(byte) if byte in _PRINTABLE else "." for byte in row])
    return f"{row.hex(' ', 8):<71}  {text}"


def _artifact(moment: Moment) -> Artifact | None:
    """The contract whose storage is worked on, where the running code is its own."""
    source_map = moment.known.source_map(moment.frame.message)
    return None if source_map is None else source_map.artifact


def _slot(key: int, value: int, artifact: Artifact | None) -> str:
    names = [] if artifact is None else [each.label for each in artifact.storage if each.slot == key]
    return f"{key:#x} = {value:#x}" + (f"  {', '.join(names)}" if names else "")


def _log(index: int, log: Log, known: KnownCode) -> str:
    for artifact in known.artifacts:
        try:
            decoded = artifact.decode_event(log)
        except DecodingError:
            continue
        if decoded is not None:
            return f"{index:>3}  0x{log.address.hex()}  {decoded}"
    topics = ", ".join("0x" + topic.hex() for topic in log.topics)
    return f"{index:>3}  0x{log.address.hex()}  topics [{topics}]  data 0x{log.data.hex()}"
