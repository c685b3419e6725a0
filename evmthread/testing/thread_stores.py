"""A conformance suite for stores of threads: a stateful Hypothesis test against a plain model, and races.

    TestMyStore = thread_store_tests(MyStore, reopen=opened_again)

collects under pytest and unittest. A store must keep or refuse exactly what the model does, all or none of an item, let
the last one to acquire a thread write and nobody else, and say after it is opened again what it said before.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast
from unittest import TestCase

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from evmthread.channel.kept import AgreedRecord, EvidenceRecord, InputRecord, Record, SignedRecord
from evmthread.commit.eip712 import Domain
from evmthread.commit.signing import AlreadyFinal, EquivocationError, LogState, NonceNotAbove, SignLog
from evmthread.commit.terms import Ruleset, Terms, thread_id
from evmthread.errors import InvalidInput
from evmthread.primitives.keccak import keccak256
from evmthread.store.thread_store import (
    EarlierRefused,
    FloorWanted,
    InputEquivocationError,
    Lease,
    LeaseLost,
    ThreadExists,
    ThreadStore,
    UnknownThread,
)
from evmthread.store.threadfile import ThreadHead
from evmthread.testing.thread_model import ZERO, ThreadModel

S = TypeVar("S", bound=ThreadStore)

EXAMPLES, STEPS = 25, 30  # of the state machine
_CODE = b"\x60\x00\x00"
_PARTIES = (b"\x01" * 20, b"\x02" * 20)
KEY = _PARTIES[0]


def sample_head(salt: int) -> ThreadHead:
    """A thread to keep. Each salt gives another id."""
    rules = Ruleset(contract_timeout=86_400)
    terms = Terms(
        origin=bytes(20),
        code_hash=keccak256(_CODE),
        ruleset=rules.hash_struct(),
        asset=bytes(20),
        keys=_PARTIES,
        owners=_PARTIES,
        deposits=(1000, 1000),
        threshold=2,
        operator=bytes(20),
        max_fee=0,
        challenge_period=3600,
        open_before=2**32,
        salt=salt,
    )
    return ThreadHead(Domain(1, b"\x0e" * 20), terms, rules, _CODE)


HEADS = {thread_id(head.domain, head.terms): head for head in map(sample_head, (0, 1, 2**256 - 1))}

NONCES = [0, 1, 2, 3, 127, 255, 256, 2**32, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1]
DIGESTS = [bytes([number]) * 32 for number in range(1, 12)]
_nonces, _digests, _contents = st.sampled_from(NONCES), st.sampled_from(DIGESTS), st.binary(max_size=40)
_threads = st.sampled_from(list(HEADS))
_small = st.integers(0, 3)
_signed = st.builds(SignedRecord, _nonces, _digests, st.sampled_from([False] * 7 + [True]), _contents)
_inputs = st.builds(
    InputRecord,
    st.sampled_from([0, 2]),
    st.sampled_from([0, 2**64 - 1]),
    st.sampled_from([ZERO, *DIGESTS[:3]]),
    _digests,
    _contents,
)
_evidence = st.builds(EvidenceRecord, st.sampled_from(["Equivocation", "InputEquivocation"]), _small, _contents)


@st.composite
def _agreed(draw: st.DrawFn, model: ThreadModel) -> AgreedRecord:
    """Mostly one that follows what is there, on the tip or beside it."""
    known = model.agreed
    parent = draw(st.sampled_from(known[-1:] * 4 + known)) if known else None
    nonces = [nonce for nonce in NONCES if parent is not None and nonce > parent.nonce][:4] or [0]
    nonce = draw(st.one_of(st.sampled_from(nonces), st.sampled_from(nonces), _nonces))
    under = ZERO if parent is None else parent.digest
    fresh = [each for each in DIGESTS if each not in {record.digest for record in known}]
    digest = draw(st.sampled_from(fresh * 3 + DIGESTS))
    under = draw(st.sampled_from([under] * 9 + [ZERO, DIGESTS[0]]))
    return AgreedRecord(nonce, digest, under, draw(_contents), draw(_contents), draw(st.booleans()))


@st.composite
def _items(draw: st.DrawFn, model: ThreadModel) -> list[Record]:
    one = st.one_of(_signed, _inputs, _agreed(model), _agreed(model), _agreed(model), _evidence)
    return draw(st.lists(one, max_size=3))


@dataclass(frozen=True)
class _Ways:
    """How the suite handles the stores that it tests."""

    make: Callable[[], ThreadStore]
    reopen: Callable[[Any], ThreadStore] | None
    restore: Callable[[Any], ThreadStore] | None
    beside: Callable[[Any], ThreadStore] | None
    close: Callable[[Any], None]


def thread_store_tests(
    make: Callable[[], S],
    *,
    reopen: Callable[[S], S] | None = None,
    restore: Callable[[S], S] | None = None,
    beside: Callable[[S], S] | None = None,
    close: Callable[[S], None] = lambda store: store.close(),
) -> type[TestCase]:
    """The tests of a store.

    `make` gives a new one; `reopen` the same one as after the process ended, where it lasts; `restore` a copy of it,
    put back; `beside` a second one on the same threads, as another process has it.
    """
    ways = _Ways(make, reopen, restore, beside, close)

    class Machine(_Machine):
        WAYS = ways

    class Tests(_Races):
        WAYS = ways

        def test_it_does_what_the_model_does(self) -> None:
            steps = settings(deadline=None, max_examples=EXAMPLES, stateful_step_count=STEPS)
            run_state_machine_as_test(Machine, settings=steps)

    return Tests


class _Machine(RuleBasedStateMachine):
    WAYS: _Ways

    def __init__(self) -> None:
        super().__init__()
        self.store = self.WAYS.make()
        self.model: dict[bytes, ThreadModel] = {}
        self.leases: dict[bytes, Lease] = {}
        self.lost: list[Lease] = []

    def lease(self, thread: bytes) -> Lease:
        if thread not in self.leases:
            self.leases[thread] = self.store.acquire(thread)
        return self.leases[thread]

    @rule(thread=_threads)
    def create(self, thread: bytes) -> None:
        """A thread begins, or is there already."""
        if thread in self.model:
            _raises(ThreadExists, self.store.create, HEADS[thread], KEY)
            return
        _raises(UnknownThread, self.store.acquire, thread)
        _raises(UnknownThread, self.store.look, thread)
        _raises(InvalidInput, self.store.create, HEADS[thread], b"\x77" * 20)
        self.store.create(HEADS[thread], KEY)
        self.model[thread] = ThreadModel()

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        """Records of several threads, some of them with lost leases, in one batch."""
        batch: list[tuple[Lease, Sequence[Record]]] = []
        expected: list[type[Exception] | None] = []
        refused: set[Lease] = set()
        for thread in data.draw(st.lists(st.sampled_from(list(self.model)), max_size=4)):
            records = data.draw(_items(self.model[thread]))
            lease = data.draw(st.sampled_from([self.lease(thread)] * 6 + self.lost[-1:]))
            batch.append((lease, records))
            if lease in refused:
                reason: type[Exception] | None = EarlierRefused
            elif lease in self.lost:
                reason = LeaseLost
            else:
                reason = self.model[lease.thread_id].write(records)
            if reason is not None:
                refused.add(lease)
            expected.append(reason)
        told = self.store.write(batch)
        assert [None if error is None else type(error) for error in told] == expected

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def grow(self, data: st.DataObject) -> None:
        """The line grows by a few, as it mostly does."""
        thread = data.draw(st.sampled_from(list(self.model)))
        records: list[Record] = []
        model = self.model[thread]
        line, used = model.line, {record.digest for record in model.agreed}
        nonce, parent = (line[-1].nonce, line[-1].digest) if line else (-1, ZERO)
        for digest in [each for each in DIGESTS if each not in used][: data.draw(_small)]:
            if nonce < NONCES[-1]:
                nonce = nonce + 1
                records.append(AgreedRecord(nonce, digest, parent, digest, digest[:3], data.draw(_small) == 0))
                parent = digest
        assert model.write(records) is None
        assert self.store.write([(self.lease(thread), records)]) == [None]

    @precondition(lambda self: any(model.agreed for model in self.model.values()))
    @rule(data=st.data(), content=_contents, whole=st.booleans())
    def branch(self, data: st.DataObject, content: bytes, whole: bool) -> None:
        """An agreement on any other, above or below the tip, or beside it."""
        thread = data.draw(st.sampled_from([thread for thread, model in self.model.items() if model.agreed]))
        model = self.model[thread]
        fresh = [each for each in DIGESTS if each not in {record.digest for record in model.agreed}]
        parent = data.draw(st.sampled_from(model.agreed))
        nonces = [nonce for nonce in NONCES if nonce > parent.nonce]
        if fresh and nonces:
            record = AgreedRecord(data.draw(st.sampled_from(nonces)), fresh[0], parent.digest, content, content, whole)
            assert model.write([record]) is None
            assert self.store.write([(self.lease(thread), [record])]) == [None]

    @precondition(lambda self: self.model)
    @rule(data=st.data(), nonce=_nonces, digest=_digests, final=st.booleans(), content=_contents)
    def sign(self, data: st.DataObject, nonce: int, digest: bytes, final: bool, content: bytes) -> None:
        """A put in the log of signatures."""
        thread = data.draw(st.sampled_from(list(self.model)))
        log, model = self.lease(thread).sign_log(), self.model[thread]
        reason = model.put(SignedRecord(nonce, digest, final, content))
        if reason is FloorWanted:
            _raises(FloorWanted, _put, log, thread, nonce, digest, final=final, content=content)
            return
        assert _put(log, thread, nonce, digest, final=final, content=content) == model.log_state(nonce)
        assert log.final(thread) == model.final
        other = next(each for each in HEADS if each != thread)
        _raises(InvalidInput, _put, log, other, nonce, digest)
        _raises(InvalidInput, log.final, other)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), nonce=_nonces)
    def floor(self, data: st.DataObject, nonce: int) -> None:
        """A floor, which only rises."""
        thread = data.draw(st.sampled_from(list(self.model)))
        self.lease(thread).set_floor(nonce)
        self.model[thread].set_floor(nonce)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), elsewhere=st.booleans())
    def acquire(self, data: st.DataObject, elsewhere: bool) -> None:
        """Somebody else takes a thread, and the first lease is lost; then it is taken again."""
        thread = data.draw(st.sampled_from(list(self.model)))
        before, taken = self.lease(thread), self.store
        if elsewhere and self.WAYS.beside is not None:
            taken = self.WAYS.beside(self.store)
        after = taken.acquire(thread)
        assert after.epoch > before.epoch
        told = self.store.write([(before, [SignedRecord(2**64 - 1, DIGESTS[0], False, b"")])])
        assert type(told[0]) is LeaseLost
        _raises(LeaseLost, before.set_floor, 2**64 - 1)
        _raises(LeaseLost, _put, before.sign_log(), thread, 2**64 - 1, DIGESTS[0])
        self.lost.append(before)
        self.leases[thread] = after
        if taken is not self.store:
            taken.close()
            self.leases[thread] = self.store.acquire(thread)

    @precondition(lambda self: self.WAYS.reopen is not None)
    @rule()
    def open_again(self) -> None:
        """The process ended, and another one begins."""
        assert self.WAYS.reopen is not None
        self.store = self.WAYS.reopen(self.store)
        self.leases.clear()
        self.lost.clear()

    @precondition(lambda self: self.WAYS.restore is not None)
    @rule()
    def restore(self) -> None:
        """The store is put back from a copy: nothing new is signed in its threads without a new floor."""
        assert self.WAYS.restore is not None
        self.store = self.WAYS.restore(self.store)
        self.leases.clear()
        self.lost.clear()
        for model in self.model.values():
            model.restored = True

    @invariant()
    def says_what_the_model_says(self) -> None:
        assert self.store.threads() == sorted(self.model)
        for thread, model in self.model.items():
            kept = self.leases.get(thread) or self.store.look(thread)
            assert (kept.thread_id, kept.head, kept.key) == (thread, HEADS[thread], KEY)
            assert (kept.floor, kept.restored) == (model.floor, model.restored)
            assert kept.load() == model.saved()
            assert kept.evidence() == model.evidence
            line = model.line
            assert kept.line_after(-1, 100) == line
            for record in line[::3]:
                assert kept.line_after(record.nonce, 2) == [each for each in line if each.nonce > record.nonce][:2]
            for digest in DIGESTS:
                assert kept.agreed(digest) == next((each for each in model.agreed if each.digest == digest), None)

    def teardown(self) -> None:
        self.WAYS.close(self.store)


class _Races(TestCase):
    """What several threads of a process, or several processes, do at once."""

    WAYS: _Ways

    def setUp(self) -> None:
        self.store = self.WAYS.make()
        for head in HEADS.values():
            self.store.create(head, KEY)
        self.addCleanup(lambda: self.WAYS.close(self.store))

    def test_of_those_who_sign_at_once_one_stands(self) -> None:
        """Through `write` and through the log of signatures alike."""
        thread = next(iter(HEADS))
        lease = self.store.acquire(thread)

        def ask(numbered: tuple[int, int, bytes]) -> bytes | None:
            number, nonce, digest = numbered
            if number % 2:
                return _put(lease.sign_log(), thread, nonce, digest).digest
            (error,) = self.store.write([(lease, [SignedRecord(nonce, digest, False, b"")])])
            if error is None:
                return digest
            assert isinstance(error, EquivocationError)
            return error.signed

        for nonce in range(10):
            with ThreadPoolExecutor(len(DIGESTS)) as pool:
                asked = [(number, nonce, digest) for number, digest in enumerate(DIGESTS)]
                told = set(pool.map(ask, asked))
            (standing,) = told
            assert standing in DIGESTS
            assert [record.digest for record in lease.load().signed][nonce] == standing

    def test_of_those_who_acquire_at_once_one_writes(self) -> None:
        thread = next(iter(HEADS))
        stores = [self.store] * 4
        if self.WAYS.beside is not None:
            stores = [self.store, self.store, self.WAYS.beside(self.store), self.WAYS.beside(self.store)]

        def take(numbered: tuple[int, ThreadStore]) -> tuple[Lease, ThreadStore]:
            return numbered[1].acquire(thread), numbered[1]

        with ThreadPoolExecutor(4) as pool:
            taken = list(pool.map(take, enumerate(stores)))
        assert len({lease.epoch for lease, _ in taken}) == len(taken)
        newest = max(lease.epoch for lease, _ in taken)
        for number, (lease, store) in enumerate(taken):
            (error,) = store.write([(lease, [SignedRecord(number, DIGESTS[number], False, b"")])])
            assert (error is None) == (lease.epoch == newest)
            assert error is None or isinstance(error, LeaseLost)
        for store in stores[2:]:
            if store is not self.store:
                store.close()

    def test_threads_that_write_beside_one_another(self) -> None:
        """Each its own thread, all at once; what is read in between is a whole prefix."""

        def fill(thread: bytes) -> None:
            lease = self.store.acquire(thread)
            parent = ZERO
            for record in _line(30):
                assert self.store.write([(lease, [SignedRecord(record.nonce, record.digest, False, b""), record])]) == [
                    None
                ]
                saved = lease.load()
                assert saved.tip == record
                assert (saved.highest, saved.agreed) == (record.nonce, record.nonce + 1)
                parent = record.digest
            assert parent == lease.line_after(-1, 100)[-1].digest

        with ThreadPoolExecutor(len(HEADS)) as pool:
            list(pool.map(fill, HEADS))
        for thread in HEADS:
            assert self.store.look(thread).line_after(-1, 100) == list(_line(30))

    def test_what_was_signed_stays_signed(self) -> None:
        """Never two, after the store was opened again too."""
        thread = next(iter(HEADS))
        lease = self.store.acquire(thread)
        assert self.store.write([(lease, [SignedRecord(5, DIGESTS[0], False, b"sent")])]) == [None]
        if self.WAYS.reopen is not None:
            self.store = self.WAYS.reopen(self.store)
        lease = self.store.acquire(thread)
        (error,) = self.store.write([(lease, [SignedRecord(5, DIGESTS[1], False, b"")])])
        assert isinstance(error, EquivocationError)
        assert _put(lease.sign_log(), thread, 5, DIGESTS[1]) == LogState(DIGESTS[0], 5, None)
        assert lease.load().signed == (SignedRecord(5, DIGESTS[0], False, b"sent"),)

    def test_of_two_inputs_in_one_place_one_stands(self) -> None:
        lease = self.store.acquire(next(iter(HEADS)))
        first = InputRecord(0, 3, ZERO, DIGESTS[0], b"first")
        assert self.store.write([(lease, [first])]) == [None]
        for changed in (replace(first, kind=2), replace(first, nonce=4), replace(first, parent=DIGESTS[1])):
            assert self.store.write([(lease, [replace(changed, digest=DIGESTS[2])])]) == [None]
        assert self.store.write([(lease, [replace(first, content=b"again")])]) == [None]
        (error,) = self.store.write([(lease, [replace(first, digest=DIGESTS[3])])])
        assert isinstance(error, InputEquivocationError)
        assert (error.signed, error.asked) == (DIGESTS[0], DIGESTS[3])
        assert lease.load().inputs[0] == first
        assert len(lease.load().inputs) == 3

    def test_nothing_is_signed_after_a_final_one(self) -> None:
        lease = self.store.acquire(next(iter(HEADS)))
        before = InputRecord(0, 0, ZERO, DIGESTS[0], b"")
        final = SignedRecord(4, DIGESTS[1], True, b"")
        assert self.store.write([(lease, [before, SignedRecord(3, DIGESTS[0], False, b""), final])]) == [None]
        for later in (
            SignedRecord(5, DIGESTS[2], False, b""),
            SignedRecord(2, DIGESTS[2], False, b""),
            InputRecord(0, 1, ZERO, DIGESTS[2], b""),
        ):
            (error,) = self.store.write([(lease, [later])])
            assert isinstance(error, AlreadyFinal), later
        assert self.store.write([(lease, [final, before])]) == [None]
        assert lease.sign_log().final(lease.thread_id) == lease.load().final == DIGESTS[1]

    def test_the_line_ends_in_the_highest_nonce(self) -> None:
        """Where agreements part, what the tip isn't built on is kept beside the line."""
        lease = self.store.acquire(next(iter(HEADS)))

        def agreed(nonce: int, name: int, parent: int | None, *, whole: bool = False) -> AgreedRecord:
            under = ZERO if parent is None else DIGESTS[parent]
            return AgreedRecord(nonce, DIGESTS[name], under, b"%d" % name, b"%d" % name, whole)

        genesis, high, again = agreed(0, 0, None), agreed(7, 1, 0, whole=True), agreed(7, 2, 0)
        low, lower, highest = agreed(2, 3, 0), agreed(3, 4, 3), agreed(9, 5, 4)
        for record, line, base in (
            (genesis, [genesis], [genesis]),
            (high, [genesis, high], [high]),
            (again, [genesis, high], [high]),
            (low, [genesis, high], [high]),
            (lower, [genesis, high], [high]),
            (highest, [genesis, low, lower, highest], [genesis, low, lower, highest]),
        ):
            assert self.store.write([(lease, [record])]) == [None]
            assert lease.line_after(-1, 9) == line
            assert list(lease.load().base) == base
        assert lease.line_after(2, 9) == [lower, highest]
        assert lease.load().agreed == 6
        assert [lease.agreed(each.digest) for each in (high, again)] == [high, again]
        if self.WAYS.reopen is not None:
            self.store = self.WAYS.reopen(self.store)
        assert self.store.look(lease.thread_id).line_after(-1, 9) == [genesis, low, lower, highest]

    def test_nothing_is_signed_at_a_floor(self) -> None:
        thread = next(iter(HEADS))
        lease = self.store.acquire(thread)
        lease.set_floor(7)
        (error,) = self.store.write([(lease, [SignedRecord(7, DIGESTS[0], False, b"")])])
        assert isinstance(error, NonceNotAbove)
        assert _put(lease.sign_log(), thread, 7, DIGESTS[0]) == LogState(None, 7, None)
        assert self.store.write([(lease, [SignedRecord(8, DIGESTS[0], False, b"")])]) == [None]

    def test_nonces_end_where_their_bits_do(self) -> None:
        lease = self.store.acquire(next(iter(HEADS)))
        genesis = AgreedRecord(0, DIGESTS[0], ZERO, b"", b"", True)
        last = AgreedRecord(2**64 - 1, DIGESTS[1], DIGESTS[0], b"", b"", False)
        signed = SignedRecord(2**64 - 1, DIGESTS[1], False, b"")
        assert self.store.write([(lease, [genesis, signed, last])]) == [None]
        assert lease.line_after(0, 9) == [last]
        assert lease.line_after(2**64 - 1, 9) == []
        assert lease.load().signed == ()

    def test_records_of_a_wrong_form(self) -> None:
        thread = next(iter(HEADS))
        lease = self.store.acquire(thread)
        wrong: list[Any] = [
            None,
            SignedRecord(-1, DIGESTS[0], False, b""),
            SignedRecord(2**64, DIGESTS[0], False, b""),
            SignedRecord(True, DIGESTS[0], False, b""),
            SignedRecord(1, b"short", False, b""),
            SignedRecord(1, DIGESTS[0], cast("bool", 1), b""),
            SignedRecord(1, DIGESTS[0], False, cast("bytes", "text")),
            InputRecord(0, 0, b"", DIGESTS[0], b""),
            InputRecord(-1, 0, ZERO, DIGESTS[0], b""),
            AgreedRecord(0, DIGESTS[0], ZERO, b"", cast("bytes", None), True),
            AgreedRecord(1, DIGESTS[0], ZERO, b"", b"", True),
            EvidenceRecord(cast("str", b"kind"), 0, b""),
            EvidenceRecord("kind", -1, b""),
        ]
        for record in wrong:
            (error,) = self.store.write([(lease, [SignedRecord(9, DIGESTS[0], False, b""), record])])
            assert isinstance(error, InvalidInput), record
        assert lease.load().highest == -1
        other = self.WAYS.make()
        (error,) = other.write([(lease, [])])
        assert isinstance(error, InvalidInput)
        other.close()


def _line(length: int) -> Iterator[AgreedRecord]:
    parent = ZERO
    for nonce in range(length):
        digest = keccak256(b"%d" % nonce)
        yield AgreedRecord(nonce, digest, parent, b"content %d" % nonce, b"state %d" % nonce, nonce % 8 == 0)
        parent = digest


def _put(
    log: SignLog, thread: bytes, nonce: int, digest: bytes, *, final: bool = False, content: bytes = b""
) -> LogState:
    return log.put_if_absent(thread, nonce, digest, final=final, content=content)


def _raises(error: type[Exception], do: Callable[..., object], *arguments: object, **options: object) -> None:
    try:
        do(*arguments, **options)
    except error:
        return
    raise AssertionError(f"{getattr(do, '__name__', do)} did not raise {error.__name__}")
