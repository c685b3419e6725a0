"""C22: a stale backup is put back; the peer is honest, silent or lying: nothing is signed below what was signed."""

import shutil
from pathlib import Path

import pytest

from evmthread.channel.desk import ChannelOptions
from evmthread.channel.events import Stopped, StopReason
from evmthread.channel.messages import Agreed, Hello, encode_message
from evmthread.channel.phases import Phase
from evmthread.channel.restoring import restored_floor
from evmthread.commit import SigningRefused
from evmthread.store.sqlite_threads import SqliteThreadStore
from tests.acceptance.table import Table, add
from tests.channel.games import START


def backed_up(folder: Path) -> Table:
    """Party 1's store is copied after the first call; four more are agreed after that."""
    table = Table(folder).start()
    table.call(0, add(1))
    table.stores[1].close()
    shutil.copy(folder / "party1", folder / "backup")
    table.restart(1)
    table.wait(10)
    for number in range(4):
        table.call(number % 2, add(1))
    assert table.sums == [5, 5]
    return table


def put_back(table: Table, *, restored: bool) -> None:
    """The backup takes the store's place."""
    table.stores[1].close()
    for file in table.folder.glob("party1*"):
        file.unlink()
    shutil.copy(table.folder / "backup", table.folder / "party1")
    table.events[1].clear()
    table.sent.clear()
    table.stores[1] = SqliteThreadStore(table.folder / "party1", restored=restored)


def signed_nonces(table: Table) -> list[int]:
    """The nonces under which party 1 sent signatures of its own."""
    nonces = []
    for source, _, data in table.sent:
        message = table.read(data)
        if source == 1 and hasattr(message, "signature"):
            nonces.append(message.nonce if hasattr(message, "nonce") else message.commitment.nonce)
    return nonces


def test_c22_unmarked_with_an_honest_peer(tmp_path: Path) -> None:
    """The peer shows party 1's own signatures: it stops, and adopts what it executes."""
    table = backed_up(tmp_path)
    put_back(table, restored=False)
    table.endpoints[1] = table.open(1)
    table.endpoints[1].start()
    table.run()
    stopped = table.told(1, Stopped)
    assert isinstance(stopped[0], Stopped)
    assert stopped[0].reason == StopReason.STALE_STORE
    table.wait(30)
    assert table.channel(1).phase == Phase.STOPPED
    assert table.sums == [5, 5]  # it read what was agreed
    table.call(0, add(1))
    table.wait(30)
    assert signed_nonces(table) == []


def test_c22_unmarked_with_a_silent_peer(tmp_path: Path) -> None:
    """Nothing new is signed before the peer has said what it has."""
    table = backed_up(tmp_path)
    put_back(table, restored=False)
    table.lost = lambda _source, to, _message: to == 1
    table.endpoints[1] = table.open(1)
    table.endpoints[1].start()
    table.do(1, lambda channel: channel.request(add(1), gas=100_000, lasting=True))
    table.wait(300, step=5)
    assert signed_nonces(table) == []


@pytest.mark.parametrize("trusts_others", [False, True])
@pytest.mark.parametrize("peer", ["honest", "silent", "lying"])
def test_c22_marked_as_restored(tmp_path: Path, peer: str, trusts_others: bool) -> None:
    """With the mark nothing is signed, and for who trusts its peers only above a floor, whatever they say."""
    table = backed_up(tmp_path)
    table.options = ChannelOptions(trusts_others=trusts_others)
    before = signed_nonces(table)
    put_back(table, restored=True)
    lease = table.stores[1].acquire(table.thread_id)
    with pytest.raises(SigningRefused):
        lease.sign_log().put_if_absent(table.thread_id, 99, b"\x01" * 32, final=False, content=b"")
    known = lease.load().highest
    table.now += 3600
    floor = restored_floor(known, START, table.now)
    assert floor >= known + 2**32 + 1024 * 3600
    lease.set_floor(floor)
    if peer == "silent":
        table.lost = lambda _source, to, _message: to == 1
    if peer == "lying":  # it hides all that was agreed since
        hello = encode_message(table.thread_id, Hello(1, 1, table.channel(0).thread.parent))
        table.lost = lambda source, _to, message: source == 0 and isinstance(message, Hello | Agreed)
    table.endpoints[1] = table.open(1)
    table.endpoints[1].start()
    if peer == "lying":
        table.endpoints[1].receive(0, hello)
    table.run()
    if not trusts_others:
        assert [event.reason for event in table.told(1, Stopped)] == [StopReason.RESTORED]  # type: ignore[attr-defined]
        table.wait(600, step=3)
        assert signed_nonces(table) == []
        assert table.sums == ([5, 5] if peer == "honest" else [5, 1])
        return
    table.call(1, add(10), lasting=True)
    table.wait(600, step=3)
    new = signed_nonces(table)
    assert all(nonce > floor for nonce in new)
    assert not set(new) & set(before)
    if peer == "honest":
        assert table.sums == [15, 15]
        assert min(table.nonces) > floor
