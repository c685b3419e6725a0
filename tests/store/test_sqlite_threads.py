"""The store in a file keeps what every store keeps; what isn't such a file, or isn't whole, is told."""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from evmthread.channel.kept import AgreedRecord, EvidenceRecord, InputRecord, SignedRecord
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.commit import EquivocationError, GuardedSigner, LogState, NonceNotAbove, TypedData
from evmthread.errors import BackendError, InvalidInput
from evmthread.store.database import Run
from evmthread.store.signed_rows import SignedRows
from evmthread.store.signlog import NotASignLog, SqliteSignLog
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.store.thread_store import DamagedThreadStore, FloorWanted, Lease, LeaseLost, NotAThreadStore
from evmthread.store.threadfile import ThreadHead
from evmthread.testing.thread_samples import DIGESTS, HEADS, KEY
from evmthread.testing.thread_stores import thread_store_tests
from tests.channel.games import Match
from tests.state.power_cut import built_recorder, record_of
from tests.store.keeper import BEGINNINGS, Stream, expected, said

ROOT = Path(__file__).parents[2]


def fresh() -> SqliteThreadStore:
    return SqliteThreadStore(Path(tempfile.mkdtemp(prefix="evmthread-")) / "threads", durable=False)


def reopened(store: SqliteThreadStore) -> SqliteThreadStore:
    store.close()
    return SqliteThreadStore(store.place, durable=False)


def restored(store: SqliteThreadStore) -> SqliteThreadStore:
    store.close()
    place = Path(tempfile.mkdtemp(prefix="evmthread-")) / "threads"
    shutil.copy(store.place, place)
    shutil.rmtree(Path(store.place).parent)
    return SqliteThreadStore(place, restored=True, durable=False)


def beside(store: SqliteThreadStore) -> SqliteThreadStore:
    return SqliteThreadStore(store.place, durable=False)


def removed(store: SqliteThreadStore) -> None:
    store.close()
    shutil.rmtree(Path(store.place).parent)


TestSqliteThreadStore = thread_store_tests(fresh, reopen=reopened, restore=restored, beside=beside, close=removed)

THREAD = next(iter(HEADS))


def begun(path: Path, **options: bool) -> tuple[SqliteThreadStore, Lease]:
    """A store with one thread, and the right to write to it."""
    store = SqliteThreadStore(path, **options)
    store.create(HEADS[THREAD], KEY)
    return store, store.acquire(THREAD)


def signed(nonce: int, digest: bytes = DIGESTS[0]) -> SignedRecord:
    return SignedRecord(nonce, digest, False, b"content of %d" % nonce)


# Files that aren't ours, or aren't whole ------------------------------------------------------------------------------
def test_other_files_are_refused(tmp_path: Path) -> None:
    SqliteThreadStore(tmp_path / "threads").close()
    with pytest.raises(NotASignLog, match="application"):
        SqliteSignLog(tmp_path / "threads", KEY)
    SqliteSignLog(tmp_path / "log", KEY).close()
    (tmp_path / "text").write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE t(x)")
    for name in ("log", "text", "other"):
        for read_only in (False, True):
            with pytest.raises(NotAThreadStore):
                SqliteThreadStore(tmp_path / name, read_only=read_only)
    for place in (tmp_path / "no" / "folder", tmp_path, "zero\0byte"):
        with pytest.raises(BackendError):
            SqliteThreadStore(place)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    SqliteThreadStore(tmp_path / "threads").close()
    with sqlite3.connect(tmp_path / "threads") as newer:
        newer.execute("PRAGMA user_version = 2")
    for read_only in (False, True):
        with pytest.raises(NotAThreadStore, match=r"version 2; this program reads .* version 1"):
            SqliteThreadStore(tmp_path / "threads", read_only=read_only)


def test_who_reads_only_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(BackendError):
        SqliteThreadStore(tmp_path / "threads", read_only=True)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(NotAThreadStore):
        SqliteThreadStore(tmp_path / "empty", read_only=True)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_changed_byte_is_told_or_changes_nothing(tmp_path: Path) -> None:
    """Of pieces of the file that are overwritten, each is found, or nobody would read it."""
    with SqliteThreadStore(tmp_path / "threads") as store:
        stream = Stream()
        for head in HEADS.values():
            store.create(head, KEY)
        leases = {thread: store.acquire(thread) for thread in HEADS}
        for _ in range(25):
            store.write([(leases[thread], records) for thread, records in stream.step().items()])
    whole = (tmp_path / "threads").read_bytes()
    found, random = 0, Random(3)
    for number in range(60):
        changed = bytearray(whole)
        length = (1, 8, 64)[number % 3]
        place = random.randrange(len(whole) - length)
        changed[place : place + length] = random.randbytes(length)
        (tmp_path / "threads").write_bytes(changed)
        try:
            with SqliteThreadStore(tmp_path / "threads") as damaged:
                damaged.check()
                assert said({thread: damaged.look(thread) for thread in damaged.threads()}) == expected(25 + BEGINNINGS)
        except (DamagedThreadStore, NotAThreadStore):
            found += 1
    assert found > 30


def test_a_damaged_row_is_refused_when_it_is_read(tmp_path: Path) -> None:
    store, lease = begun(tmp_path / "threads")
    genesis = AgreedRecord(0, DIGESTS[0], bytes(32), b"content", b"state", True)
    assert store.write([(lease, [InputRecord(0, 0, DIGESTS[0], DIGESTS[0], b""), signed(0), genesis])]) == [None]
    assert store.write([(lease, [EvidenceRecord("kind", 0, b"content")])]) == [None]
    lease.set_floor(1)
    reads = {
        "signed": lambda: lease.sign_log().final(THREAD),
        "agreed": lambda: lease.agreed(DIGESTS[0]),
        "inputs": lease.load,
        "evidence": lease.evidence,
        "floors": lambda: lease.floor,
        "threads": lambda: store.look(THREAD).head,
        "codes": lambda: store.look(THREAD).head,
    }
    columns = {"evidence": "party", "floors": "restores", "threads": "key", "codes": "code"}
    for table, read in reads.items():
        read()
        column = columns.get(table, "digest")
        with sqlite3.connect(store.place) as other:
            (before,) = other.execute(f"SELECT {column} FROM {table}").fetchone()
            other.execute(
                f"UPDATE {table} SET {column} = ?", (7 if isinstance(before, int) else before[:-1] + b"\x99",)
            )
        if table == "agreed":  # its index has the new value
            assert lease.agreed(DIGESTS[0]) is None
            reads["agreed"] = read = lease.load
        with pytest.raises(DamagedThreadStore, match=table):
            read()
        with pytest.raises(DamagedThreadStore, match=table):
            store.check()
        with sqlite3.connect(store.place) as other:
            other.execute(f"UPDATE {table} SET {column} = ?", (before,))
        read()
    store.check()


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("UPDATE epochs SET epoch = 'many'", lambda store: store.look(store.threads()[0])),
        ("UPDATE threads SET id = 'thread'", lambda store: store.threads()),
        ("INSERT INTO meta VALUES('restores', 1000000000000)", lambda store: store.look(store.threads()[0]).restored),
        ("CREATE VIEW more AS SELECT 1", None),
        ("CREATE TRIGGER more AFTER INSERT ON signed BEGIN DELETE FROM inputs; END", None),
    ],
)
def test_a_stranger_s_file_with_other_things_in_it_is_refused(
    tmp_path: Path, statement: str, read: Callable[[SqliteThreadStore], object] | None
) -> None:
    store, _ = begun(tmp_path / "store")
    store.close()
    with closing(sqlite3.connect(tmp_path / "store")) as connection, connection:
        connection.execute(statement)
    if read is None:
        with pytest.raises(NotAThreadStore):
            SqliteThreadStore(tmp_path / "store", read_only=True)
        return
    with SqliteThreadStore(tmp_path / "store", read_only=True) as reader, pytest.raises(DamagedThreadStore):
        read(reader)


def test_a_value_of_another_type_is_refused_whatever_its_checksum(tmp_path: Path) -> None:
    store, _ = begun(tmp_path / "store")
    (thread,) = store.threads()
    row = (thread, "nonce", DIGESTS[0], bytes(32), 1, b"", b"")
    with store._database.writing() as run:
        store._database.insert(run, "agreed", row, 1)
    with pytest.raises(DamagedThreadStore, match="other types"):
        store.look(thread).load()
    store.close()


def test_a_gap_in_the_line_is_told(tmp_path: Path) -> None:
    store, lease = begun(tmp_path / "threads")
    line = [
        AgreedRecord(nonce, DIGESTS[nonce], DIGESTS[nonce - 1] if nonce else bytes(32), b"", b"", False)
        for nonce in range(4)
    ]
    assert store.write([(lease, line)]) == [None]
    for nonce in (0, 1, 2):
        with sqlite3.connect(store.place) as other:
            other.execute("UPDATE agreed SET on_line = (digest != ?)", (DIGESTS[nonce],))
        with pytest.raises(DamagedThreadStore, match="gap"):
            lease.load()
        if nonce:
            with pytest.raises(DamagedThreadStore, match="gap"):
                lease.line_after(-1, 9)
    with sqlite3.connect(store.place) as other:
        other.execute("DELETE FROM codes")
    with pytest.raises(DamagedThreadStore, match="code"):
        _ = store.look(THREAD).head


# Reading beside a process that writes ---------------------------------------------------------------------------------
def test_who_reads_only_fences_nobody_and_sees_one_moment(tmp_path: Path) -> None:
    store, lease = begun(tmp_path / "threads")
    assert store.write([(lease, [signed(0)])]) == [None]
    with SqliteThreadStore(tmp_path / "threads", read_only=True) as beside:
        assert beside.threads() == [THREAD]
        assert beside.look(THREAD).load().highest == 0
        assert store.write([(lease, [signed(1)])]) == [None]
        assert beside.look(THREAD).load().highest == 0
        for change in (
            lambda: beside.acquire(THREAD),
            lambda: beside.create(HEADS[THREAD], KEY),
            lambda: beside.write([]),
        ):
            with pytest.raises(InvalidInput, match="read only"):
                change()
    assert store.write([(lease, [signed(2)])]) == [None]
    with pytest.raises(InvalidInput, match="read only"):
        SqliteThreadStore(tmp_path / "threads", read_only=True, restored=True)


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store, lease = begun(tmp_path / "threads")
    store.close()
    store.close()
    for use in (store.threads, lease.load, lambda: store.write([(lease, [])]), lambda: lease.set_floor(3)):
        with pytest.raises(InvalidInput, match="closed"):
            use()


# Restored from a copy -------------------------------------------------------------------------------------------------
def test_each_restore_wants_new_floors(tmp_path: Path) -> None:
    store, lease = begun(tmp_path / "threads")
    assert store.write([(lease, [signed(0)])]) == [None]
    store.close()
    for restore in range(2):
        with SqliteThreadStore(tmp_path / "threads", restored=True) as store:
            lease = store.acquire(THREAD)
            highest = lease.load().highest
            assert lease.restored
            assert lease.floor == (None if restore == 0 else 2**32)
            for record in (signed(2**40), InputRecord(0, 0, DIGESTS[1], DIGESTS[0], b"")):
                (error,) = store.write([(lease, [record])])
                assert isinstance(error, FloorWanted)
            assert store.write([(lease, [signed(highest)])]) == [None]  # it stands: no new signature
        with SqliteThreadStore(tmp_path / "threads") as store:  # it stays marked
            lease = store.acquire(THREAD)
            assert lease.restored
            lease.set_floor((restore + 1) * 2**32)
            assert not lease.restored
            (error,) = store.write([(lease, [signed((restore + 1) * 2**32)])])
            assert isinstance(error, NonceNotAbove)
            assert store.write([(lease, [signed((restore + 1) * 2**32 + 1)])]) == [None]


def test_a_thread_that_begins_after_a_restore_needs_no_floor(tmp_path: Path) -> None:
    begun(tmp_path / "threads")[0].close()
    with SqliteThreadStore(tmp_path / "threads", restored=True) as store:
        other = list(HEADS)[1]
        store.create(HEADS[other], KEY)
        lease = store.acquire(other)
        assert (lease.restored, lease.floor) == (False, None)
        assert store.write([(lease, [signed(0)])]) == [None]
        assert store.acquire(THREAD).restored
    with SqliteThreadStore(tmp_path / "threads", restored=True) as store:
        assert store.acquire(other).restored


# Guards, failures, processes ------------------------------------------------------------------------------------------
def test_a_guard_over_the_lease_refuses_a_second_digest_after_a_restart(tmp_path: Path) -> None:
    match = Match(b"\0")
    match.agree()
    signer, commitment = match.signers[0], match.tip.commitment
    head = ThreadHead(LOCAL_DOMAIN, match.terms, match.rules, match.code)
    with SqliteThreadStore(tmp_path / "threads") as store:
        store.create(head, signer.address)
        lease = store.acquire(match.thread.thread_id)
        assert lease.head == head
        record = SignedRecord(0, match.tip.digest, False, b"sent")
        assert store.write([(lease, [record])]) == [None]
        signature = GuardedSigner(signer, lease.sign_log()).sign(TypedData(LOCAL_DOMAIN, commitment))
        assert signature in match.tip.signatures.signatures
        assert lease.load().signed == (record,)
    with SqliteThreadStore(tmp_path / "threads") as store:
        guard = GuardedSigner(signer, store.acquire(match.thread.thread_id).sign_log())
        assert guard.sign(TypedData(LOCAL_DOMAIN, commitment)) == signature
        with pytest.raises(EquivocationError):
            guard.sign(TypedData(LOCAL_DOMAIN, replace(commitment, gas_used=1)))
        store.acquire(match.thread.thread_id)
        with pytest.raises(LeaseLost):
            guard.sign(TypedData(LOCAL_DOMAIN, commitment))


def test_nothing_stands_when_writing_failed(tmp_path: Path) -> None:
    store, lease = begun(tmp_path / "threads")

    def fail() -> None:
        raise OSError("the disk is gone")

    store.before_commit = fail
    with pytest.raises(OSError, match="disk"):
        store.write([(lease, [signed(1)])])
    store.before_commit = None
    assert lease.load().highest == -1
    assert store.write([(lease, [signed(1)])]) == [None]


WRITER = """
import sys
from evmthread.channel.kept import SignedRecord
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.testing.thread_samples import DIGESTS, HEADS
store = SqliteThreadStore(sys.argv[1])
thread, number = next(iter(HEADS)), int(sys.argv[2])
for round in range(8):
    lease = store.acquire(thread)
    for nonce in range(lease.load().highest + 1, lease.load().highest + 4):
        (error,) = store.write([(lease, [SignedRecord(nonce, DIGESTS[number], False, b"")])])
        print(nonce, "refused" if error else number, flush=True)
"""


def test_processes_that_contend_never_both_win(tmp_path: Path) -> None:
    """C21, the store's part: two processes on one thread."""
    store, _ = begun(tmp_path / "threads")
    command = [sys.executable, "-c", WRITER, store.place]
    processes = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True, cwd=ROOT) for number in range(3)
    ]
    told = [process.communicate()[0].split("\n") for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    standing = {record.nonce: record.digest for record in store.look(THREAD).load().signed}
    winners = [line.split() for lines in told for line in lines if line and "refused" not in line]
    assert len(winners) == len({nonce for nonce, _ in winners}) == len(standing)
    assert all(standing[int(nonce)] == DIGESTS[int(number)] for nonce, number in winners)


SYNCING = """
import sys
from evmthread.channel.kept import AgreedRecord, SignedRecord
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.testing.thread_samples import DIGESTS, HEADS, KEY
def tell(what):
    sys.stdout.write(what + chr(10))
    sys.stdout.flush()
store = SqliteThreadStore(sys.argv[1])
tell("open")
for head in HEADS.values():
    store.create(head, KEY)
tell("create")
leases = [store.acquire(thread) for thread in HEADS]
tell("acquire")
assert store.write([(lease, [SignedRecord(1, DIGESTS[0], False, b"")]) for lease in leases]) == [None] * 3
tell("write")
log = leases[0].sign_log()
assert log.put_if_absent(leases[0].thread_id, 1, DIGESTS[0], final=False, content=b"").digest == DIGESTS[0]
assert store.write([(leases[0], [SignedRecord(1, DIGESTS[0], False, b"")])]) == [None]
assert store.write([(leases[0], [SignedRecord(1, DIGESTS[1], False, b"")])]) != [None]
tell("what stands")
lease = store.acquire(leases[1].thread_id)
assert lease.sign_log().put_if_absent(lease.thread_id, 1, DIGESTS[0], final=False, content=b"").digest == DIGESTS[0]
tell("what another may have written")
lease.set_floor(5)
tell("floor")
"""


def test_when_it_syncs(tmp_path: Path) -> None:
    """One sync a batch; none for what stands, but one where another process put it, which may have been killed."""
    recorder = built_recorder(tmp_path)
    (tmp_path / "disk").mkdir()
    command = [sys.executable, "-c", SYNCING, str(tmp_path / "disk" / "threads")]
    events = record_of(command, recorder, tmp_path / "disk", tmp_path / "log", ROOT)
    syncs: dict[str, int] = {}
    count = 0
    for event in events:
        if event.kind == "A":
            syncs[event.data.decode().strip()] = count
            count = 0
        elif event.kind == "S" and event.path.endswith("-wal"):
            count += 1
    del syncs["open"]
    assert syncs == {
        "create": 3,
        "acquire": 0,
        "write": 1,
        "what stands": 0,
        "what another may have written": 1,
        "floor": 1,
    }


def test_a_lease_that_is_lost_between_a_look_and_the_write_signs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, lease = begun(tmp_path / "threads")
    other = SqliteThreadStore(tmp_path / "threads")
    look, taken = SignedRows.state, []

    def state(rows: SignedRows, run: Run, thread_id: bytes, nonce: int) -> LogState:
        found = look(rows, run, thread_id, nonce)
        if not taken:
            taken.append(other.acquire(thread_id))
        return found

    monkeypatch.setattr(SignedRows, "state", state)
    with pytest.raises(LeaseLost):
        lease.sign_log().put_if_absent(THREAD, 1, DIGESTS[0], final=False, content=b"")
    assert taken[0].load().highest == -1
    assert store.look(THREAD).load().highest == -1
