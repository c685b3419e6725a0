import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.errors import BackendError, InvalidInput
from evmthread.merkle.accounts import Account as Leaf
from evmthread.merkle.accounts import encode_account, hash_slot
from evmthread.merkle.eip1186 import verify_eth_get_proof
from evmthread.merkle.proofs import ZERO_LEAF, ProofError, prove
from evmthread.merkle.trie import Trie
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import ZERO_HASH
from evmthread.rpc import BadAnswer, NodeRefused, NodeUnreachable
from evmthread.state import remote
from evmthread.state.overlay import OverlayState
from evmthread.state.remote import BlockGone, RemoteState, WrongState, header_hash
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


@pytest.mark.parametrize("trust", [False, True])
def test_the_header_of_another_block_is_refused(trust: bool) -> None:
    chain = Chain(small_state(), length=6)
    with pytest.raises(WrongState, match="block 0x2: the node gives the header of block 4, not of 2"):
        RemoteState(Liar(chain, "eth_getBlockByNumber", lambda _: chain.blocks[4]), 2, trust=trust)
    state = RemoteState(Liar(chain, "eth_getBlockByHash", lambda _: chain.blocks[2] | {"number": "0x0"}), 3, trust=True)
    with pytest.raises(WrongState, match="of block 0, not of 2"):
        state.block_hash(1)


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


class Nobody:
    """No node at all."""

    def request(self, method: str, *parameters: object) -> object:
        raise NodeUnreachable(f"{method}: nobody is there")


@pytest.mark.parametrize("trust", [False, True])
def test_what_is_cached_needs_no_node(tmp_path: Path, trust: bool) -> None:
    chain = Chain(small_state(), length=6)
    name = str(chain.blocks[-1]["hash"])
    state = RemoteState(honest(chain), trust=trust, cache=tmp_path / "cache")
    pinned = state.block
    read = [state.account(HOLDER), state.slot(HOLDER, 5), state.code(CODE_HASH), state.block_hash(2)]
    state.close()
    state = RemoteState(Nobody(), name, trust=trust, cache=tmp_path / "cache")
    assert state.block == pinned
    assert [state.account(HOLDER), state.slot(HOLDER, 5), state.code(CODE_HASH), state.block_hash(2)] == read
    for ask in (lambda: state.slot(HOLDER, 6), lambda: state.block_hash(0), state.check_canonical):
        with pytest.raises(NodeUnreachable):
            ask()
    state.close()
    # A number may name another block by now; another block isn't there; what was trusted isn't verified.
    for block, other in (("latest", trust), (5, trust), ("0x" + "77" * 32, trust), (name, not trust)):
        with pytest.raises(NodeUnreachable):
            RemoteState(Nobody(), block, trust=other, cache=tmp_path / "cache")


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


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("eth_getTransactionCount", "0x1" + "0" * 16),
        ("eth_getTransactionCount", 1),
        ("eth_getBalance", "0x1" + "0" * 64),
        ("eth_getBalance", "12"),
        ("eth_getCode", "0xabc"),
        ("eth_getStorageAt", "0x1" + "0" * 64),
        ("eth_getStorageAt", []),
    ],
)
def test_a_trusted_node_is_not_trusted_to_make_sense(method: str, answer: object) -> None:
    state = RemoteState(Liar(Chain(small_state()), method, lambda _: answer), trust=True)
    with pytest.raises(BadAnswer, match=method):
        (state.account(HOLDER), state.slot(HOLDER, 5))


METHODS = (
    *("eth_getBlockByNumber", "eth_getBlockByHash", "eth_getProof", "eth_getCode"),
    *("eth_getBalance", "eth_getTransactionCount", "eth_getStorageAt"),
)
garbage = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2**70),
    st.floats(),
    st.sampled_from(
        ["", "0x", "0x0", "0x1", "0xg", "0x" + "f" * 65, "0x" + "ff" * 32, "-0x1", "1", "\ud800", "latest"]
    ),
    st.text(max_size=4),
    st.just([]),
    st.just({}),
    st.just([[]] * 3),
    st.just({"value": "0x1"}),
)


def spoil(data: st.DataObject, answer: Any) -> object:
    """An answer with something else in the place of some part of it, or of the whole."""
    path: list[Any] = []
    inner = answer
    while isinstance(inner, dict | list) and inner and (not path or data.draw(st.booleans())):
        step = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        path, inner = [*path, step], inner[step]
    if not path or data.draw(st.integers(0, 9)) == 0:
        return data.draw(garbage)
    put(*path, value=data.draw(garbage))(answer)
    return answer


@given(method=st.sampled_from(METHODS), trust=st.booleans(), data=st.data())
def test_garbage_gives_a_typed_error_or_the_truth(method: str, trust: bool, data: st.DataObject) -> None:
    def change(answer: Any) -> object:
        spoilt = spoil(data, answer)
        return [] if spoilt is None else spoilt

    reads: list[Callable[[RemoteState], object]] = [
        lambda state: state.account(HOLDER),
        lambda state: state.slot(HOLDER, 5),
        lambda state: state.code(CODE_HASH),
        lambda state: state.block_hash(1),
        lambda state: state.account(NOBODY),
    ]
    truth = RemoteState(honest(Chain(small_state())))
    wanted = [read(truth) for read in reads]
    try:
        state = RemoteState(Liar(Chain(small_state()), method, change), trust=trust)
    except BackendError:
        return
    for read, value in zip(reads, wanted, strict=True):
        try:
            found = read(state)
        except BackendError:
            continue
        assert trust or found == value


def test_a_slot_that_became_zero_and_is_still_in_the_trie() -> None:
    # As anvil has it: its roots are of tries that keep such slots.
    storage, accounts = Trie(), Trie()
    storage.update({hash_slot(1): b"\x07", hash_slot(2): ZERO_LEAF})
    accounts.update({keccak256(HOLDER): encode_account(Leaf(1, 5, storage.root(), CODE_HASH))})
    chain = Chain(small_state())
    chain.blocks.append(chain.blocks[-1] | {"number": "0x4", "stateRoot": "0x" + accounts.root().hex()})
    chain.blocks[-1]["hash"] = "0x" + header_hash(chain.blocks[-1]).hex()

    def proof(answer: Any) -> object:
        key = int(answer["storageProof"][0]["key"], 16)
        return {
            "address": "0x" + HOLDER.hex(),
            "nonce": "0x1",
            "balance": "0x5",
            "codeHash": "0x" + CODE_HASH.hex(),
            "storageHash": "0x" + storage.root().hex(),
            "accountProof": ["0x" + node.hex() for node in prove(accounts, keccak256(HOLDER))],
            "storageProof": [
                {
                    "key": hex(key),
                    "value": "0x7" if key == 1 else "0x0",
                    "proof": ["0x" + node.hex() for node in prove(storage, hash_slot(key))],
                }
            ],
        }

    state = RemoteState(Liar(chain, "eth_getProof", proof))
    assert [state.slot(HOLDER, key) for key in (1, 2, 3)] == [7, 0, 0]
    with pytest.raises(ProofError, match="value zero"):
        verify_eth_get_proof(proof({"storageProof": [{"key": "0x2"}]}), accounts.root(), HOLDER, [2])


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


def test_a_reorg_of_a_node_that_answers_from_the_new_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "sleep", lambda seconds: None)
    chain = Chain(small_state())

    class Careless(Liar):
        """Doesn't look at the hash of the block that it is asked for."""

        def request(self, method: str, *parameters: object) -> object:
            if isinstance(parameters[-1], dict):
                parameters = (*parameters[:-1], {"blockHash": chain.blocks[-1]["hash"]})
            return super().request(method, *parameters)

    state = RemoteState(Careless(chain, "", lambda _: None))
    assert state.slot(HOLDER, 5) == 42
    chain.state = small_state()
    chain.state.set_account(HOLDER, storage={5: 43})
    chain.reorganise()
    for read in (lambda: state.slot(HOLDER, 6), lambda: state.account(RICH)):
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
