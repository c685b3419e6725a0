"""Receipts beside the rlp and trie packages."""

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from evmthread.errors import DecodingError
from evmthread.merkle.proofs import ProofError, prove
from evmthread.merkle.receipts import Receipt, logs_bloom, prove_receipt, receipts_root, verify_receipt
from evmthread.merkle.trie import EMPTY_ROOT, index_key, ordered_trie
from evmthread.primitives.types import Log
from tests.channel import independent

hash32 = st.binary(min_size=32, max_size=32)
logs = st.lists(
    st.builds(
        Log,
        st.binary(min_size=20, max_size=20),
        st.lists(hash32, max_size=4).map(tuple),
        st.binary(max_size=80),
    ),
    max_size=4,
).map(tuple)
receipts = st.lists(st.builds(Receipt, st.booleans(), st.integers(0, 2**40), logs), max_size=20)


@given(receipts)
def test_the_root_is_that_of_independent_libraries(given_receipts: list[Receipt]) -> None:
    plain = [
        (int(receipt.success), receipt.cumulative_gas, [(log.address, log.topics, log.data) for log in receipt.logs])
        for receipt in given_receipts
    ]
    assert receipts_root(given_receipts) == independent.receipts_root(plain)


@given(logs)
def test_the_bloom_is_that_of_the_paper(some_logs: tuple[Log, ...]) -> None:
    assert logs_bloom(some_logs) == independent.bloom([(log.address, log.topics, log.data) for log in some_logs])


def test_the_bloom_of_a_known_address() -> None:
    # A widely published example of the Yellow Paper's M(3:2048).
    address = bytes.fromhex("0f572e5295c57f15886f9b263e2f6d2d6c7b5ec6")
    bits = int.from_bytes(logs_bloom([Log(address, (), b"")]), "big")
    assert {number for number in range(2048) if bits >> number & 1} == {1323, 431, 1319}


def test_no_receipts_have_the_empty_root() -> None:
    assert receipts_root([]) == EMPTY_ROOT
    assert logs_bloom([]) == bytes(256)


@given(receipts)
def test_proofs_give_the_receipt_back(given_receipts: list[Receipt]) -> None:
    root = receipts_root(given_receipts)
    for index, receipt in enumerate(given_receipts):
        assert Receipt.decode(receipt.encode()) == receipt
        assert verify_receipt(root, index, prove_receipt(given_receipts, index)) == receipt
    absent = len(given_receipts)
    assert verify_receipt(root, absent, prove_receipt(given_receipts, absent)) is None


LOG = [bytes(20), [bytes(32)], b"data"]
BLOOM = logs_bloom([Log(bytes(20), (bytes(32),), b"data")])


def test_a_receipt_in_full() -> None:
    read = Receipt.decode(rlp.encode([1, 21_000, BLOOM, [LOG]]))
    assert read == Receipt(True, 21_000, (Log(bytes(20), (bytes(32),), b"data"),))
    assert Receipt.decode(rlp.encode([b"", b"", bytes(256), []])) == Receipt(False, 0, ())


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (b"", "a list of 4"),
        ([1, 0, bytes(256)], "a list of 4"),
        ([1, 0, bytes(256), [], b""], "a list of 4"),
        ([2, 0, bytes(256), []], "neither 0 nor 1"),
        ([b"\x00", 0, bytes(256), []], "neither 0 nor 1"),
        ([bytes(32), 0, bytes(256), []], "neither 0 nor 1"),  # a state root, as before EIP-658
        ([1, b"\x00\x01", bytes(256), []], "leading zero"),
        ([1, [], bytes(256), []], "cumulative gas of a receipt is a list"),
        ([1, 0, bytes(255), []], "bloom filter"),
        ([1, 0, BLOOM, []], "bloom filter"),
        ([1, 0, bytes(256), [LOG]], "bloom filter"),
        ([1, 0, bytes(256), b""], "logs are no list"),
        ([1, 0, BLOOM, [LOG[:2]]], "a log is a list of 3"),
        ([1, 0, BLOOM, [b"log"]], "a log is a list of 3"),
        ([1, 0, BLOOM, [[bytes(19), [], b""]]], "19 bytes, not 20"),
        ([1, 0, BLOOM, [[bytes(20), b"", b""]]], "topics are a list"),
        ([1, 0, BLOOM, [[bytes(20), [bytes(32)] * 5, b""]]], "at most 4"),
        ([1, 0, BLOOM, [[bytes(20), [bytes(31)], b""]]], "31 bytes, not 32"),
        ([1, 0, BLOOM, [[bytes(20), [[bytes(32)]], b""]]], "nested too deep"),
        ([1, 0, BLOOM, [[bytes(20), [], [b""]]]], "a log's data of a receipt is a list"),
    ],
)
def test_what_is_no_receipt_is_refused(item: object, message: str) -> None:
    data = rlp.encode(item)
    with pytest.raises(DecodingError, match=message):
        Receipt.decode(data)
    trie = ordered_trie([data])
    with pytest.raises(ProofError, match="receipt 0"):
        verify_receipt(trie.root(), 0, prove(trie, index_key(0)))


def test_a_typed_receipt_and_bytes_behind_are_refused() -> None:
    plain = rlp.encode([1, 0, bytes(256), []])
    for data in (b"\x02" + plain, plain + b"\x00", plain[:-1], b""):
        with pytest.raises(DecodingError):
            Receipt.decode(data)
