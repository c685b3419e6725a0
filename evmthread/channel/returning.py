"""What puts a thread's contract back on chain: all its slots in the order of the trie, and the proof of its account.

Reads a state; knows neither a chain nor the registry's interface. What can't be put back is refused here, before
anybody pays for trying.
"""

from dataclasses import dataclass
from typing import Protocol

from evmthread.channel.errors import NotSupported
from evmthread.commit.terms import MAX_CODE_BYTES
from evmthread.errors import InvalidInput
from evmthread.merkle.accounts import StateRoots, hash_slot
from evmthread.merkle.proofs import prove_account
from evmthread.state.view import ListsSlots, StateView

MAX_TRANSACTION_GAS = 1 << 24  # EIP-7825
"""What one transaction may use; the registry's `materialize` is one."""

# The gas limit with which `materialize` goes through, measured on the registry and rounded up
# (tests/contracts/registry/test_return_limits.py): everything but code and slots, a byte of code, a slot. What it uses
# is a few percent less: of a call's gas the EVM keeps a 64th back (EIP-150), twice here.
_BASE_GAS = 350_000
_CODE_BYTE_GAS = 226
_SLOT_GAS = 35_000


class _KeepsState(StateView, ListsSlots, Protocol):
    def roots(self) -> StateRoots: ...


@dataclass(frozen=True, slots=True)
class ReturnToChain:
    """The arguments of the registry's `materialize` that the state gives. Keys and values are words of 32 bytes."""

    keys: tuple[bytes, ...]
    values: tuple[bytes, ...]
    code: bytes
    account_proof: tuple[bytes, ...]

    @property
    def most_gas(self) -> int:
        """More than the transaction uses."""
        return gas_to_return(slots=len(self.keys), code_bytes=len(self.code))


def gas_to_return(*, slots: int, code_bytes: int) -> int:
    """More than it costs to put so many slots and so much code on chain in one transaction."""
    return _BASE_GAS + code_bytes * _CODE_BYTE_GAS + slots * _SLOT_GAS


def slots_that_return(code_bytes: int = MAX_CODE_BYTES) -> int:
    """How many slots a contract with so much code can have at least and still be put back in one transaction."""
    return (MAX_TRANSACTION_GAS - gas_to_return(slots=0, code_bytes=code_bytes)) // _SLOT_GAS


def return_to_chain(state: _KeepsState, address: bytes) -> ReturnToChain:
    """What `materialize` needs of a thread's contract, from the state that was settled.

    `state` is that which Thread.open was given, at the settled agreement. Raises InvalidInput where it holds no
    contract at this address, NotSupported for a contract that may need more gas than a transaction can have.
    """
    account = state.account(address)
    code = b"" if account is None else state.code(account.code_hash)
    if not code:
        raise InvalidInput(f"no contract at 0x{address.hex()} in this state")
    slots = sorted(((key, value) for key, value in state.slots(address)), key=lambda slot: hash_slot(slot[0]))
    gas = gas_to_return(slots=len(slots), code_bytes=len(code))
    if gas > MAX_TRANSACTION_GAS:
        raise NotSupported(
            f"a contract of {len(code)} bytes with {len(slots)} slots may need {gas:,} gas to be put on chain; "
            f"a transaction has at most {MAX_TRANSACTION_GAS:,}, enough for {slots_that_return(len(code))} slots"
        )
    return ReturnToChain(
        keys=tuple([key.to_bytes(32, "big") for key, _ in slots]),
        values=tuple([value.to_bytes(32, "big") for _, value in slots]),
        code=code,
        account_proof=tuple(prove_account(state.roots(), address)),
    )
