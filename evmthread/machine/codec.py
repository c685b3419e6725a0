"""The frames of a suspended machine as canonical bytes, and back: the machine half of a snapshot.

docs/snapshot.md is the specification. What follows from the rest isn't written: depth, memory limits, where a frame's
logs begin. The tree of calls that have ended isn't either, only how many there were.
"""

from collections.abc import Sequence

from evmthread.errors import DecodingError
from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame
from evmthread.isa.message import CALL, TRAP, CallKind, Message
from evmthread.machine.watched import WatchedMachine
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256

KINDS = (
    *(CallKind.CALL, CallKind.CALLCODE, CallKind.DELEGATECALL, CallKind.STATICCALL),
    *(CallKind.CREATE, CallKind.CREATE2, CallKind.TRAP),
)
MESSAGE_ITEMS = 12
FRAME_ITEMS = MESSAGE_ITEMS + 9
STACK_LIMIT = 1024  # Yellow Paper, section 9.1
# 1,025 frames of 24,576 bytes (EIP-170) and a third more: what is known of a code may take 85 times its size in memory.
MAX_CODE_BYTES = 2**25
_SIGNED_BYTES = 9


def encode_machine(machine: WatchedMachine, undo_start: int) -> list[rlp.Item]:
    """Frames, their codes and the pending call as an RLP item; `undo_start` is where the transaction's undo began."""
    codes: dict[bytes, bytes] = {}
    known: dict[int, bytes] = {}
    frames: list[rlp.Item] = []
    for frame in machine.frames:
        code_hash = known.get(id(frame.code))
        if code_hash is None:
            code_hash = known[id(frame.code)] = keccak256(frame.code)
            codes[code_hash] = frame.code
        undo, logs, refund = frame.mark
        number = rlp.integer_bytes
        frames.append(
            [
                *_encode_message(frame.message, code_hash),
                number(frame.pc),
                number(frame.gas),
                b"".join([word.to_bytes(32, "big") for word in frame.stack]),
                b"".join([word.to_bytes(32, "big") for word in frame.memory]),
                bytes(frame.return_data),
                number((undo - undo_start) // 3),
                number(logs),
                signed_bytes(refund),
                number(len(frame.children or ()) + frame.unrecorded),
            ]
        )
    pending: list[rlp.Item] = [] if machine.pending is None else _encode_message(machine.pending, keccak256(b""))
    return [frames, [codes[code_hash] for code_hash in sorted(codes)], pending]


def signed_bytes(number: int) -> bytes:
    """A signed integer in nine bytes, two's complement."""
    return number.to_bytes(_SIGNED_BYTES, "big", signed=True)


def signed_integer(item: rlp.Decoded) -> int:
    """The integer of nine bytes, two's complement. Raises DecodingError."""
    return int.from_bytes(_bytes(item, "a refund", _SIGNED_BYTES), "big", signed=True)


def _encode_message(message: Message, code_hash: bytes) -> list[rlp.Item]:
    number = rlp.integer_bytes
    return [
        bytes((KINDS.index(message.kind) << 1 | message.is_static,)),
        message.sender,
        message.address,
        message.code_address,
        code_hash,
        bytes(message.data),
        number(message.value),
        number(message.transfer),
        number(message.gas),
        number(message.return_offset if message.return_size else 0),  # where nothing goes, any number may stand
        number(message.return_size),
        number(message.start_pc),
    ]


# Decoding -----------------------------------------------------------------------------------------------------------
def _list(item: rlp.Decoded, size: int | None, what: str) -> list[rlp.Decoded]:
    if isinstance(item, bytes) or (size is not None and len(item) != size):
        raise DecodingError(f"{what} of a machine is no list{'' if size is None else f' of {size} items'}")
    return item


def _bytes(item: rlp.Decoded, what: str, size: int | None = None) -> bytes:
    if not isinstance(item, bytes) or (size is not None and len(item) != size):
        raise DecodingError(f"{what} of a machine is no string{'' if size is None else f' of {size} bytes'}")
    return item


def _number(item: rlp.Decoded, what: str, bits: int = 64) -> int:
    return rlp.bytes_integer(_bytes(item, what), bits=bits)


def _words(item: rlp.Decoded, what: str, most: int) -> list[int]:
    data = _bytes(item, what)
    if len(data) % 32 or len(data) > 32 * most:
        raise DecodingError(f"{what} of a machine has {len(data)} bytes: no whole words, or more than {most} of them")
    return [int.from_bytes(data[start : start + 32], "big") for start in range(0, len(data), 32)]


def decode_machine(item: rlp.Decoded, machine: WatchedMachine, *, undo_start: int, undo_length: int) -> None:
    """Puts the frames of an encoded machine into a machine without any, whose host holds the transaction already.

    Raises DecodingError, with the machine not to be used any more.
    """
    frame_items, code_items, pending = _list(item, 3, "the whole")
    codes = {keccak256(code): code for code in [_bytes(code, "a code") for code in _list(code_items, None, "codes")]}
    if (size := sum(map(len, codes.values()))) > MAX_CODE_BYTES:
        raise DecodingError(f"{size} bytes of code in a machine are more than {MAX_CODE_BYTES}")
    parent: Frame | None = None
    for fields in _list(frame_items, None, "frames"):
        parent = _decode_frame(_list(fields, FRAME_ITEMS, "a frame"), codes, machine, parent, undo_start, undo_length)
        machine.frames.append(parent)
    if parent is None:
        raise DecodingError("a machine has no frames")
    if parent.depth > machine.fork.limits.call_depth:
        raise DecodingError(f"a machine has {parent.depth + 1} frames")
    machine.root = machine.frames[0]
    fields = _list(pending, None, "the pending call")
    if fields:
        _, message = _decode_message(_list(fields, MESSAGE_ITEMS, "the pending call"), {keccak256(b""): b""}, parent)
        if message.kind.creates:
            raise DecodingError("the pending call of a machine can't be one")
        machine.pending = message
    gas = sum([frame.gas for frame in machine.frames]) + (0 if machine.pending is None else machine.pending.gas)
    if gas >> 256:
        raise DecodingError(f"{gas} gas of a machine is more than a word")


def _decode_message(
    fields: list[rlp.Decoded], codes: dict[bytes, bytes], parent: Frame | None
) -> tuple[bytes, Message]:
    kind_byte = _bytes(fields[0], "a kind", 1)[0]
    if kind_byte >> 1 >= len(KINDS):
        raise DecodingError(f"call kind {kind_byte >> 1} of a machine")
    kind, is_static = KINDS[kind_byte >> 1], bool(kind_byte & 1)
    sender, address, code_address = [_bytes(field, "an address", 20) for field in fields[1:4]]
    code_hash = _bytes(fields[4], "a code hash", 32)
    if code_hash not in codes:
        raise DecodingError(f"the code 0x{code_hash.hex()} of a machine isn't there")
    message = Message(
        kind,
        sender,
        address,
        code_address,
        codes[code_hash],
        _bytes(fields[5], "call data"),
        _number(fields[6], "a value", 256),
        _number(fields[7], "a transfer", 256),
        _number(fields[8], "gas", 256),
        is_static,
        0 if parent is None else parent.depth + 1,
        _number(fields[9], "a return offset"),
        _number(fields[10], "a return size"),
        _number(fields[11], "a place in code"),
    )
    if parent is None:
        if kind is not CALL and not kind.creates:
            raise DecodingError(f"a machine begins with {kind.value}")
    elif message.return_offset + message.return_size > len(parent.memory) << 5:
        raise DecodingError("the output of a call of a machine goes where its caller has no memory")
    elif len(parent.stack) >= STACK_LIMIT or not parent.pc:
        raise DecodingError("a caller of a machine has no room on its stack, or hasn't begun")
    return code_hash, message


def _decode_frame(
    fields: Sequence[rlp.Decoded],
    codes: dict[bytes, bytes],
    machine: WatchedMachine,
    parent: Frame | None,
    undo_start: int,
    undo_length: int,
) -> Frame:
    _, message = _decode_message(list(fields[:MESSAGE_ITEMS]), codes, parent)
    if message.kind is TRAP:
        raise DecodingError("a frame of a machine is a TRAP")
    fork: Fork = machine.fork
    host = machine.host
    program = machine.cache.program(message.code, fork)
    frame = Frame(message, fork, host, program, program.destinations)
    pc, gas, stack, memory, returned, undo, logs, refunded, calls = fields[MESSAGE_ITEMS:]
    frame.pc = _number(pc, "a pc")
    if frame.pc > max(len(message.code) + 32, message.start_pc):
        raise DecodingError(f"pc {frame.pc} of a machine lies behind its code of {len(message.code)} bytes")
    frame.gas = _number(gas, "gas", 256)
    limit = fork.limits.memory_bytes >> 5 if parent is None else parent.memory_limit - len(parent.memory)
    frame.stack = _words(stack, "a stack", STACK_LIMIT)
    frame.memory = _words(memory, "memory", limit)
    frame.memory_limit = limit
    frame.return_data = _bytes(returned, "return data")
    entries, log_count = _number(undo, "a mark"), _number(logs, "a mark")
    refund = signed_integer(refunded)
    frame.unrecorded = _number(calls, "a number of calls", 63)  # one more is still a number that can be written
    least = (0, 0) if parent is None else ((parent.mark[0] - undo_start) // 3, parent.mark[1])
    if not least[0] <= entries <= undo_length // 3 or not least[1] <= log_count <= len(host.logs):
        raise DecodingError("a mark of a machine lies outside of what happened")
    frame.mark = (undo_start + 3 * entries, log_count, refund)
    frame.caller_pc = 0 if parent is None else parent.pc - 1
    frame.slots, frame.stored = host.open_storage(message.address)
    return frame
