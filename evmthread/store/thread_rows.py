"""The rows of threads in an SQLite file: heads, epochs, own inputs, agreed records, evidence, and the line to the tip.

Beside signed_rows.py, which has what was signed. All of it runs inside the caller's transaction. Whether a record may
be put is decided here and in thread_store.py; what it means isn't known.

An agreed record is `on_line` where it is the tip or one of its ancestors. That is kept when it is written, so that the
tip, and the line from any place on, are found by an index.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import pairwise
from typing import Any

from evmthread.channel.kept import AgreedRecord, EvidenceRecord, InputRecord, Record, SignedRecord
from evmthread.commit.eip712 import Domain
from evmthread.commit.signing import AlreadyFinal, InputEquivocationError
from evmthread.commit.terms import Ruleset, Terms
from evmthread.errors import EvmthreadError
from evmthread.primitives.types import ZERO_HASH
from evmthread.store.database import Database, Run, above_bytes, nonce_bytes
from evmthread.store.signed_rows import SignedRows
from evmthread.store.thread_store import (
    FloorWanted,
    SavedThread,
    ThreadExists,
    check_parent,
    check_record,
    check_signed,
)
from evmthread.store.threadfile import ThreadHead

SCHEMA = """
CREATE TABLE threads(id BLOB PRIMARY KEY, key BLOB NOT NULL, chain BLOB NOT NULL, registry BLOB NOT NULL,
    terms BLOB NOT NULL, ruleset BLOB NOT NULL, checksum BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE codes(hash BLOB PRIMARY KEY, code BLOB NOT NULL, checksum BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE epochs(thread BLOB PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE inputs(thread BLOB NOT NULL, parent BLOB NOT NULL, kind INTEGER NOT NULL, nonce BLOB NOT NULL,
    digest BLOB NOT NULL, content BLOB NOT NULL, checksum BLOB NOT NULL);
CREATE UNIQUE INDEX input_once ON inputs(thread, parent, kind, nonce);
CREATE TABLE agreed(thread BLOB NOT NULL, nonce BLOB NOT NULL, digest BLOB NOT NULL, parent BLOB NOT NULL,
    whole INTEGER NOT NULL, state BLOB NOT NULL, content BLOB NOT NULL, checksum BLOB NOT NULL,
    on_line INTEGER NOT NULL);
CREATE UNIQUE INDEX agreed_once ON agreed(thread, digest);
CREATE UNIQUE INDEX agreed_line ON agreed(thread, nonce) WHERE on_line = 1;
CREATE TABLE evidence(thread BLOB NOT NULL, kind TEXT NOT NULL, party INTEGER NOT NULL, content BLOB NOT NULL,
    checksum BLOB NOT NULL);
CREATE UNIQUE INDEX evidence_once ON evidence(thread, checksum)
"""
_INPUT = "SELECT thread, parent, kind, nonce, digest, content, checksum FROM inputs WHERE thread = ? AND parent = ?"
_INPUT_AT = f"{_INPUT} AND kind = ? AND nonce = ?"
_INPUTS = f"{_INPUT} ORDER BY kind, nonce"
_AGREED = "SELECT thread, nonce, digest, parent, whole, state, content, checksum FROM agreed WHERE thread = ?"
_AGREED_OF = f"{_AGREED} AND digest = ?"
_LINE = f"{_AGREED} AND on_line = 1 AND nonce > ? ORDER BY nonce LIMIT ?"
_LINE_BACK = f"{_AGREED} AND on_line = 1 ORDER BY nonce DESC"
_TIP = "SELECT nonce, digest FROM agreed WHERE thread = ? AND on_line = 1 ORDER BY nonce DESC LIMIT 1"
_PLACE = "SELECT nonce, parent, on_line FROM agreed WHERE thread = ? AND digest = ?"
_LEAVE_LINE = "UPDATE agreed SET on_line = 0 WHERE thread = ? AND on_line = 1 AND nonce > ?"
_ENTER_LINE = "UPDATE agreed SET on_line = 1 WHERE thread = ? AND digest = ?"
_EVIDENCE = "SELECT thread, kind, party, content, checksum FROM evidence WHERE thread = ? ORDER BY rowid"
_THREAD = "SELECT id, key, chain, registry, terms, ruleset, checksum FROM threads WHERE id = ?"
_CODE = "SELECT hash, code, checksum FROM codes WHERE hash = ?"


class ThreadRows:
    """What is kept of threads, in the tables above and those of what was signed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.signed = SignedRows(database)
        # Threads by the thousand share few rules and codes: one object of each.
        self._rulesets: dict[bytes, Ruleset] = {}
        self._codes: dict[bytes, bytes] = {}

    # Threads ----------------------------------------------------------------------------------------------------------
    def create(self, run: Run, thread_id: bytes, head: ThreadHead, key: bytes) -> None:
        """Begins a thread. Raises ThreadExists."""
        if run("SELECT 1 FROM threads WHERE id = ?", (thread_id,)).fetchone() is not None:
            raise ThreadExists(thread_id)
        insert, domain, terms = self._database.insert, head.domain, head.terms
        chain = domain.chain_id.to_bytes(32, "big")
        row = (thread_id, key, chain, domain.verifying_contract, terms.encode(), head.ruleset.encode())
        insert(run, "threads", tuple(map(bytes, row)))
        if run("SELECT 1 FROM codes WHERE hash = ?", (terms.code_hash,)).fetchone() is None:
            insert(run, "codes", (bytes(terms.code_hash), bytes(head.code)))
        run("INSERT INTO epochs VALUES(?, 0)", (thread_id,))
        self.signed.begin(run, thread_id)

    def threads(self, run: Run) -> list[bytes]:
        """The ids, ascending."""
        ids = [row[0] for row in run("SELECT id FROM threads ORDER BY id").fetchall()]
        if not all(type(each) is bytes for each in ids):
            raise self._damaged("the id of a thread isn't what was written")
        return ids

    def head(self, run: Run, thread_id: bytes) -> tuple[ThreadHead, bytes] | None:
        """(head, own key) of a thread."""
        row = run(_THREAD, (thread_id,)).fetchone()
        if row is None:
            return None
        _, key, chain, registry, terms, ruleset = self._database.checked("threads", row)
        try:
            agreed_terms = Terms.decode(terms)
            domain = Domain(int.from_bytes(chain, "big"), registry)
            rules = self._rulesets.get(ruleset) or self._rulesets.setdefault(ruleset, Ruleset.decode(ruleset))
        except EvmthreadError as error:
            raise self._damaged(f"the head of thread 0x{thread_id.hex()}: {error}") from error
        code = run(_CODE, (bytes(agreed_terms.code_hash),)).fetchone()
        if code is None:
            raise self._damaged(f"the code of thread 0x{thread_id.hex()} is missing")
        whole = self._database.checked("codes", code)[1]
        return ThreadHead(domain, agreed_terms, rules, self._codes.setdefault(whole, whole)), key

    def epoch(self, run: Run, thread_id: bytes) -> int | None:
        """How often the thread was acquired; None for no such thread."""
        row = run("SELECT epoch FROM epochs WHERE thread = ?", (thread_id,)).fetchone()
        return None if row is None else self._database.number(row[0])

    def next_epoch(self, run: Run, thread_id: bytes) -> None:
        """One more."""
        run("UPDATE epochs SET epoch = epoch + 1 WHERE thread = ?", (thread_id,))

    # Putting records --------------------------------------------------------------------------------------------------
    def put(self, run: Run, thread_id: bytes, record: Record) -> None:
        """Keeps a record. Raises what ThreadStore.write says; whoever calls undoes what was put before."""
        check_record(record)
        match record:
            case SignedRecord(nonce, digest, final, content):
                state = self.signed.put(run, thread_id, nonce, bytes(digest), final=final, content=bytes(content))
                check_signed(thread_id, record, state)
            case InputRecord():
                self._put_input(run, thread_id, record)
            case AgreedRecord():
                self._put_agreed(run, thread_id, record)
            case EvidenceRecord(kind, party, content):
                self._database.insert_new(run, "evidence", (thread_id, kind, party, bytes(content)))

    def _put_input(self, run: Run, thread_id: bytes, record: InputRecord) -> None:
        key = (thread_id, bytes(record.parent), record.kind, nonce_bytes(record.nonce))
        if (row := run(_INPUT_AT, key).fetchone()) is not None:
            standing = self._input(row)
            if standing.digest != record.digest:
                place = (record.kind, record.nonce, record.parent)
                raise InputEquivocationError(thread_id, *place, standing.digest, record.digest)
            return
        last = self.signed.last(run, thread_id)
        if last is not None and last.final:
            raise AlreadyFinal(thread_id, last.digest)
        if self.signed.floor_wanted(run, thread_id):
            raise FloorWanted(thread_id)
        self._database.insert(run, "inputs", (*key, bytes(record.digest), bytes(record.content)))

    def _put_agreed(self, run: Run, thread_id: bytes, record: AgreedRecord) -> None:
        digest, parent = bytes(record.digest), bytes(record.parent)
        if run(_PLACE, (thread_id, digest)).fetchone() is not None:
            return
        tip_nonce, tip_digest = run(_TIP, (thread_id,)).fetchone() or (b"", b"")
        grows = bool(tip_digest) and parent == tip_digest  # by far the most frequent
        under = (tip_nonce,) if grows else run(_PLACE, (thread_id, parent)).fetchone()
        check_parent(record, None if under is None else int.from_bytes(under[0], "big"))
        nonce = nonce_bytes(record.nonce)
        leads = (nonce, digest) > (tip_nonce, tip_digest)
        if leads and not grows:
            self._change_line(run, thread_id, parent)
        row = (thread_id, nonce, digest, parent, int(record.whole), bytes(record.state), bytes(record.content))
        self._database.insert(run, "agreed", row, int(leads))

    def _change_line(self, run: Run, thread_id: bytes, digest: bytes) -> None:
        """The line ends in this record from now on; the genesis's parent: there is no line."""
        branch = []
        while (row := run(_PLACE, (thread_id, digest)).fetchone()) is not None and not row[2]:
            branch.append(digest)
            digest = row[1]
        fork = None if row is None else row[0]
        run(_LEAVE_LINE, (thread_id, b"" if fork is None else fork))
        for each in branch:
            run(_ENTER_LINE, (thread_id, each))

    # Reading records --------------------------------------------------------------------------------------------------
    def load(self, run: Run, thread_id: bytes) -> SavedThread:
        """See KeptThread."""
        base = self._base(run, thread_id)
        last = self.signed.last(run, thread_id)
        above, parent = (base[-1].nonce, base[-1].digest) if base else (-1, ZERO_HASH)
        inputs = run(_INPUTS, (thread_id, parent)).fetchall()
        (agreed,) = run("SELECT count(*) FROM agreed WHERE thread = ?", (thread_id,)).fetchone()
        signed = self.signed.above(run, thread_id, above) if last is not None and last.nonce > above else []
        return SavedThread(
            base=base,
            signed=tuple([SignedRecord(each.nonce, each.digest, each.final, each.content) for each in signed]),
            highest=-1 if last is None else last.nonce,
            final=last.digest if last is not None and last.final else None,
            inputs=tuple(map(self._input, inputs)),
            agreed=agreed,
        )

    def _base(self, run: Run, thread_id: bytes) -> tuple[AgreedRecord, ...]:
        back: list[AgreedRecord] = []
        with closing(run(_LINE_BACK, (thread_id,))) as cursor:  # an open one would hold the moment that it sees
            for record in self._records(cursor):
                if back and record.digest != back[-1].parent:
                    raise self._gap(thread_id, record.nonce)
                back.append(record)
                if record.whole:
                    break
        if back and not back[-1].whole and back[-1].parent != ZERO_HASH:
            raise self._gap(thread_id, back[-1].nonce)
        return tuple(reversed(back))

    def agreed(self, run: Run, thread_id: bytes, digest: bytes) -> AgreedRecord | None:
        """See KeptThread."""
        return next(self._records(run(_AGREED_OF, (thread_id, digest)).fetchall()), None)

    def line_after(self, run: Run, thread_id: bytes, nonce: int, limit: int) -> list[AgreedRecord]:
        """See KeptThread."""
        line = list(self._records(run(_LINE, (thread_id, above_bytes(nonce), limit)).fetchall()))
        for below, record in pairwise(line):
            if record.parent != below.digest:
                raise self._gap(thread_id, record.nonce)
        return line

    def evidence(self, run: Run, thread_id: bytes) -> list[EvidenceRecord]:
        """See KeptThread."""
        rows = [self._database.checked("evidence", row) for row in run(_EVIDENCE, (thread_id,)).fetchall()]
        return [EvidenceRecord(kind, party, content) for _, kind, party, content in rows]

    def check(self, run: Run) -> None:
        """Reads every row. Raises the file's `damaged`."""
        check = self._database.check_table
        check(run, "threads", "id, key, chain, registry, terms, ruleset")
        check(run, "codes", "hash, code")
        check(run, "inputs", "thread, parent, kind, nonce, digest, content")
        check(run, "agreed", "thread, nonce, digest, parent, whole, state, content")
        check(run, "evidence", "thread, kind, party, content")
        self.signed.check(run)

    def _gap(self, thread_id: bytes, nonce: int) -> Exception:
        return self._damaged(f"thread 0x{thread_id.hex()}: the agreed line has a gap beside nonce {nonce}")

    def _records(self, rows: Iterable[Any]) -> Iterator[AgreedRecord]:
        for row in rows:
            _, nonce, digest, parent, whole, state, content = self._database.checked("agreed", row)
            yield AgreedRecord(int.from_bytes(nonce, "big"), digest, parent, content, state, bool(whole))

    def _input(self, row: Any) -> InputRecord:
        _, parent, kind, nonce, digest, content = self._database.checked("inputs", row)
        return InputRecord(kind, int.from_bytes(nonce, "big"), parent, digest, content)

    def _damaged(self, what: str) -> Exception:
        return self._database.kind.damaged(f"{self._database.place}: {what}")
