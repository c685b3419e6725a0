"""What goes to a peer in answer is bounded, and always goes on."""

import pytest

from evmthread.channel.allowance import BURST_SECONDS, Allowance
from evmthread.channel.desk import ChannelOptions
from evmthread.errors import InvalidInput

RATE = 100.0


def test_as_much_goes_at_once_as_a_while_gives_and_more_as_time_passes() -> None:
    allowance = Allowance(RATE, 1000.0)
    assert allowance.is_left(1000.0)
    allowance.take(int(RATE * BURST_SECONDS) - 1)
    assert allowance.is_left(1000.0), "a byte"
    allowance.take(1)
    assert not allowance.is_left(1000.0)
    assert allowance.is_left(1000.5)
    allowance.take(50)
    assert not allowance.is_left(1000.5)
    assert allowance.is_left(1000.75)


def test_the_longest_answer_goes_and_leaves_a_debt() -> None:
    allowance = Allowance(RATE, 0.0)
    allowance.take(int(RATE * (BURST_SECONDS + 10)))
    assert not allowance.is_left(10.0)
    assert allowance.is_left(10.1)


def test_no_more_is_saved_up_than_goes_at_once() -> None:
    allowance = Allowance(RATE, 0.0)
    assert allowance.is_left(10_000.0)
    allowance.take(int(RATE * BURST_SECONDS))
    assert not allowance.is_left(10_000.0)


def test_how_much_goes_at_once_may_be_said() -> None:
    allowance = Allowance(RATE, 0.0, most=3)
    for now in (0.0, 10_000.0):
        for _ in range(3):
            assert allowance.is_left(now)
            allowance.take(1)
        assert not allowance.is_left(now)


def test_an_allowance_gives_something() -> None:
    for rate in (0, -1.0):
        with pytest.raises(InvalidInput, match="above 0"):
            ChannelOptions(answer_rate=rate)
