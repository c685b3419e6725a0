"""What can go wrong between us and a chain."""

from evmthread.contracts.abi import Decoded
from evmthread.errors import BackendError, EvmthreadError


class NodeLies(BackendError):  # noqa: N818 - as all names in errors.py, it says what happened
    """What the node says is refuted by a hash, or by what it said itself. Nothing came of it."""


class ChainMoved(BackendError):  # noqa: N818 - see above
    """The node's chain changed while it was asked (a reorg). Asking again may do."""


class FinalityBroken(BackendError):  # noqa: N818 - see above
    """A block that was final isn't of the chain any more: nothing that rests on it holds."""


class WrongChain(EvmthreadError, ValueError):  # noqa: N818 - see above
    """The node's chain, or what is at the registry's address, isn't what is wanted."""


class CallReverted(EvmthreadError):  # noqa: N818 - see above
    """The transaction reverts, or would: nothing was sent, unless `transaction` says in which it did.

    `error` is the contract's own error with its values, where it is one of those that are known.
    """

    def __init__(self, what: str, reason: str, error: Decoded | None, transaction: bytes | None = None) -> None:
        super().__init__(f"{what}: {reason}")
        self.what = what
        self.error = error
        self.transaction = transaction

    @property
    def name(self) -> str:
        """The error's name, "" where it isn't known."""
        return "" if self.error is None else self.error.name


class TooMuchGas(EvmthreadError):  # noqa: N818 - see above
    """The transaction needs more gas than one may have; nothing was sent."""

    def __init__(self, what: str, needed: int | None, limit: int) -> None:
        needs = f"{needed:,} gas" if needed is not None else "more gas than that"
        super().__init__(f"{what}: a transaction has at most {limit:,} gas, and this one needs {needs}")
        self.needed = needed
        self.limit = limit


class CannotPay(EvmthreadError):  # noqa: N818 - see above
    """The account has less than the transaction may cost; nothing was sent. Amounts are wei."""

    def __init__(self, what: str, account: bytes, needed: int, balance: int) -> None:
        super().__init__(f"{what}: 0x{account.hex()} has {balance} wei, and this may cost {needed}")
        self.account = account
        self.needed = needed
        self.balance = balance


class NotIncluded(BackendError):  # noqa: N818 - see above
    """The transaction isn't in the chain yet: it may still get in, or not. `transaction` is its hash."""

    def __init__(self, what: str, transaction: bytes) -> None:
        super().__init__(f"{what}: transaction 0x{transaction.hex()} isn't in the chain yet")
        self.transaction = transaction
