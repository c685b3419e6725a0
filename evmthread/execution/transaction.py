"""Transactions of types 0 to 4: the record, its bytes, its signature (EIP-155, 2718, 2930, 1559, 4844, 7702)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import NamedTuple, Self, TypeVar

from evmthread.errors import CryptoError, DecodingError, InvalidInput
from evmthread.execution.invalid import (
    InvalidSignature,
    MalformedTransaction,
    UnsupportedType,
    ValueOverflow,
    WrongChain,
)
from evmthread.isa.transaction_rules import TransactionRules
from evmthread.primitives import rlp
from evmthread.primitives.arguments import (
    address_bytes,
    are_unsigned,
    byte_string,
    is_a,
    number_of_bits,
    show,
    unsigned,
)
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.quick import quick
from evmthread.primitives.secp256k1 import HALF_ORDER, recover_address, sign_digest

LEGACY, ACCESS_LIST, FEE_MARKET, BLOB, SET_CODE = range(5)
AUTHORIZATION_MAGIC = b"\x05"  # EIP-7702
MAX_CHAIN_ID = 2**64 - 1

T = TypeVar("T")


class AccessEntry(NamedTuple):
    """An address and storage keys (words) to warm (EIP-2930)."""

    address: bytes
    keys: tuple[int, ...] = ()


class Authorization(NamedTuple):
    """A signed wish of an account to delegate to `address` (EIP-7702)."""

    chain_id: int
    address: bytes
    nonce: int
    y_parity: int
    r: int
    s: int

    def authority(self) -> bytes | None:
        """The account that signed, or None where the signature is no good."""
        if self.s > HALF_ORDER or self.y_parity > 1:
            return None
        try:
            return recover_address(self.signing_hash(), self.r, self.s, self.y_parity)
        except CryptoError:
            return None

    @classmethod
    def signed_by(cls, private_key: bytes, *, chain_id: int, address: bytes, nonce: int) -> Self:
        """An authorization with the signature of this key (32 bytes): on this chain, or with 0 on any.

        `nonce` is the signer's own when it is applied: one above that of a transaction which the same key signs.
        Raises InvalidInput, CryptoError.
        """
        wish = cls(unsigned(chain_id, "chain_id"), address_bytes(address), number_of_bits(nonce, 64, "nonce"), 0, 0, 0)
        r, s, parity = sign_digest(private_key, wish.signing_hash())
        return wish._replace(y_parity=parity, r=r, s=s)

    def signing_hash(self) -> bytes:
        """The 32-byte digest that the account signs."""
        fields = (rlp.encode_int(self.chain_id), rlp.encode_bytes(self.address), rlp.encode_int(self.nonce))
        return keccak256(AUTHORIZATION_MAGIC + rlp.encode_list(fields))


_NUMBERS = (
    *("type", "nonce", "gas_price", "max_fee", "max_priority_fee", "gas_limit", "value", "max_blob_fee"),
    *("v", "r", "s"),
)
_numbers_of = attrgetter(*_NUMBERS)


@quick
@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction of any type. `to` is None for a contract creation; amounts are wei.

    `gas_price` belongs to types 0 and 1, the two fees to the others. `chain_id` None is a legacy signature without
    replay protection. `v` is the raw value of a legacy signature, else the y parity.
    """

    type: int = LEGACY
    chain_id: int | None = None
    nonce: int = 0
    gas_price: int = 0
    max_fee: int = 0
    max_priority_fee: int = 0
    gas_limit: int = 21_000
    to: bytes | None = None
    value: int = 0
    data: bytes = b""
    access_list: tuple[AccessEntry, ...] = ()
    max_blob_fee: int = 0
    blob_hashes: tuple[bytes, ...] = ()
    authorizations: tuple[Authorization, ...] = ()
    v: int = 0
    r: int = 0
    s: int = 0

    def __post_init__(self) -> None:
        """Raises InvalidInput for a value of the wrong type; what is too large or too long, whoever runs it refuses."""
        numbers = _numbers_of(self)
        if not are_unsigned(numbers):
            for name, value in zip(_NUMBERS, numbers, strict=True):
                unsigned(value, name)
        if self.chain_id is not None:
            unsigned(self.chain_id, "chain_id")
        if self.to is not None and not is_a(self.to, bytes):
            address_bytes(self.to, "to")
        if not is_a(self.data, bytes):
            raise InvalidInput(f"data: {show(self.data)} where bytes are wanted")
        if self.access_list or self.blob_hashes or self.authorizations:
            _check_lists(self)

    @property
    def fee_cap(self) -> int:
        """The most that the sender pays for a unit of gas."""
        return self.max_fee if self.type >= FEE_MARKET else self.gas_price

    def effective_gas_price(self, base_fee: int) -> int:
        """What the sender pays for a unit of gas in a block of this base fee (EIP-1559)."""
        if self.type < FEE_MARKET:
            return self.gas_price
        return min(self.max_fee, base_fee + self.max_priority_fee)

    def _fields(self) -> list[bytes]:
        number, string = rlp.encode_int, rlp.encode_bytes
        fields = [] if self.type == LEGACY else [number(self.chain_id or 0)]
        fields.append(number(self.nonce))
        if self.type >= FEE_MARKET:
            fields += [number(self.max_priority_fee), number(self.max_fee)]
        else:
            fields.append(number(self.gas_price))
        fields += [number(self.gas_limit), string(self.to or b""), number(self.value), string(self.data)]
        if self.type >= ACCESS_LIST:
            fields.append(
                rlp.encode(
                    [[entry.address, [key.to_bytes(32, "big") for key in entry.keys]] for entry in self.access_list]
                )
            )
        if self.type == BLOB:
            fields += [number(self.max_blob_fee), rlp.encode(list(self.blob_hashes))]
        if self.type == SET_CODE:
            fields.append(
                rlp.encode_list(
                    [
                        rlp.encode_list(
                            [number(a.chain_id), string(a.address), *map(number, (a.nonce, a.y_parity, a.r, a.s))]
                        )
                        for a in self.authorizations
                    ]
                )
            )
        return fields

    def signing_hash(self) -> bytes:
        """The 32-byte digest that the sender signs."""
        fields = self._fields()
        if self.type == LEGACY:
            if self.chain_id is not None:
                fields += [rlp.encode_int(self.chain_id), rlp.EMPTY_STRING, rlp.EMPTY_STRING]
            return keccak256(rlp.encode_list(fields))
        return keccak256(bytes((self.type,)) + rlp.encode_list(fields))

    def encode(self) -> bytes:
        """The signed transaction: RLP, or the type byte and RLP (EIP-2718)."""
        fields = [*self._fields(), *map(rlp.encode_int, (self.v, self.r, self.s))]
        payload = rlp.encode_list(fields)
        return payload if self.type == LEGACY else bytes((self.type,)) + payload

    def hash(self) -> bytes:
        """The transaction's hash."""
        return keccak256(self.encode())

    def signed(self, private_key: bytes) -> "Transaction":
        """The same transaction with the signature of this key (32 bytes). Raises CryptoError."""
        r, s, parity = sign_digest(private_key, self.signing_hash())
        v = parity
        if self.type == LEGACY:
            v = parity + 27 if self.chain_id is None else parity + 35 + 2 * self.chain_id
        return replace(self, v=v, r=r, s=s)

    def sender(self, rules: TransactionRules, chain_id: int) -> bytes:
        """The account that signed. Raises InvalidSignature or WrongChain as the fork's rules say."""
        if rules.low_s and self.s > HALF_ORDER:
            raise InvalidSignature("a low s (EIP-2)", hex(self.s))
        parity = self.v
        if self.type == LEGACY:
            parity = self.v - 27 if self.chain_id is None else self.v - 35 - 2 * self.chain_id
            if self.chain_id is not None and not rules.replay_protection:
                raise InvalidSignature("v 27 or 28", self.v)
        claimed = self.chain_id if self.type == LEGACY else self.chain_id or 0  # as it is signed
        if claimed is not None and claimed != chain_id:
            raise WrongChain(chain_id, claimed)
        if parity not in (0, 1):
            raise InvalidSignature("y parity 0 or 1", self.v)
        try:
            return recover_address(self.signing_hash(), self.r, self.s, parity)
        except CryptoError as error:
            raise InvalidSignature("a recoverable signature", str(error)) from None


def _check_lists(transaction: Transaction) -> None:
    """Raises InvalidInput for members of the wrong types."""
    for entry in _members(transaction.access_list, AccessEntry, "access_list"):
        _members((entry.address,), bytes, "access_list: address")
        for key in _members(entry.keys, int, "access_list: storage keys"):
            number_of_bits(key, 256, "access_list: storage key")
    _members(transaction.blob_hashes, bytes, "blob_hashes")
    for authorization in _members(transaction.authorizations, Authorization, "authorizations"):
        chain_id, address, *numbers = authorization
        _members((address,), bytes, "authorizations: address")
        for number in (chain_id, *numbers):
            unsigned(number, "authorizations")


def _members(members: Sequence[T], kind: type[T], what: str) -> Sequence[T]:
    if not is_a(members, tuple | list):
        raise InvalidInput(f"{what}: {show(members)} where a tuple is wanted")
    for member in members:
        if not is_a(member, kind):
            raise InvalidInput(f"{what}: {show(member)} where each is of type {kind.__name__}")
    return members


def decode_transaction(data: bytes, rules: TransactionRules) -> Transaction:
    """The transaction of signed bytes, by the rules of a fork: its `transactions`, such as `world.fork.transactions`.

    Raises an InvalidTransaction: MalformedTransaction, UnsupportedType; InvalidInput for what isn't bytes.
    """
    data = byte_string(data, "a transaction")
    if not data:
        raise MalformedTransaction("bytes", "none")
    kind = LEGACY
    if data[0] < 0x80:
        kind = data[0]
        if kind == LEGACY or kind not in rules.types:
            raise UnsupportedType(sorted(rules.types), kind)
        data = data[1:]
    elif data[0] < 0xC0:
        raise MalformedTransaction("a list or a type", hex(data[0]))
    try:
        fields = rlp.decode(data, max_depth=6)
        return _from_fields(kind, fields)
    except (DecodingError, ValueError, TypeError) as error:
        raise MalformedTransaction("canonical RLP of a transaction", str(error)) from None


def _number(item: rlp.Decoded, bits: int = 256) -> int:
    if not isinstance(item, bytes):
        raise DecodingError("a list in the place of a number")
    if len(item) * 8 > bits and len(item) > 0 and item[0] != 0:
        raise ValueOverflow(f"{bits} bits", f"{len(item)} bytes")
    return rlp.bytes_integer(item, bits=bits)


def _fixed(item: rlp.Decoded, *sizes: int) -> bytes:
    if not isinstance(item, bytes) or len(item) not in sizes:
        raise DecodingError(f"a string of {' or '.join(map(str, sizes))} bytes is wanted")
    return item


def _items(item: rlp.Decoded) -> list[rlp.Decoded]:
    if isinstance(item, bytes):
        raise DecodingError("a string in the place of a list")
    return item


def _access_entry(item: rlp.Decoded) -> AccessEntry:
    address, keys = _items(item)
    return AccessEntry(_fixed(address, 20), tuple([int.from_bytes(_fixed(key, 32), "big") for key in _items(keys)]))


def _authorization(item: rlp.Decoded) -> Authorization:
    chain_id, address, nonce, parity, r, s = _items(item)
    return Authorization(
        _number(chain_id), _fixed(address, 20), _number(nonce, 64), _number(parity, 8), _number(r), _number(s)
    )


_FIELD_COUNTS = {LEGACY: 9, ACCESS_LIST: 11, FEE_MARKET: 12, BLOB: 14, SET_CODE: 13}


def _from_fields(kind: int, decoded: rlp.Decoded) -> Transaction:
    fields = _items(decoded)
    if len(fields) != _FIELD_COUNTS[kind]:
        raise DecodingError(f"{len(fields)} fields where type {kind} has {_FIELD_COUNTS[kind]}")
    values = iter(fields)
    chain_id = None if kind == LEGACY else _number(next(values), 64)
    nonce = _number(next(values), 64)
    gas_price = max_fee = max_priority_fee = 0
    if kind >= FEE_MARKET:
        max_priority_fee, max_fee = _number(next(values)), _number(next(values))
    else:
        gas_price = _number(next(values))
    gas_limit = _number(next(values), 64)
    to = _fixed(next(values), 20) if kind >= BLOB else _fixed(next(values), 0, 20)
    value = _number(next(values))
    data = next(values)
    if not isinstance(data, bytes):
        raise DecodingError("a list in the place of data")
    access_list: tuple[AccessEntry, ...] = ()
    if kind >= ACCESS_LIST:
        access_list = tuple([_access_entry(item) for item in _items(next(values))])
    max_blob_fee, blob_hashes = 0, ()
    if kind == BLOB:
        max_blob_fee = _number(next(values))
        blob_hashes = tuple([_fixed(item, 32) for item in _items(next(values))])  # type: ignore[assignment]
    authorizations: tuple[Authorization, ...] = ()
    if kind == SET_CODE:
        authorizations = tuple([_authorization(item) for item in _items(next(values))])
    v, r, s = _number(next(values)), _number(next(values)), _number(next(values))
    if kind == LEGACY and v >= 35:
        chain_id = (v - 35) // 2
    return Transaction(
        kind,
        chain_id,
        nonce,
        gas_price,
        max_fee,
        max_priority_fee,
        gas_limit,
        to or None,
        value,
        data,
        access_list,
        max_blob_fee,
        blob_hashes,
        authorizations,
        v,
        r,
        s,
    )
