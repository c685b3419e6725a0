"""A channel's options: values that no channel could run with are refused when they are given."""

import pytest

from evmthread.channel.desk import ChannelOptions
from evmthread.errors import InvalidInput


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("base_timer", 0.0),
        ("base_timer", float("nan")),
        ("linger", -1.0),
        ("linger", float("nan")),
        ("answer_rate", 0.0),
        ("answer_rate", float("nan")),
        ("whole_every", 0),
    ],
)
def test_an_option_out_of_range_is_refused(name: str, wrong: float) -> None:
    with pytest.raises(InvalidInput, match="not "):
        ChannelOptions(**{name: wrong})  # type: ignore[arg-type]


def test_the_whole_state_may_be_kept_each_time_and_nobody_need_linger() -> None:
    options = ChannelOptions(whole_every=1, linger=0.0)
    assert (options.whole_every, options.linger) == (1, 0.0)
