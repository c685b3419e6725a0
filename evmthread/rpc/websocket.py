"""A JSON-RPC provider over WebSocket: asks, and hears what it subscribed to (`eth_subscribe`).

A connection that breaks is made anew at the next use, with all subscriptions; whoever listens is told that something
may have been missed. It starts no threads: what comes in is read while an answer, or a notice, is waited for.
"""

import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from evmthread.errors import DecodingError
from evmthread.rpc.frames import MAX_HEAD_BYTES, Opcode, check_accepted, encode_frame, handshake, read_frame
from evmthread.rpc.provider import (
    MAX_ANSWER_BYTES,
    NOT_REPEATED,
    SHOWN,
    TIMEOUT,
    BadAnswer,
    NodeUnreachable,
    parsed,
    parts_of,
    question,
    result_of,
)

_MAX_WAITING = 10_000
"""Notices that nobody took; more are dropped, and the listener is told that something was missed."""
_MAX_WAITING_BYTES = 8 * 1024 * 1024
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Notice:
    """What a subscription told: its number, as `subscribe` gave it, and the news."""

    subscription: int
    result: object


@dataclass(frozen=True, slots=True)
class Missed:
    """The connection broke, or nobody listened for too long: what happened since is to be asked for."""


class _Connection:
    """One WebSocket. Raises OSError and DecodingError; after either it is of no use."""

    def __init__(self, host: str, port: int, path: str, *, tls: bool, timeout: float) -> None:
        self._buffer = bytearray()
        self._message: bytearray | None = None
        self._timeout = timeout
        self._end = time.monotonic() + timeout
        opened = socket.create_connection((host, port), timeout)
        try:
            self._socket = ssl.create_default_context().wrap_socket(opened, server_hostname=host) if tls else opened
            name = f"[{host}]" if ":" in host else host
            request, accept = handshake(f"{name}:{port}", path)
            self._socket.sendall(request)
            while (end := self._buffer.find(b"\r\n\r\n")) < 0:
                if len(self._buffer) > MAX_HEAD_BYTES:
                    raise DecodingError("an endless answer to the handshake")
                self._receive()
            head = bytes(self._buffer[:end])
            del self._buffer[: end + 4]
            check_accepted(head, accept)
        except BaseException:
            opened.close()
            raise

    def start(self, seconds: float | None = None) -> None:
        """From now on there are so many seconds for all that comes; without a number, what an answer may take."""
        self._end = time.monotonic() + (self._timeout if seconds is None else seconds)

    def send(self, text: bytes) -> None:
        self._socket.settimeout(self._timeout)
        self._socket.sendall(encode_frame(Opcode.TEXT, text))

    def message(self) -> bytes | None:
        """The message that ends with the next frame, if one does. Raises TimeoutError when the time is over."""
        opcode, ends, payload = read_frame(self._exactly, MAX_ANSWER_BYTES - len(self._message or b""))
        if opcode == Opcode.PING:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(encode_frame(Opcode.PONG, payload))
        elif opcode == Opcode.CLOSE:
            raise ConnectionAbortedError("the node closed the connection")
        elif opcode != Opcode.PONG:
            if (opcode == Opcode.CONTINUATION) != (self._message is not None):
                raise DecodingError("frames of several messages mixed")
            if self._message is None:
                self._message = bytearray()
            self._message += payload
            if ends:
                whole, self._message = bytes(self._message), None
                return whole
        return None

    def wait(self) -> bool:
        """Whether something came in before the time was over."""
        try:
            if not self._buffer:
                self._receive()
        except TimeoutError:
            return False
        return True

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _receive(self) -> None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        self._socket.settimeout(left)
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionResetError("the connection ended")
        self._buffer += data

    def close(self) -> None:
        self._socket.close()


class WebSocketProvider:
    """One node over one WebSocket. Not for several threads at once."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        """`timeout` is how many seconds an answer may take. Nothing is connected yet. Raises InvalidInput."""
        parts, host, port = parts_of(url, "ws", "wss")
        tls = parts.scheme == "wss"
        self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # no password, and no key in the path
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._connect: Callable[[], _Connection] = lambda: _Connection(
            host, port or (443 if tls else 80), path, tls=tls, timeout=timeout
        )
        self._connection: _Connection | None = None
        self._number = 0
        self._subscribed: dict[int, tuple[object, ...]] = {}
        self._names: dict[str, int] = {}
        self._waiting: deque[Notice | Missed] = deque()
        self._waiting_bytes = 0

    # Asking -----------------------------------------------------------------------------------------------------------
    def request(self, method: str, *parameters: object) -> object:
        """The result of one call. Raises NodeUnreachable, NodeRefused, BadAnswer.

        A connection that had gone is made anew once; so a call may reach the node twice, as over HTTP.
        """
        is_repeated = self._connection is not None and method not in NOT_REPEATED
        try:
            return self._ask(method, parameters)
        except NodeUnreachable:
            if not is_repeated:
                raise
        return self._ask(method, parameters)

    def _ask(self, method: str, parameters: tuple[object, ...]) -> object:
        try:
            connection = self._connected()
            return self._asked(connection, method, parameters)
        except (OSError, DecodingError) as error:
            self._drop()
            raise NodeUnreachable(f"{self._shown} can't be asked: {error!r}") from error

    def _asked(self, connection: _Connection, method: str, parameters: tuple[object, ...]) -> object:
        self._number += 1
        connection.start()
        connection.send(question(self._number, method, parameters))
        while True:
            answer = self._heard(connection)
            if answer is not None and answer.get("id") in (self._number, None):
                return result_of(answer, method, self._number, self._shown)

    def _heard(self, connection: _Connection) -> dict[str, object] | None:
        """The answer that the next frame ends; None where it ends none. A notice is kept."""
        data = connection.message()
        if data is None:
            return None
        said = parsed(data)
        if not isinstance(said, dict):
            raise DecodingError(f"neither an answer nor a notice: {data[:SHOWN]!r}")
        if "id" in said:
            return said
        told = said.get("params")
        if said.get("method") == "eth_subscription" and isinstance(told, dict):
            number = self._names.get(str(told.get("subscription")))
            if number is not None:
                self._keep(Notice(number, told.get("result")), len(data))
        return None

    def _keep(self, notice: Notice | Missed, size: int = 0) -> None:
        self._waiting_bytes = size + (self._waiting_bytes if self._waiting else 0)
        if len(self._waiting) >= _MAX_WAITING or self._waiting_bytes > _MAX_WAITING_BYTES:
            self._waiting.clear()
            self._waiting_bytes, notice = 0, Missed()
        self._waiting.append(notice)

    # Listening --------------------------------------------------------------------------------------------------------
    def subscribe(self, *what: object) -> int:
        """Subscribes ("newHeads"; "logs", a filter); the number that its notices carry. Raises as `request` does."""
        name = self.request("eth_subscribe", *what)
        if not isinstance(name, str):
            raise BadAnswer(f"eth_subscribe: {self._shown} answered {str(name)[:SHOWN]!r}")
        number = len(self._subscribed)
        self._subscribed[number] = what
        self._names[name] = number
        return number

    def listen(self, seconds: float) -> Notice | Missed | None:
        """The next notice; None when none comes within this time. Raises NodeUnreachable where it can't reconnect."""
        if self._waiting:
            return self._waiting.popleft()
        fresh = self._connection is None
        try:
            connection = self._connected()
            end = time.monotonic() + seconds
            while not self._waiting:
                connection.start(max(end - time.monotonic(), 0.001))
                if not connection.wait():
                    break
                connection.start()
                self._heard(connection)  # an answer that nobody waits for any more is dropped
                if time.monotonic() >= end:
                    break
        except (OSError, DecodingError) as error:
            self._drop()
            if fresh:
                raise NodeUnreachable(f"{self._shown} can't be asked: {error!r}") from error
        return self._waiting.popleft() if self._waiting else None

    def _connected(self) -> _Connection:
        if self._connection is not None:
            return self._connection
        connection = self._connection = self._connect()
        self._names = {}
        for number, what in self._subscribed.items():
            name = self._asked(connection, "eth_subscribe", what)
            self._names[str(name)] = number
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            if self._subscribed:
                self._keep(Missed())

    def close(self) -> None:
        """Lets go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
