"""Evidence that a key contradicted itself: records whose constructor verifies, for anyone to check.

Like an Agreement, evidence can't be made otherwise. Whether it has consequences is no matter of this package.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, Self, final

from evmthread.commit.batch import Input, check_input_signature
from evmthread.commit.commitment import Commitment
from evmthread.commit.eip712 import Domain, digest
from evmthread.commit.members import Json, plain_type
from evmthread.commit.records import check_object
from evmthread.commit.refusals import MalformedSignature, NoEquivocation, UnknownSigner, WrongSignature, WrongThread
from evmthread.commit.signature import recover_signer
from evmthread.commit.terms import Terms, check_terms, signing_addresses, thread_id
from evmthread.errors import InvalidInput
from evmthread.primitives.types import ZERO_HASH

_SIGNATURE = plain_type("bytes")
_INDEX = plain_type("uint8")


def _refuse_subclass() -> NoReturn:
    raise TypeError("evidence can't be subclassed: a subclass could skip the verification")


@final
@dataclass(frozen=True, slots=True, init=False)
class Equivocation:
    """Two commitments with one nonce, both signed by party `index`. They needn't be well-formed to convict.

    An operator who is no party goes under the number of parties.
    """

    domain: Domain
    terms: Terms
    index: int
    first: Commitment
    first_signature: bytes
    second: Commitment
    second_signature: bytes

    def __init__(
        self,
        domain: Domain,
        terms: Terms,
        index: int,
        first: Commitment,
        first_signature: bytes,
        second: Commitment,
        second_signature: bytes,
    ) -> None:
        """Verify and keep. Raises a Refusal when the two don't convict the party."""
        index = _INDEX.plain(index, "Equivocation.index")
        first_signature = _SIGNATURE.plain(first_signature, "Equivocation.firstSignature")
        second_signature = _SIGNATURE.plain(second_signature, "Equivocation.secondSignature")
        _check_equivocation(domain, terms, index, (first, first_signature), (second, second_signature))
        values = (domain, terms, index, first, first_signature, second, second_signature)
        for name, value in zip(Equivocation.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    def __init_subclass__(cls) -> NoReturn:
        _refuse_subclass()

    def __reduce__(self) -> tuple[Callable[..., "Equivocation"], tuple[object, ...]]:
        return Equivocation, tuple(getattr(self, name) for name in Equivocation.__slots__)

    def __setstate__(self, state: object) -> NoReturn:
        raise InvalidInput("an Equivocation is made by its constructor only")

    def to_json(self) -> dict[str, Json]:
        """The canonical JSON object: index, first, firstSignature, second, secondSignature. No domain, no terms."""
        return {
            "index": _INDEX.to_json(self.index),
            "first": self.first.to_json(),
            "firstSignature": _SIGNATURE.to_json(self.first_signature),
            "second": self.second.to_json(),
            "secondSignature": _SIGNATURE.to_json(self.second_signature),
        }

    @classmethod
    def from_json(cls, domain: Domain, terms: Terms, value: Json) -> Self:
        """The verified evidence of its JSON object. Raises InvalidInput, or a Refusal."""
        check_object(value, "Equivocation", ["index", "first", "firstSignature", "second", "secondSignature"])
        assert isinstance(value, dict)
        index = _INDEX.plain(value["index"], "Equivocation.index")
        first, second = Commitment.from_json(value["first"]), Commitment.from_json(value["second"])
        return cls(domain, terms, index, first, _read(value, "firstSignature"), second, _read(value, "secondSignature"))


def _read(value: dict[str, Json], name: str) -> bytes:
    read = _SIGNATURE.from_json(value[name], name)
    assert isinstance(read, bytes)
    return read


def _check_equivocation(
    domain: Domain, terms: Terms, index: int, first: tuple[Commitment, bytes], second: tuple[Commitment, bytes]
) -> None:
    if type(domain) is not Domain or type(terms) is not Terms:
        raise InvalidInput("Equivocation: a Domain and Terms are wanted")
    if type(first[0]) is not Commitment or type(second[0]) is not Commitment:
        raise InvalidInput("Equivocation: two Commitments are wanted")
    check_terms(terms)
    known = signing_addresses(terms)
    if index >= len(known):
        raise UnknownSigner(index, len(known))
    thread = thread_id(domain, terms)
    for commitment, _ in (first, second):
        if commitment.thread_id != thread:
            raise WrongThread(thread, commitment.thread_id, commitment.nonce)
    if first[0].nonce != second[0].nonce:
        raise NoEquivocation(f"the nonces differ: {first[0].nonce} and {second[0].nonce}")
    if first[0] == second[0]:
        raise NoEquivocation("both are the same commitment")
    for commitment, signature in (first, second):
        try:
            got = recover_signer(digest(domain, commitment), signature)
        except MalformedSignature as error:
            raise MalformedSignature(error.reason, index, commitment.nonce) from None
        if got != known[index]:
            raise WrongSignature(index, known[index], got, commitment.nonce)


@final
@dataclass(frozen=True, slots=True, init=False)
class InputEquivocation:
    """Two different inputs with one actor, kind, nonce and non-zero parent, both signed by the actor's key."""

    domain: Domain
    terms: Terms
    first: Input
    first_signature: bytes
    second: Input
    second_signature: bytes

    def __init__(
        self, domain: Domain, terms: Terms, first: Input, first_signature: bytes, second: Input, second_signature: bytes
    ) -> None:
        """Verify and keep. Raises a Refusal when the two don't convict the actor."""
        first_signature = _SIGNATURE.plain(first_signature, "InputEquivocation.firstSignature")
        second_signature = _SIGNATURE.plain(second_signature, "InputEquivocation.secondSignature")
        _check_input_equivocation(domain, terms, (first, first_signature), (second, second_signature))
        values = (domain, terms, first, first_signature, second, second_signature)
        for name, value in zip(InputEquivocation.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    def __init_subclass__(cls) -> NoReturn:
        _refuse_subclass()

    def __reduce__(self) -> tuple[Callable[..., "InputEquivocation"], tuple[object, ...]]:
        return InputEquivocation, tuple(getattr(self, name) for name in InputEquivocation.__slots__)

    def __setstate__(self, state: object) -> NoReturn:
        raise InvalidInput("an InputEquivocation is made by its constructor only")

    def to_json(self) -> dict[str, Json]:
        """The canonical JSON object: first, firstSignature, second, secondSignature. No domain, no terms."""
        return {
            "first": self.first.to_json(),
            "firstSignature": _SIGNATURE.to_json(self.first_signature),
            "second": self.second.to_json(),
            "secondSignature": _SIGNATURE.to_json(self.second_signature),
        }

    @classmethod
    def from_json(cls, domain: Domain, terms: Terms, value: Json) -> Self:
        """The verified evidence of its JSON object. Raises InvalidInput, or a Refusal."""
        check_object(value, "InputEquivocation", ["first", "firstSignature", "second", "secondSignature"])
        assert isinstance(value, dict)
        first, second = Input.from_json(value["first"]), Input.from_json(value["second"])
        return cls(domain, terms, first, _read(value, "firstSignature"), second, _read(value, "secondSignature"))


def _check_input_equivocation(
    domain: Domain, terms: Terms, first: tuple[Input, bytes], second: tuple[Input, bytes]
) -> None:
    if type(domain) is not Domain or type(terms) is not Terms:
        raise InvalidInput("InputEquivocation: a Domain and Terms are wanted")
    if type(first[0]) is not Input or type(second[0]) is not Input:
        raise InvalidInput("InputEquivocation: two Inputs are wanted")
    check_terms(terms)
    thread = thread_id(domain, terms)
    for each, _ in (first, second):
        if each.thread_id != thread:
            raise WrongThread(thread, each.thread_id)
    if first[0] == second[0]:
        raise NoEquivocation("both are the same input")
    for name in ("actor", "kind", "nonce", "parent"):
        if getattr(first[0], name) != getattr(second[0], name):
            raise NoEquivocation(f"they differ in {name}")
    if first[0].parent == ZERO_HASH:
        raise NoEquivocation("their parent is zero: both may run, on different states")
    for index, (each, signature) in enumerate((first, second)):
        check_input_signature(domain, terms, each, signature, index=index)
