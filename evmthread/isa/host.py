"""Host: all that an instruction may ask of the world.

An instruction that asks for state may be told to wait: the host raises `Missing`. It therefore asks before it changes
anything, charges gas, or grows memory, so that it can be run again from the start.
"""

from collections.abc import Container
from typing import Protocol


class BlockContext(Protocol):
    """The block in which the call runs (Yellow Paper, section 4.3; EIP-4399, 3198, 7516)."""

    @property
    def coinbase(self) -> bytes: ...
    @property
    def number(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def difficulty(self) -> int: ...
    @property
    def prev_randao(self) -> int: ...
    @property
    def gas_limit(self) -> int: ...
    @property
    def base_fee(self) -> int: ...
    @property
    def blob_base_fee(self) -> int: ...
    @property
    def chain_id(self) -> int: ...


class TransactionContext(Protocol):
    """The transaction to which the call belongs."""

    @property
    def origin(self) -> bytes: ...
    @property
    def gas_price(self) -> int: ...
    @property
    def blob_hashes(self) -> tuple[bytes, ...]: ...


class AccountLike(Protocol):
    """An account that exists."""

    @property
    def nonce(self) -> int: ...
    @property
    def balance(self) -> int: ...
    @property
    def code_hash(self) -> bytes: ...


class Host(Protocol):
    """The world as instructions see it. Addresses are 20 bytes, storage keys and values are words."""

    refund: int

    @property
    def warm(self) -> Container[bytes]:
        """The warm accounts (EIP-2929), for a quick look; `warm_account` makes one warm."""

    @property
    def block(self) -> BlockContext: ...
    @property
    def transaction(self) -> TransactionContext: ...

    def account(self, address: bytes) -> AccountLike | None:
        """The account, or None where there is none. May raise Missing."""

    def code(self, address: bytes) -> bytes:
        """The account's own code, b"" where there is none. May raise Missing."""

    def is_dead(self, address: bytes) -> bool:
        """True for an account that is absent or empty (EIP-161). May raise Missing."""

    def balance(self, address: bytes) -> int:
        """The balance in wei, 0 for an absent account. May raise Missing."""

    def warm_account(self, address: bytes) -> bool:
        """Makes the account warm (EIP-2929); True when it was cold."""

    def peek_slot(self, address: bytes, key: int) -> int:
        """The value of a slot that isn't warm, which it stays. May raise Missing."""

    def warm_slot(self, slots: dict[int, int], key: int, value: int) -> None:
        """Enters a slot with its value among the warm ones (EIP-2929)."""

    def write_slot(self, address: bytes, slots: dict[int, int], key: int, old: int, value: int) -> None:
        """Writes a warm slot whose value is `old`."""

    def read_transient(self, address: bytes, key: int) -> int:
        """Transient storage (EIP-1153)."""

    def write_transient(self, address: bytes, key: int, value: int) -> None:
        """Transient storage (EIP-1153)."""

    def emit(self, address: bytes, topics: tuple[bytes, ...], data: bytes) -> None:
        """Appends a log entry."""

    def note_breakpoint(self, address: bytes) -> None:
        """Notes that the account asked for a commitment; undone with whatever is rolled back."""

    def block_hash(self, number: int) -> int:
        """The hash of one of the 256 blocks before this one, as a word. May raise Missing."""

    def is_created(self, address: bytes) -> bool:
        """True for an account that this transaction created (EIP-6780)."""

    def is_destroyed(self, address: bytes) -> bool:
        """True for an account that is to be deleted at the end of the transaction."""

    def destroy(self, address: bytes) -> None:
        """Marks the account for deletion at the end of the transaction."""

    def move(self, sender: bytes, receiver: bytes, amount: int) -> None:
        """Moves wei and touches both accounts; the sender has enough."""

    def burn(self, address: bytes) -> None:
        """Sets a balance to zero."""

    def increment_nonce(self, address: bytes) -> None:
        """Adds one to the nonce."""

    def has_storage(self, address: bytes) -> bool:
        """True when the account has a slot that isn't zero (EIP-7610). May raise Missing."""

    def memory_exceeded(self, words: int) -> None:
        """Told that a frame wants more memory than the host allows; raises LimitExceeded."""
