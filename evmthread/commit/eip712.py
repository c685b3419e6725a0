"""EIP-712: the domain, the digest that is signed, and the typed data that a wallet is shown.

Knows the form of structured hashing, not what any struct means. The structs themselves lay out their own bytes with the
few functions here: a general encoder that walks a type description is ten times slower.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from evmthread.commit.members import Json, plain_type
from evmthread.commit.records import Record, check_object
from evmthread.errors import InvalidInput
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.quick import quick

DOMAIN_NAME = "evmthread"
DOMAIN_VERSION = "1"

_ROUNDED_NUMBERS = 1 << 53

ADDRESS_PADDING = bytes(12)
"""What comes before an address in its 32-byte word."""

_DOMAIN_MEMBERS = (("string", "name"), ("string", "version"), ("uint256", "chainId"), ("address", "verifyingContract"))
_DOMAIN_TYPE_HASH = keccak256(
    ("EIP712Domain(" + ",".join(f"{type_name} {name}" for type_name, name in _DOMAIN_MEMBERS) + ")").encode()
)
_DOMAIN_START = _DOMAIN_TYPE_HASH + keccak256(DOMAIN_NAME.encode()) + keccak256(DOMAIN_VERSION.encode())


def word(value: int) -> bytes:
    """An unsigned integer or bool as a 32-byte word."""
    return value.to_bytes(32, "big")


def hash_integers(values: Sequence[int]) -> bytes:
    """The encoding of an array of integers: the hash of their words."""
    return keccak256(b"".join([value.to_bytes(32, "big") for value in values]))


def hash_addresses(values: Sequence[bytes]) -> bytes:
    """The encoding of an array of addresses: the hash of their words."""
    return keccak256(b"".join([ADDRESS_PADDING + value for value in values]))


@quick
@dataclass(frozen=True, slots=True)
class Domain:
    """Where a thread may settle: the chain and the registry. Its separator is computed once."""

    chain_id: int
    verifying_contract: bytes
    separator: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        chain_id = plain_type("uint256").plain(self.chain_id, "EIP712Domain.chainId")
        registry = plain_type("address").plain(self.verifying_contract, "EIP712Domain.verifyingContract")
        separator = keccak256(_DOMAIN_START + word(chain_id) + ADDRESS_PADDING + registry)
        for name, value in (("chain_id", chain_id), ("verifying_contract", registry), ("separator", separator)):
            object.__setattr__(self, name, value)

    def __hash__(self) -> int:
        return hash(self.separator)

    def __reduce__(self) -> tuple[type["Domain"], tuple[int, bytes]]:
        return Domain, (self.chain_id, self.verifying_contract)

    def to_json(self) -> dict[str, Json]:
        """The canonical JSON object, under the rules of all records."""
        return {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": str(self.chain_id),
            "verifyingContract": "0x" + self.verifying_contract.hex(),
        }

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """The domain of its JSON object. Raises InvalidInput, also for another name or version."""
        check_object(value, "EIP712Domain", [name for _, name in _DOMAIN_MEMBERS])
        assert isinstance(value, dict)
        if value["name"] != DOMAIN_NAME or value["version"] != DOMAIN_VERSION:
            raise InvalidInput(f"EIP712Domain: name {DOMAIN_NAME!r} and version {DOMAIN_VERSION!r} are wanted")
        chain_id = plain_type("uint256").from_json(value["chainId"], "EIP712Domain.chainId")
        registry = plain_type("address").from_json(value["verifyingContract"], "EIP712Domain.verifyingContract")
        assert isinstance(chain_id, int)
        assert isinstance(registry, bytes)
        return cls(chain_id, registry)


_NOT_KEPT = (b"", b"")
"""In the place of what is known of a record that remembers no digest."""


def digest(domain: Domain, record: Record) -> bytes:
    """What is signed, and what links refer to: keccak(0x1901 ++ domainSeparator ++ hashStruct(record)).

    An Input, a Commitment and Terms remember it, with the domain under which it was asked for last. Raises InvalidInput
    for what is no Domain: its separator could compare as another's.
    """
    if type(domain) is not Domain:
        raise InvalidInput(f"a {type(domain).__name__} where a Domain is wanted")
    separator = domain.separator
    known: tuple[bytes, bytes] | None = getattr(record, "_digest", _NOT_KEPT)
    if known is not None and known[0] == separator:
        return known[1]
    made = keccak256(b"\x19\x01" + separator + record.hash_struct())
    if known is not _NOT_KEPT:
        object.__setattr__(record, "_digest", (separator, made))
    return made


@quick
@dataclass(frozen=True, slots=True)
class TypedData:
    """What a signer is asked to sign: a record under a domain."""

    domain: Domain
    record: Record
    _digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not issubclass(type(self.record), Record):
            raise InvalidInput(f"a {type(self.record).__name__} where a record is wanted")
        object.__setattr__(self, "_digest", digest(self.domain, self.record))

    def __reduce__(self) -> tuple[type["TypedData"], tuple[Domain, Record]]:
        return TypedData, (self.domain, self.record)

    def digest(self) -> bytes:
        """The 32 bytes that a key signs."""
        return self._digest

    def to_json(self) -> dict[str, Json]:
        """The parameter of eth_signTypedData_v4: types, primaryType, domain, message.

        The message is the record's canonical JSON; chainId is a number, as wallets expect it, up to 2^53 - 1.
        """
        return typed_data(self.domain, self.record)


def typed_data(domain: Domain, record: Record) -> dict[str, Json]:
    """The typed data of EIP-712 in its JSON form, as eth_signTypedData_v4 takes it."""
    struct = record.STRUCT
    types: dict[str, Json] = {
        "EIP712Domain": [{"name": name, "type": type_name} for type_name, name in _DOMAIN_MEMBERS],
    }
    for each in (struct, *struct.referenced):
        types[each.name] = [{"name": member.name, "type": member.type_name} for member in each.members]
    return {
        "types": types,
        "primaryType": struct.name,
        # A number that JavaScript would round is a decimal string.
        "domain": domain.to_json() | ({"chainId": domain.chain_id} if domain.chain_id < _ROUNDED_NUMBERS else {}),
        "message": record.to_json(),
    }
