"""Receipts of transactions: their bloom filter, bytes and root (Yellow Paper, section 4.4.1; EIP-658)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evmthread.merkle.trie import ordered_root
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import Log

BLOOM_BYTES = 256  # Yellow Paper, section 4.4.1: 2,048 bits
_BLOOM_BIT_MASK = 8 * BLOOM_BYTES - 1


def logs_bloom(logs: Iterable[Log]) -> bytes:
    """The bloom filter (256 bytes) of the logs' addresses and topics."""
    bits = 0
    for entry in {item for log in logs for item in (log.address, *log.topics)}:
        digest = keccak256(entry)
        for start in (0, 2, 4):
            bits |= 1 << (int.from_bytes(digest[start : start + 2], "big") & _BLOOM_BIT_MASK)
    return bits.to_bytes(BLOOM_BYTES, "big")


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


def receipts_root(receipts: Sequence[Receipt]) -> bytes:
    """The root (32 bytes) of the trie of receipts in order."""
    return ordered_root([receipt.encode() for receipt in receipts])
