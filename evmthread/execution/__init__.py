"""Floor 4: the world in which contracts run: block environment, calls, transactions, results."""

from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.invalid import InvalidTransaction
from evmthread.execution.result import CallResult
from evmthread.execution.transaction import AccessEntry, Authorization, Transaction, decode_transaction
from evmthread.execution.world import TransactionResult, World

__all__ = [
    "AccessEntry",
    "Authorization",
    "BlockEnvironment",
    "CallResult",
    "InvalidTransaction",
    "Transaction",
    "TransactionResult",
    "World",
    "decode_transaction",
]
