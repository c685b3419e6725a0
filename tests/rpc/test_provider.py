import json
from collections.abc import Iterator

import pytest

from evmthread.errors import InvalidInput
from evmthread.rpc import BadAnswer, HttpProvider, NodeRefused, NodeUnreachable
from tests.rpc.node import Node, Refusal


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


@pytest.mark.parametrize("url", ["", "ftp://a", "127.0.0.1:8545", "http://"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InvalidInput):
        HttpProvider(url)
