"""JSON-RPC over WebSocket against a server of this file, which does what a test tells it; and the frames alone."""

import base64
import hashlib
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.errors import DecodingError, InvalidInput
from evmthread.rpc import (
    BadAnswer,
    HttpProvider,
    Missed,
    NodeRefused,
    NodeUnreachable,
    Notice,
    WebSocketProvider,
    connect,
)
from evmthread.rpc.frames import Opcode, check_accepted, encode_frame, handshake, read_frame
from tests.rpc.sockets import listening


# Frames ---------------------------------------------------------------------------------------------------------------
def reader(data: bytes) -> Callable[[int], bytes]:
    rest = bytearray(data)

    def read(size: int) -> bytes:
        if len(rest) < size:
            raise EOFError
        taken = bytes(rest[:size])
        del rest[:size]
        return taken

    return read


def unmasked(frame: bytes) -> bytes:
    """A client's frame as a server would send it."""
    head, length = frame[:2], frame[1] & 0x7F
    extended = {126: 2, 127: 8}.get(length, 0)
    mask, payload = frame[2 + extended : 6 + extended], frame[6 + extended :]
    plain = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes((head[0], head[1] & 0x7F)) + frame[2 : 2 + extended] + plain


@given(st.binary(max_size=200) | st.integers(65_530, 65_545).map(bytes))
def test_a_frame_is_read_as_it_was_written(payload: bytes) -> None:
    frame = encode_frame(Opcode.TEXT, payload)
    assert frame[1] & 0x80  # a client masks
    assert read_frame(reader(unmasked(frame)), 1 << 20) == (Opcode.TEXT, True, payload)


def test_frames_that_no_server_sends() -> None:
    for wrong in (
        *(b"\xf1\x00", b"\x83\x00", b"\x81\x80\x00\x00\x00\x00"),  # extension, unknown kind, masked
        *(b"\x08\x00", b"\x89\x7e\x00\x7e" + bytes(126)),  # a control frame in parts, a long one
        b"\x81\x7f" + (1 << 40).to_bytes(8, "big"),  # more than wanted, refused before it is read
    ):
        with pytest.raises(DecodingError):
            read_frame(reader(wrong), 1 << 20)


def test_the_handshake_of_the_standard() -> None:
    request, accept = handshake("node:80", "/path")
    assert request.startswith(b"GET /path HTTP/1.1\r\nHost: node:80\r\n")
    start = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
    good = f"{start}Sec-WebSocket-Accept: {accept}"
    check_accepted(good.encode(), accept)
    for wrong in (
        good.replace("101", "200"),
        good.replace(accept, accept[::-1]),
        good.replace("WebSocket\r", "h2c\r"),
        "",
    ):
        with pytest.raises(DecodingError):
            check_accepted(wrong.encode(), accept)


# A server -------------------------------------------------------------------------------------------------------------
def server_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    head = bytes((opcode | (0x80 if final else 0),))
    if len(payload) < 126:
        return head + bytes((len(payload),)) + payload
    return head + b"\x7e" + len(payload).to_bytes(2, "big") + payload


class Peer:
    """One connection, seen from the server."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.stream = connection.makefile("rb")
        key = b""
        while (line := self.stream.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"sec-websocket-key":
                key = value.strip()
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.raw(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    def raw(self, data: bytes) -> None:
        self.connection.sendall(data)

    def say(self, value: object) -> None:
        self.raw(server_frame(1, json.dumps(value).encode()))

    def question(self) -> dict[str, Any]:
        head = self.stream.read(2)
        if len(head) < 2:
            raise ConnectionError
        length = head[1] & 0x7F
        more = self.stream.read({126: 2, 127: 8}.get(length, 0))
        length = int.from_bytes(more, "big") if more else length
        plain = unmasked(head + more + self.stream.read(4 + length))
        opcode, _, payload = read_frame(reader(plain), 1 << 20)
        self.opcode = opcode
        return json.loads(payload) if opcode == Opcode.TEXT else {"payload": payload}

    def answer(self, result: object) -> dict[str, Any]:
        asked = self.question()
        self.say({"jsonrpc": "2.0", "id": asked["id"], "result": result})
        return asked


@contextmanager
def served(*connections: Callable[[Peer], None]) -> Iterator[str]:
    """A server that does one of these with each connection, in turn, and closes it then."""

    def of(each: Callable[[Peer], None]) -> Callable[[socket.socket], None]:
        return lambda connection: each(Peer(connection))

    with listening(*map(of, connections)) as port:
        yield f"ws://127.0.0.1:{port}/"


def test_asks_and_is_answered() -> None:
    asked = []
    with served(lambda peer: [asked.append(peer.answer(each)) for each in ("0x1", {"a": "b" * 300})]) as url:  # type: ignore[func-returns-value]
        provider = WebSocketProvider(url, timeout=5)
        assert provider.request("eth_blockNumber") == "0x1"
        assert provider.request("eth_getBlockByNumber", "latest", False) == {"a": "b" * 300}
        provider.close()
    assert [each["method"] for each in asked] == ["eth_blockNumber", "eth_getBlockByNumber"]
    assert asked[1]["params"] == ["latest", False]


def test_messages_in_parts_with_a_ping_between() -> None:
    def serve(peer: Peer) -> None:
        number = peer.question()["id"]
        whole = json.dumps({"id": number, "result": "long"}).encode()
        peer.raw(server_frame(1, whole[:5], final=False) + server_frame(9, b"there?"))
        peer.raw(server_frame(0, whole[5:9], final=False) + server_frame(0, whole[9:]))
        pong = peer.question()
        assert (peer.opcode, pong["payload"]) == (Opcode.PONG, b"there?")

    with served(serve) as url:
        assert WebSocketProvider(url, timeout=5).request("eth_x") == "long"


def test_errors_of_the_node_and_of_the_line() -> None:
    def refuse(peer: Peer) -> None:
        peer.say({"id": peer.question()["id"], "error": {"code": -32000, "message": "no", "data": "0xab"}})
        peer.say({"id": peer.question()["id"]})

    with served(refuse) as url:
        provider = WebSocketProvider(url, timeout=5)
        with pytest.raises(NodeRefused, match="no") as refused:
            provider.request("eth_x")
        assert refused.value.data == "0xab"
        with pytest.raises(BadAnswer):
            provider.request("eth_x")
    with pytest.raises(NodeUnreachable):
        WebSocketProvider(url, timeout=1).request("eth_x")
    with served(lambda peer: (peer.question(), peer.raw(b"\xff\xff\xff"))[0]) as url, pytest.raises(NodeUnreachable):  # type: ignore[func-returns-value]
        WebSocketProvider(url, timeout=5).request("eth_x")


def test_hears_what_it_subscribed_to_and_knows_what_it_missed() -> None:
    def notice(name: str, result: object) -> dict[str, object]:
        return {"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": name, "result": result}}

    def first(peer: Peer) -> None:
        assert peer.answer("0xaa")["params"] == ["newHeads"]
        peer.say(notice("0xaa", 1))
        peer.say(notice("0x99", "not ours"))
        asked = peer.question()
        peer.say(notice("0xaa", 2))  # before the answer
        peer.say({"id": asked["id"], "result": "0x5"})

    def second(peer: Peer) -> None:
        assert peer.answer("0xbb")["params"] == ["newHeads"]
        peer.say(notice("0xbb", 3))
        peer.question()

    with served(first, second) as url:
        provider = WebSocketProvider(url, timeout=5)
        heads = provider.subscribe("newHeads")
        assert provider.listen(5) == Notice(heads, 1)
        assert provider.request("eth_blockNumber") == "0x5"
        assert provider.listen(5) == Notice(heads, 2)
        told = [provider.listen(5) for _ in range(2)]
        while None in told or len(told) < 2:
            told = [each for each in (*told, provider.listen(5)) if each is not None]
        assert told == [Missed(), Notice(heads, 3)]
        assert provider.listen(0.01) is None
        provider.close()


def test_a_broken_connection_is_made_anew_once() -> None:
    with served(lambda peer: peer.answer("0x1"), lambda peer: peer.answer("0x2")) as url:  # type: ignore[arg-type,return-value]
        provider = WebSocketProvider(url, timeout=5)
        assert [provider.request("eth_x"), provider.request("eth_x")] == ["0x1", "0x2"]
        provider.close()


def test_what_pays_is_not_asked_twice() -> None:
    asked = []

    def first(peer: Peer) -> None:
        peer.answer("0x1")
        asked.append(peer.question()["method"])

    with served(first, lambda peer: asked.append(peer.answer("0x2")["method"])) as url:
        provider = WebSocketProvider(url, timeout=5)
        provider.request("eth_x")
        with pytest.raises(NodeUnreachable):
            provider.request("eth_sendTransaction")
        assert provider.request("eth_y") == "0x2"
        provider.close()
    assert asked == ["eth_sendTransaction", "eth_y"]


@pytest.mark.parametrize(
    "said",
    [
        server_frame(9, b"there?"),
        server_frame(1, b'{"id": 99, "result": 1}'),
        server_frame(1, b'{"method": "eth_subscription", "params": {"subscription": "0x9", "result": 1}}'),
        server_frame(1, b"", final=False) + server_frame(0, b"", final=False) * 99 + server_frame(0, b'{"id": 99}'),
    ],
)
def test_what_is_no_answer_holds_nobody_up(said: bytes) -> None:
    """However often it comes: an answer is waited for so long, and so is a notice; the connection stays."""

    def serve(peer: Peer) -> None:
        peer.answer("0xaa")
        peer.connection.settimeout(5)
        while True:
            peer.raw(said)

    with served(serve) as url:
        provider = WebSocketProvider(url, timeout=0.5)
        provider.subscribe("newHeads")
        assert [provider.listen(0.05), provider.listen(0.05)] == [None, None]
        with pytest.raises(NodeUnreachable, match="TimeoutError"):
            WebSocketProvider.request(provider, "eth_sendTransaction")
        provider.close()


def test_a_message_of_many_parts_is_no_longer_than_one() -> None:
    def serve(peer: Peer) -> None:
        peer.question()
        peer.raw(server_frame(1, b"[" * 99, final=False) + server_frame(0, b"[" * 99))

    with served(serve) as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr("evmthread.rpc.websocket.MAX_ANSWER_BYTES", 150)
        with pytest.raises(NodeUnreachable, match="a frame of 99 bytes, more than 51"):
            WebSocketProvider(url, timeout=5).request("eth_x")


def test_notices_that_nobody_takes_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evmthread.rpc.websocket._MAX_WAITING_BYTES", 1000)

    def serve(peer: Peer) -> None:
        peer.connection.settimeout(5)
        peer.answer("0xaa")
        number = peer.question()["id"]
        for size in (400, 400, 400, 1):
            told = {"subscription": "0xaa", "result": "x" * size}
            peer.say({"method": "eth_subscription", "params": told})
        peer.say({"id": number, "result": "0x1"})
        peer.question()

    with served(serve) as url:
        provider = WebSocketProvider(url, timeout=5)
        heads = provider.subscribe("newHeads")
        assert provider.request("eth_x") == "0x1"
        assert [provider.listen(5), provider.listen(5)] == [Missed(), Notice(heads, "x")]
        provider.close()


def test_addresses() -> None:
    assert type(connect("ws://node")) is WebSocketProvider
    assert type(connect("http://node")) is HttpProvider
    for wrong in ("http://node", "ws://", "node"):
        with pytest.raises(InvalidInput):
            WebSocketProvider(wrong)
    with pytest.raises(InvalidInput):
        connect("ftp://node")
