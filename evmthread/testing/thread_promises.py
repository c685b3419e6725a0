"""What a store of threads promises, one test each: also what several threads and processes do at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast
from unittest import TestCase

from evmthread.channel.kept import AgreedRecord, EvidenceRecord, InputRecord, SignedRecord
from evmthread.commit.signing import (
    AlreadyFinal,
    EquivocationError,
    InputEquivocationError,
    LogState,
    NonceNotAbove,
)
from evmthread.errors import InvalidInput
from evmthread.primitives.keccak import keccak256
from evmthread.store.thread_store import Lease, LeaseLost, ThreadStore
from evmthread.testing.thread_model import ZERO
from evmthread.testing.thread_samples import DIGESTS, HEADS, KEY, Ways, put


class StorePromises(TestCase):
    """The tests. A subclass says in WAYS which store they are about."""

    WAYS: Ways

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
                return put(lease.sign_log(), thread, nonce, digest).digest
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
        assert put(lease.sign_log(), thread, 5, DIGESTS[1]) == LogState(DIGESTS[0], 5, None)
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
        """Where agreements part, what the tip isn't built on is kept beside the line; the higher digest wins."""
        lease = self.store.acquire(next(iter(HEADS)))

        def agreed(nonce: int, name: int, parent: int | None, *, whole: bool = False) -> AgreedRecord:
            under = ZERO if parent is None else DIGESTS[parent]
            return AgreedRecord(nonce, DIGESTS[name], under, b"%d" % name, b"%d" % name, whole)

        genesis, less, high, again = agreed(0, 0, None), agreed(7, 1, 0), agreed(7, 6, 0, whole=True), agreed(7, 2, 0)
        low, lower, highest = agreed(2, 3, 0), agreed(3, 4, 3), agreed(9, 5, 4)
        for record, line, base in (
            (genesis, [genesis], [genesis]),
            (less, [genesis, less], [genesis, less]),
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
        assert lease.load().agreed == 7
        assert [lease.agreed(each.digest) for each in (less, high, again)] == [less, high, again]
        if self.WAYS.reopen is not None:
            self.store = self.WAYS.reopen(self.store)
        assert self.store.look(lease.thread_id).line_after(-1, 9) == [genesis, low, lower, highest]

    def test_nothing_is_signed_at_a_floor(self) -> None:
        thread = next(iter(HEADS))
        lease = self.store.acquire(thread)
        lease.set_floor(7)
        (error,) = self.store.write([(lease, [SignedRecord(7, DIGESTS[0], False, b"")])])
        assert isinstance(error, NonceNotAbove)
        assert put(lease.sign_log(), thread, 7, DIGESTS[0]) == LogState(None, 7, None)
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
