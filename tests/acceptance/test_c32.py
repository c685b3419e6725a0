"""C32, the library's half: the genesis comes before any money; nothing is signed before LIVE or after CHALLENGED."""

from pathlib import Path

import pytest

from evmthread.channel.desk import ChainHead, ChannelOptions, Mode
from evmthread.channel.errors import LocalProtocolError
from evmthread.channel.messages import Accept, Propose
from evmthread.channel.phases import Phase
from tests.acceptance.table import Table, add
from tests.channel.games import START


def shows(number: int, latest: Mode, finalized: Mode) -> ChainHead:
    return ChainHead(number, START + number, latest, number - 10, finalized)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """The genesis is agreed, and the chain shows nothing yet: no deposit is needed for it."""
    return Table(tmp_path, options=ChannelOptions(on_chain=True)).start()


def commitments_signed(table: Table) -> list[int]:
    """The nonces of all signatures on commitments that were sent."""
    messages = [table.read(data) for _, _, data in table.sent]
    proposed = [message.commitment.nonce for message in messages if isinstance(message, Propose)]
    return proposed + [message.nonce for message in messages if isinstance(message, Accept)]


def test_c32_the_genesis_comes_before_the_money(table: Table) -> None:
    assert table.nonces == [0, 0]
    assert set(commitments_signed(table)) == {0}


@pytest.mark.parametrize(
    ("latest", "finalized"),
    [(Mode.NONE, Mode.NONE), (Mode.FUNDING, Mode.NONE), (Mode.LIVE, Mode.FUNDING), (Mode.FUNDING, Mode.FUNDING)],
)
def test_c32_nothing_above_the_genesis_before_live_is_final(table: Table, latest: Mode, finalized: Mode) -> None:
    table.show(shows(100, latest, finalized))
    table.call(0, add(1), lasting=True)
    table.wait(100)
    with pytest.raises(LocalProtocolError):
        table.do(1, lambda channel: channel.propose())
    assert set(commitments_signed(table)) == {0}
    table.show(shows(200, Mode.LIVE, Mode.LIVE))
    table.wait(100)
    assert table.sums == [1, 1]


def test_c32_a_proposal_before_live_is_refused(table: Table) -> None:
    """One party already sees LIVE, the other doesn't."""
    table.endpoints[1].head(shows(100, Mode.LIVE, Mode.LIVE))
    table.call(0, add(1), lasting=True)
    table.wait(60)
    assert table.nonces == [0, 0]
    assert [nonce for nonce in commitments_signed(table) if nonce % 2 == 0] == [0, 0]  # party 0 signed the genesis


@pytest.mark.parametrize("mode", [Mode.CHALLENGED, Mode.SETTLED])
def test_c32_nothing_after_a_challenge_is_seen(table: Table, mode: Mode) -> None:
    table.show(shows(100, Mode.LIVE, Mode.LIVE))
    table.call(0, add(1))
    table.show(shows(120, mode, Mode.LIVE))
    assert {table.channel(index).phase for index in (0, 1)} == {Phase.DISPUTED}
    table.sent.clear()
    for index in (0, 1):
        with pytest.raises(LocalProtocolError):
            table.do(index, lambda channel: channel.request(add(2), gas=100_000))
        with pytest.raises(LocalProtocolError):
            table.do(index, lambda channel: channel.propose())
    table.wait(100)
    assert commitments_signed(table) == []
    # LIVE at latest, and finalized LIVE from before the challenge, aren't enough.
    table.show(shows(125, Mode.LIVE, Mode.LIVE))
    assert table.channel(0).phase == Phase.DISPUTED
    table.show(shows(140, Mode.LIVE, Mode.LIVE))
    assert table.channel(0).phase == Phase.READY
    table.call(0, add(2))
    table.wait(60)
    assert table.sums == [3, 3]


def test_c32_in_a_dispute_the_final_commitment_may_be_signed(table: Table) -> None:
    table.show(shows(100, Mode.LIVE, Mode.LIVE))
    table.call(0, add(1))
    table.show(shows(120, Mode.CHALLENGED, Mode.LIVE))
    for index in (0, 1):
        table.do(index, lambda channel: channel.close())
    table.wait(60)
    assert {table.channel(index).phase for index in (0, 1)} == {Phase.CLOSED}
