"""A conformance suite for signers, whether their key is in this process, in a device or in a wallet.

    TestMySigner = signer_tests(MySigner)

collects under pytest and unittest. `make` gives a signer, always of the same key; where that key is one made for
tests, pass it as `secret`, and the suite looks for it in whatever the signer shows. The guard is tried over it as well:
nobody gets two signatures for one nonce.
"""

import base64
import pickle
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest import TestCase

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evmthread.commit.agreement import verify_key_grant
from evmthread.commit.batch import Input, InputKind
from evmthread.commit.commitment import EMPTY_TRIE_ROOT, Commitment, Status
from evmthread.commit.eip712 import Domain, TypedData
from evmthread.commit.records import Record
from evmthread.commit.signature import parse_signature, recover_signer
from evmthread.commit.signing import (
    AlreadyFinal,
    EquivocationError,
    GuardedSigner,
    LogState,
    MemorySignLog,
    NonceNotAbove,
    Signer,
)
from evmthread.commit.terms import KeyGrant, Resume, Terms, thread_id
from evmthread.errors import EvmthreadError
from evmthread.primitives.secp256k1 import HALF_ORDER
from evmthread.primitives.types import ZERO_ADDRESS, ZERO_HASH

_uint64, _uint256 = st.integers(0, 2**64 - 1), st.integers(0, 2**256 - 1)
_address, _hash = st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32)
_domains = st.builds(Domain, st.one_of(st.sampled_from([0, 1, 31337, 2**53, 2**256 - 1]), _uint64), _address)
_kinds = st.sampled_from([kind.value for kind in InputKind])
_commitments = st.builds(
    Commitment,
    thread_id=_hash,
    nonce=_uint64,
    parent=_hash,
    status=st.sampled_from([status.value for status in Status]),
    awaiting=_address,
    state_root=_hash,
    storage_root=_hash,
    machine_hash=_hash,
    batch_hash=_hash,
    receipts_root=_hash,
    gas_used=_uint64,
    balances=st.lists(_uint256, max_size=16).map(tuple),
    fee=_uint256,
)
_inputs = st.builds(
    Input, _hash, _uint64, _hash, _kinds, _address, _address, _uint256, _uint64, st.binary(max_size=200)
)
_records = st.one_of(
    _commitments, _inputs, st.builds(KeyGrant, _hash, _address, _address), st.builds(Resume, _hash, _uint64)
)

DOMAIN = Domain(31337, b"\x12" * 20)
THREAD = b"\x34" * 32


def _commitment(nonce: int, **changes: object) -> Commitment:
    base = Commitment(
        thread_id=THREAD,
        nonce=nonce,
        parent=b"\x56" * 32,
        status=0,
        awaiting=ZERO_ADDRESS,
        state_root=b"\x78" * 32,
        storage_root=EMPTY_TRIE_ROOT,
        machine_hash=ZERO_HASH,
        batch_hash=b"\x9a" * 32,
        receipts_root=EMPTY_TRIE_ROOT,
        gas_used=21_000,
        balances=(10**18, 0),
        fee=0,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


# Each kind of record that is signed, with members at their ends.
_EXTREMES: tuple[Record, ...] = (
    _commitment(0),
    _commitment(2**64 - 1, gas_used=2**64 - 1, balances=(2**256 - 1,) * 16, fee=2**256 - 1),
    _commitment(1, status=Status.SUSPENDED, awaiting=b"\xff" * 20, machine_hash=b"\xff" * 32, balances=()),
    _commitment(2, status=Status.FINAL),
    Input(THREAD, 0, ZERO_HASH, 0, ZERO_ADDRESS, ZERO_ADDRESS, 0, 0, b""),
    Input(THREAD, 2**64 - 1, b"\xff" * 32, 3, b"\xff" * 20, b"\xff" * 20, 2**256 - 1, 2**64 - 1, b"\xff" * 24_576),
    KeyGrant(THREAD, ZERO_ADDRESS, b"\xff" * 20),
    Resume(THREAD, 2**64 - 1),
)


@dataclass
class _Watched:
    """A log, and the signer that it guards, with what happened in which order."""

    log: MemorySignLog
    inner: Signer
    seen: list[str]

    @property
    def address(self) -> bytes:
        return self.inner.address

    def sign(self, typed_data: TypedData) -> bytes:
        self.seen.append("sign")
        return self.inner.sign(typed_data)

    def put_if_absent(self, thread_id: bytes, nonce: int, digest: bytes, *, final: bool, content: bytes) -> LogState:
        self.seen.append("put")
        return self.log.put_if_absent(thread_id, nonce, digest, final=final, content=content)

    def final(self, thread_id: bytes) -> bytes | None:
        return self.log.final(thread_id)


def _forms(secret: bytes) -> Iterator[str]:
    """How a key may show in text."""
    yield from (secret.hex(), str(int.from_bytes(secret, "big")), base64.b64encode(secret).decode())
    yield repr(secret)[2:-1]
    yield str(list(secret))[1:-1]


def _shown(signer: object) -> Iterator[str]:
    """All the text that a signer gives away to who doesn't look for it."""
    yield from (repr(signer), str(signer), f"{signer}", f"{signer!r}")
    yield repr(getattr(signer, "__dict__", {}))
    yield repr([signer])


def _raised(attempt: Callable[[], object]) -> str | None:
    """The traceback of what an attempt raises; None where it raises nothing."""
    try:
        attempt()
    except Exception as error:  # noqa: BLE001 - whatever a signer raises is looked at
        return "".join(traceback.format_exception(error))
    return None


def _refusal(guarded: GuardedSigner, record: Record) -> EvmthreadError | None:
    """Why the guard doesn't let a record be signed; None where it was signed."""
    try:
        guarded.sign(TypedData(DOMAIN, record))
    except EvmthreadError as error:
        return error
    return None


_NO_TYPED_DATA: tuple[Any, ...] = (None, b"\x01" * 32, "0x01", object())


def _misuse(signer: Signer, wrong: Any) -> str | None:
    """The traceback of what a signer raises when it is asked for something else than typed data."""
    return _raised(lambda: signer.sign(wrong))


def signer_tests(make: Callable[[], Signer], *, secret: bytes | None = None, examples: int = 25) -> type[TestCase]:
    """The tests of a signer. `examples` is how many random records of each test it is asked to sign."""

    class SignerTests(TestCase):
        def check(self, signer: Signer, typed_data: TypedData) -> bytes:
            signature = signer.sign(typed_data)
            assert type(signature) is bytes, type(signature)
            assert len(signature) == 65, len(signature)
            assert signature[64] in (27, 28), signature[64]
            assert 0 < int.from_bytes(signature[32:64], "big") <= HALF_ORDER
            parse_signature(signature)
            assert recover_signer(typed_data.digest(), signature) == signer.address
            return signature

        def test_the_address_stays_the_same(self) -> None:
            signer = make()
            assert isinstance(signer.address, bytes)
            assert len(signer.address) == 20
            assert signer.address == signer.address == make().address
            self.check(signer, TypedData(DOMAIN, _commitment(1)))
            assert signer.address == make().address

        def test_it_signs_each_kind_of_record(self) -> None:
            signer = make()
            for record in _EXTREMES:
                for domain in (DOMAIN, Domain(0, ZERO_ADDRESS), Domain(2**256 - 1, b"\xff" * 20)):
                    self.check(signer, TypedData(domain, record))

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(_domains, _records)
        def test_it_signs_any_record(self, domain: Domain, record: Record) -> None:
            self.check(make(), TypedData(domain, record))

        def test_asked_again_it_signs_the_same_again(self) -> None:
            signer = make()
            data = [TypedData(DOMAIN, record) for record in _EXTREMES]
            for _ in range(2):
                assert len({self.check(signer, each) for each in data}) == len(data)

        def test_a_key_grant_convinces(self) -> None:
            owner = make().address
            others = sorted((b"\x01" * 20, owner))
            keys = tuple([b"\x02" * 20 if each == owner else each for each in others])
            terms = Terms(
                *(ZERO_ADDRESS, ZERO_HASH, ZERO_HASH, ZERO_ADDRESS, keys, tuple(others), (1, 1), 2),
                *(ZERO_ADDRESS, 0, 60, 0, 0),
            )
            grant = KeyGrant(thread_id(DOMAIN, terms), owner, b"\x02" * 20)
            signature = make().sign(TypedData(DOMAIN, grant))
            assert verify_key_grant(DOMAIN, terms, grant, signature) == others.index(owner)

        def test_what_is_no_typed_data_is_not_signed(self) -> None:
            for wrong in (*_NO_TYPED_DATA, _commitment(1)):
                assert _misuse(make(), wrong) is not None, f"signs {wrong!r}"

        def test_the_key_does_not_show(self) -> None:
            signer = make()
            texts = [*_shown(signer), *_shown(GuardedSigner(signer, MemorySignLog()))]
            texts += [_misuse(signer, wrong) or "" for wrong in _NO_TYPED_DATA]
            texts += [_raised(lambda: vars(signer)) or "", _raised(lambda: setattr(signer, "key", 1)) or ""]
            for form in _forms(secret) if secret else ():
                for text in texts:
                    assert form.lower() not in text.lower(), "the key shows"

        def test_the_key_does_not_travel(self) -> None:
            signer = make()
            for kept in (signer, GuardedSigner(signer, MemorySignLog())):
                for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                    data = b""

                    def attempt(kept: object = kept, protocol: int = protocol) -> None:
                        nonlocal data
                        data = pickle.dumps(kept, protocol=protocol)

                    text = _raised(attempt) or ""
                    if secret:
                        assert secret not in data, "the key is in the pickle"
                        for form in _forms(secret):
                            assert form.lower().encode() not in data.lower(), "the key is in the pickle"
                            assert form.lower() not in text.lower(), "the key shows in an error"

        def test_the_guard_writes_before_it_asks(self) -> None:
            watched = _Watched(MemorySignLog(), make(), [])
            guarded = GuardedSigner(watched, watched)
            self.check(guarded, TypedData(DOMAIN, _commitment(1)))
            assert watched.seen == ["put", "sign"]

        def test_the_guard_never_signs_two(self) -> None:
            watched = _Watched(MemorySignLog(), make(), [])
            guarded = GuardedSigner(watched, watched)
            self.check(guarded, TypedData(DOMAIN, _commitment(3)))
            self.check(guarded, TypedData(DOMAIN, _commitment(3)))  # a lost proposal is sent again
            for other in (_commitment(3, fee=1), _commitment(2)):
                watched.seen.clear()
                assert isinstance(_refusal(guarded, other), EquivocationError | NonceNotAbove), f"signs {other!r}"
                assert watched.seen == ["put"], "the signer was asked"
            self.check(guarded, TypedData(DOMAIN, _commitment(9, status=2)))
            for record in (_commitment(10), *_EXTREMES[4:]):
                watched.seen.clear()
                assert isinstance(_refusal(guarded, record), AlreadyFinal), f"signs {record!r}"
                assert "sign" not in watched.seen, "the signer was asked"

        @settings(max_examples=max(1, examples // 5), deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.sampled_from([0, 0, 2])), max_size=8))
        def test_any_history_keeps_one_digest_for_a_nonce(self, asked: list[tuple[int, int, int]]) -> None:
            guarded = GuardedSigner(make(), MemorySignLog())
            signed: dict[int, bytes] = {}
            for nonce, fee, status in asked:
                data = TypedData(DOMAIN, _commitment(nonce, fee=fee, status=status))
                try:
                    self.check(guarded, data)
                except EvmthreadError:
                    continue
                assert signed.setdefault(nonce, data.digest()) == data.digest()

    return SignerTests
