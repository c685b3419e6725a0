import random
from collections.abc import Mapping

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from trie.hexary import HexaryTrie

from evmthread.errors import DecodingError, InvalidInput
from evmthread.merkle.accounts import (
    Account,
    StateRoots,
    decode_account,
    decode_slot,
    encode_account,
    hash_slot,
)
from evmthread.merkle.trie import EMPTY_ROOT, MissingNodeError
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from tests.merkle.definition import defined_root

ADDRESSES = [bytes([number]) * 20 for number in range(1, 7)]
CODE_HASHES = [EMPTY_HASH, keccak256(b"code")]
WORDS = st.one_of(st.integers(0, 3), st.integers(0, 2**256 - 1))
Told = tuple[int, int, bytes]


def storage_root_of(slots: Mapping[int, int]) -> bytes:
    return defined_root(
        {keccak256(key.to_bytes(32, "big")): rlp.encode(value) for key, value in slots.items() if value}
    )


def state_root_of(accounts: Mapping[bytes, Told], storage: Mapping[bytes, Mapping[int, int]]) -> bytes:
    leaves = {}
    for address, (nonce, balance, code_hash) in accounts.items():
        storage_root = storage_root_of(storage.get(address, {}))
        leaves[keccak256(address)] = rlp.encode([nonce, balance, storage_root, code_hash])
    return defined_root(leaves)


class States(RuleBasedStateMachine):
    """States that are copied, changed, committed and opened again, each beside its model of dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.store: dict[bytes, bytes] = {}
        self.states: list[StateRoots] = [StateRoots()]
        self.models: list[tuple[dict[bytes, Told], dict[bytes, dict[int, int]]]] = [({}, {})]
        self.kept: list[tuple[bytes, tuple[dict[bytes, Told], dict[bytes, dict[int, int]]]]] = []

    def model_copy(self, place: int) -> tuple[dict[bytes, Told], dict[bytes, dict[int, int]]]:
        accounts, storage = self.models[place]
        return dict(accounts), {address: dict(slots) for address, slots in storage.items()}

    @rule(
        place=st.integers(0, 3),
        address=st.sampled_from(ADDRESSES),
        nonce=st.integers(0, 2**64 - 1),
        balance=WORDS,
        code_hash=st.sampled_from(CODE_HASHES),
    )
    def set_account(self, place: int, address: bytes, nonce: int, balance: int, code_hash: bytes) -> None:
        place %= len(self.states)
        self.states[place].set_account(address, nonce, balance, code_hash)
        self.models[place][0][address] = (nonce, balance, code_hash)

    @rule(place=st.integers(0, 3), address=st.sampled_from(ADDRESSES))
    def delete_account(self, place: int, address: bytes) -> None:
        place %= len(self.states)
        self.states[place].delete_account(address)
        self.models[place][0].pop(address, None)
        self.models[place][1].pop(address, None)

    @rule(
        place=st.integers(0, 3), which=st.integers(0, 5), slots=st.dictionaries(st.integers(0, 20), WORDS, max_size=8)
    )
    def set_slots(self, place: int, which: int, slots: dict[int, int]) -> None:
        place %= len(self.states)
        accounts, storage = self.models[place]
        if not accounts:
            return
        address = sorted(accounts)[which % len(accounts)]
        for key, value in slots.items():
            self.states[place].set_slot(address, key, value)
        merged = storage.get(address, {}) | slots
        storage[address] = {key: value for key, value in merged.items() if value}

    @rule(place=st.integers(0, 3), address=st.sampled_from(ADDRESSES))
    def clear_storage(self, place: int, address: bytes) -> None:
        place %= len(self.states)
        self.states[place].clear_storage(address)
        self.models[place][1].pop(address, None)

    @rule(place=st.integers(0, 3))
    def root(self, place: int) -> None:
        place %= len(self.states)
        assert self.states[place].root() == state_root_of(*self.models[place])

    @precondition(lambda self: len(self.states) < 4)
    @rule(place=st.integers(0, 3))
    def copy(self, place: int) -> None:
        place %= len(self.states)
        self.states.append(self.states[place].copy())
        self.models.append(self.model_copy(place))

    @rule(place=st.integers(0, 3))
    def commit(self, place: int) -> None:
        place %= len(self.states)
        self.kept.append((self.states[place].commit(self.store), self.model_copy(place)))

    @precondition(lambda self: self.kept)
    @rule(place=st.integers(0, 3), which=st.integers(0, 50))
    def open(self, place: int, which: int) -> None:
        root, (accounts, storage) = self.kept[which % len(self.kept)]
        place %= len(self.states)
        self.states[place] = StateRoots.open(root, self.store)
        self.models[place] = (dict(accounts), {address: dict(slots) for address, slots in storage.items()})

    @rule(place=st.integers(0, 3), address=st.sampled_from(ADDRESSES), key=st.integers(0, 20))
    def read(self, place: int, address: bytes, key: int) -> None:
        place %= len(self.states)
        accounts, storage = self.models[place]
        slots = storage.get(address, {})
        assert self.states[place].slot(address, key) == slots.get(key, 0)
        assert self.states[place].storage_root(address) == storage_root_of(slots)
        found = self.states[place].account(address)
        if address in accounts:
            nonce, balance, code_hash = accounts[address]
            assert found == Account(nonce, balance, storage_root_of(slots), code_hash)
        else:
            assert found is None

    def teardown(self) -> None:
        for state, model in zip(self.states, self.models, strict=True):
            assert state.root() == state_root_of(*model)
            for address in ADDRESSES:
                assert state.storage_root(address) == storage_root_of(model[1].get(address, {}))
        for root, model in self.kept:
            assert root == state_root_of(*model)

    @invariant()
    def there_is_a_model_for_each(self) -> None:
        assert len(self.states) == len(self.models)


States.TestCase.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
TestStates = States.TestCase


def test_root_equals_the_trie_package() -> None:
    generator = random.Random(3)
    state, accounts = StateRoots(), HexaryTrie({})
    for number in range(60):
        address = generator.randbytes(20)
        storage = HexaryTrie({})
        for key in range(number % 7):
            value = generator.getrandbits(generator.choice([1, 8, 256])) or 1
            storage[keccak256(key.to_bytes(32, "big"))] = rlp.encode(value)
            state.set_slot(address, key, value)
        state.set_account(address, number, number * 10**18, EMPTY_HASH)
        accounts[keccak256(address)] = rlp.encode([number, number * 10**18, storage.root_hash, EMPTY_HASH])
        assert state.root() == accounts.root_hash
        assert state.storage_root(address) == storage.root_hash


def test_an_empty_state_has_the_empty_root() -> None:
    state = StateRoots()
    assert state.root() == EMPTY_ROOT
    state.set_account(ADDRESSES[0], 0, 0, EMPTY_HASH)
    state.set_slot(ADDRESSES[0], 1, 2)
    assert state.root() != EMPTY_ROOT
    state.delete_account(ADDRESSES[0])
    assert state.root() == EMPTY_ROOT
    state.set_account(ADDRESSES[0], 0, 0, EMPTY_HASH)
    assert state.root() == state_root_of({ADDRESSES[0]: (0, 0, EMPTY_HASH)}, {})


def test_storage_without_an_account_is_refused_until_the_account_is_told() -> None:
    state = StateRoots()
    state.set_account(ADDRESSES[0], 1, 1, EMPTY_HASH)
    state.set_slot(ADDRESSES[1], 7, 8)
    with pytest.raises(InvalidInput, match=f"0x{ADDRESSES[1].hex()} has storage"):
        state.root()
    assert state.account(ADDRESSES[1]) is None
    state.set_account(ADDRESSES[1], 0, 0, EMPTY_HASH)
    told = {ADDRESSES[0]: (1, 1, EMPTY_HASH), ADDRESSES[1]: (0, 0, EMPTY_HASH)}
    assert state.root() == state_root_of(told, {ADDRESSES[1]: {7: 8}})


def test_slots_may_be_told_between_deleting_and_remaking_an_account() -> None:
    state = StateRoots()
    state.set_account(ADDRESSES[0], 1, 1, EMPTY_HASH)
    state.set_slot(ADDRESSES[0], 1, 1)
    state.root()
    state.delete_account(ADDRESSES[0])
    state.set_slot(ADDRESSES[0], 2, 2)
    state.set_account(ADDRESSES[0], 5, 5, EMPTY_HASH)
    assert state.root() == state_root_of({ADDRESSES[0]: (5, 5, EMPTY_HASH)}, {ADDRESSES[0]: {2: 2}})


def test_copies_have_their_own_storage_whoever_is_rooted_first() -> None:
    for rooted_first in (True, False):
        one = StateRoots()
        one.set_account(ADDRESSES[0], 1, 1, EMPTY_HASH)
        one.set_slot(ADDRESSES[0], 1, 1)
        if rooted_first:
            one.root()
        two = one.copy()
        two.set_slot(ADDRESSES[0], 1, 2)
        two.root()
        one.set_account(ADDRESSES[0], 2, 2, EMPTY_HASH)
        assert (one.slot(ADDRESSES[0], 1), two.slot(ADDRESSES[0], 1)) == (1, 2)
        assert one.root() == state_root_of({ADDRESSES[0]: (2, 2, EMPTY_HASH)}, {ADDRESSES[0]: {1: 1}})
        assert two.root() == state_root_of({ADDRESSES[0]: (1, 1, EMPTY_HASH)}, {ADDRESSES[0]: {1: 2}})


def test_a_failed_sink_leaves_everything_to_be_committed() -> None:
    class Full:
        def update(self, nodes: Mapping[bytes, bytes], /) -> None:
            raise OSError("disk full")

    state = StateRoots()
    for address in ADDRESSES:
        state.set_account(address, 1, 2, EMPTY_HASH)
        state.set_slot(address, 1, 2**255)
    with pytest.raises(OSError, match="disk full"):
        state.commit(Full())
    store: dict[bytes, bytes] = {}
    opened = StateRoots.open(state.commit(store), store)
    assert [opened.slot(address, 1) for address in ADDRESSES] == [2**255] * 6
    again: dict[bytes, bytes] = {}
    state.commit(again)
    opened.commit(again)
    assert again == {}


def test_an_opened_state_without_its_storage_nodes_says_so() -> None:
    state = StateRoots()
    state.set_account(ADDRESSES[0], 1, 2, EMPTY_HASH)
    state.set_slot(ADDRESSES[0], 1, 2)
    store: dict[bytes, bytes] = {}
    root = state.commit(store)
    del store[state.storage_root(ADDRESSES[0])]
    opened = StateRoots.open(root, store)
    assert opened.root() == root
    with pytest.raises(MissingNodeError):
        opened.slot(ADDRESSES[0], 1)
    opened.clear_storage(ADDRESSES[0])
    assert opened.root() == state_root_of({ADDRESSES[0]: (1, 2, EMPTY_HASH)}, {})


def test_arguments_out_of_range_are_refused_and_change_nothing() -> None:
    state = StateRoots()
    good = ADDRESSES[0]
    state.set_account(good, 1, 2, EMPTY_HASH)
    root = state.root()
    for nonce, balance, code_hash in [
        (-1, 0, EMPTY_HASH),
        (2**64, 0, EMPTY_HASH),
        (0, -1, EMPTY_HASH),
        (0, 2**256, EMPTY_HASH),
        (0, 0, b""),
    ]:
        with pytest.raises(InvalidInput):
            state.set_account(good, nonce, balance, code_hash)
        with pytest.raises(InvalidInput):
            encode_account(Account(nonce, balance, EMPTY_ROOT, code_hash))
    for key, value in [(-1, 0), (2**256, 0), (0, -1), (0, 2**256)]:
        with pytest.raises(InvalidInput):
            state.set_slot(good, key, value)
    with pytest.raises(InvalidInput):
        state.slot(good, 2**256)
    for bad in (b"", bytes(19), bytes(32)):
        with pytest.raises(InvalidInput):
            state.set_account(bad, 0, 0, EMPTY_HASH)
        with pytest.raises(InvalidInput):
            state.set_slot(bad, 0, 0)
        with pytest.raises(InvalidInput):
            state.delete_account(bad)
        with pytest.raises(InvalidInput):
            state.storage_root(bad)
    assert state.root() == root


@given(st.integers(0, 2**64 - 1), WORDS, st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_account_bytes_are_rlp_and_read_back(nonce: int, balance: int, storage_root: bytes, code_hash: bytes) -> None:
    account = Account(nonce, balance, storage_root, code_hash)
    assert encode_account(account) == rlp.encode([nonce, balance, storage_root, code_hash])
    assert decode_account(encode_account(account)) == account


@pytest.mark.parametrize(
    "items",
    [
        b"account",
        [b"\x01", b"\x01", bytes(32)],
        [b"\x01", b"\x01", bytes(32), bytes(32), b""],
        [b"\x00", b"\x01", bytes(32), bytes(32)],
        [b"\x01", b"\x00\x01", bytes(32), bytes(32)],
        [b"\x01" * 9, b"\x01", bytes(32), bytes(32)],
        [b"\x01", b"\x01" * 33, bytes(32), bytes(32)],
        [b"\x01", b"\x01", bytes(31), bytes(32)],
        [b"\x01", b"\x01", bytes(32), b""],
        [[], b"\x01", bytes(32), bytes(32)],
    ],
)
def test_bytes_that_are_no_account_are_refused(items: object) -> None:
    with pytest.raises(DecodingError):
        decode_account(rlp.encode(items))


@pytest.mark.parametrize("item", [b"", b"\x00", b"\x00\x01", b"\x01" * 33, [b"\x01"]])
def test_bytes_that_are_no_slot_value_are_refused(item: object) -> None:
    with pytest.raises(DecodingError):
        decode_slot(rlp.encode(item))


def test_hash_slot_is_the_mapping_of_the_yellow_paper() -> None:
    assert hash_slot(0).hex() == "290decd9548b62a8d60345a988386fc84ba6bc95484008f6362f93160ef3e563"
