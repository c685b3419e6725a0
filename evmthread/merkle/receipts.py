"""Receipts of transactions: their bloom filter, bytes, root and proofs (Yellow Paper, section 4.4.1; EIP-658).

Made by whoever executes, read by whoever holds a root; it must not know how a receipt came about.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from evmthread.errors import DecodingError
from evmthread.merkle.proofs import ProofError, prove, verify_item
from evmthread.merkle.trie import index_key, ordered_root, ordered_trie
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.quick import quick
from evmthread.primitives.types import Log

BLOOM_BYTES = 256  # Yellow Paper, section 4.4.1: 2,048 bits
_BLOOM_BIT_MASK = 8 * BLOOM_BYTES - 1
_MAX_TOPICS = 4
_RECEIPT_DEPTH = 4  # receipt, logs, log, topics


def logs_bloom(logs: Iterable[Log]) -> bytes:
    """The bloom filter (256 bytes) of the logs' addresses and topics."""
    bits = 0
    for log in logs:
        bits |= _bloom_bits(log.address)
        for topic in log.topics:
            bits |= _bloom_bits(topic)
    return bits.to_bytes(BLOOM_BYTES, "big")


# Remembered: the same contract emits the same events, batch after batch.
@lru_cache(maxsize=1024)
def _bloom_bits(entry: bytes) -> int:
    """The three bits of an address or a topic."""
    digest, bits = keccak256(entry), 0
    for start in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[start : start + 2], "big") & _BLOOM_BIT_MASK)
    return bits


@quick
@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction. `cumulative_gas` counts from the block's, or the batch's, first transaction."""

    success: bool
    cumulative_gas: int
    logs: tuple[Log, ...]

    def encode(self) -> bytes:
        """rlp([status, cumulative gas, bloom, logs]), as for legacy transactions since EIP-658."""
        logs = [
            rlp.encode_list(
                [
                    rlp.encode_bytes(log.address),
                    rlp.encode_list([rlp.encode_bytes(topic) for topic in log.topics]),
                    rlp.encode_bytes(log.data),
                ]
            )
            for log in self.logs
        ]
        return rlp.encode_list(
            [
                rlp.encode_int(int(self.success)),
                rlp.encode_int(self.cumulative_gas),
                rlp.encode_bytes(logs_bloom(self.logs)),
                rlp.encode_list(logs),
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The receipt of its canonical bytes. Raises DecodingError for anything else, a wrong bloom filter too."""
        status, cumulative_gas, bloom, logs = _items(rlp.decode(data, max_depth=_RECEIPT_DEPTH), "a receipt", 4)
        gas = rlp.bytes_integer(_bytes(cumulative_gas, "cumulative gas"))
        if status not in (b"", b"\x01"):
            raise DecodingError("a receipt's status is neither 0 nor 1")
        if not isinstance(logs, list):
            raise DecodingError("a receipt's logs are no list")
        receipt = cls(status == b"\x01", gas, tuple([_log(item) for item in logs]))
        if bloom != logs_bloom(receipt.logs):
            raise DecodingError("a receipt's bloom filter is not that of its logs")
        return receipt


def _items(item: rlp.Decoded, what: str, size: int) -> list[rlp.Decoded]:
    if not isinstance(item, list) or len(item) != size:
        raise DecodingError(f"{what} is a list of {size} items")
    return item


def _bytes(item: rlp.Decoded, what: str, size: int | None = None) -> bytes:
    if not isinstance(item, bytes):
        raise DecodingError(f"{what} of a receipt is a list")
    if size is not None and len(item) != size:
        raise DecodingError(f"{what} of a receipt has {len(item)} bytes, not {size}")
    return item


def _log(item: rlp.Decoded) -> Log:
    address, topics, data = _items(item, "a log", 3)
    if not isinstance(topics, list) or len(topics) > _MAX_TOPICS:
        raise DecodingError(f"a log's topics are a list of at most {_MAX_TOPICS}")
    read = tuple([_bytes(topic, "a topic", 32) for topic in topics])
    return Log(_bytes(address, "a log's address", 20), read, _bytes(data, "a log's data"))


def receipts_root(receipts: Sequence[Receipt]) -> bytes:
    """The root (32 bytes) of the trie of receipts in order."""
    return ordered_root([receipt.encode() for receipt in receipts])


def prove_receipt(receipts: Sequence[Receipt], index: int) -> list[bytes]:
    """The proof, under receipts_root(receipts), of the receipt with this index, or that there is none."""
    return prove(ordered_trie([receipt.encode() for receipt in receipts]), index_key(index))


def verify_receipt(root: bytes, index: int, proof: Sequence[bytes]) -> Receipt | None:
    """The receipt with this index in the trie with this root, or None where it has none.

    Raises ProofError as verify_proof does, and for a leaf that is no receipt.
    """
    leaf = verify_item(root, index, proof)
    if leaf is None:
        return None
    try:
        return Receipt.decode(leaf)
    except DecodingError as error:
        raise ProofError(f"receipt {index}: {error}") from error
