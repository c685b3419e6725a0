"""Agreements: commitments that enough parties signed. Whoever holds an Agreement object holds something verified.

Verifying takes keccak and ecrecover alone. It proves that these keys signed something well-formed; not that nothing
higher exists, nor that it was executed right.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn, Self, TypeAlias, final

from evmthread.commit.commitment import FINAL, Commitment, check_successor, check_well_formed
from evmthread.commit.eip712 import Domain, digest
from evmthread.commit.members import Json, plain_type
from evmthread.commit.records import SMALL_RECORD_BYTES, VERSION_BYTE, check_object, decode_versioned, decoded_list
from evmthread.commit.refusals import (
    BrokenParent,
    MalformedSignature,
    NotEnoughSignatures,
    SignatureCount,
    UnknownGrant,
    UnknownSigner,
    UnknownTip,
    WrongSignature,
    WrongThread,
)
from evmthread.commit.signature import Recoveries, recover_signer, signer_of
from evmthread.commit.terms import KeyGrant, Resume, Terms, check_terms, thread_id
from evmthread.errors import InvalidInput
from evmthread.primitives import rlp
from evmthread.primitives.quick import quick

_BITMAP = plain_type("uint16")  # sixteen parties at most
_SIGNATURES = plain_type("bytes[]")


@quick
@dataclass(frozen=True, slots=True)
class SignatureSet:
    """Signatures of several parties: bit i of the bitmap stands for keys[i]; signatures follow in ascending i.

    Duplicates and another order can't be expressed. Nothing is verified.
    """

    bitmap: int
    signatures: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not _BITMAP.is_plain(self.bitmap):
            object.__setattr__(self, "bitmap", _BITMAP.plain(self.bitmap, "SignatureSet.bitmap"))
        if not _SIGNATURES.is_plain(self.signatures):
            object.__setattr__(self, "signatures", _SIGNATURES.plain(self.signatures, "SignatureSet.signatures"))

    @classmethod
    def of(cls, signatures: Mapping[int, bytes]) -> Self:
        """The set of signatures keyed by the party's index."""
        indexes = sorted(signatures)
        if indexes and not 0 <= indexes[0] <= indexes[-1] < 16:
            raise InvalidInput(f"SignatureSet: party {indexes[0] if indexes[0] < 0 else indexes[-1]} of at most 16")
        bitmap = 0
        for index in indexes:
            bitmap |= 1 << index
        return cls(bitmap, tuple([signatures[index] for index in indexes]))

    def indexes(self) -> tuple[int, ...]:
        """The parties that the bitmap names, ascending."""
        return tuple([index for index in range(self.bitmap.bit_length()) if self.bitmap >> index & 1])

    def to_json(self) -> dict[str, Json]:
        """The canonical JSON object: {"bitmap": number, "signatures": [...]}."""
        return {"bitmap": _BITMAP.to_json(self.bitmap), "signatures": _SIGNATURES.to_json(self.signatures)}

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """The set of its JSON object. Raises InvalidInput."""
        check_object(value, "SignatureSet", ["bitmap", "signatures"])
        assert isinstance(value, dict)
        bitmap = _BITMAP.from_json(value["bitmap"], "SignatureSet.bitmap")
        signatures = _SIGNATURES.from_json(value["signatures"], "SignatureSet.signatures")
        return cls(bitmap, signatures)  # type: ignore[arg-type] # checked at construction


@quick
@dataclass(frozen=True, slots=True)
class SignedCommitment:
    """A commitment with signatures as it was read: nothing is verified. `verify` makes an Agreement of it."""

    commitment: Commitment
    signatures: SignatureSet

    def __post_init__(self) -> None:
        if type(self.commitment) is not Commitment or type(self.signatures) is not SignatureSet:
            raise InvalidInput("SignedCommitment: a Commitment and a SignatureSet are wanted")

    def to_rlp(self) -> bytes:
        """rlp([[field, ...], bitmap, [signature, ...]])."""
        signatures = self.signatures
        return rlp.encode_list(
            [self.commitment.to_rlp(), rlp.encode_int(signatures.bitmap), _SIGNATURES.to_rlp(signatures.signatures)]
        )

    @classmethod
    def from_rlp(cls, item: rlp.Decoded) -> Self:
        """The signed commitment of a decoded RLP list. Raises DecodingError."""
        commitment, bitmap, signatures = decoded_list(item, "Agreement", 3)
        read = SignatureSet(
            _BITMAP.from_rlp(bitmap, "Agreement.bitmap"),  # type: ignore[arg-type] # checked at construction
            _SIGNATURES.from_rlp(signatures, "Agreement.signatures"),  # type: ignore[arg-type]
        )
        return cls(Commitment.from_rlp(commitment), read)

    def encode(self) -> bytes:
        """The canonical bytes of an agreement: 0x01 ++ rlp([[field, ...], bitmap, [signature, ...]])."""
        return VERSION_BYTE + self.to_rlp()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The signed commitment of an agreement's canonical bytes. Raises DecodingError."""
        return cls.from_rlp(decode_versioned(data, "Agreement", max_bytes=SMALL_RECORD_BYTES))

    def to_json(self) -> dict[str, Json]:
        """The canonical JSON object: {"commitment": {...}, "bitmap": number, "signatures": [...]}."""
        return {"commitment": self.commitment.to_json(), **self.signatures.to_json()}

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """The signed commitment of its JSON object. Raises InvalidInput."""
        check_object(value, "Agreement", ["commitment", "bitmap", "signatures"])
        assert isinstance(value, dict)
        signatures = SignatureSet.from_json({name: value[name] for name in ("bitmap", "signatures")})
        return cls(Commitment.from_json(value["commitment"]), signatures)


@final
@dataclass(frozen=True, slots=True, init=False)
class Agreement:
    """A well-formed commitment with enough valid signatures.

    The constructor verifies; there is no other way to make one. Copies and unpickled ones go through it too.
    """

    domain: Domain
    terms: Terms
    commitment: Commitment
    signatures: SignatureSet
    digest: bytes = field(init=False, repr=False, compare=False)

    def __init__(
        self,
        domain: Domain,
        terms: Terms,
        commitment: Commitment,
        signatures: SignatureSet,
        *,
        recoveries: Recoveries | None = None,
    ) -> None:
        """Verify and keep. Raises a Refusal naming the failed check.

        A signature that was recovered through `recoveries` before isn't recovered again.
        """
        # Everything is checked before anything is set: a failing second __init__ must not leave a changed object.
        verified = _verified_digest(domain, terms, commitment, signatures, recoveries)
        assign = object.__setattr__
        assign(self, "domain", domain)
        assign(self, "terms", terms)
        assign(self, "commitment", commitment)
        assign(self, "signatures", signatures)
        assign(self, "digest", verified)

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("Agreement can't be subclassed: a subclass could skip the verification")

    def __reduce__(self) -> tuple[Callable[..., "Agreement"], tuple[object, ...]]:
        return Agreement, (self.domain, self.terms, self.commitment, self.signatures)

    def __setstate__(self, state: object) -> NoReturn:
        raise InvalidInput("an Agreement is made by its constructor only")

    @property
    def signed(self) -> SignedCommitment:
        """The commitment and its signatures alone, as they travel."""
        return SignedCommitment(self.commitment, self.signatures)

    def encode(self) -> bytes:
        """The canonical bytes: 0x01 ++ rlp([[field, ...], bitmap, [signature, ...]])."""
        return self.signed.encode()

    @classmethod
    def decode(cls, domain: Domain, terms: Terms, data: bytes) -> Self:
        """The verified agreement of its canonical bytes. Raises DecodingError, or a Refusal."""
        read = SignedCommitment.decode(data)
        return cls(domain, terms, read.commitment, read.signatures)

    def to_json(self) -> dict[str, Json]:
        """The canonical JSON object, the SignedCommitment's."""
        return self.signed.to_json()

    @classmethod
    def from_json(cls, domain: Domain, terms: Terms, value: Json) -> Self:
        """The verified agreement of its JSON object. Raises InvalidInput, or a Refusal."""
        read = SignedCommitment.from_json(value)
        return cls(domain, terms, read.commitment, read.signatures)


Signed: TypeAlias = "SignedCommitment | Agreement"


def signatures_needed(terms: Terms, commitment: Commitment) -> int:
    """All parties for the genesis and a final commitment, else the threshold."""
    if commitment.nonce == 0 or commitment.status == FINAL:
        return len(terms.keys)
    return terms.threshold


def _verified_digest(
    domain: Domain, terms: Terms, commitment: Commitment, signatures: SignatureSet, recoveries: Recoveries | None
) -> bytes:
    # Exact types: a subclass could answer differently each time it is asked.
    if type(domain) is not Domain or type(terms) is not Terms:
        raise InvalidInput("Agreement: a Domain and Terms are wanted")
    if type(commitment) is not Commitment or type(signatures) is not SignatureSet:
        raise InvalidInput("Agreement: a Commitment and a SignatureSet are wanted")
    check_terms(terms)
    thread = thread_id(domain, terms)
    if commitment.thread_id != thread:
        raise WrongThread(thread, commitment.thread_id, commitment.nonce)
    check_well_formed(terms, commitment)
    signed_digest = digest(domain, commitment)
    needed = signatures_needed(terms, commitment)
    check_signatures(terms, signed_digest, signatures, needed, nonce=commitment.nonce, recoveries=recoveries)
    return signed_digest


def check_signatures(
    terms: Terms,
    signed_digest: bytes,
    signatures: SignatureSet,
    needed: int,
    *,
    nonce: int | None = None,
    recoveries: Recoveries | None = None,
) -> None:
    """Nothing, or a Refusal: at least `needed` parties signed, and each signature is its party's.

    Every signature is checked, also those above `needed`. `nonce` is named in errors.
    """
    parties = len(terms.keys)
    if signatures.bitmap >> parties:
        raise UnknownSigner(signatures.bitmap.bit_length() - 1, parties, nonce)
    indexes = signatures.indexes()
    if len(indexes) != len(signatures.signatures):
        raise SignatureCount(len(indexes), len(signatures.signatures), nonce)
    if len(indexes) < needed:
        raise NotEnoughSignatures(needed, len(indexes), nonce)
    for index, signature in zip(indexes, signatures.signatures, strict=True):
        try:
            got = signer_of(signed_digest, signature, recoveries)
        except MalformedSignature as error:
            raise MalformedSignature(error.reason, index, nonce) from None
        if got != terms.keys[index]:
            raise WrongSignature(index, terms.keys[index], got, nonce)


def verify(domain: Domain, terms: Terms, agreement: Signed, *, recoveries: Recoveries | None = None) -> Agreement:
    """The same, verified under this domain and these terms. Raises a Refusal naming nonce and failed check."""
    return Agreement(domain, terms, agreement.commitment, agreement.signatures, recoveries=recoveries)


@dataclass(frozen=True, slots=True)
class Chain:
    """Agreements in order: `line` from the genesis to the tip, each the parent of the next; the others, by nonce."""

    line: tuple[Agreement, ...]
    superseded: tuple[Agreement, ...]


def verify_chain(domain: Domain, terms: Terms, agreements: Iterable[Signed], tip: bytes) -> Chain:
    """The line of parents that ends in the commitment whose digest is `tip`; all other agreements are superseded.

    Agreements that come twice are kept once. Raises a Refusal: one that doesn't verify (superseded ones too), a tip or
    parent that is missing, nonces out of order, a commitment on top of a final one, a final one that changes something.
    """
    known: dict[bytes, Agreement] = {}
    for each in agreements:
        verified = verify(domain, terms, each)
        known.setdefault(verified.digest, verified)
    if tip not in known:
        raise UnknownTip(tip)
    current = known.pop(tip)
    line = [current]
    while current.commitment.nonce:
        child = current.commitment
        # A digest is taken out of `known` when it enters the line, so that a cycle can't be walked twice.
        parent = known.pop(child.parent, None)
        if parent is None:
            raise BrokenParent(child.parent, child.nonce)
        check_successor(parent.commitment, child)
        line.append(parent)
        current = parent
    line.reverse()
    rest = sorted(known.values(), key=lambda agreement: (agreement.commitment.nonce, agreement.digest))
    return Chain(tuple(line), tuple(rest))


def verify_resume(domain: Domain, terms: Terms, resume: Resume, signatures: SignatureSet) -> None:
    """Nothing, or a Refusal: all parties signed this Resume."""
    _check_thread(domain, terms, resume.thread_id)
    check_signatures(terms, digest(domain, resume), signatures, len(terms.keys))


def verify_key_grant(domain: Domain, terms: Terms, grant: KeyGrant, signature: bytes) -> int:
    """The index of the party whose owner, an account with a key of its own, signed this grant. Raises a Refusal.

    Owners that are contracts (EIP-1271) have to be asked on chain instead.
    """
    _check_thread(domain, terms, grant.thread_id)
    pairs = list(zip(terms.owners, terms.keys, strict=True))
    if (grant.owner, grant.key) not in pairs:
        raise UnknownGrant(grant.owner, grant.key)
    index = pairs.index((grant.owner, grant.key))
    got = recover_signer(digest(domain, grant), signature)
    if got != grant.owner:
        raise WrongSignature(index, grant.owner, got)
    return index


def _check_thread(domain: Domain, terms: Terms, thread: bytes) -> None:
    check_terms(terms)
    if thread != (expected := thread_id(domain, terms)):
        raise WrongThread(expected, thread)
