"""What a fork says of transactions: numbers and switches, no code. execution/ applies them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BlobSchedule:
    """Blob gas of a fork (EIP-4844, 7691, 7892): per-block target and maximum in blobs, and the price's denominator."""

    target: int
    maximum: int
    update_fraction: int


@dataclass(frozen=True, slots=True)
class TransactionRules:
    """The defaults are Frontier's (Yellow Paper, appendix G)."""

    types: frozenset[int] = frozenset({0})
    base_price: int = 21_000
    creation_price: int = 0  # EIP-2: 32,000
    zero_byte_price: int = 4
    nonzero_byte_price: int = 68  # EIP-2028: 16
    init_code_word_price: int = 0  # EIP-3860: 2
    access_address_price: int = 2_400  # EIP-2930
    access_key_price: int = 1_900  # EIP-2930
    authorization_price: int = 25_000  # EIP-7702, PER_EMPTY_ACCOUNT_COST
    authorization_refund: int = 12_500  # EIP-7702, PER_EMPTY_ACCOUNT_COST - PER_AUTH_BASE_COST
    floor_token_price: int = 0  # EIP-7623: 10
    gas_cap: int | None = None  # EIP-7825: 2^24
    refund_quotient: int = 2  # EIP-3529: 5
    low_s: bool = False  # EIP-2
    replay_protection: bool = False  # EIP-155
    base_fee: bool = False  # EIP-1559
    warm_coinbase: bool = False  # EIP-3651
    prev_randao: bool = False  # EIP-4399
    blobs: BlobSchedule | None = None
    blobs_per_transaction: int | None = None  # EIP-7594: 6
    status_receipts: bool = False  # EIP-658
