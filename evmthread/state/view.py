"""The seam to storage: four reads, and one atomic apply of what an execution did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol

from evmthread.primitives.keccak import EMPTY_HASH


class Account(NamedTuple):
    """An account that exists, without its storage (Yellow Paper, section 4.1). Balance in wei."""

    nonce: int = 0
    balance: int = 0
    code_hash: bytes = EMPTY_HASH

    @property
    def is_empty(self) -> bool:
        """No nonce, no balance, no code (EIP-161)."""
        return self == EMPTY_ACCOUNT


EMPTY_ACCOUNT = Account()


class StateView(Protocol):
    """Read access to one state. Addresses and hashes are bytes, storage keys and values are words.

    Each read may raise Missing when the answer must be fetched first, and BackendError when it can't be had.
    """

    def account(self, address: bytes) -> Account | None:
        """The account, or None where there is none."""

    def code(self, code_hash: bytes) -> bytes:
        """The code of a hash that some account has."""

    def slot(self, address: bytes, key: int) -> int:
        """The value of a storage slot, 0 where nothing is stored."""

    def block_hash(self, number: int) -> bytes:
        """The hash (32 bytes) of a block of this chain."""


@dataclass(frozen=True, slots=True)
class AccountChange:
    """One account before and after. None means absent. `wiped`: all storage that was there is gone before `slots`.

    `slots` maps a key to its values (before, after).
    """

    before: Account | None
    after: Account | None
    slots: Mapping[int, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}))
    wiped: bool = False


@dataclass(frozen=True, slots=True)
class StateChanges:
    """What an execution did to a state: accounts by address, and the codes (by hash) that are new in it."""

    accounts: Mapping[bytes, AccountChange]
    codes: Mapping[bytes, bytes]

    def __bool__(self) -> bool:
        return bool(self.accounts)

    def inverted(self) -> "StateChanges":
        """The changes that lead back. A wiped storage comes back only as far as `slots` names it."""
        return StateChanges(
            {
                address: AccountChange(
                    change.after,
                    change.before,
                    {key: (after, before) for key, (before, after) in change.slots.items()},
                )
                for address, change in self.accounts.items()
            },
            {},
        )


class StateBackend(StateView, Protocol):
    """A state that can be changed, all or nothing."""

    def apply(self, changes: StateChanges) -> None:
        """Makes the changes, atomically and, where the backend is durable, durably."""
