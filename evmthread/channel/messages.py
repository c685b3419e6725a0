"""What parties say to one another: nine messages, their bytes, and nothing of what follows from them.

A message is `0x01 ++ rlp([type, threadId, body])`, at most batchBytes + 64 KiB long, nested at most 8 deep. What can't
be read raises DecodingError; whether it holds is the receiver's matter. Pinned, where the specification says no more:
Hello's body is [highest + 1, agreed + 1, digest of the last agreed commitment, floor], 0 and the zero hash standing for
none; a Reject's `where` is a text, its last item an Agreed's body or an empty list; an Agreed's last item is the
Suspension, or an empty list where the commitment is at rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from evmthread.channel.party import SignedInput
from evmthread.commit.agreement import SignedCommitment
from evmthread.commit.batch import Input, SignedBatch
from evmthread.commit.commitment import Commitment, Suspension
from evmthread.commit.members import plain_type
from evmthread.commit.records import VERSION_BYTE, decode_versioned, decoded_list, remember_rlp
from evmthread.errors import DecodingError
from evmthread.primitives import rlp
from evmthread.primitives.quick import quick
from evmthread.primitives.types import ZERO_HASH

OVERHEAD_BYTES = 64 * 1024
"""How much longer than batchBytes a message may be (commitment.md, section 3)."""

MAX_WHERE_BYTES = 256
"""What a Reject says of the place that it means."""

_UINT8, _UINT64 = plain_type("uint8"), plain_type("uint64")
_HASH, _BYTES, _TEXT = plain_type("bytes32"), plain_type("bytes"), plain_type("string")


class MessageType(IntEnum):
    """The first item of a message."""

    HELLO = 0
    REQUEST = 1
    PROPOSE = 2
    ACCEPT = 3
    REJECT = 4
    AGREED = 5
    FETCH = 6
    CLOSE = 7
    CLOSE_READY = 8


class RejectCode(IntEnum):
    """Why a proposal isn't signed."""

    UNWANTED = 0  # any party may, without a reason
    STALE = 1  # not on my last agreed, which comes along
    INVALID = 2  # a rule of batches or commitments is broken
    DIVERGENT = 3  # executing it gives another field
    CLOCK = 4  # its time is too far from mine
    PASSED_OVER = 5  # it leaves out my oldest request, or puts another's call before it
    TOO_MANY = 6  # too many of my signatures stand above the last agreed
    FINAL = 7  # I have signed a final commitment


@dataclass(frozen=True, slots=True)
class Hello:
    """What a party has: the highest nonce that it signed (-1: none), its last agreement (-1, zero hash), its floor."""

    highest: int
    agreed: int
    digest: bytes
    floor: int = 0


@quick
@dataclass(frozen=True, slots=True)
class Request:
    """An input that its actor wants in a batch."""

    signed: SignedInput


@quick
@dataclass(frozen=True, slots=True)
class Propose:
    """A leader's commitment, what leads to it, and its signature."""

    commitment: Commitment
    batch: SignedBatch
    suspension: Suspension | None
    signature: bytes


@quick
@dataclass(frozen=True, slots=True)
class Accept:
    """A party's signature on a proposal, for all to see."""

    nonce: int
    digest: bytes
    signature: bytes


@quick
@dataclass(frozen=True, slots=True)
class Agreed:
    """An agreement with all that it takes to execute it. Nothing is verified."""

    signed: SignedCommitment
    batch: SignedBatch
    suspension: Suspension | None


@dataclass(frozen=True, slots=True)
class Reject:
    """A proposal isn't signed; where the proposer is behind, with the agreement that it lacks."""

    nonce: int
    digest: bytes
    code: int
    where: str
    agreed: Agreed | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """Send me the agreement of this digest."""

    digest: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Let us end here."""


@dataclass(frozen=True, slots=True)
class CloseReady:
    """I will sign a final commitment on this one, and nothing else before."""

    digest: bytes


Message: TypeAlias = Hello | Request | Propose | Accept | Reject | Agreed | Fetch | Close | CloseReady


def max_bytes(batch_bytes: int) -> int:
    """How long a message of a thread may be."""
    return batch_bytes + OVERHEAD_BYTES


def encode_message(thread_id: bytes, message: Message) -> bytes:
    """The message's bytes."""
    kind, body = _encoded(message)
    return VERSION_BYTE + rlp.encode_list([rlp.encode_int(kind), rlp.encode_bytes(thread_id), rlp.encode_list(body)])


def _encoded(message: Message) -> tuple[MessageType, list[bytes]]:
    match message:
        case Hello(highest, agreed, digest, floor):
            numbers = map(rlp.encode_int, (highest + 1, agreed + 1))
            return MessageType.HELLO, [*numbers, rlp.encode_bytes(digest), rlp.encode_int(floor)]
        case Request(signed):
            return MessageType.REQUEST, [signed.input.to_rlp(), rlp.encode_bytes(signed.signature)]
        case Propose():
            return MessageType.PROPOSE, _propose_items(message)
        case Accept(nonce, digest, signature):
            items = [rlp.encode_int(nonce), rlp.encode_bytes(digest), rlp.encode_bytes(signature)]
            return MessageType.ACCEPT, items
        case Reject(nonce, digest, code, where, standing):
            known = rlp.EMPTY_LIST if standing is None else rlp.encode_list(_agreed_items(standing))
            text = where.encode()[:MAX_WHERE_BYTES].decode(errors="ignore")
            items = [rlp.encode_int(nonce), rlp.encode_bytes(digest), rlp.encode_int(code), _TEXT.to_rlp(text), known]
            return MessageType.REJECT, items
        case Agreed():
            return MessageType.AGREED, _agreed_items(message)
        case Fetch(digest):
            return MessageType.FETCH, [rlp.encode_bytes(digest)]
        case Close():
            return MessageType.CLOSE, []
        case CloseReady(digest):
            return MessageType.CLOSE_READY, [rlp.encode_bytes(digest)]


def encode_body(message: Propose | Agreed) -> bytes:
    """A proposal or an agreement as it is kept: 0x01 ++ the RLP of its message's body."""
    items = _propose_items(message) if isinstance(message, Propose) else _agreed_items(message)
    return VERSION_BYTE + rlp.encode_list(items)


def _suspension_rlp(suspension: Suspension | None) -> bytes:
    return rlp.EMPTY_LIST if suspension is None else suspension.to_rlp()


def _propose_items(propose: Propose) -> list[bytes]:
    return [
        propose.commitment.to_rlp(),
        propose.batch.to_rlp(),
        _suspension_rlp(propose.suspension),
        rlp.encode_bytes(propose.signature),
    ]


def _agreed_items(agreed: Agreed) -> list[bytes]:
    return [agreed.signed.to_rlp(), agreed.batch.to_rlp(), _suspension_rlp(agreed.suspension)]


# Reading --------------------------------------------------------------------------------------------------------------
def decode_message(data: bytes, *, batch_bytes: int) -> tuple[bytes, Message]:
    """(threadId, message) of a message's bytes. Raises DecodingError for anything else."""
    kind, thread_id, body = decoded_list(
        decode_versioned(data, "message", max_bytes=max_bytes(batch_bytes)), "message", 3
    )
    number, thread = _integer(kind, "type", _UINT8), _hash(thread_id, "threadId")
    read = _READERS.get(number)
    if read is None:
        raise DecodingError(f"message: type {number}")
    message = read(body)
    if isinstance(message, Propose):
        _remember_bytes(message, data)
    return thread, message


def _remember_bytes(propose: Propose, data: bytes) -> None:
    """Whoever signs a proposal keeps it first, and the agreement on it: as the bytes of which it was read."""
    commitment, batch, *_ = rlp.encoded_items(data[_items_start(data) + _BODY_OFFSET :])
    remember_rlp(propose.commitment, commitment)
    remember_rlp(propose.batch, batch)


_SHORTEST = b"\xe3"
"""How the list of a message begins that has nothing but its type, the threadId and an empty body."""


_BODY_OFFSET = 34
"""Before the body stand the type, which is a byte, and the threadId with its head."""


def _items_start(data: bytes) -> int:
    """Where a message's items begin: after the version and the head of the list."""
    return 2 if data[1:2] < b"\xf8" else data[1] - 0xF5


def thread_of(data: bytes) -> bytes:
    """The threadId that a message's bytes name, without reading the rest. Raises DecodingError where they name none."""
    start = _items_start(data)
    if data[:1] != VERSION_BYTE or data[1:2] < _SHORTEST or data[start + 1 : start + 2] != b"\xa0":
        raise DecodingError("bytes that are no message of a thread")
    return _hash(bytes(data[start + 2 : start + 34]), "threadId")  # after the type, a byte, and the length


def decode_proposal(data: bytes, *, batch_bytes: int) -> Propose:
    """The proposal that encode_body wrote. Raises DecodingError."""
    return _propose(decode_versioned(data, "Propose", max_bytes=max_bytes(batch_bytes)))


def decode_agreed(data: bytes, *, batch_bytes: int) -> Agreed:
    """The agreement that encode_body wrote. Raises DecodingError."""
    return _agreed(decode_versioned(data, "Agreed", max_bytes=max_bytes(batch_bytes)))


def _integer(item: rlp.Decoded, what: str, kind: object = _UINT64) -> int:
    value = kind.from_rlp(item, what)  # type: ignore[attr-defined]
    assert isinstance(value, int)
    return value


def _hash(item: rlp.Decoded, what: str) -> bytes:
    value = _HASH.from_rlp(item, what)
    assert isinstance(value, bytes)
    if len(value) != len(ZERO_HASH):
        raise DecodingError(f"{what}: {len(value)} bytes where 32 are wanted")
    return value


def _bytes(item: rlp.Decoded, what: str) -> bytes:
    value = _BYTES.from_rlp(item, what)
    assert isinstance(value, bytes)
    return value


def _suspension(item: rlp.Decoded) -> Suspension | None:
    return None if item == [] else Suspension.from_rlp(item)


def _hello(body: rlp.Decoded) -> Hello:
    highest, agreed, digest, floor = decoded_list(body, "Hello", 4)
    return Hello(
        _integer(highest, "Hello.highest") - 1,
        _integer(agreed, "Hello.agreed") - 1,
        _hash(digest, "Hello.digest"),
        _integer(floor, "Hello.floor"),
    )


def _request(body: rlp.Decoded) -> Request:
    each, signature = decoded_list(body, "Request", 2)
    return Request(SignedInput(Input.from_rlp(each), _bytes(signature, "Request.signature")))


def _propose(body: rlp.Decoded) -> Propose:
    commitment, batch, suspension, signature = decoded_list(body, "Propose", 4)
    return Propose(
        Commitment.from_rlp(commitment),
        SignedBatch.from_rlp(batch),
        _suspension(suspension),
        _bytes(signature, "Propose.signature"),
    )


def _accept(body: rlp.Decoded) -> Accept:
    nonce, digest, signature = decoded_list(body, "Accept", 3)
    return Accept(
        _integer(nonce, "Accept.nonce"), _hash(digest, "Accept.digest"), _bytes(signature, "Accept.signature")
    )


def _reject(body: rlp.Decoded) -> Reject:
    nonce, digest, code, where, standing = decoded_list(body, "Reject", 5)
    text = _TEXT.from_rlp(where, "Reject.where")
    assert isinstance(text, str)
    if len(text.encode()) > MAX_WHERE_BYTES:
        raise DecodingError(f"Reject.where: more than {MAX_WHERE_BYTES} bytes")
    return Reject(
        _integer(nonce, "Reject.nonce"),
        _hash(digest, "Reject.digest"),
        _integer(code, "Reject.code", _UINT8),
        text,
        None if standing == [] else _agreed(standing),
    )


def _agreed(body: rlp.Decoded) -> Agreed:
    signed, batch, suspension = decoded_list(body, "Agreed", 3)
    return Agreed(SignedCommitment.from_rlp(signed), SignedBatch.from_rlp(batch), _suspension(suspension))


def _fetch(body: rlp.Decoded) -> Fetch:
    (digest,) = decoded_list(body, "Fetch", 1)
    return Fetch(_hash(digest, "Fetch.digest"))


def _close(body: rlp.Decoded) -> Close:
    decoded_list(body, "Close", 0)
    return Close()


def _close_ready(body: rlp.Decoded) -> CloseReady:
    (digest,) = decoded_list(body, "CloseReady", 1)
    return CloseReady(_hash(digest, "CloseReady.digest"))


_READERS: Mapping[int, Callable[[rlp.Decoded], Message]] = {
    MessageType.HELLO: _hello,
    MessageType.REQUEST: _request,
    MessageType.PROPOSE: _propose,
    MessageType.ACCEPT: _accept,
    MessageType.REJECT: _reject,
    MessageType.AGREED: _agreed,
    MessageType.FETCH: _fetch,
    MessageType.CLOSE: _close,
    MessageType.CLOSE_READY: _close_ready,
}
