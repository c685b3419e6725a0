"""C26: suspended at depth 3 with open writes; resumed elsewhere, aborted, closed while suspended, asked in vain."""

from pathlib import Path

import pytest

from evmthread.channel.channel import Channel
from evmthread.channel.effects import Effect
from evmthread.channel.errors import LocalProtocolError
from evmthread.channel.phases import Phase
from evmthread.commit import Commitment
from evmthread.commit.commitment import Status
from evmthread.store.handing_on import export_thread
from evmthread.store.replaying import replay_file
from tests.acceptance.table import Table
from tests.channel.games import ruleset
from tests.contracts.test_thread_library import TRAPS

ANSWER = b"\x2a" * 40


def asked(folder: Path, *, transcript: bool = True) -> Table:
    """Three calls deep, each of which has written, the contract asks party 1."""
    rules = ruleset(create=True, storage_slots=1000, transcript=transcript)
    table = Table(folder, code=TRAPS.runtime_code, rules=rules).start()
    table.call(0, TRAPS.function("nested").encode(3, table.terms.owners[1], b"well?"))
    assert tip(table).status == Status.SUSPENDED
    assert tip(table).awaiting == table.terms.owners[1]
    return table


def tip(table: Table, index: int = 0) -> Commitment:
    agreement = table.channel(index).agreement
    assert agreement is not None
    return agreement.commitment


def answer(channel: Channel) -> list[Effect]:
    return channel.answer(ANSWER)


@pytest.mark.parametrize("transcript", [True, False])
def test_c26_resumed_after_a_restart_as_without_one(tmp_path: Path, transcript: bool) -> None:
    roots = []
    for restarts in (False, True):
        folder = tmp_path / str(restarts)
        folder.mkdir()
        table = asked(folder, transcript=transcript)
        before = tip(table)
        assert (before.state_root, before.gas_used) == (genesis_root(table), 0)  # nothing of half a call shows
        if restarts:
            for index in (0, 1):
                table.restart(index)
            table.wait(10)
        table.do(1, answer)
        table.wait(10)
        assert tip(table).status == Status.REST
        assert tip(table, 1) == tip(table)
        roots.append((tip(table).state_root, tip(table).gas_used, tip(table).receipts_root))
        export_thread(table.endpoints[1].lease, folder / "file")
        thread, count = replay_file(folder / "file")
        assert count == 3
        assert thread.agreement == table.channel(1).agreement
    assert roots[0] == roots[1]


def genesis_root(table: Table) -> bytes:
    from evmthread.channel.messages import decode_agreed

    record = table.endpoints[0].lease.line_after(-1, 1)[0]
    return decode_agreed(record.content, batch_bytes=table.rules.batch_bytes).signed.commitment.state_root


@pytest.mark.parametrize("by", [0, 1])
def test_c26_aborted(tmp_path: Path, by: int) -> None:
    table = asked(tmp_path)
    storage = tip(table).storage_root
    table.do(by, lambda channel: channel.abort())
    table.wait(30)
    assert tip(table).status == Status.REST
    assert tip(table).storage_root == storage
    assert tip(table).gas_used == 0
    assert table.channel(0).thread.account_nonce(table.terms.owners[0]) == 1  # the open call's actor's counts up


def test_c26_settled_while_suspended_uses_the_roots_before(tmp_path: Path) -> None:
    table = asked(tmp_path)
    before = tip(table)
    for index in (0, 1):
        table.do(index, lambda channel: channel.close())
    table.wait(60)
    final = tip(table)
    assert table.channel(1).phase == Phase.CLOSED
    assert final.status == Status.FINAL
    assert (final.state_root, final.storage_root, final.balances) == (
        before.state_root,
        before.storage_root,
        before.balances,
    )
    assert final.machine_hash == bytes(32)


def test_c26_answered_by_a_stranger(tmp_path: Path) -> None:
    table = asked(tmp_path)
    with pytest.raises(LocalProtocolError):
        table.do(0, answer)
    assert tip(table).status == Status.SUSPENDED
    # A call, too, waits until the question is answered.
    table.call(0, TRAPS.function("plainBreakpoint").encode(), lasting=True)
    table.wait(30)
    assert tip(table).status == Status.SUSPENDED
    table.do(1, answer)
    table.wait(60)
    assert tip(table).status == Status.REST
