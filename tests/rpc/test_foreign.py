"""Another library's provider as ours: a stand-in with exactly web3.py's method, and web3.py itself where it is."""

import pytest

from evmthread.rpc import BadAnswer, ForeignProvider, NodeRefused, NodeUnreachable


class Foreign:
    """What web3.py's synchronous providers are: `make_request(method, params)` gives the whole answer."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked: list[tuple[str, list[object]]] = []

    def make_request(self, method: str, params: list[object]) -> object:
        self.asked.append((method, params))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_the_result_is_given() -> None:
    foreign = Foreign({"jsonrpc": "2.0", "id": 17, "result": "0x1"})
    assert ForeignProvider(foreign).request("eth_getBalance", "0x00", "latest") == "0x1"
    assert foreign.asked == [("eth_getBalance", ["0x00", "latest"])]


def test_errors_are_those_of_all_providers() -> None:
    error = {"code": 3, "message": "execution reverted", "data": "0x12"}
    with pytest.raises(NodeRefused, match="reverted") as refused:
        ForeignProvider(Foreign({"jsonrpc": "2.0", "id": 0, "error": error})).request("eth_call")
    assert (refused.value.code, refused.value.data) == (3, "0x12")
    with pytest.raises(NodeUnreachable, match="OSError") as gone:
        ForeignProvider(Foreign(OSError("with url: /v3/secret"))).request("eth_call")
    assert "secret" not in str(gone.value)
    for wrong in (None, [], {"id": 1}, {"error": "no"}):
        with pytest.raises(BadAnswer):
            ForeignProvider(Foreign(wrong)).request("eth_call")
