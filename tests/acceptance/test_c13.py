"""C13: a party's process ends in each phase, also suspended and disputed; it goes on from its store, or is answered."""

from pathlib import Path

from evmthread.channel.desk import ChainHead, ChannelOptions, Mode
from evmthread.channel.events import Asked
from evmthread.channel.messages import Accept, Propose
from evmthread.channel.phases import Phase
from evmthread.commit.commitment import Status
from tests.acceptance.table import Table, add
from tests.channel.games import ruleset
from tests.contracts.test_thread_library import TRAPS

LIVE = ChainHead(100, 1_760_000_000, Mode.LIVE, 90, Mode.LIVE)


def test_c13_opening(tmp_path: Path) -> None:
    table = Table(tmp_path)
    for endpoint in table.endpoints:
        endpoint.start()
    table.run()
    table.lost = lambda _source, to, _message: to == 0
    table.do(0, lambda channel: channel.propose())
    assert table.nonces == [-1, 0]
    table.lost = lambda _source, _to, _message: False
    for index in (0, 1):
        table.restart(index)
    table.wait(20)
    assert table.nonces == [0, 0]


def test_c13_ready_and_pending(tmp_path: Path) -> None:
    table = Table(tmp_path).start()
    table.call(0, add(1))
    for index in (0, 1):
        assert table.restart(index).channel.phase == Phase.READY
        table.wait(10)
    # One has proposed, the other has signed, and neither has the other's signature.
    table.lost = lambda _source, _to, message: isinstance(message, Accept)
    table.call(0, add(2))
    assert table.channel(0).phase == Phase.PENDING
    for index in (0, 1):
        table.restart(index)
    table.lost = lambda _source, _to, _message: False
    table.wait(60)
    assert table.sums == [3, 3]


def test_c13_suspended(tmp_path: Path) -> None:
    rules = ruleset(create=True, storage_slots=1000)
    table = Table(tmp_path, code=TRAPS.runtime_code, rules=rules).start()
    table.call(0, TRAPS.function("askAndStore").encode(table.terms.owners[1], b"well?"))
    tip = table.channel(1).agreement
    assert tip is not None
    assert tip.commitment.status == Status.SUSPENDED
    assert table.told(1, Asked)
    for index in (0, 1):
        table.restart(index)
    table.wait(10)
    table.do(1, lambda channel: channel.answer(add(7)))
    table.wait(10)
    after = [table.channel(index).agreement for index in (0, 1)]
    assert after[0] is not None
    assert after[0].commitment.status == Status.REST
    assert after[0].digest == after[1].digest  # type: ignore[union-attr]


def test_c13_closing_and_closed(tmp_path: Path) -> None:
    table = Table(tmp_path).start()
    table.call(0, add(1))
    table.lost = lambda _source, _to, message: isinstance(message, Propose)
    for index in (0, 1):
        table.do(index, lambda channel: channel.close())
    assert {table.channel(index).phase for index in (0, 1)} == {Phase.CLOSING}
    # Who has signed the final commitment sends it again; the other agrees to close once more.
    table.lost = lambda _source, _to, _message: False
    for index in (0, 1):
        table.restart(index)
        if table.channel(index).phase == Phase.READY:
            table.do(index, lambda channel: channel.close())
    table.wait(60)
    assert {table.channel(index).phase for index in (0, 1)} == {Phase.CLOSED}
    for index in (0, 1):
        assert table.restart(index).channel.phase == Phase.CLOSED


def test_c13_disputed(tmp_path: Path) -> None:
    """While a challenge is on chain nothing is signed, also after a restart; there is an agreement to answer with."""
    table = Table(tmp_path, options=ChannelOptions(on_chain=True)).start()
    table.show(LIVE)
    table.call(0, add(1))
    newest = table.channel(0).agreement
    challenged = ChainHead(120, 1_760_000_100, Mode.CHALLENGED, 110, Mode.LIVE)
    table.show(challenged)
    for index in (0, 1):
        table.restart(index)
    table.show(challenged)
    assert {table.channel(index).phase for index in (0, 1)} == {Phase.DISPUTED}
    assert [table.channel(index).agreement for index in (0, 1)] == [newest, newest]
