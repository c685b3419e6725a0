"""The durable log of signatures: never two digests under one nonce, whatever dies, and one process at a time."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from evmthread.commit import EquivocationError, GuardedSigner, MemorySignLog, TypedData
from evmthread.errors import BackendError, InvalidInput
from evmthread.store.signlog import DamagedSignLog, LogTaken, NotASignLog, SqliteSignLog
from evmthread.store.thread_store import FloorWanted
from evmthread.testing.sign_logs import sign_log_tests
from tests.channel.games import Match, signers

KEY = b"\x5e" * 20
THREAD = b"\x11" * 32


def fresh() -> SqliteSignLog:
    return SqliteSignLog(Path(tempfile.mkdtemp(prefix="evmthread-")) / "signed", KEY, durable=False)


def reopened(log: SqliteSignLog) -> SqliteSignLog:
    log.close()
    return SqliteSignLog(log.place, KEY, durable=False)


TestSqliteSignLog = sign_log_tests(fresh, reopen=reopened, close=SqliteSignLog.close)
TestMemorySignLog = sign_log_tests(MemorySignLog)


def put(log: SqliteSignLog, nonce: int, digest: bytes = b"\x01" * 32, **options: object) -> object:
    return log.put_if_absent(THREAD, nonce, digest, **({"final": False, "content": b"sent"} | options))  # type: ignore[arg-type]


def test_what_was_signed_is_sent_again_as_the_same_bytes() -> None:
    log = fresh()
    for nonce in (0, 3, 2**63, 2**64 - 1):
        put(log, nonce, content=b"content %d" % nonce)
    log = reopened(log)
    assert log.content(THREAD, 3) == b"content 3"
    assert log.content(THREAD, 4) is None
    assert [entry.nonce for entry in log.entries(THREAD, above=0)] == [3, 2**63, 2**64 - 1]
    assert log.entries(THREAD, above=2**63)[0].content == b"content %d" % (2**64 - 1)
    assert log.entries(b"\x22" * 32) == []
    log.check()


def test_a_nonce_of_more_than_64_bits_is_refused() -> None:
    log = fresh()
    for nonce in (-1, 2**64):
        with pytest.raises(InvalidInput, match="64 bits"):
            put(log, nonce)


def test_a_guard_over_it_refuses_a_second_digest_after_a_restart(tmp_path: Path) -> None:
    match = Match(b"\0")
    match.agree()
    signer = signers(2)[0]
    guard = GuardedSigner(signer, SqliteSignLog(tmp_path / "log", signer.address))
    commitment = match.tip.commitment
    guard.sign(TypedData(match.thread.domain, commitment))
    again = GuardedSigner(signer, SqliteSignLog(tmp_path / "log", signer.address))
    assert again.sign(TypedData(match.thread.domain, commitment))
    with pytest.raises(EquivocationError):
        again.sign(TypedData(match.thread.domain, replace(commitment, gas_used=1)))
    with pytest.raises(LogTaken):
        guard.sign(TypedData(match.thread.domain, replace(commitment, nonce=5, parent=b"\1" * 32)))


def test_floors_last_and_only_rise(tmp_path: Path) -> None:
    log = SqliteSignLog(tmp_path / "log", KEY)
    log.set_floor(THREAD, 2**40)
    log.set_floor(THREAD, 7)
    log = reopened(log)
    assert log.floor(THREAD) == 2**40
    assert log.put_if_absent(THREAD, 2**40, b"\x01" * 32, final=False, content=b"").digest is None
    assert log.put_if_absent(THREAD, 2**40 + 1, b"\x01" * 32, final=False, content=b"").digest == b"\x01" * 32


def test_a_restored_log_signs_nothing_without_a_floor(tmp_path: Path) -> None:
    SqliteSignLog(tmp_path / "log", KEY, restored=True).close()
    log = SqliteSignLog(tmp_path / "log", KEY)
    assert log.restored
    with pytest.raises(FloorWanted, match="floor"):
        put(log, 5)
    log.set_floor(THREAD, 4)
    put(log, 5)
    assert log.entries(THREAD)[0].nonce == 5


def test_a_log_that_is_restored_again_needs_a_new_floor(tmp_path: Path) -> None:
    with SqliteSignLog(tmp_path / "log", KEY, restored=True) as log:
        log.set_floor(THREAD, 4)
        put(log, 5)
    with SqliteSignLog(tmp_path / "log", KEY, restored=True) as log:
        put(log, 5)  # what stands is no new signature
        with pytest.raises(FloorWanted):
            put(log, 6)
        log.set_floor(THREAD, 6)
        put(log, 7)


def test_whoever_opens_it_takes_it_over(tmp_path: Path) -> None:
    """C21: two processes on one key."""
    first = SqliteSignLog(tmp_path / "log", KEY)
    put(first, 1)
    second = SqliteSignLog(tmp_path / "log", KEY)
    with pytest.raises(LogTaken):
        put(first, 2)
    with pytest.raises(LogTaken):
        first.set_floor(THREAD, 9)
    put(second, 2)
    assert second.entries(THREAD)[-1].nonce == 2


def test_another_keys_log_and_other_files_are_refused(tmp_path: Path) -> None:
    SqliteSignLog(tmp_path / "log", KEY).close()
    with pytest.raises(NotASignLog, match="belongs to"):
        SqliteSignLog(tmp_path / "log", b"\x99" * 20)
    (tmp_path / "text").write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with pytest.raises(NotASignLog):
        SqliteSignLog(tmp_path / "text", KEY)
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE t(x)")
    with pytest.raises(NotASignLog):
        SqliteSignLog(tmp_path / "other", KEY)
    with pytest.raises(BackendError):
        SqliteSignLog(tmp_path / "no" / "folder", KEY)
    with pytest.raises(InvalidInput):
        SqliteSignLog(tmp_path / "key", b"short")


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    log = SqliteSignLog(tmp_path / "log", KEY)
    for nonce in range(200):
        put(log, nonce, content=bytes(500))
    log.close()
    whole = (tmp_path / "log").read_bytes()
    found, random = 0, Random(3)
    for _ in range(20):
        changed = bytearray(whole)
        place = random.randrange(4096, len(whole) - 64)
        changed[place : place + 64] = random.randbytes(64)
        (tmp_path / "log").write_bytes(changed)
        try:
            with SqliteSignLog(tmp_path / "log", KEY) as damaged:
                damaged.check()
        except (DamagedSignLog, NotASignLog):
            found += 1
    assert found  # what is changed inside a value SQLite itself can't tell


WRITER = """
import sys
from evmthread.store.signlog import SqliteSignLog
log = SqliteSignLog(sys.argv[1], bytes.fromhex(sys.argv[2]))
nonce = max([entry.nonce for entry in log.entries(bytes.fromhex(sys.argv[3]))], default=-1) + 1
while True:
    log.put_if_absent(bytes.fromhex(sys.argv[3]), nonce, nonce.to_bytes(32, "big"), final=False, content=bytes(300))
    print(nonce, flush=True)
    nonce += 1
"""


def killed(path: Path, after: int) -> int:
    """Runs a writer, kills it when it has told that many entries; the last nonce it told."""
    command = [sys.executable, "-c", WRITER, str(path), KEY.hex(), THREAD.hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = -1
        for _ in range(after):
            told = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split()
    return int(rest[-1]) if rest else told


def check_kills(path: Path, rounds: int) -> None:
    random = Random(rounds)
    for _ in range(rounds):
        told = killed(path, random.randrange(1, 12))
        with SqliteSignLog(path, KEY) as log:
            log.check()
            entries = log.entries(THREAD)
            assert entries[-1].nonce >= told, "an entry that was acknowledged is gone"
            assert [entry.nonce for entry in entries] == list(range(len(entries)))
            assert all(entry.digest == entry.nonce.to_bytes(32, "big") for entry in entries)


def test_kill_9_loses_nothing(tmp_path: Path) -> None:
    check_kills(tmp_path / "log", 4)


@pytest.mark.slow
def test_kill_9_many_times_loses_nothing(tmp_path: Path) -> None:
    check_kills(tmp_path / "log", 100)


def _contend(arguments: tuple[str, int]) -> list[bytes | None]:
    path, number = arguments
    log = SqliteSignLog(path, KEY)
    told: list[bytes | None] = []
    for nonce in range(20):
        try:
            told.append(log.put_if_absent(THREAD, nonce, bytes([number]) * 32, final=False, content=b"").digest)
        except BackendError:
            told.append(None)
    return told


def test_processes_that_contend_never_both_win(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        told = pool.map(_contend, [(str(tmp_path / "log"), number) for number in range(3)])
    with SqliteSignLog(tmp_path / "log", KEY) as log:
        standing = {entry.nonce: entry.digest for entry in log.entries(THREAD)}
    for answers in told:
        for nonce, digest in enumerate(answers):
            assert digest in (None, standing.get(nonce))


def test_nothing_stands_when_writing_failed(tmp_path: Path) -> None:
    log = SqliteSignLog(tmp_path / "log", KEY)

    def fail() -> None:
        raise OSError("the disk is gone")

    log.before_commit = fail
    with pytest.raises(OSError, match="disk"):
        put(log, 1)
    log.before_commit = None
    assert log.entries(THREAD) == []
    put(log, 1)
