"""A conformance suite for stores of threads: a stateful Hypothesis test against a plain model, and races.

    TestMyStore = thread_store_tests(MyStore, reopen=opened_again)

collects under pytest and unittest. A store must keep or refuse exactly what the model does, all or none of an item, let
the last one to acquire a thread write and nobody else, and say after it is opened again what it said before.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar
from unittest import TestCase

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from evmthread.channel.kept import AgreedRecord, EvidenceRecord, InputRecord, Record, SignedRecord
from evmthread.errors import InvalidInput
from evmthread.store.thread_store import (
    EarlierRefused,
    FloorWanted,
    Lease,
    LeaseLost,
    ThreadExists,
    ThreadStore,
    UnknownThread,
)
from evmthread.testing.thread_model import ZERO, ThreadModel
from evmthread.testing.thread_promises import StorePromises
from evmthread.testing.thread_samples import DIGESTS, HEADS, KEY, NONCES, Ways, put, raises

S = TypeVar("S", bound=ThreadStore)

EXAMPLES, STEPS = 25, 30  # of the state machine
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
    ways = Ways(make, reopen, restore, beside, close)

    class Machine(_Machine):
        WAYS = ways

    class Tests(StorePromises):
        WAYS = ways

        def test_it_does_what_the_model_does(self) -> None:
            steps = settings(deadline=None, max_examples=EXAMPLES, stateful_step_count=STEPS)
            run_state_machine_as_test(Machine, settings=steps)

    return Tests


class _Machine(RuleBasedStateMachine):
    WAYS: Ways

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
            raises(ThreadExists, self.store.create, HEADS[thread], KEY)
            return
        raises(UnknownThread, self.store.acquire, thread)
        raises(UnknownThread, self.store.look, thread)
        raises(InvalidInput, self.store.create, HEADS[thread], b"\x77" * 20)
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
            raises(FloorWanted, put, log, thread, nonce, digest, final=final, content=content)
            return
        assert put(log, thread, nonce, digest, final=final, content=content) == model.log_state(nonce)
        assert log.final(thread) == model.final
        other = next(each for each in HEADS if each != thread)
        raises(InvalidInput, put, log, other, nonce, digest)
        raises(InvalidInput, log.final, other)

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
        raises(LeaseLost, before.set_floor, 2**64 - 1)
        raises(LeaseLost, put, before.sign_log(), thread, 2**64 - 1, DIGESTS[0])
        raises(LeaseLost, before.sign_log().final, thread)
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
