"""What asks a node: the protocol, and one over HTTP with the standard library (https://www.jsonrpc.org/specification)."""

import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from evmthread.errors import BackendError, DecodingError, InvalidInput
from evmthread.primitives.untrusted_json import parse_json

MAX_ANSWER_BYTES = 64 * 1024 * 1024  # no state read of a chain comes near it
TIMEOUT = 20.0
MAX_VALUES = 2_000_000
"""Values in one answer: as empty lists, 64 MB of JSON would take 1.6 GB."""
SHOWN = 200  # of what a node says, in errors
NOT_REPEATED = frozenset(("eth_sendTransaction",))
"""What isn't asked again when a connection breaks: the node signs anew each time, and so pays twice."""
_MAX_RESPONSE_BYTES = 2 * MAX_ANSWER_BYTES  # with heads, and the sizes of chunks


class NodeUnreachable(BackendError):  # noqa: N818 - as all names in errors.py, it says what happened
    """The node can't be reached, or the connection broke."""


class NodeRefused(BackendError):  # noqa: N818 - see above
    """The node answered with an error: its code, its message, and its data, such as what a call reverted with."""

    def __init__(self, method: str, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{method}: the node says {message!r} ({code})")
        self.method = method
        self.code = code
        self.message = message
        self.data = data


class BadAnswer(BackendError):  # noqa: N818 - see above
    """The node's answer is not what its method answers."""


class Provider(Protocol):
    """What asks a node."""

    def request(self, method: str, *parameters: object) -> object:
        """The result of one call. Raises NodeUnreachable, NodeRefused, BadAnswer."""


def question(number: int, method: str, parameters: Sequence[object]) -> bytes:
    """The bytes of a request with this id."""
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": list(parameters)}).encode()


def parsed(answer: bytes) -> Any:
    """The JSON value of an answer. Raises DecodingError."""
    if sum(answer.count(each) for each in (b",", b"[", b"{")) > MAX_VALUES:
        raise DecodingError(f"more than {MAX_VALUES} values")
    return parse_json(answer)


def parts_of(url: str, *schemes: str) -> tuple[SplitResult, str, int | None]:
    """The parts of a node's address, its host in ASCII, its port. Raises InvalidInput."""
    wrong = InvalidInput(f"{url!r} is no {' or '.join(schemes)} address")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
    except ValueError as error:  # a bracket, a port or a name that is none
        raise wrong from error
    if parts.scheme not in schemes or not host or not f"{parts.path}{parts.query}".isascii():
        raise wrong
    return parts, host, port


def result_of(answer: object, method: str, number: int | None, node: str) -> object:
    """The result in an answer to the request with this id; of any id for None. Raises NodeRefused, BadAnswer."""
    if not isinstance(answer, dict) or (number is not None and answer.get("id") not in (number, None)):
        raise BadAnswer(f"{method}: {node} answered another question: {repr(answer)[:SHOWN]}")
    error = answer.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        message = str(error.get("message"))[:SHOWN]
        raise NodeRefused(method, code if isinstance(code, int) else 0, message, error.get("data"))
    if error is not None or "result" not in answer:
        raise BadAnswer(f"{method}: {node} answered neither result nor error: {repr(answer)[:SHOWN]}")
    result: object = answer["result"]
    return result


class _Bounded(io.RawIOBase):
    """What a socket gives within its time-out, all of it together, and up to a number of bytes.

    The time-out of a socket alone begins anew with each byte, and http.client reads any number of heads.
    """

    def __init__(self, raw: io.RawIOBase, opened: socket.socket) -> None:
        self._raw = raw
        self._socket = opened
        self._end = time.monotonic() + (opened.gettimeout() or TIMEOUT)
        self._room = _MAX_RESPONSE_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self._socket.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        self._room -= count or 0
        if self._room < 0:
            raise OSError(f"an answer of more than {_MAX_RESPONSE_BYTES} bytes")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp: Any = io.BufferedReader(_Bounded(self.fp.detach(), sock))


class HttpProvider:
    """One node, over one HTTP connection that is kept open. Not for several threads at once."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        """`timeout` is how many seconds an answer may take. Nothing is connected yet. Raises InvalidInput."""
        parts, host, port = parts_of(url, "http", "https")
        self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # no password, and no key in the path
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._connection: http.client.HTTPConnection
        try:
            if parts.scheme == "https":
                context = ssl.create_default_context()
                self._connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
            else:
                self._connection = http.client.HTTPConnection(host, port, timeout=timeout)
        except http.client.InvalidURL as error:
            raise InvalidInput(f"{url!r} is no http or https address") from error
        self._connection.response_class = _Response
        self._timeout = timeout
        self._number = 0

    def request(self, method: str, *parameters: object) -> object:
        self._number += 1
        status, data = self._post(question(self._number, method, parameters), repeat=method not in NOT_REPEATED)
        try:
            answer = parsed(data)
        except DecodingError:
            raise BadAnswer(f"{method}: {self._shown} answered {status} and no JSON: {data[:SHOWN]!r}") from None
        return result_of(answer, method, self._number, self._shown)

    def _post(self, body: bytes, *, repeat: bool) -> tuple[int, bytes]:
        for attempt in (0, 1):
            fresh = self._connection.sock is None
            if self._connection.sock is not None:
                self._connection.sock.settimeout(self._timeout)
            try:
                self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
                response = self._connection.getresponse()
                data = response.read(MAX_ANSWER_BYTES + 1)
            except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a chunk of -2 bytes
                self._connection.close()
                if attempt == 0 and not fresh and repeat:
                    continue  # the node let go of a connection that was idle; a new one may do. Reads can be repeated.
                raise NodeUnreachable(f"{self._shown} can't be asked: {error!r}") from error
            if len(data) > MAX_ANSWER_BYTES:
                self._connection.close()
                raise BadAnswer(f"{self._shown} answered more than {MAX_ANSWER_BYTES} bytes")
            return response.status, data
        raise AssertionError("the second attempt returns or raises")

    def close(self) -> None:
        """Lets go of the connection."""
        self._connection.close()
