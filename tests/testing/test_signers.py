"""The conformance suite for signers: ours pass it, and each kind of bad one fails it, in the test that is for it."""

import json
import unittest
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from evmthread.commit import Commitment, Input, LocalSigner, Signer, TypedData, open_keystore
from evmthread.primitives.keystore import encrypt_key
from evmthread.primitives.secp256k1 import GROUP_ORDER
from evmthread.testing.signers import signer_tests
from tests.commit import commit_samples as samples

KEY = samples.private_key(0)
OTHER = samples.private_key(1)
LIGHT = json.dumps(encrypt_key(KEY, "sesame", n=16)).encode()

TestLocalSigner = signer_tests(lambda: LocalSigner(KEY), secret=KEY)
TestKeystoreSigner = signer_tests(lambda: open_keystore(LIGHT, "sesame"), secret=KEY)


@dataclass(repr=False)
class Bad:
    """A signer as good as ours but for what a subclass changes."""

    inner: LocalSigner = field(default_factory=lambda: LocalSigner(KEY))

    @property
    def address(self) -> bytes:
        return self.inner.address

    def sign(self, typed_data: TypedData) -> bytes:
        return self.inner.sign(typed_data)


class AddressOfTheDay(Bad):
    @property
    def address(self) -> bytes:
        return LocalSigner.generate().address


class LongAddress(Bad):
    @property
    def address(self) -> bytes:
        return bytes(12) + self.inner.address


class OtherKey(Bad):
    def sign(self, typed_data: TypedData) -> bytes:
        return LocalSigner(OTHER).sign(typed_data)


class Parity(Bad):
    def sign(self, typed_data: TypedData) -> bytes:
        signature = self.inner.sign(typed_data)
        return signature[:64] + bytes((signature[64] - 27,))


class HighS(Bad):
    def sign(self, typed_data: TypedData) -> bytes:
        raw = self.inner.sign(typed_data)
        return raw[:32] + (GROUP_ORDER - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big") + bytes((55 - raw[64],))


class TooLong(Bad):
    def sign(self, typed_data: TypedData) -> bytes:
        return self.inner.sign(typed_data) + b"\0"


class Changeable(Bad):
    def sign(self, typed_data: TypedData) -> bytes:
        return bytearray(self.inner.sign(typed_data))  # type: ignore[return-value]


class SmallNumbersOnly(Bad):
    def sign(self, typed_data: TypedData) -> bytes:
        record = typed_data.record
        if isinstance(record, Commitment) and record.nonce >= 2**63:
            raise ValueError("too large")
        return self.inner.sign(typed_data)


class CommitmentsOnly(Bad):
    def sign(self, typed_data: TypedData) -> bytes:
        if not isinstance(typed_data.record, Commitment):
            raise ValueError("no commitment")
        return self.inner.sign(typed_data)


class SmallDataOnly(Bad):
    def sign(self, typed_data: TypedData) -> bytes:
        if isinstance(typed_data.record, Input) and len(typed_data.record.data) > 1000:
            raise ValueError("too long")
        return self.inner.sign(typed_data)


class WithoutDomain(Bad):
    def sign(self, typed_data: TypedData) -> bytes:
        return self.inner.sign(TypedData(samples.DOMAIN, typed_data.record))


class Anything(Bad):
    def sign(self, typed_data: TypedData) -> bytes:
        return self.inner.sign(typed_data) if type(typed_data) is TypedData else bytes(65)


class Forgetful(Bad):
    """Signs the first record that it saw again and again."""

    def sign(self, typed_data: TypedData) -> bytes:
        self.first = getattr(self, "first", typed_data)
        return self.inner.sign(self.first)


class ShownInRepr(Bad):
    def __repr__(self) -> str:
        return f"ShownInRepr({KEY.hex()})"


class ShownInVars(Bad):
    def __init__(self) -> None:
        super().__init__()
        self.key = KEY


class ShownInErrors(Bad):
    def sign(self, typed_data: TypedData) -> bytes:
        if type(typed_data) is not TypedData:
            raise ValueError(f"{int.from_bytes(KEY, 'big')} can't sign {typed_data!r}")
        return self.inner.sign(typed_data)


class Travelling(Bad):
    def __reduce__(self) -> tuple[type, tuple[bytes]]:
        return LocalSigner, (KEY,)


class ShownInPicklesError(Bad):
    def __reduce__(self) -> tuple[type, tuple[bytes]]:
        raise ValueError(f"no pickle of {KEY!r}")


@pytest.mark.parametrize(
    ("bad", "test"),
    [
        (AddressOfTheDay, "test_the_address_stays_the_same"),
        (LongAddress, "test_the_address_stays_the_same"),
        (OtherKey, "test_it_signs_each_kind_of_record"),
        (Parity, "test_it_signs_any_record"),
        (HighS, "test_it_signs_each_kind_of_record"),
        (TooLong, "test_it_signs_each_kind_of_record"),
        (Changeable, "test_it_signs_each_kind_of_record"),
        (SmallNumbersOnly, "test_it_signs_each_kind_of_record"),
        (CommitmentsOnly, "test_it_signs_any_record"),
        (CommitmentsOnly, "test_a_key_grant_convinces"),
        (SmallDataOnly, "test_it_signs_each_kind_of_record"),
        (WithoutDomain, "test_it_signs_any_record"),
        (Anything, "test_what_is_no_typed_data_is_not_signed"),
        (Forgetful, "test_asked_again_it_signs_the_same_again"),
        (ShownInRepr, "test_the_key_does_not_show"),
        (ShownInVars, "test_the_key_does_not_show"),
        (ShownInErrors, "test_the_key_does_not_show"),
        (Travelling, "test_the_key_does_not_travel"),
        (ShownInPicklesError, "test_the_key_does_not_travel"),
    ],
)
def test_a_bad_signer_fails(bad: Callable[[], Signer], test: str) -> None:
    result = unittest.TestResult()
    signer_tests(bad, secret=KEY, examples=10)(test).run(result)
    assert not result.wasSuccessful()
    assert result.testsRun == 1
