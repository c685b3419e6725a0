"""The table of phases: nothing in it is out of reach, the guards hold, and the documentation draws the same."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from evmthread.channel.errors import NotNow
from evmthread.channel.phases import TABLE, Phase, What, allows, check_decision, check_led

PAGE = Path(__file__).resolve().parents[2] / "docs" / "channel.md"


def arrows() -> Iterator[tuple[Phase, Phase]]:
    for before, row in TABLE.items():
        for after in frozenset().union(*row.values()):
            if after != before:
                yield before, after


def test_every_phase_has_a_row_and_is_reached_from_the_first() -> None:
    assert set(TABLE) == set(Phase)
    reached, waiting = {Phase.OPENING}, [Phase.OPENING]
    while waiting:
        before = waiting.pop()
        for start, after in arrows():
            if start == before and after not in reached:
                reached.add(after)
                waiting.append(after)
    assert reached == set(Phase)


def test_an_end_is_an_end() -> None:
    for end, ways in ((Phase.CLOSED, set()), (Phase.STOPPED, {Phase.CLOSED})):
        assert {after for before, after in arrows() if before == end} == ways
        assert not {What.ASK, What.LEAD, What.DECIDE, What.END, What.PROPOSE} & TABLE[end].keys() - {What.PROPOSE}
        assert not {What.ASK, What.LEAD, What.DECIDE, What.END} & TABLE[end].keys()


def test_everything_may_be_told_in_every_phase() -> None:
    for row in TABLE.values():
        assert {What.TOLD, What.HELLO, What.AGREED} <= row.keys()


def test_what_is_not_in_the_row_is_refused() -> None:
    assert allows(Phase.READY, What.ASK)
    assert not allows(Phase.CLOSED, What.ASK)
    check_decision(Phase.READY, What.END)
    with pytest.raises(NotNow, match="close while the channel is opening"):
        check_decision(Phase.OPENING, What.END)


def test_where_the_table_does_not_lead_is_a_bug() -> None:
    check_led(Phase.READY, What.PROPOSE, Phase.PENDING)
    with pytest.raises(AssertionError, match="READY"):
        check_led(Phase.READY, What.FETCH, Phase.PENDING)


def test_the_documentation_draws_the_table() -> None:
    drawn = set(re.findall(r"^    (\w+) --> (\w+)$", PAGE.read_text(), re.MULTILINE))
    assert drawn == {(before.name, after.name) for before, after in arrows()}
