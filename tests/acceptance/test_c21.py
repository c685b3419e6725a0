"""C21: two processes on one key. The one that came first can't sign any more; the other goes on."""

import subprocess
import sys
from pathlib import Path

import pytest

from evmthread.channel.events import Stopped
from evmthread.channel.messages import Accept, Propose
from evmthread.channel.phases import Phase
from evmthread.errors import BackendError
from evmthread.store.sqlite_threads import SqliteThreadStore
from tests.acceptance.table import Table, add


def test_c21_the_second_takes_over_and_the_first_signs_nothing(tmp_path: Path) -> None:
    table = Table(tmp_path).start()
    table.call(0, add(1))
    first = table.endpoints[1]
    table.stores[1] = SqliteThreadStore(tmp_path / "party1")
    table.endpoints[1] = table.open(1)  # the same file, as another process would open it
    table.endpoints[1].start()
    table.run()
    table.sent.clear()
    first.do(lambda channel: channel.request(add(2), gas=100_000))
    assert table.sent == []
    assert table.told(1, Stopped) or first.channel.phase is Phase.READY
    table.call(0, add(4))
    table.wait(20)
    assert table.sums == [5, 5]
    # What was proposed to the first one's channel it doesn't sign either.
    for source, to, data in list(table.sent):
        if to == 1:
            first.receive(source, data)
    assert first.channel.phase in (Phase.STOPPED, Phase.READY)
    mine = [table.read(data) for source, _, data in table.sent if source == 1]
    assert len({message.digest for message in mine if isinstance(message, Accept)}) <= 1
    assert not [message for message in mine if isinstance(message, Propose) and message.commitment.nonce > 2]


def test_c21_in_two_real_processes(tmp_path: Path) -> None:
    """A process that holds the lease can't write once another process has taken it."""
    table = Table(tmp_path).start()
    lease = table.endpoints[1].lease
    words = (
        "import sys; from evmthread.store.sqlite_threads import SqliteThreadStore as S; "
        "s = S(sys.argv[1]); print(s.acquire(s.threads()[0]).epoch)"
    )
    done = subprocess.run([sys.executable, "-c", words, str(tmp_path / "party1")], capture_output=True, text=True)
    assert int(done.stdout) == lease.epoch + 1, done.stderr
    with pytest.raises(BackendError):
        lease.sign_log().put_if_absent(table.thread_id, 77, b"\x01" * 32, final=False, content=b"")
    table.call(0, add(1))
    table.wait(20)
    assert table.nonces == [0, 0]
    assert table.told(1, Stopped)
