"""The block and the transaction in which calls run, and the Host that joins them with the journal."""

from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, TypedDict

from evmthread.errors import InvalidInput, LimitExceeded
from evmthread.isa.transaction_rules import BlobSchedule
from evmthread.machine.journaled import Codeless, always_framed
from evmthread.primitives.arguments import address_bytes, are_unsigned, instance_of, number_of_bits, show
from evmthread.primitives.quick import quick
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.primitives.words import WORD_BITS
from evmthread.state.journal import Journal
from evmthread.state.view import StateView

BLOB_GAS = 2**17  # GAS_PER_BLOB, EIP-4844
MIN_BLOB_BASE_FEE = 1  # MIN_BASE_FEE_PER_BLOB_GAS, EIP-4844
_WORDS = ("number", "timestamp", "gas_limit", "base_fee", "difficulty", "prev_randao", "chain_id", "blob_base_fee")
_words_of = attrgetter(*_WORDS)


@quick
@dataclass(frozen=True, slots=True)
class BlockEnvironment:
    """What a block says (Yellow Paper, section 4.3). `prev_randao` is a word; the two base fees are wei."""

    number: int = 1
    timestamp: int = 0
    coinbase: bytes = ZERO_ADDRESS
    gas_limit: int = 30_000_000
    base_fee: int = 0
    difficulty: int = 0
    prev_randao: int = 0
    chain_id: int = 1
    blob_base_fee: int = MIN_BLOB_BASE_FEE

    def __post_init__(self) -> None:
        """Raises InvalidInput for what no block can say."""
        address_bytes(self.coinbase, "a coinbase")
        values = _words_of(self)
        if are_unsigned(values, WORD_BITS):
            return
        for name, value in zip(_WORDS, values, strict=True):
            number_of_bits(value, WORD_BITS, name)


class BlockFields(TypedDict, total=False):
    """What a BlockEnvironment takes by name."""

    number: int
    timestamp: int
    coinbase: bytes
    gas_limit: int
    base_fee: int
    difficulty: int
    prev_randao: int
    chain_id: int
    blob_base_fee: int


class TransactionEnvironment(NamedTuple):
    """What a transaction says to the code it runs."""

    origin: bytes
    gas_price: int
    blob_hashes: tuple[bytes, ...] = ()


def fake_exponential(factor: int, numerator: int, denominator: int) -> int:
    """factor * e ** (numerator / denominator), in integers (EIP-4844)."""
    index, output, term = 1, 0, factor * denominator
    while term > 0:
        output += term
        term = term * numerator // (denominator * index)
        index += 1
    return output // denominator


def blob_base_fee(excess_blob_gas: int, schedule: BlobSchedule) -> int:
    """The price of a unit of blob gas, in wei (EIP-4844). Raises InvalidInput when it is no word."""
    # e ** 178 is above 2 ** 256; what is much above it would take for ever to compute.
    if excess_blob_gas <= 178 * schedule.update_fraction:
        price = fake_exponential(MIN_BLOB_BASE_FEE, excess_blob_gas, schedule.update_fraction)
        if not price >> 256:
            return price
    raise InvalidInput(f"excess blob gas {excess_blob_gas} makes a price of more than 256 bits")


class WorldHost(Journal):
    """A Journal with a block and a transaction: all that the machine asks for."""

    def __init__(self, view: StateView, block: BlockEnvironment) -> None:
        if not callable(getattr(view, "slot", None)):
            raise InvalidInput(f"a StateView, as open_state gives it, is wanted, not {show(view)}")
        super().__init__(view)
        self.block = instance_of(block, BlockEnvironment, "a BlockEnvironment")
        self.transaction = TransactionEnvironment(ZERO_ADDRESS, 0)
        self.observers: object = None
        self.codeless: Codeless = always_framed

    def block_hash(self, number: int) -> int:
        """The hash of a block as a word. May raise Missing."""
        return int.from_bytes(self.view.block_hash(number), "big")

    def memory_exceeded(self, words: int) -> None:
        """Refuses memory above the host's limit. Raises LimitExceeded."""
        raise LimitExceeded(f"memory of all open frames would hold {words * 32} bytes more than the limit allows")
