"""What asks a node: the protocol, and one over HTTP with the standard library (https://www.jsonrpc.org/specification)."""

import http.client
import json
import ssl
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

from evmthread.errors import BackendError, DecodingError, InvalidInput
from evmthread.primitives.untrusted_json import parse_json

MAX_ANSWER_BYTES = 64 * 1024 * 1024  # no state read of a chain comes near it
TIMEOUT = 20.0
SHOWN = 200  # of what a node says, in errors


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


def result_of(answer: object, method: str, number: int | None, node: str) -> object:
    """The result in an answer to the request with this id; of any id for None. Raises NodeRefused, BadAnswer."""
    shown = repr(answer)[:SHOWN]
    if not isinstance(answer, dict) or (number is not None and answer.get("id") not in (number, None)):
        raise BadAnswer(f"{method}: {node} answered another question: {shown}")
    error = answer.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        message = str(error.get("message"))[:SHOWN]
        raise NodeRefused(method, code if isinstance(code, int) else 0, message, error.get("data"))
    if error is not None or "result" not in answer:
        raise BadAnswer(f"{method}: {node} answered neither result nor error: {shown}")
    result: object = answer["result"]
    return result


class HttpProvider:
    """One node, over one HTTP connection that is kept open. Not for several threads at once."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"{url!r} is no http or https address")
        self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # no password, and no key in the path
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
        else:
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        self._number = 0

    def request(self, method: str, *parameters: object) -> object:
        self._number += 1
        status, data = self._post(question(self._number, method, parameters))
        try:
            answer = parse_json(data)
        except DecodingError:
            raise BadAnswer(f"{method}: {self._shown} answered {status} and no JSON: {data[:SHOWN]!r}") from None
        return result_of(answer, method, self._number, self._shown)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        for attempt in (0, 1):
            fresh = self._connection.sock is None
            try:
                self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
                response = self._connection.getresponse()
                data = response.read(MAX_ANSWER_BYTES + 1)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if attempt == 0 and not fresh:
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
