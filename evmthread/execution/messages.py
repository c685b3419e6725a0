"""From a request to the message that a machine runs: arguments checked, accounts warmed, fees and nonces paid.

Everything here changes the host; its callers have a mark.
"""

from typing import TypedDict

from evmthread.errors import InvalidInput
from evmthread.execution.environment import BLOB_GAS, TransactionEnvironment, WorldHost
from evmthread.execution.result import CallResult
from evmthread.execution.snapshot import OpenTransaction
from evmthread.execution.transaction import Transaction
from evmthread.execution.validation import GasPrice
from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame
from evmthread.isa.halts import HaltReason
from evmthread.isa.instructions.creates import MAX_NONCE, create_address, is_taken
from evmthread.isa.message import CALL, CREATE, MESSAGE_OF, Message
from evmthread.isa.rules import DELEGATION_PREFIX, delegation_of
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.stepper import fail
from evmthread.primitives.arguments import address_bytes, byte_string, number_of_bits
from evmthread.primitives.types import ZERO_ADDRESS

DEFAULT_CALL_GAS = 2**24  # EIP-7825: what the largest transaction of today's mainnet may use


class CallOptions(TypedDict, total=False):
    """What World.call takes by name."""

    sender: bytes
    value: int
    gas: int
    static: bool
    code: bytes | None
    start_pc: int
    origin: bytes | None
    gas_price: int


class CreateOptions(TypedDict, total=False):
    """What World.create takes by name."""

    sender: bytes
    value: int
    gas: int
    address: bytes | None
    origin: bytes | None
    gas_price: int


def _environment(sender: bytes, origin: bytes | None, gas_price: int) -> TransactionEnvironment:
    origin = sender if origin is None else address_bytes(origin, "an origin")
    return TransactionEnvironment(origin, number_of_bits(gas_price, 256, "gas price"))


def call_message(
    host: WorldHost,
    fork: Fork,
    to: bytes,
    data: bytes,
    *,
    sender: bytes = ZERO_ADDRESS,
    value: int = 0,
    gas: int = DEFAULT_CALL_GAS,
    static: bool = False,
    code: bytes | None = None,
    start_pc: int = 0,
    origin: bytes | None = None,
    gas_price: int = 0,
) -> Message:
    """The message of a call from outside. Raises InvalidInput, and may raise Missing."""
    to, sender, data = address_bytes(to), address_bytes(sender, "a sender"), byte_string(data, "data")
    value, gas = number_of_bits(value, 256, "value"), number_of_bits(gas, 256, "gas")
    start_pc = number_of_bits(start_pc, 64, "place in code")
    if static and value:
        raise InvalidInput(f"a static call can't bring a value: {value}")
    host.transaction = _environment(sender, origin, gas_price)
    host.warm_account(sender)
    host.warm_account(to)
    if code is None:
        code, delegate = fork.rules.code_to_run(host, to)
        if delegate is not None:
            host.warm_account(delegate)
    else:
        code = byte_string(code, "code")
    return MESSAGE_OF((CALL, sender, to, to, code, data, value, value, gas, static, 0, 0, 0, start_pc))


def create_message(
    host: WorldHost,
    init_code: bytes,
    *,
    sender: bytes = ZERO_ADDRESS,
    value: int = 0,
    gas: int = DEFAULT_CALL_GAS,
    address: bytes | None = None,
    origin: bytes | None = None,
    gas_price: int = 0,
) -> Message:
    """The message of a creation from outside; the sender's nonce is counted up. Raises as call_message does."""
    init_code, sender = byte_string(init_code, "init code"), address_bytes(sender, "a sender")
    value, gas = number_of_bits(value, 256, "value"), number_of_bits(gas, 256, "gas")
    host.transaction = _environment(sender, origin, gas_price)
    nonce = host.nonce(sender)
    address = create_address(sender, nonce) if address is None else address_bytes(address)
    host.warm_account(sender)
    host.warm_account(address)
    if nonce < MAX_NONCE:
        host.increment_nonce(sender)
    return Message(CREATE, sender, address, address, init_code, b"", value, value, gas, False, 0)


def refusal(host: WorldHost, fork: Fork, cache: CodeCache, message: Message) -> CallResult | None:
    """The result of a call that fails before its first instruction; None where it doesn't."""
    if message.transfer and host.balance(message.sender) < message.transfer:
        reason, gas_left = HaltReason.INSUFFICIENT_BALANCE, message.gas
    elif message.kind is CREATE and is_taken(host, message.address):
        reason, gas_left = HaltReason.CONTRACT_COLLISION, 0
    else:
        return None
    program = cache.program(message.code, fork)
    frame = Frame(message, fork, host, program, program.destinations)
    frame.mark = host.mark()
    frame.log_end, frame.refund_end = frame.log_start, frame.refund_start
    frame.caller_pc = 0
    fail(frame, reason)
    frame.gas = gas_left
    return CallResult(frame, [])


def transaction_message(
    host: WorldHost, fork: Fork, transaction: Transaction, sender: bytes, least: GasPrice
) -> tuple[Message, OpenTransaction]:
    """The message of a transaction that was checked, and what ends it; fee and nonce are paid. May raise Missing.

    `least` is what check_transaction gave.
    """
    block = host.block
    price = transaction.effective_gas_price(block.base_fee if fork.transactions.base_fee else 0)
    blob_fee = BLOB_GAS * len(transaction.blob_hashes) * block.blob_base_fee
    host.transaction = TransactionEnvironment(sender, price, transaction.blob_hashes)
    if fee := transaction.gas_limit * price + blob_fee:
        host.set_balance(sender, host.balance(sender) - fee)
    host.increment_nonce(sender)
    _warm_for(host, transaction, sender)
    if transaction.authorizations:
        _delegate(host, fork, transaction)
    gas = transaction.gas_limit - least.intrinsic
    opened = OpenTransaction(transaction.gas_limit, price, least.floor)
    value, data = transaction.value, transaction.data
    if transaction.to is None:
        address = create_address(sender, transaction.nonce)
        host.warm_account(address)
        return Message(CREATE, sender, address, address, data, b"", value, value, gas, False, 0), opened
    to = transaction.to
    code, delegate = fork.rules.code_to_run(host, to)
    if delegate is not None:
        host.warm_account(delegate)
    return Message(CALL, sender, to, to, code, data, value, value, gas, False, 0), opened


def _warm_for(host: WorldHost, transaction: Transaction, sender: bytes) -> None:
    host.warm_account(sender)
    if transaction.to is not None:
        host.warm_account(transaction.to)
    for entry in transaction.access_list:
        host.warm_account(entry.address)
        slots, _ = host.open_storage(entry.address)
        for key in entry.keys:
            if key not in slots:
                host.warm_slot(slots, key, host.peek_slot(entry.address, key))


def _delegate(host: WorldHost, fork: Fork, transaction: Transaction) -> None:
    """Sets the delegations of a transaction's authorizations; bad ones are passed over (EIP-7702)."""
    for authorization in transaction.authorizations:
        if authorization.chain_id not in (0, host.block.chain_id) or authorization.nonce >= MAX_NONCE:
            continue
        authority = authorization.authority()
        if authority is None:
            continue
        host.warm_account(authority)
        code = host.code(authority)
        if code and delegation_of(code) is None:
            continue
        if host.nonce(authority) != authorization.nonce:
            continue
        if host.account(authority) is not None:
            host.refund += fork.transactions.authorization_refund
        clears = authorization.address == ZERO_ADDRESS
        host.set_code(authority, b"" if clears else DELEGATION_PREFIX + authorization.address)
        host.increment_nonce(authority)
