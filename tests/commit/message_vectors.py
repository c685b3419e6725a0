"""Vectors of the messages between parties: the bytes of each type, and bytes that are none (C19)."""

from dataclasses import replace
from random import Random

import commit_samples as samples
from vector_forms import hexed, verdict

from evmthread.channel.messages import (
    Accept,
    Agreed,
    Close,
    CloseReady,
    Fetch,
    Hello,
    Message,
    Propose,
    Reject,
    Request,
    decode_message,
    encode_message,
    max_bytes,
)
from evmthread.channel.party import SignedInput
from evmthread.commit import Suspension, Terms, digest, thread_id
from evmthread.commit.members import Json
from evmthread.primitives import rlp

DOMAIN = samples.DOMAIN
BATCH_BYTES = 2_000


def _samples(two: Terms) -> list[Message]:
    call = samples.input_of(DOMAIN, two)
    commitment, batch = samples.committed_batch(DOMAIN, two, (call,))
    suspension = Suspension(digest(DOMAIN, call), (b"yes",), 0, two.owners[1], b"who?")
    agreed = samples.agree(DOMAIN, two, commitment)
    waiting = replace(commitment, status=1, awaiting=two.owners[1], machine_hash=suspension.hash_struct())
    signature = samples.sign_all(DOMAIN, two, waiting).signatures[0]
    top, name = (1 << 64) - 1, agreed.digest
    return [
        Hello(-1, -1, bytes(32)),
        Hello(top - 1, 5, name, top),
        Request(SignedInput(call, batch.signatures[0])),
        Request(SignedInput(replace(call, kind=3, data=b""), b"")),
        Propose(commitment, batch, None, agreed.signatures.signatures[0]),
        Propose(waiting, batch, suspension, signature),
        Accept(5, name, agreed.signatures.signatures[1]),
        Accept(0, bytes(32), b""),
        Reject(5, name, 0, ""),
        Reject(5, name, 1, "fee", Agreed(agreed.signed, batch, None)),
        Agreed(agreed.signed, batch, None),
        Agreed(agreed.signed, batch, suspension),
        Fetch(name),
        Fetch(bytes(32)),
        Close(),
        CloseReady(name),
        CloseReady(bytes(32)),
    ]


def messages(two: Terms) -> list[Json]:
    """`zeros` is how many zero bytes stand behind those in `bytes`; `type` is the name of a message that is one."""
    thread = thread_id(DOMAIN, two)
    result: list[Json] = []

    def add(what: str, data: bytes, zeros: int = 0) -> None:
        found = verdict(lambda: decode_message(data + bytes(zeros), batch_bytes=BATCH_BYTES))
        kind: Json = None
        if found["check"] is None:
            read_thread, message = decode_message(data + bytes(zeros), batch_bytes=BATCH_BYTES)
            assert read_thread == thread
            assert encode_message(thread, message) == data
            kind = type(message).__name__
        entry: dict[str, Json] = {"what": what, "batchBytes": BATCH_BYTES, "bytes": hexed(data)}
        result.append(entry | ({"zeros": zeros} if zeros else {}) | {"type": kind} | found)

    def build(*items: object) -> bytes:
        return b"\x01" + rlp.encode(items)  # type: ignore[arg-type]

    good = _samples(two)
    for message in good:
        data = encode_message(thread, message)
        name = type(message).__name__
        add(name, data)
        kind, _, body = rlp.decode(data[1:])
        assert isinstance(body, list)
        add(f"{name} with an item too many", build(kind, thread, [*body, b""]))
        if body:
            add(f"{name} with an item too few", build(kind, thread, body[:-1]))
            add(f"{name} with a list for its first item", build(kind, thread, [[body[0], b""], *body[1:]]))
        add(f"{name} with bytes for a body", build(kind, thread, b"\x01"))
    close = encode_message(thread, Close())
    numbers = rlp.decode(encode_message(thread, Hello(5, 5, bytes(32)))[1:])
    assert isinstance(numbers, list)
    hello = numbers[2]
    assert isinstance(hello, list)
    add("Hello with a leading zero", build(b"", thread, [b"\x00\x05", *hello[1:]]))
    add("Hello with a nonce of nine bytes", build(b"", thread, [b"\x01" + bytes(8), *hello[1:]]))
    add("Hello with a digest of 31 bytes", build(b"", thread, [*hello[:2], bytes(31), hello[3]]))
    add("Reject with 257 bytes of where", build(b"\x04", thread, [b"\x05", bytes(32), b"", b"x" * 257, []]))
    add("Reject with a where that is no UTF-8", build(b"\x04", thread, [b"\x05", bytes(32), b"", b"\xff", []]))
    for kind in (b"\x09", b"\xff", b"\x00", b"\x01\x00", [b"\x07"]):
        add("no known type", build(kind, thread, []))
    for other in (thread[:31], thread + b"\x00", [thread], b""):
        add("no thread id", build(b"\x07", other, []))
    for data in (b"", b"\x01", b"\x00" + close[1:], b"\x02" + close[1:], close[1:], b"\xff" + close[1:]):
        add("another version, or none", data)
    for data in (close[:-1], close + b"\x00", close + close, close[:2]):
        add("cut, or something behind", data)
    for items in ((b"\x07", thread), (b"\x07", thread, [], b""), ()):
        add("not three items", build(*items))
    for depth in (8, 9, 64):
        nested: object = []
        for _ in range(depth):
            nested = [nested]
        add(f"nested {depth + 2} deep", build(b"\x07", thread, nested))
    add("a list that claims a gigabyte", b"\x01\xfb\x40\x00\x00\x00")
    add("a string that claims 2^64 - 1 bytes", b"\x01\xbf" + b"\xff" * 8)
    add("as long as it may be", build(b"\x07"), zeros=max_bytes(BATCH_BYTES) - 3)
    add("longer than batchBytes + 65,536", close, zeros=max_bytes(BATCH_BYTES) - len(close) + 1)
    generator = Random(19)
    for size in (1, 33, 100, 200):
        add("random bytes", b"\x01" + generator.randbytes(size))
    return result
