import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evmthread.errors import BackendError, InvalidInput
from evmthread.primitives.types import ZERO_HASH
from evmthread.rpc import BadAnswer, NodeRefused, NodeUnreachable
from evmthread.state.overlay import OverlayState
from evmthread.state.remote import BlockGone, RemoteState, WrongState
from evmthread.state.view import Account, UnknownCode
from tests.rpc.node import CODE, CODE_HASH, HOLDER, NOBODY, RICH, Chain, Node, Refusal, small_state


class Liar:
    """Answers of a chain, one method's changed."""

    def __init__(self, chain: Chain, method: str, change: Callable[[Any], object]) -> None:
        self.chain, self.method, self.change = chain, method, change

    def request(self, method: str, *parameters: object) -> object:
        try:
            answer = copy.deepcopy(self.chain.request(method, *parameters))
        except Refusal as error:
            raise NodeRefused(method, -32000, str(error)) from error
        if method != self.method:
            return answer
        changed = self.change(answer)
        return answer if changed is None else changed


def honest(chain: Chain) -> Liar:
    return Liar(chain, "", lambda _: None)


@pytest.mark.parametrize("trust", [False, True])
def test_reads(trust: bool) -> None:
    chain = Chain(small_state())
    state = RemoteState(honest(chain), trust=trust)
    assert (state.block.number, state.block.state_root) == (3, chain.state.roots().root())
    assert state.account(RICH) == Account(3, 10**20)
    assert state.account(HOLDER) == Account(1, 0, CODE_HASH)
    assert state.account(NOBODY) is None
    assert state.account(b"short") is None
    assert [state.slot(HOLDER, key) for key in (5, 6, 2**256 - 1)] == [42, 0, 7]
    assert state.slot(NOBODY, 5) == 0
    assert (state.code(CODE_HASH), state.code(Account().code_hash)) == (CODE, b"")
    with pytest.raises(UnknownCode):
        state.code(b"\x99" * 32)
    count = len(chain.asked)
    assert (state.account(RICH), state.slot(HOLDER, 5), state.code(CODE_HASH)) == (Account(3, 10**20), 42, CODE)
    assert len(chain.asked) == count
    assert ("eth_getProof" in chain.asked) is not trust
    state.close()


def test_block_hashes_are_followed_from_parent_to_parent() -> None:
    chain = Chain(small_state(), length=6)
    state = RemoteState(honest(chain), 4)
    hashes = ["0x" + state.block_hash(number).hex() for number in (3, 1, 0, 2, 4)]
    assert hashes == [chain.blocks[number]["hash"] for number in (3, 1, 0, 2, 4)]
    assert [state.block_hash(number) for number in (5, 1000, -1)] == [ZERO_HASH] * 3


@pytest.mark.parametrize("block", [2, "2", "hash"])
def test_which_block(block: int | str) -> None:
    chain = Chain(small_state())
    name = str(chain.blocks[2]["hash"]) if block == "hash" else block
    assert RemoteState(honest(chain), name).block.number == 2
    for missing in (77, "0x" + "77" * 32):
        with pytest.raises(BlockGone):
            RemoteState(honest(chain), missing)
    with pytest.raises(InvalidInput):
        RemoteState(honest(chain), -1)


def test_the_cache_keeps_what_was_read(tmp_path: Path) -> None:
    chain = Chain(small_state())
    for asked in (True, False):
        state = RemoteState(honest(chain), cache=tmp_path / "cache")
        chain.asked.clear()
        assert (state.account(HOLDER), state.slot(HOLDER, 5)) == (Account(1, 0, CODE_HASH), 42)
        assert (state.account(NOBODY), state.code(CODE_HASH)) == (None, CODE)
        assert bool(chain.asked) is asked
        state.close()
    # What was trusted is another matter, and so is another block.
    trusting = RemoteState(honest(chain), trust=True, cache=tmp_path / "cache")
    chain.asked.clear()
    trusting.account(HOLDER)
    assert chain.asked
    trusting.close()
    earlier = RemoteState(honest(chain), 1, cache=tmp_path / "cache")
    chain.asked.clear()
    earlier.account(HOLDER)
    assert chain.asked
    earlier.close()


def put(*path: str | int, value: object) -> Callable[[Any], None]:
    def change(answer: Any) -> None:
        for step in path[:-1]:
            answer = answer[step]
        answer[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("method", "change", "error"),
    [
        ("eth_getProof", put("balance", value="0x1"), WrongState),
        ("eth_getProof", put("nonce", value="0x01"), BadAnswer),
        ("eth_getProof", put("storageProof", 0, "value", value="0x2b"), WrongState),
        ("eth_getProof", put("storageProof", value=[]), WrongState),
        ("eth_getProof", put("accountProof", value=[]), WrongState),
        ("eth_getProof", put("address", value="0x" + "11" * 20), WrongState),
        ("eth_getProof", lambda _: "0x", BadAnswer),
        ("eth_getCode", lambda _: "0x00", WrongState),
        ("eth_getCode", lambda _: "0x0", BadAnswer),
        ("eth_getBlockByNumber", put("stateRoot", value="0x" + "11" * 32), WrongState),
        ("eth_getBlockByNumber", put("number", value=3), BadAnswer),
        ("eth_getBlockByNumber", put("gasUsed", value=None), BadAnswer),
        ("eth_getBlockByNumber", lambda _: 7, BadAnswer),
        ("eth_getBlockByHash", put("extraData", value="0x99"), WrongState),
    ],
)
def test_lies_are_found(method: str, change: Callable[[Any], object], error: type[BackendError]) -> None:
    def read_all() -> None:
        state = RemoteState(Liar(Chain(small_state()), method, change))
        state.slot(HOLDER, 5)
        state.account(HOLDER)
        state.code(CODE_HASH)
        state.block_hash(1)

    with pytest.raises(error):
        read_all()


@pytest.mark.parametrize("trust", [False, True])
def test_a_reorg_is_told_and_nothing_is_mixed(trust: bool) -> None:
    chain = Chain(small_state())
    state = RemoteState(honest(chain), trust=trust)
    assert state.slot(HOLDER, 5) == 42
    state.check_canonical()
    changed = small_state()
    changed.set_account(HOLDER, storage={5: 43})
    chain.state = changed
    chain.reorganise()
    assert state.slot(HOLDER, 5) == 42  # read before
    for read in (lambda: state.slot(HOLDER, 6), lambda: state.account(RICH), state.check_canonical):
        with pytest.raises(BlockGone, match="block 3 was 0x"):
            read()


def test_over_http_and_under_an_overlay() -> None:
    chain = Chain(small_state())
    with Node(chain.request) as node:
        from evmthread.execution.world import World
        from evmthread.state.opening import open_state

        state = open_state(f"{node.url}@latest")
        assert isinstance(state, OverlayState)
        world = World(view=state)
        assert world.call(HOLDER).success
        assert world.storage(HOLDER, 2) == 1
        assert world.storage(HOLDER, 5) == 42
        world.settle()
        assert (state.slot(HOLDER, 2), chain.state.slot(HOLDER, 2)) == (1, 0)
        state.below.close()  # type: ignore[attr-defined]
    with pytest.raises(NodeUnreachable):
        state.account(b"\x42" * 20)
    with pytest.raises(NodeUnreachable):
        RemoteState(node.url)
