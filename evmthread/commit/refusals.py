"""Why something readable was refused: one class per check, with the values that failed it.

All are VerificationError. `nonce` is the commitment's, where a commitment was being checked; `str()` is one line that
names it and the failed check.
"""

from dataclasses import dataclass, fields

from evmthread.errors import VerificationError


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value[:32].hex() + ("..." if len(value) > 32 else "")
    if isinstance(value, tuple):
        return "(" + ", ".join(_show(item) for item in value) + ")"
    return str(value)


class Refusal(VerificationError):  # noqa: N818 - as all names in errors.py, it says what happened
    """A check of this package failed; the subclass says which."""

    nonce: int | None = None

    def __reduce__(self) -> tuple[type["Refusal"], tuple[object, ...]]:
        return type(self), tuple(getattr(self, item.name) for item in fields(self))  # type: ignore[arg-type]

    def _line(self, text: str) -> str:
        return text if self.nonce is None else f"nonce {self.nonce}: {text}"


@dataclass(eq=False)
class IllFormedTerms(Refusal):
    """A clause of well-formed Terms is broken."""

    clause: str
    value: object

    def __str__(self) -> str:
        return f"terms: not well-formed: {self.clause}: got {_show(self.value)}"


@dataclass(eq=False)
class IllFormedRuleset(Refusal):
    """A clause of a usable Ruleset is broken."""

    clause: str
    value: object

    def __str__(self) -> str:
        return f"ruleset: not well-formed: {self.clause}: got {_show(self.value)}"


@dataclass(eq=False)
class ContractTimeoutTooShort(Refusal):
    """The contract's shortest deadline leaves no time to come back to the chain: half of it is `exit_time` or less."""

    contract_timeout: int
    exit_time: int

    def __str__(self) -> str:
        return (
            f"ruleset: contractTimeout is {self.contract_timeout} s, not above twice the {self.exit_time} s that the "
            "way back to the chain takes"
        )


@dataclass(eq=False)
class IllFormedCommitment(Refusal):
    """A clause of wellFormed(terms, commitment) is broken."""

    clause: str
    value: object
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"not well-formed: {self.clause}: got {_show(self.value)}")


@dataclass(eq=False)
class IllFormedBatch(Refusal):
    """A rule of batches that needs no execution is broken; `index` is the input's, None for the batch itself."""

    clause: str
    value: object
    index: int | None = None
    nonce: int | None = None

    def __str__(self) -> str:
        what = "batch" if self.index is None else f"input {self.index}"
        return self._line(f"{what}: {self.clause}: got {_show(self.value)}")


@dataclass(eq=False)
class WrongHash(Refusal):
    """A hash that is committed to isn't the hash of what was given: `what` names it."""

    what: str
    expected: bytes
    got: bytes
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"{self.what}: expected {_show(self.expected)}, got {_show(self.got)}")


@dataclass(eq=False)
class WrongThread(Refusal):
    """A record belongs to another thread: other terms, chain or registry."""

    expected: bytes
    got: bytes
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"threadId: expected {_show(self.expected)}, got {_show(self.got)}")


@dataclass(eq=False)
class MalformedSignature(Refusal):
    """Bytes that are no signature: length, v, range, high s, or no key recovers."""

    reason: str
    index: int | None = None
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"signature{'' if self.index is None else f' {self.index}'}: {self.reason}")


@dataclass(eq=False)
class WrongSignature(Refusal):
    """A signature was made by another key, or over another digest; `index` is the party's or the input's."""

    index: int
    expected: bytes
    got: bytes
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"signature {self.index}: expected {_show(self.expected)}, recovered {_show(self.got)}")


@dataclass(eq=False)
class UnknownSigner(Refusal):
    """The bitmap names a party that the terms don't have."""

    index: int
    parties: int
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"signatures: bitmap names party {self.index} of {self.parties}")


@dataclass(eq=False)
class SignatureCount(Refusal):
    """The bitmap names more or fewer signers than there are signatures."""

    named: int
    got: int
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"signatures: bitmap names {self.named} signers, got {self.got} signatures")


@dataclass(eq=False)
class NotEnoughSignatures(Refusal):
    """Fewer signers than the threshold, or than all where all are needed."""

    needed: int
    got: int
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"signatures: {self.needed} needed, got {self.got}")


@dataclass(eq=False)
class UnknownGrant(Refusal):
    """A key grant for an owner and a key that aren't those of one party in the terms."""

    owner: bytes
    key: bytes

    def __str__(self) -> str:
        return f"key grant: the terms don't pair owner {_show(self.owner)} with key {_show(self.key)}"


@dataclass(eq=False)
class UnknownTip(Refusal):
    """No agreement among those given has the digest that was asked for as tip."""

    digest: bytes

    def __str__(self) -> str:
        return f"tip {_show(self.digest)} is none of the agreements"


@dataclass(eq=False)
class BrokenParent(Refusal):
    """A commitment's parent is none of the agreements, or another than the one given."""

    parent: bytes
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"parent {_show(self.parent)} is not the digest of an agreed commitment")


@dataclass(eq=False)
class NonceOrder(Refusal):
    """A commitment's nonce isn't above its parent's."""

    parent_nonce: int
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"nonce: not above its parent's {self.parent_nonce}")


@dataclass(eq=False)
class ParentIsFinal(Refusal):
    """A commitment builds on a final one."""

    parent_nonce: int
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"parent: nonce {self.parent_nonce} is final, nothing can follow it")


@dataclass(eq=False)
class FinalDiffers(Refusal):
    """A final commitment changes a field that it has to repeat from its parent."""

    field: str
    expected: object
    got: object
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"{self.field}: a final one has {_show(self.expected)}, got {_show(self.got)}")


@dataclass(eq=False)
class Decreased(Refusal):
    """A cumulative field is below the parent's."""

    field: str
    parent_value: int
    got: int
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"{self.field}: {self.got} is below the parent's {self.parent_value}")


@dataclass(eq=False)
class NoEquivocation(Refusal):
    """Two signed records that don't contradict each other."""

    reason: str

    def __str__(self) -> str:
        return f"no equivocation: {self.reason}"
