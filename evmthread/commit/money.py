"""Whose wei is whose: reserves, the operator's fee and each owner's share of it, to the wei.

Plain integer arithmetic over amounts, apart from the records that carry them.
"""

from collections.abc import Sequence
from functools import lru_cache

from evmthread.errors import InvalidInput

GIGAGAS = 10**9


# Remembered: a thread's reserves are asked for at each batch.
@lru_cache(maxsize=1024)
def equal_shares(amount: int, parties: int) -> tuple[int, ...]:
    """An amount split over the parties: amount // n each, and 1 wei more for the first amount mod n."""
    share, rest = divmod(amount, parties)
    return tuple([share + (index < rest) for index in range(parties)])


def operator_fee(max_fee: int, fee_per_gigagas: int, gas_used: int) -> int:
    """The operator's cumulative fee: gas_used x fee_per_gigagas / 10^9 rounded down, at most max_fee."""
    return min(max_fee, gas_used * fee_per_gigagas // GIGAGAS)


def genesis_deposits(deposits: Sequence[int], max_fee: int) -> tuple[int, ...]:
    """What each owner's account holds at the beginning: its deposit less its reserve for the fee."""
    reserves = equal_shares(max_fee, len(deposits))
    if any(deposit < reserve for deposit, reserve in zip(deposits, reserves, strict=True)):
        raise InvalidInput(f"deposits {tuple(deposits)} don't cover the reserves {reserves}")
    return tuple([deposit - reserve for deposit, reserve in zip(deposits, reserves, strict=True)])


def owner_balances(account_balances: Sequence[int], max_fee: int, fee: int) -> tuple[int, ...]:
    """Commitment.balances: each owner's account balance, plus its reserve, less its share of the fee so far.

    Never negative, because the fee is at most max_fee: raises InvalidInput where it isn't.
    """
    if not 0 <= fee <= max_fee:
        raise InvalidInput(f"fee {fee} is above maxFee {max_fee}")
    parties = len(account_balances)
    shares = zip(account_balances, equal_shares(max_fee, parties), equal_shares(fee, parties), strict=True)
    return tuple([balance + reserve - fee_share for balance, reserve, fee_share in shares])
