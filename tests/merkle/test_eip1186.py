import copy
import json
from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from evmthread.errors import DecodingError, InvalidInput
from evmthread.merkle.accounts import StateRoots
from evmthread.merkle.eip1186 import AccountProof, account_proof, verify_eth_get_proof
from evmthread.merkle.proofs import ProofError
from evmthread.primitives.keccak import EMPTY_HASH, keccak256

ADDRESSES = [bytes([number]) * 20 for number in range(1, 30)]
HOLDER = ADDRESSES[3]
KEYS = list(range(40))


def state() -> StateRoots:
    roots = StateRoots()
    for number, address in enumerate(ADDRESSES[:20]):
        roots.set_account(address, number, 10**18 * number, EMPTY_HASH)
    for key in KEYS[::2]:
        roots.set_slot(HOLDER, key, key + 1)
    return roots


STATE = state()
ROOT = STATE.root()


def answer(address: bytes = HOLDER, keys: tuple[int, ...] = (0, 1, 2, 2**256 - 1)) -> dict[str, Any]:
    return json.loads(json.dumps(account_proof(STATE, address, keys).to_json()))


@given(address=st.sampled_from(ADDRESSES), keys=st.lists(st.one_of(st.sampled_from(KEYS), st.integers(0, 2**256 - 1))))
def test_what_is_made_is_verified_by_us_and_by_the_trie_package(address: bytes, keys: list[int]) -> None:
    said = json.loads(json.dumps(account_proof(STATE, address, keys).to_json()))
    proven = verify_eth_get_proof(said, ROOT, address, keys)
    assert proven == STATE.account(address)
    assert AccountProof.from_json(said) == account_proof(STATE, address, keys)
    nodes = [rlp.decode(bytes.fromhex(node[2:])) for node in said["accountProof"]]
    leaf = HexaryTrie.get_from_proof(ROOT, keccak256(address), nodes)
    if proven is None:
        assert leaf == b""
        assert (said["nonce"], said["balance"], said["codeHash"]) == ("0x0", "0x0", "0x" + EMPTY_HASH.hex())
    else:
        assert rlp.decode(leaf)[2] == bytes.fromhex(said["storageHash"][2:])
    for key, slot in zip(keys, said["storageProof"], strict=True):
        assert (int(slot["key"], 16), int(slot["value"], 16)) == (key, STATE.slot(address, key))
        if proven is not None and slot["proof"]:
            nodes = [rlp.decode(bytes.fromhex(node[2:])) for node in slot["proof"]]
            leaf = HexaryTrie.get_from_proof(proven.storage_root, keccak256(key.to_bytes(32, "big")), nodes)
            assert (int.from_bytes(rlp.decode(leaf), "big") if leaf else 0) == STATE.slot(address, key)


def test_the_form_is_that_of_eth_get_proof() -> None:
    said = answer()
    assert list(said) == ["address", "accountProof", "balance", "codeHash", "nonce", "storageHash", "storageProof"]
    assert said["address"] == "0x" + "04" * 20
    assert (said["nonce"], said["balance"]) == ("0x3", hex(3 * 10**18))
    assert said["storageProof"][2]["key"] == "0x" + "00" * 31 + "02"
    assert [slot["value"] for slot in said["storageProof"]] == ["0x1", "0x0", "0x3", "0x0"]


def changed(path: list[str | int], value: object) -> dict[str, Any]:
    data = answer()
    inner: Any = data
    for step in path[:-1]:
        inner = inner[step]
    if value is KeyError:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["address"], KeyError),
        (["address"], "0x" + "04" * 19),
        (["address"], 4),
        (["nonce"], "0x03"),
        (["nonce"], "3"),
        (["nonce"], 3),
        (["nonce"], "0x"),
        (["nonce"], hex(2**64)),
        (["balance"], "-0x1"),
        (["balance"], "0x" + "f" * 65),
        (["codeHash"], "0xc5"),
        (["storageHash"], None),
        (["accountProof"], "0x"),
        (["accountProof"], KeyError),
        (["accountProof", 0], "0xf"),
        (["accountProof", 0], 7),
        (["accountProof"], ["0x"] * 66),
        (["storageProof"], {}),
        (["storageProof", 0], []),
        (["storageProof", 0, "key"], "0x"),
        (["storageProof", 0, "key"], "0x" + "0" * 65),
        (["storageProof", 0, "value"], "0x00"),
        (["storageProof", 0, "proof"], None),
        (["storageProof", 0, "proof", 0], "zz"),
    ],
)
def test_malformed_answers_are_refused(path: list[str | int], value: object) -> None:
    with pytest.raises(DecodingError):
        AccountProof.from_json(changed(path, value))


@pytest.mark.parametrize("data", [None, [], "0x", 5])
def test_what_is_no_object_is_refused(data: object) -> None:
    with pytest.raises(DecodingError):
        AccountProof.from_json(data)


def mutations() -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    whole = answer()
    other = answer(ADDRESSES[5])

    def add(name: str) -> dict[str, Any]:
        data = copy.deepcopy(whole)
        found.append((name, data))
        return data

    add("truncated account")["accountProof"].pop()
    add("headless account")["accountProof"].pop(0)
    add("padded account")["accountProof"].append(whole["accountProof"][0])
    add("empty account")["accountProof"].clear()
    add("swapped nodes")["accountProof"].reverse()
    add("another's account")["accountProof"] = other["accountProof"]
    add("another address")["address"] = other["address"]
    for name in ("nonce", "balance"):
        add(f"another {name}")[name] = "0x9"
    for name in ("codeHash", "storageHash"):
        add(f"another {name}")[name] = "0x" + "11" * 32
    for place in (0, 1):
        add(f"truncated slot {place}")["storageProof"][place]["proof"].pop()
        add(f"padded slot {place}")["storageProof"][place]["proof"].append(whole["accountProof"][0])
        add(f"another value {place}")["storageProof"][place]["value"] = "0x77"
    swapped = add("swapped slots")["storageProof"]
    swapped[0]["proof"], swapped[2]["proof"] = swapped[2]["proof"], swapped[0]["proof"]
    reordered = add("reordered slots")["storageProof"]
    reordered[0], reordered[1] = reordered[1], reordered[0]
    add("a slot less")["storageProof"].pop()
    extra = add("a slot more")["storageProof"]
    extra.append(extra[0])
    return found


@pytest.mark.parametrize(("name", "data"), mutations(), ids=[name for name, _ in mutations()])
def test_answers_that_prove_something_else_are_refused(name: str, data: dict[str, Any]) -> None:
    keys = [0, 1, 2, 2**256 - 1]
    verify_eth_get_proof(answer(), ROOT, HOLDER, keys)
    with pytest.raises(ProofError):
        verify_eth_get_proof(data, ROOT, HOLDER, keys)


@given(data=st.data())
def test_a_changed_byte_of_a_node_is_refused(data: st.DataObject) -> None:
    said = answer()
    nodes = data.draw(st.sampled_from([said["accountProof"], *[slot["proof"] for slot in said["storageProof"]]]))
    place = data.draw(st.integers(0, len(nodes) - 1))
    node = bytearray.fromhex(nodes[place][2:])
    node[data.draw(st.integers(0, len(node) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    nodes[place] = "0x" + node.hex()
    with pytest.raises(ProofError):
        verify_eth_get_proof(said, ROOT, HOLDER, [0, 1, 2, 2**256 - 1])


def test_another_root_and_keys_out_of_range_are_refused() -> None:
    with pytest.raises(ProofError):
        verify_eth_get_proof(answer(), bytes(32), HOLDER, [0, 1, 2, 2**256 - 1])
    for key in (-1, 2**256):
        with pytest.raises(InvalidInput):
            account_proof(STATE, HOLDER, [key])


def test_both_ways_to_write_a_proof_from_an_empty_trie() -> None:
    # go-ethereum lists no node; anvil, and reth for long, list the empty one. Neither is a way to pad another proof.
    address = ADDRESSES[5]
    for state in (STATE, StateRoots()):
        root = state.root()
        said = json.loads(json.dumps(account_proof(state, address, [1]).to_json()))
        said["storageProof"][0]["proof"] = ["0x80"]
        said["accountProof"] = said["accountProof"] or ["0x80"]
        proven = verify_eth_get_proof(said, root, address, [1])
        assert proven == state.account(address)
        for wrong in (["0x80", "0x80"], ["0xc0"], ["0x"], ["0x8080"], [*said["accountProof"], "0x80"]):
            with pytest.raises(ProofError):
                verify_eth_get_proof({**said, "accountProof": wrong}, root, address, [1])
            slot = {**said["storageProof"][0], "proof": wrong}
            with pytest.raises(ProofError):
                verify_eth_get_proof({**said, "storageProof": [slot]}, root, address, [1])
    for proof in (["0x80"], []):  # absence can't be claimed by leaving nodes out
        with pytest.raises(ProofError, match="ends after 0 nodes"):
            verify_eth_get_proof({**answer(ADDRESSES[25], ()), "accountProof": proof}, ROOT, ADDRESSES[25], [])
