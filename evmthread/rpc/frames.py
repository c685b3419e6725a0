"""The bytes of WebSocket (RFC 6455), from a client's side: the opening handshake, and messages in frames.

Reads from a function that gives exactly so many bytes. It must not know what messages say, nor what carries them.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable
from enum import IntEnum

from evmthread.errors import DecodingError

_ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_FINAL, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F
_MASKED, _LENGTH = 0x80, 0x7F
_LENGTH_16, _LENGTH_64 = 126, 127
_MAX_CONTROL_BYTES = 125
MAX_HEAD_BYTES = 16 * 1024


class Opcode(IntEnum):
    """What a frame carries (section 5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


def handshake(host: str, path: str) -> tuple[bytes, str]:
    """The request with which a client begins, and the accept value that the answer must have (section 4.1)."""
    key = base64.b64encode(secrets.token_bytes(16))
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key.decode()}",
        "Sec-WebSocket-Version: 13",
    )
    accept = base64.b64encode(hashlib.sha1(key + _ACCEPT_SUFFIX, usedforsecurity=False).digest())
    return "\r\n".join((*lines, "", "")).encode(), accept.decode()


def check_accepted(head: bytes, accept: str) -> None:
    """Nothing, or DecodingError: the head of the server's answer doesn't take up the handshake."""
    status, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if status.split(" ")[1:2] != ["101"]:
        raise DecodingError(f"no WebSocket here: {status[:80]!r}")
    if fields.get("upgrade", "").lower() != "websocket" or fields.get("sec-websocket-accept") != accept:
        raise DecodingError("the handshake is not taken up as RFC 6455 says")


def encode_frame(opcode: Opcode, payload: bytes) -> bytes:
    """One whole message from the client, masked as all of them are (section 5.3)."""
    length = len(payload)
    head = bytes((_FINAL | opcode,))
    if length < _LENGTH_16:
        head += bytes((_MASKED | length,))
    elif length < 1 << 16:
        head += bytes((_MASKED | _LENGTH_16,)) + length.to_bytes(2, "big")
    else:
        head += bytes((_MASKED | _LENGTH_64,)) + length.to_bytes(8, "big")
    mask = secrets.token_bytes(4)
    return head + mask + _masked(payload, mask)


def _masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    whole = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ whole).to_bytes(size, "big")


def read_frame(read: Callable[[int], bytes], most: int) -> tuple[Opcode, bool, bytes]:
    """The next frame of the server: opcode, whether its message ends here, payload. Raises DecodingError.

    `read` gives exactly so many bytes, or raises; `most` is the largest payload.
    """
    first, second = read(2)
    if first & _RESERVED:
        raise DecodingError("a frame with an extension that was not agreed on")
    try:
        opcode = Opcode(first & _OPCODE)
    except ValueError:
        raise DecodingError(f"a frame of the unknown kind {first & _OPCODE}") from None
    length, ends = second & _LENGTH, bool(first & _FINAL)
    if second & _MASKED:
        raise DecodingError("a masked frame from the server")
    if opcode >= Opcode.CLOSE and (not ends or length > _MAX_CONTROL_BYTES):
        raise DecodingError("a control frame in parts, or a long one")
    if length == _LENGTH_16:
        length = int.from_bytes(read(2), "big")
    elif length == _LENGTH_64:
        length = int.from_bytes(read(8), "big")
    if length > most:
        raise DecodingError(f"a frame of {length} bytes, more than {most}")
    return opcode, ends, read(length)
