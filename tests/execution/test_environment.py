import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.errors import InvalidInput
from evmthread.execution.environment import BlockEnvironment, blob_base_fee, fake_exponential
from evmthread.isa.forks import CANCUN, HISTORY


@pytest.mark.parametrize(
    ("factor", "numerator", "denominator", "expected"),
    [  # execution-spec-tests and go-ethereum's tests of EIP-4844
        *((1, 0, 1, 1), (38493, 0, 1000, 38493), (0, 1234, 2345, 0), (1, 2, 1, 6), (1, 4, 2, 6), (1, 3, 1, 16)),
        *((1, 6, 2, 18), (1, 4, 1, 49), (1, 8, 2, 50), (10, 8, 2, 542), (11, 8, 2, 596), (1, 5, 1, 136)),
        *((1, 5, 2, 11), (2, 5, 2, 23), (1, 50_000_000, 2_225_652, 5_709_098_764)),
    ],
)
def test_fake_exponential(factor: int, numerator: int, denominator: int, expected: int) -> None:
    assert fake_exponential(factor, numerator, denominator) == expected


def test_blob_base_fee() -> None:
    blobs = CANCUN.transactions.blobs
    assert blobs is not None
    assert blob_base_fee(0, blobs) == 1
    assert blob_base_fee(2_314_057, blobs) == 1
    assert blob_base_fee(2_314_058, blobs) == 2
    assert blob_base_fee(10 * 1024 * 1024, blobs) == 23
    for fork in HISTORY:
        if fork.transactions.blobs is not None:
            assert blob_base_fee(10**8, fork.transactions.blobs) > 1


@given(st.integers(0, 10**9))
def test_blob_base_fee_is_a_word_or_refused(excess: int) -> None:
    blobs = CANCUN.transactions.blobs
    assert blobs is not None
    try:
        assert 1 <= blob_base_fee(excess, blobs) < 2**256
    except InvalidInput:
        assert excess > 177 * blobs.update_fraction


@pytest.mark.parametrize(
    "wrong",
    [
        {"coinbase": bytes(19)},
        {"coinbase": bytes(32)},
        *({name: value} for name in ("number", "timestamp", "gas_limit", "base_fee") for value in (-1, 2**256)),
        *(
            {name: value}
            for name in ("difficulty", "prev_randao", "chain_id", "blob_base_fee")
            for value in (-1, 2**256)
        ),
        {"timestamp": 1_700_000_000.5},  # what time.time() gives
        {"prev_randao": bytes(32)},
        {"number": "1"},
        {"chain_id": None},
        {"coinbase": bytearray(20)},
        {"coinbase": "a" * 20},
    ],
    ids=str,
)
def test_a_block_says_words_and_an_address(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        BlockEnvironment(**wrong)  # type: ignore[arg-type]
