"""The fee, the reserves and the shares, to the wei."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.commit import equal_shares, genesis_deposits, operator_fee, owner_balances
from evmthread.errors import InvalidInput


@pytest.mark.parametrize(
    ("amount", "parties", "shares"),
    [(0, 2, (0, 0)), (1, 2, (1, 0)), (7, 3, (3, 2, 2)), (8, 3, (3, 3, 2)), (9, 3, (3, 3, 3)), (2, 4, (1, 1, 0, 0))],
)
def test_equal_shares(amount: int, parties: int, shares: tuple[int, ...]) -> None:
    assert equal_shares(amount, parties) == shares


@pytest.mark.parametrize(
    ("max_fee", "price", "gas", "fee"),
    [(100, 10**9, 7, 7), (100, 10**9, 101, 100), (100, 1, 10**9 - 1, 0), (100, 1, 10**9, 1), (0, 10**18, 10**9, 0)],
)
def test_operator_fee(max_fee: int, price: int, gas: int, fee: int) -> None:
    assert operator_fee(max_fee, price, gas) == fee


def test_an_owners_balance() -> None:
    # Deposits 100 each, reserves (4, 3, 3), fee shares (2, 2, 1).
    assert genesis_deposits((100, 100, 100), 10) == (96, 97, 97)
    assert owner_balances((96, 97, 97), 10, 0) == (100, 100, 100)
    assert owner_balances((90, 97, 103), 10, 5) == (92, 98, 105)


@given(st.lists(st.integers(0, 10**30), min_size=2, max_size=16), st.integers(0, 10**30), st.data())
def test_money_is_conserved(account_balances: list[int], max_fee: int, data: st.DataObject) -> None:
    fee = data.draw(st.integers(0, max_fee))
    reserves = equal_shares(max_fee, len(account_balances))
    deposits = [balance + reserve for balance, reserve in zip(account_balances, reserves, strict=True)]
    assert genesis_deposits(deposits, max_fee) == tuple(account_balances)
    balances = owner_balances(account_balances, max_fee, fee)
    assert sum(balances) + fee == sum(deposits)
    assert all(balance >= before for balance, before in zip(balances, account_balances, strict=True))


@pytest.mark.parametrize("fee", [-1, 11])
def test_a_fee_above_its_maximum_is_refused(fee: int) -> None:
    with pytest.raises(InvalidInput, match=f"fee {fee}"):
        owner_balances((1, 1), 10, fee)


def test_deposits_below_the_reserves_are_refused() -> None:
    with pytest.raises(InvalidInput, match="reserves"):
        genesis_deposits((5, 4), 10)
