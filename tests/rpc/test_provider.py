import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from evmthread.errors import InvalidInput
from evmthread.rpc import BadAnswer, HttpProvider, NodeRefused, NodeUnreachable, connect
from tests.rpc.node import Node, Refusal
from tests.rpc.sockets import listening


def answer(method: str, *parameters: object) -> object:
    if method == "refuse":
        raise Refusal("not for you")
    return [method, *parameters]


@pytest.fixture
def node() -> Iterator[Node]:
    with Node(answer) as served:
        yield served


def test_a_call(node: Node) -> None:
    provider = HttpProvider(node.url)
    assert provider.request("eth_call", {"to": "0x"}, 5) == ["eth_call", {"to": "0x"}, 5]
    assert provider.request("next") == ["next"]
    with pytest.raises(NodeRefused, match=r"refuse: the node says 'not for you' \(-32000\)"):
        provider.request("refuse")
    provider.close()
    assert provider.request("again") == ["again"]
    provider.close()


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b"[]", b"7", json.dumps({"id": 99, "result": 1}).encode(), b'{"id": 1}', b'{"id":1,"error":"x"}'],
)
def test_answers_that_are_none(node: Node, data: bytes) -> None:
    node.spoil = lambda _: data
    provider = HttpProvider(node.url)
    with pytest.raises(BadAnswer):
        provider.request("eth_call")
    provider.close()


def test_an_answer_that_is_too_long(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evmthread.rpc.provider.MAX_ANSWER_BYTES", 100)
    provider = HttpProvider(node.url)
    with pytest.raises(BadAnswer, match="more than 100 bytes"):
        provider.request("x" * 100)
    provider.close()


def test_no_node_is_there() -> None:
    with Node(answer) as node:
        url = node.url
    with pytest.raises(NodeUnreachable, match="can't be asked"):
        HttpProvider(url + "/secret-key").request("eth_call")
    with pytest.raises(NodeUnreachable) as caught:
        HttpProvider(url.replace("//", "//user:secret@") + "/secret-key").request("eth_call")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "rest",
    ["", "//", "//a:99999", "//a:b", "//[::1", f"//{'a' * 70}.com", "//a..b", "//\u2100", "//a/\xe9", "//a?\ud800"],
)
def test_what_is_no_address(rest: str) -> None:
    for scheme in ("http:", "https:", "ws:", "wss:", "ftp:"):
        with pytest.raises(InvalidInput):
            connect(scheme + rest)
    with pytest.raises(InvalidInput):
        HttpProvider("http://a\0b")


# A server that speaks no good HTTP ------------------------------------------------------------------------------------
def heard(connection: socket.socket) -> str:
    """The method that the next request names."""
    data = b""
    while not data.endswith(b"}"):
        data += connection.recv(65_536)
    return str(json.loads(data.partition(b"\r\n\r\n")[2])["method"])


@contextmanager
def serving(*connections: Callable[[socket.socket], object]) -> Iterator[str]:
    """A server that does one of these with each connection, in turn, after a request, and closes it then."""

    def after_a_request(each: Callable[[socket.socket], object]) -> Callable[[socket.socket], object]:
        return lambda connection: (heard(connection), each(connection))

    with listening(*map(after_a_request, connections)) as port:
        yield f"http://127.0.0.1:{port}"


def without_end(head: bytes, again: bytes) -> Callable[[socket.socket], None]:
    """Says this again and again, until nobody listens any more."""

    def say(connection: socket.socket) -> None:
        connection.settimeout(5)
        connection.sendall(head)
        while True:
            connection.sendall(again)

    return say


ENOUGH = r"more than \d+ (bytes|trailers|interim responses)"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (CHUNKED + b"1\r\n1\r\n0\r\n", b"a: b\r\n"),
        (CHUNKED + b"-1\r\n", b"x" * 1000),
    ],
)
def test_an_answer_that_never_ends(head: bytes, again: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its time, or its size, whichever comes first; newer CPythons count the heads, too."""
    with serving(without_end(head, again)) as url, pytest.raises(NodeUnreachable, match=f"too long|timed out|{ENOUGH}"):
        HttpProvider(url, timeout=0.3).request("eth_call")
    monkeypatch.setattr("evmthread.rpc.provider._MAX_RESPONSE_BYTES", 10_000)
    with serving(without_end(head, again)) as url, pytest.raises(NodeUnreachable, match=ENOUGH):
        HttpProvider(url, timeout=60).request("eth_call")


def test_a_chunk_of_fewer_than_no_bytes() -> None:
    answer = CHUNKED + b"-5\r\nabcdefgh"
    with serving(lambda connection: connection.sendall(answer)) as url, pytest.raises(NodeUnreachable):
        HttpProvider(url).request("eth_call")


def test_an_answer_of_too_many_values(node: Node) -> None:
    node.spoil = lambda _: b'{"id":1,"result":[' + b"[]," * 1_000_000 + b"1]}"
    provider = HttpProvider(node.url)
    with pytest.raises(BadAnswer):
        provider.request("eth_call")
    provider.close()


def test_what_pays_is_not_asked_twice() -> None:
    """The connection breaks before the node says that it sent what it signed."""
    asked = []

    def answer_one(connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n{"id":null,"result":"0"}')

    def answer_and_break(connection: socket.socket) -> None:
        answer_one(connection)
        asked.append(heard(connection))

    with serving(answer_and_break, answer_one) as url:
        provider = HttpProvider(url)
        provider.request("eth_a")
        with pytest.raises(NodeUnreachable):
            provider.request("eth_sendTransaction")
        assert provider.request("eth_b") == "0"
        provider.close()
    assert asked == ["eth_sendTransaction"]
