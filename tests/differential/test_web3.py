"""web3.py's own provider as ours, over HTTP: its users hand us `w3.provider`. evmthread doesn't need web3.py."""

from collections.abc import Iterator

import pytest

from evmthread.chain.accounts import KeyAccount
from evmthread.chain.development import give
from evmthread.chain.errors import CallReverted
from evmthread.chain.registry import Registry
from evmthread.chain.transactions import Call
from evmthread.primitives.keccak import keccak256
from evmthread.rpc import ForeignProvider, NodeRefused, NodeUnreachable
from evmthread.testing.node import LocalNode
from tests.differential.peers import missing
from tests.rpc.node import Node, Refusal

RICH = KeyAccount(keccak256(b"web3 user"))


@pytest.fixture(scope="module")
def provider() -> Iterator[ForeignProvider]:
    try:
        from web3 import HTTPProvider
    except ImportError:
        missing("web3 isn't installed: pip install 'evmthread[peers]'")
    chain = LocalNode()

    def answer(method: str, *parameters: object) -> object:
        try:
            return chain.request(method, *parameters)
        except NodeRefused as error:
            raise Refusal(f"{error.message}") from error

    with Node(answer) as served:
        made = ForeignProvider(HTTPProvider(served.url))
        give(made, RICH.address, 10**18)
        yield made


def test_a_registry_is_deployed_and_found(provider: ForeignProvider) -> None:
    made = Registry.deploy(provider, RICH)
    assert Registry.connect(provider, made.address, chain_id=1337).domain == made.domain
    there = keccak256(b"there")[12:]
    made.transactions.send(RICH, Call("pay", there, value=3))
    assert provider.request("eth_getBalance", "0x" + there.hex(), "latest") == "0x3"


def test_what_a_node_refuses(provider: ForeignProvider) -> None:
    with pytest.raises(NodeRefused, match="does not exist"):
        provider.request("eth_nothing")
    made = Registry.deploy(provider, RICH)
    with pytest.raises(CallReverted):
        made.withdraw(RICH, RICH.address)


def test_a_node_that_is_not_there() -> None:
    web3 = pytest.importorskip("web3")
    with pytest.raises(NodeUnreachable):
        ForeignProvider(web3.HTTPProvider("http://127.0.0.1:9")).request("eth_chainId")
