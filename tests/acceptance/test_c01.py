"""C1: Morpion, two and three parties, each move a commitment; both stores hold the same chain, and it replays."""

from pathlib import Path

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data

from evmthread.channel.phases import Phase
from evmthread.commit.eip712 import typed_data
from evmthread.store.handing_on import export_thread
from evmthread.store.replaying import replay_file
from evmthread.store.verification import verify_file
from tests.acceptance.table import MorpionTable

DRAW = (0, 4, 8, 1, 7, 6, 2, 5, 3)


@pytest.mark.parametrize("parties", [2, 3])
def test_c1(tmp_path: Path, parties: int) -> None:
    table = MorpionTable(tmp_path, parties=parties).start()
    table.play(*DRAW)
    assert table.nonces == [2 + len(DRAW)] * parties
    for index in range(parties):
        table.do(index, lambda channel: channel.close())
    assert {table.channel(index).phase for index in range(parties)} == {Phase.CLOSED}
    lines = table.lines()
    assert len(lines[0]) == 4 + len(DRAW)  # genesis, two who join, nine moves, the final one
    assert all(line == lines[0] for line in lines)
    for index in range(parties):
        assert table.adopted(index) == lines[0]
    files = [tmp_path / f"{index}.thread" for index in range(parties)]
    for index, file in enumerate(files):
        export_thread(table.endpoints[index].lease, file)
        report = verify_file(file)
        thread, count = replay_file(file)
        tip = table.channel(index).agreement
        assert tip is not None
        assert report.tip == tip == thread.agreement
        assert count == len(lines[0])
        assert thread.thread_id == table.thread_id
    # eth-account's digest of every commitment is ours.
    for record in table.endpoints[0].lease.line_after(-1, 100):
        agreement = next(event.agreement for event in table.events[0] if event.agreement.digest == record.digest)  # type: ignore[union-attr]
        message = encode_typed_data(full_message=typed_data(agreement.domain, agreement.commitment))
        assert bytes(_hash_eip191_message(message)) == agreement.digest
