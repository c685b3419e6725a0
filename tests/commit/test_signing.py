"""Signers keep their key; the guard never signs two things for one nonce."""

import copy
import pickle
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import commit_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.commit import (
    AlreadyFinal,
    Commitment,
    EquivocationError,
    GuardedSigner,
    KeyGrant,
    LocalSigner,
    MemorySignLog,
    NonceNotAbove,
    Resume,
    SigningRefused,
    TypedData,
    digest,
    recover_signer,
)
from evmthread.commit.signature import Recoveries
from evmthread.errors import BackendError, CryptoError, InvalidInput
from evmthread.primitives.secp256k1 import GROUP_ORDER

DOMAIN = samples.DOMAIN
TERMS = samples.terms_of(2)
THREAD = samples.commitment_of(DOMAIN, TERMS).thread_id
KEY = samples.private_key(0)


def commitment(nonce: int, **changes: object) -> TypedData:
    return TypedData(DOMAIN, samples.commitment_of(DOMAIN, TERMS, **({"nonce": nonce} | changes)))


def final(nonce: int, **changes: object) -> TypedData:
    return commitment(nonce, status=2, **changes)


def guarded() -> tuple[GuardedSigner, MemorySignLog]:
    log = MemorySignLog()
    return GuardedSigner(LocalSigner(KEY), log), log


def test_a_local_signers_key_shows_nowhere() -> None:
    signer = LocalSigner(KEY)
    assert KEY.hex() not in repr(signer) + str(signer)
    assert signer.address.hex() in repr(signer)
    assert repr(KEY)[2:-1] not in repr(signer)
    for attempt in (pickle.dumps, lambda each: each.__getstate__(), lambda each: each.__reduce__()):
        with pytest.raises((InvalidInput, TypeError)) as caught:
            attempt(signer)
        text = "".join(traceback.format_exception(caught.value))
        assert KEY.hex() not in text
        assert repr(KEY) not in text
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(InvalidInput, match="can't be pickled"):
            pickle.dumps([signer], protocol=protocol)
    assert not hasattr(signer, "__dict__")
    assert copy.copy(signer) is signer
    assert copy.deepcopy([signer])[0] is signer
    assert KEY.hex() not in repr(GuardedSigner(signer, MemorySignLog()))


@pytest.mark.parametrize("key", [bytes(32), b"\x01" * 31, GROUP_ORDER.to_bytes(32, "big"), KEY.hex(), 5, None])
def test_what_is_no_key_is_refused_without_showing_it(key: object) -> None:
    with pytest.raises(CryptoError) as caught:
        LocalSigner(key)  # type: ignore[arg-type]
    assert KEY.hex() not in str(caught.value)


def test_generated_signers_differ() -> None:
    first, second = LocalSigner.generate(), LocalSigner.generate()
    assert first.address != second.address
    data = commitment(1)
    assert recover_signer(data.digest(), first.sign(data)) == first.address


def test_the_same_digest_gives_the_same_bytes() -> None:
    signer, _ = guarded()
    first = signer.sign(commitment(1))
    assert signer.sign(commitment(1)) == first
    signer.sign(commitment(2))
    assert signer.sign(commitment(1)) == first
    assert recover_signer(commitment(1).digest(), first) == signer.address == LocalSigner(KEY).address


def test_a_second_digest_for_a_used_nonce_is_refused_for_ever() -> None:
    signer, log = guarded()
    signer.sign(commitment(1))
    signer.sign(commitment(7))
    for _ in range(2):
        with pytest.raises(EquivocationError) as caught:
            signer.sign(commitment(1, gas_used=5))
        assert caught.value.nonce == 1
        assert caught.value.signed == commitment(1).digest()
        assert caught.value.asked == commitment(1, gas_used=5).digest()
        signer = GuardedSigner(LocalSigner(KEY), log)  # also after a restart on the same log


class Above(int):
    """A nonce that is above every other, and equal to none."""

    def __gt__(self, other: object) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return id(self)


def test_a_nonce_that_compares_as_it_likes_is_judged_by_its_value() -> None:
    signer, _ = guarded()
    signer.sign(commitment(5))
    with pytest.raises(NonceNotAbove, match="nonce 1: not above 5"):
        signer.sign(commitment(Above(1)))
    with pytest.raises(EquivocationError):
        signer.sign(commitment(Above(5), fee=0))


def test_a_nonce_below_a_signed_one_is_refused() -> None:
    signer, log = guarded()
    signer.sign(commitment(7))
    for nonce in (0, 1, 6):
        with pytest.raises(NonceNotAbove, match=f"nonce {nonce}: not above 7"):
            signer.sign(commitment(nonce, **({"parent": bytes(32)} if nonce == 0 else {})))
        assert log.content(THREAD, nonce) is None
    signer.sign(commitment(8))


def test_final_is_the_last_word() -> None:
    signer, log = guarded()
    signer.sign(commitment(1))
    last = signer.sign(final(2))
    assert signer.sign(final(2)) == last
    others = [
        commitment(3),
        final(3),
        commitment(1),
        TypedData(DOMAIN, samples.input_of(DOMAIN, TERMS)),
        TypedData(DOMAIN, Resume(THREAD, 5)),
        TypedData(DOMAIN, KeyGrant(THREAD, TERMS.owners[0], TERMS.keys[0])),
    ]
    for other in others:
        with pytest.raises(AlreadyFinal) as caught:
            signer.sign(other)
        assert caught.value.final == final(2).digest()
    with pytest.raises(EquivocationError):
        signer.sign(final(2, fee=0))
    assert log.content(THREAD, 3) is None
    elsewhere = samples.terms_of(2, salt=8)
    signer.sign(TypedData(DOMAIN, samples.commitment_of(DOMAIN, elsewhere)))
    signer.sign(TypedData(DOMAIN, samples.input_of(DOMAIN, elsewhere)))


def test_threads_are_apart() -> None:
    signer, _ = guarded()
    signer.sign(commitment(9))
    other = samples.commitment_of(DOMAIN, samples.terms_of(2, salt=8), nonce=3)
    signer.sign(TypedData(DOMAIN, other))


def test_one_content_under_two_domains_is_an_equivocation() -> None:
    signer, _ = guarded()
    data = commitment(1)
    signer.sign(data)
    with pytest.raises(EquivocationError):
        signer.sign(TypedData(samples.Domain(2, samples.REGISTRY), data.record))


def test_a_floor_is_never_signed_below() -> None:
    signer, log = guarded()
    signer.sign(commitment(1))
    log.set_floor(THREAD, 100)
    log.set_floor(THREAD, 50)
    for nonce in (2, 100):
        with pytest.raises(NonceNotAbove, match="not above 100"):
            signer.sign(commitment(nonce))
    assert signer.sign(commitment(1))
    signer.sign(commitment(101))


@dataclass
class Spy:
    """A signer that looks into the log when it is asked."""

    log: MemorySignLog
    inner: LocalSigner
    seen: list[bytes | None]

    @property
    def address(self) -> bytes:
        return self.inner.address

    def sign(self, typed_data: TypedData) -> bytes:
        record = typed_data.record
        assert isinstance(record, Commitment)
        self.seen.append(self.log.content(record.thread_id, record.nonce))
        return self.inner.sign(typed_data)


def test_the_entry_is_written_before_the_signer_is_asked() -> None:
    log = MemorySignLog()
    spy = Spy(log, LocalSigner(KEY), [])
    signer = GuardedSigner(spy, log)
    record = commitment(1).record
    signer.sign(commitment(1))
    signer.sign(commitment(2), content=b"commitment and batch")
    signer.sign(commitment(2), content=b"something else")
    assert spy.seen == [record.encode(), b"commitment and batch", b"commitment and batch"]
    with pytest.raises(EquivocationError):
        signer.sign(commitment(2, fee=0))
    assert len(spy.seen) == 3


class Broken:
    """A log whose disk is full."""

    def put_if_absent(self, *arguments: object, **options: object) -> object:
        raise BackendError("disk full")

    def final(self, thread_id: bytes) -> bytes | None:
        return None


def test_nothing_is_signed_when_the_log_fails() -> None:
    spy = Spy(MemorySignLog(), LocalSigner(KEY), [])
    with pytest.raises(BackendError):
        GuardedSigner(spy, Broken()).sign(commitment(1))  # type: ignore[arg-type]
    assert spy.seen == []


@dataclass
class Answering:
    """A signer that gives a fixed answer."""

    address: bytes
    answer: object

    def sign(self, typed_data: TypedData) -> bytes:
        return self.answer  # type: ignore[return-value]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        bytes(65),
        None,
        LocalSigner(samples.private_key(1)).sign(commitment(1)),
        LocalSigner(KEY).sign(commitment(2)),
        list(LocalSigner(KEY).sign(commitment(1))),
    ],
)
def test_a_wrong_answer_of_a_signer_is_a_backend_error(answer: object) -> None:
    signer = GuardedSigner(Answering(LocalSigner(KEY).address, answer), MemorySignLog())
    with pytest.raises(BackendError):
        signer.sign(commitment(1))


def test_a_signer_keeps_the_address_that_it_had_when_it_was_guarded() -> None:
    other = LocalSigner(samples.private_key(1))
    signer = Answering(LocalSigner(KEY).address, other.sign(commitment(1)))
    guarded_ = GuardedSigner(signer, MemorySignLog())
    signer.address = other.address
    with pytest.raises(BackendError, match=f"answered with a signature of 0x{other.address.hex()}"):
        guarded_.sign(commitment(1))
    assert guarded_.address == LocalSigner(KEY).address
    for wrong in (b"", bytes(19), "0x" + "00" * 20, None):
        with pytest.raises(InvalidInput, match=r"Signer\.address"):
            GuardedSigner(Answering(wrong, b""), MemorySignLog())  # type: ignore[arg-type]


def test_a_guard_tells_of_what_a_key_in_this_process_made_and_of_nothing_else() -> None:
    local, typed = LocalSigner(KEY), commitment(1)
    recoveries = Recoveries()
    signature = GuardedSigner(local, MemorySignLog(), recoveries=recoveries).sign(typed)
    assert recoveries._known == {typed.digest() + signature: local.address}
    recoveries = Recoveries()
    wrong = LocalSigner(samples.private_key(1)).sign(typed)
    for answer in (wrong, bytes(65)):
        with pytest.raises(BackendError):
            GuardedSigner(Answering(local.address, answer), MemorySignLog(), recoveries=recoveries).sign(typed)
    assert recoveries._known == {typed.digest() + wrong: LocalSigner(samples.private_key(1)).address}
    GuardedSigner(Answering(local.address, signature), MemorySignLog(), recoveries=recoveries).sign(typed)
    assert recoveries._known[typed.digest() + signature] == local.address


class TwoFaced(bytes):
    """A right signature when it is looked at, and none when it is sent."""

    def __getitem__(self, place: object) -> object:  # type: ignore[override]
        return LocalSigner(KEY).sign(commitment(1))[place]  # type: ignore[index]

    def __len__(self) -> int:
        return 65


def test_an_answer_with_two_faces_is_refused() -> None:
    signer = GuardedSigner(Answering(LocalSigner(KEY).address, TwoFaced(b"nothing")), MemorySignLog())
    with pytest.raises(BackendError, match="7 bytes where 65"):
        signer.sign(commitment(1))
    right = LocalSigner(KEY).sign(commitment(1))
    given_ = GuardedSigner(Answering(LocalSigner(KEY).address, TwoFaced(right)), MemorySignLog()).sign(commitment(1))
    assert type(given_) is bytes
    assert given_ == right


class Disguised(Commitment):
    """A commitment that pretends to be something else."""

    __slots__ = ()


class Unheard(Resume):
    """A Resume whose hash may be anything's."""

    __slots__ = ()


def test_only_the_four_signed_records_are_signed() -> None:
    signer, _ = guarded()
    record = commitment(1).record
    assert isinstance(record, Commitment)
    values = {member.attribute: getattr(record, member.attribute) for member in Commitment.STRUCT.members}
    for other in (TERMS, samples.RULESET, samples.environment(), Disguised(**values), Unheard(THREAD, 1)):
        with pytest.raises(InvalidInput, match="never signed"):
            signer.sign(TypedData(DOMAIN, other))
    with pytest.raises(InvalidInput):
        signer.sign(commitment(1).to_json())  # type: ignore[arg-type]
    for signed in (samples.input_of(DOMAIN, TERMS), Resume(THREAD, 1), KeyGrant(THREAD, bytes(20), bytes(20))):
        assert recover_signer(digest(DOMAIN, signed), signer.sign(TypedData(DOMAIN, signed))) == signer.address


class Whatever:
    """Not typed data, and with a digest of its own choice."""

    record = commitment(1).record

    def digest(self) -> bytes:
        return bytes(32)


def test_nothing_but_typed_data_is_signed() -> None:
    signer, _ = guarded()
    for each in (LocalSigner(KEY), signer):
        for wrong in (Whatever(), None, commitment(1).record, commitment(1).digest()):
            with pytest.raises(InvalidInput, match="a TypedData is wanted"):
                each.sign(wrong)  # type: ignore[arg-type]


def test_racing_threads_get_one_digest() -> None:
    signer, _ = guarded()

    def attempt(fee: int) -> bytes | None:
        try:
            return signer.sign(commitment(1, fee=fee))
        except EquivocationError:
            return None

    with ThreadPoolExecutor(8) as pool:
        signed = [signature for signature in pool.map(attempt, range(40)) if signature]
    assert len(signed) == 1


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2), st.sampled_from([0, 0, 0, 2])), max_size=20))
def test_any_history_keeps_the_law(asked: list[tuple[int, int, int]]) -> None:
    signer, _ = guarded()
    base = samples.commitment_of(DOMAIN, TERMS)
    signed: dict[int, bytes] = {}
    finals: list[bytes] = []
    for nonce, fee, status in asked:
        data = TypedData(DOMAIN, replace(base, nonce=nonce, fee=fee, status=status))
        try:
            signer.sign(data)
        except SigningRefused:
            continue
        assert signed.setdefault(nonce, data.digest()) == data.digest()
        assert nonce == max(signed) or not finals
        assert not finals or finals[0] == data.digest()
        if status == 2:
            finals.append(data.digest())
