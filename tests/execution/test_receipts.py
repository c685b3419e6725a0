"""Receipts beside the rlp and trie packages."""

from hypothesis import given
from hypothesis import strategies as st

from evmthread.execution.receipts import Receipt, logs_bloom, receipts_root
from evmthread.merkle.trie import EMPTY_ROOT
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
