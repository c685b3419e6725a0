"""State roots and eth_getProof's answers after real transactions: evmthread's own are anvil's, byte for byte."""

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import rlp
from trie.exceptions import BadTrieProof, ValidationError
from trie.hexary import HexaryTrie

from evmthread.contracts.artifact import load_artifact, parse_artifact
from evmthread.errors import DecodingError
from evmthread.execution.world import World
from evmthread.merkle.eip1186 import verify_eth_get_proof
from evmthread.merkle.proofs import ProofError
from evmthread.primitives.keccak import keccak256
from evmthread.state.memory import MemoryState
from evmthread.state.remote import RemoteState
from tests.anvil import Anvil, running_anvil, unhex, word
from tests.state.blocks import HISTORY, begin_block
from tests.state.deployed import FOLDER, PLAYERS, RICH, STAKE, Called, signed

ABSENT = [bytes((number,)) * 20 for number in (1, 2, 0x77, 0xEE)]


class Mirror:
    """A node, and a state in memory that is told every block of it."""

    def __init__(self, node: Anvil) -> None:
        self.node = node
        self.state = MemoryState()
        for player in PLAYERS:
            node.put(player, balance=RICH)
            self.state.set_account(player, balance=RICH)
        code = unhex(node.ask("eth_getCode", "0x" + HISTORY.hex(), "latest"))
        if code:
            self.state.set_account(HISTORY, code=code)
        self.world = World(view=self.state, fork=node.fork)
        self.touched: dict[bytes, set[int]] = {}
        self.follow(node.mine())

    def follow(self, number: int) -> None:
        begin_block(self.world, self.node, number)
        self.settle(number)

    def settle(self, number: int) -> None:
        for address, change in self.world.settle().accounts.items():
            self.touched.setdefault(address, set()).update(change.slots)
        assert self.node.block(number)["stateRoot"] == "0x" + self.state.roots().root().hex(), number

    def do(self, called: Called) -> bytes | None:
        """A transaction in a block of its own, with the same state root."""
        sent = signed(self.node, called)
        receipt = self.node.send(sent)
        number = int(receipt["blockNumber"], 16)
        begin_block(self.world, self.node, number)
        done = self.world.apply(sent)
        assert done.success == (receipt["status"] == "0x1")
        self.settle(number)
        return done.created


@pytest.fixture(scope="module", params=["cancun", "prague", None], ids=lambda name: name or "newest")
def mirror(request: pytest.FixtureRequest) -> Iterator[Mirror]:
    """After a game, transfers of ether and tokens, and creations; all roots on the way were equal."""
    with running_anvil(hardfork=request.param) as node:
        mirror = Mirror(node)
        x, o, other = PLAYERS
        morpion, token = load_artifact("Morpion"), parse_artifact((FOLDER / "Erc20.json").read_bytes())
        arguments = morpion.encode_constructor(x, o, STAKE, 3_600)
        game = mirror.do(Called(other, b"", morpion.creation_code + arguments))
        coin = mirror.do(Called(other, b"", token.creation_code))
        assert game
        assert coin
        for player in (x, o):
            mirror.do(Called(player, game, morpion.function("join").encode(), value=STAKE))
        for number, cell in enumerate((4, 4, 0, 1, 2, 8, 6)):
            mirror.do(Called((x, o)[number % 2], game, morpion.function("play").encode(cell)))
        mirror.do(Called(x, coin, token.function("run").encode(12)))
        for number in range(1, 30):
            place = bytes(18) + b"\xab" + bytes((number,))
            mirror.do(Called(x, place, b"", value=number))
            mirror.do(Called(x, coin, token.function("transfer").encode(place, 10**number)))
        mirror.do(Called(o, b"", b"\x60\x01\x5f\x55\x60\x00\x60\x00\xf3"))  # leaves a slot and no code
        mirror.do(Called(o, b"", b""))
        yield mirror


def plain(answer: object) -> Any:
    """An answer in JSON, with keys as numbers; anvil's empty node (0x80) is no node, as go-ethereum has it."""
    made = json.loads(json.dumps(answer))
    for slot in made["storageProof"]:
        slot["key"] = int(slot["key"], 16)
    for entry in (made, *made["storageProof"]):
        for name in ("proof", "accountProof"):
            if entry.get(name) == ["0x80"]:
                entry[name] = []
    return made


def test_proofs_are_anvils(mirror: Mirror) -> None:
    root = mirror.state.roots().root()
    remote = RemoteState(mirror.node.provider)
    empty = 0
    for address in [*mirror.touched, *ABSENT]:
        keys = [*sorted(mirror.touched.get(address, ())), 0, 12_345, 2**256 - 1]
        theirs = mirror.node.ask("eth_getProof", "0x" + address.hex(), [word(key) for key in keys], "latest")
        ours = mirror.state.proof(address, keys)
        assert plain(ours) == plain(theirs)
        proven = verify_eth_get_proof(theirs, root, address, keys)
        assert proven == mirror.state.roots().account(address)
        assert remote.account(address) == mirror.state.account(address)
        assert [remote.slot(address, key) for key in keys] == [mirror.state.slot(address, key) for key in keys]
        accepted = theirs_by_trie(root, theirs)
        assert accepted == [mirror.state.slot(address, key) for key in keys]
        empty += ["0x80"] in [slot["proof"] for slot in theirs["storageProof"]]
    assert len(ABSENT) < empty < len(ABSENT) + len(mirror.touched)


def theirs_by_trie(root: bytes, answer: Any) -> list[int]:
    """The values of the slots as the trie package proves them. Raises BadTrieProof."""
    address, storage_root = unhex(answer["address"]), unhex(answer["storageHash"])
    leaf = get(root, address, answer["accountProof"])
    if leaf:
        assert rlp.decode(leaf)[2] == storage_root
    found = [
        get(storage_root, int(slot["key"], 16).to_bytes(32, "big"), slot["proof"]) for slot in answer["storageProof"]
    ]
    return [int.from_bytes(rlp.decode(value), "big") if value else 0 for value in found]


def get(root: bytes, key: bytes, proof: Sequence[str]) -> bytes:
    value: bytes = HexaryTrie.get_from_proof(root, keccak256(key), [rlp.decode(unhex(node)) for node in proof])
    return value


@pytest.mark.parametrize("mirror", [None], indirect=True, ids=["newest"])
def test_spoilt_proofs_of_a_node_are_refused(mirror: Mirror) -> None:
    root = mirror.state.roots().root()
    [address, *_] = [each for each, slots in mirror.touched.items() if len(slots) > 20 and each != HISTORY]
    keys = [*sorted(mirror.touched[address])[:2], 12_345]
    whole = mirror.node.ask("eth_getProof", "0x" + address.hex(), [word(key) for key in keys], "latest")
    verify_eth_get_proof(whole, root, address, keys)
    refused = 0
    for path in [("accountProof",), *(("storageProof", place, "proof") for place in range(3))]:
        nodes = at(whole, path)
        assert len(nodes) > 1
        for place, node in enumerate(nodes):
            data = unhex(node)
            for position in range(len(data)):
                flipped = data[:position] + bytes((data[position] ^ 1 << position % 8,)) + data[position + 1 :]
                refused += is_refused(whole, path, [*nodes[:place], "0x" + flipped.hex(), *nodes[place + 1 :]], root)
            for changed in (data[:-1], data + b"\0", b"", b"\x80", b"\xc0"):
                refused += is_refused(whole, path, [*nodes[:place], "0x" + changed.hex(), *nodes[place + 1 :]], root)
        for others in (nodes[:-1], nodes[1:], [*nodes, nodes[-1]], [*nodes, "0x80"], nodes[::-1], [], ["0x80"]):
            refused += is_refused(whole, path, others, root)
        for other in [("accountProof",), *(("storageProof", place, "proof") for place in range(3))]:
            if at(whole, other) != nodes:
                refused += is_refused(whole, path, at(whole, other), root)
    assert refused > 1_000


def at(answer: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        answer = answer[step]
    return answer


def is_refused(whole: Any, path: Sequence[str | int], nodes: list[str], root: bytes) -> bool:
    """Fails unless both verifiers refuse an answer with other nodes.

    The trie package doesn't look at the nodes that only pad, nor at their order.
    """
    answer = copy.deepcopy(whole)
    at(answer, path[:-1])[path[-1]] = nodes
    keys = [int(slot["key"], 16) for slot in whole["storageProof"]]
    with pytest.raises((ProofError, DecodingError)):
        verify_eth_get_proof(answer, root, unhex(whole["address"]), keys)
    if not set(at(whole, path)) <= set(nodes):
        with pytest.raises((BadTrieProof, ValidationError, rlp.DecodingError)):
            theirs_by_trie(root, answer)
    return True
