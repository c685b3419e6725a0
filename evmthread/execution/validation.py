"""What a transaction costs before it runs, and whether its fork accepts it (Yellow Paper, section 6.2, and EIPs)."""

from types import MappingProxyType
from typing import NamedTuple

from evmthread.execution import invalid
from evmthread.execution.environment import BLOB_GAS, BlockEnvironment
from evmthread.execution.transaction import BLOB, FEE_MARKET, SET_CODE, Transaction
from evmthread.isa.forks import Fork
from evmthread.isa.instructions.creates import MAX_NONCE
from evmthread.isa.rules import delegation_of
from evmthread.isa.transaction_rules import TransactionRules
from evmthread.state.journal import Journal

ADDRESS_BYTES, HASH_BYTES = 20, 32
BLOB_HASH_VERSION = 1  # VERSIONED_HASH_VERSION_KZG, EIP-4844
_WIDTHS = MappingProxyType({"value": 256, "gas_price": 256, "max_fee": 256, "max_priority_fee": 256, "gas_limit": 64})


class GasPrice(NamedTuple):
    """What a transaction costs whatever it does: before the first instruction, and in all (`floor`, EIP-7623)."""

    intrinsic: int
    floor: int


def intrinsic_gas(transaction: Transaction, fork: Fork) -> int:
    """Gas that is taken before the first instruction (Yellow Paper, section 6.2; EIP-2028, 2930, 3860, 7702)."""
    rules = fork.transactions
    data = transaction.data
    zeros = data.count(0)
    gas = rules.base_price + zeros * rules.zero_byte_price + (len(data) - zeros) * rules.nonzero_byte_price
    if transaction.to is None:
        gas += rules.creation_price + rules.init_code_word_price * ((len(data) + 31) >> 5)
    for entry in transaction.access_list:
        gas += rules.access_address_price + rules.access_key_price * len(entry.keys)
    return gas + rules.authorization_price * len(transaction.authorizations)


def floor_gas(transaction: Transaction, fork: Fork) -> int:
    """The least that a transaction with this calldata pays (EIP-7623); 0 where the fork has no floor."""
    rules = fork.transactions
    if not rules.floor_token_price:
        return 0
    zeros = transaction.data.count(0)
    tokens = zeros + 4 * (len(transaction.data) - zeros)
    return rules.base_price + rules.floor_token_price * tokens


def check_form(transaction: Transaction, fork: Fork, *, simulated: bool = False) -> GasPrice:
    """What it costs at least; raises the InvalidTransaction that it breaks by itself, in whatever block and state.

    A `simulated` one may have more gas than a transaction can (EIP-7825).
    """
    rules = fork.transactions
    if transaction.type not in rules.types:
        raise invalid.UnsupportedType(sorted(rules.types), transaction.type)
    _check_lengths(transaction)
    _check_numbers(transaction)
    if transaction.to is None and len(transaction.data) > fork.limits.init_code_size:
        raise invalid.InitCodeTooLarge(fork.limits.init_code_size, len(transaction.data))
    if transaction.type >= FEE_MARKET and transaction.max_priority_fee > transaction.max_fee:
        raise invalid.PriorityAboveMaximumFee(transaction.max_fee, transaction.max_priority_fee)
    if transaction.type >= BLOB and transaction.to is None:
        raise invalid.CreationForbidden("an address", "none")
    if transaction.type == BLOB:
        _check_blobs(transaction, rules)
    if transaction.type == SET_CODE and not transaction.authorizations:
        raise invalid.AuthorizationsEmpty("at least 1", 0)
    if transaction.nonce >= MAX_NONCE:
        raise invalid.NonceAtMaximum(MAX_NONCE - 1, transaction.nonce)
    if rules.gas_cap is not None and transaction.gas_limit > rules.gas_cap and not simulated:
        raise invalid.GasLimitAboveCap(rules.gas_cap, transaction.gas_limit)
    needed = intrinsic_gas(transaction, fork)
    if transaction.gas_limit < needed:
        raise invalid.GasLimitTooLow(needed, transaction.gas_limit)
    floor = floor_gas(transaction, fork)
    if transaction.gas_limit < floor:
        raise invalid.GasLimitBelowFloor(floor, transaction.gas_limit)
    return GasPrice(needed, floor)


def check_transaction(
    transaction: Transaction,
    sender: bytes,
    fork: Fork,
    block: BlockEnvironment,
    state: Journal,
    *,
    simulated: bool = False,
) -> GasPrice:
    """What it costs at least; raises the InvalidTransaction that names the first rule which the transaction breaks.

    A `simulated` one may come from a contract, with any nonce, and have more gas than a transaction or a block can.
    """
    price = check_form(transaction, fork, simulated=simulated)
    if transaction.gas_limit > block.gas_limit and not simulated:
        raise invalid.GasLimitAboveBlock(block.gas_limit, transaction.gas_limit)
    if fork.transactions.base_fee and transaction.fee_cap < block.base_fee:
        raise invalid.GasPriceBelowBaseFee(block.base_fee, transaction.fee_cap)
    if transaction.type == BLOB and transaction.max_blob_fee < block.blob_base_fee:
        raise invalid.BlobFeeTooLow(block.blob_base_fee, transaction.max_blob_fee)
    if not simulated:
        _check_sender(transaction, sender, fork, state)
    _check_funds(transaction, sender, state)
    return price


def _check_lengths(transaction: Transaction) -> None:
    addresses = [entry.address for entry in transaction.access_list]
    addresses += [authorization.address for authorization in transaction.authorizations]
    for address in addresses if transaction.to is None else (transaction.to, *addresses):
        if len(address) != ADDRESS_BYTES:
            raise invalid.MalformedTransaction(f"an address of {ADDRESS_BYTES} bytes", f"{len(address)} bytes")
    for blob_hash in transaction.blob_hashes:
        if len(blob_hash) != HASH_BYTES:
            raise invalid.MalformedTransaction(f"a blob hash of {HASH_BYTES} bytes", f"{len(blob_hash)} bytes")


def _check_numbers(transaction: Transaction) -> None:
    # Most fit; only then is the one that doesn't looked for.
    if transaction.gas_limit * transaction.fee_cap >> 256 == 0 and not (
        transaction.value >> 256 or transaction.max_priority_fee >> 256 or transaction.gas_limit >> 64
    ):
        return
    for what, bits in _WIDTHS.items():
        number: int = getattr(transaction, what)
        if number >> bits:
            raise invalid.ValueOverflow(f"{what} of at most {bits} bits", hex(number))
    if transaction.gas_limit * transaction.fee_cap >> 256:
        raise invalid.ValueOverflow("gas limit times fee of at most 256 bits", hex(transaction.fee_cap))


def _check_blobs(transaction: Transaction, rules: TransactionRules) -> None:
    if not transaction.blob_hashes:
        raise invalid.BlobsEmpty("at least 1", 0)
    assert rules.blobs is not None
    most = rules.blobs.maximum
    if rules.blobs_per_transaction is not None:
        most = min(most, rules.blobs_per_transaction)
    if len(transaction.blob_hashes) > most:
        raise invalid.BlobsTooMany(most, len(transaction.blob_hashes))
    for blob_hash in transaction.blob_hashes:
        if blob_hash[:1] != bytes((BLOB_HASH_VERSION,)):
            raise invalid.BlobHashVersion(BLOB_HASH_VERSION, blob_hash[:1].hex())


def _check_sender(transaction: Transaction, sender: bytes, fork: Fork, state: Journal) -> None:
    nonce = state.nonce(sender)
    if transaction.nonce < nonce:
        raise invalid.NonceTooLow(nonce, transaction.nonce)
    if transaction.nonce > nonce:
        raise invalid.NonceTooHigh(nonce, transaction.nonce)
    code = state.code(sender)
    if code and not (SET_CODE in fork.transactions.types and delegation_of(code) is not None):
        raise invalid.SenderNotAccount("no code", f"{len(code)} bytes")


def _check_funds(transaction: Transaction, sender: bytes, state: Journal) -> None:
    cost = transaction.gas_limit * transaction.fee_cap + transaction.value
    cost += BLOB_GAS * len(transaction.blob_hashes) * transaction.max_blob_fee
    balance = state.balance(sender)
    if cost > balance:
        raise invalid.InsufficientFunds(cost, balance)
