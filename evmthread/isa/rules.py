"""What differs between forks and is no number: small functions that a fork's delta swaps in.

Each is named for what it does. None asks which fork it runs in.
"""

from collections.abc import Callable
from dataclasses import dataclass

from evmthread.isa.frame import Frame
from evmthread.isa.halts import ExceptionalHalt, HaltReason
from evmthread.isa.host import Host
from evmthread.isa.instructions.accounts import charge_account

NEW_ACCOUNT_PRICE = 25_000  # G_newaccount, Yellow Paper appendix G
CODE_BYTE_PRICE = 200  # G_codedeposit, Yellow Paper appendix G
DELEGATION_PREFIX = b"\xef\x01\x00"  # EIP-7702
DELEGATION_SIZE = 23  # EIP-7702: the prefix and an address


# How much gas a call may take along -----------------------------------------------------------------------------------
def all_that_is_asked(available: int, asked: int) -> int:
    """Before EIP-150 a call takes what it asks for, or the caller runs out of gas."""
    return asked


def at_most_all_but_one_64th(available: int, asked: int) -> int:
    """EIP-150: at most 63/64 of what is left."""
    most = available - available // 64
    return asked if asked < most else most  # noqa: FURB136 - a branch costs less than a call


def all_gas(available: int) -> int:
    """Before EIP-150 a creation takes all that is left."""
    return available


def all_but_one_64th(available: int) -> int:
    """EIP-150: a creation takes 63/64 of what is left."""
    return available - available // 64


# What it costs to bring an account into being -------------------------------------------------------------------------
def call_price_if_absent(world: Host, address: bytes, value: int) -> int:
    """A call to an absent account costs extra."""
    return NEW_ACCOUNT_PRICE if world.account(address) is None else 0


def call_price_if_dead_and_paid(world: Host, address: bytes, value: int) -> int:
    """EIP-161: only a call that brings value to a dead account costs extra."""
    return NEW_ACCOUNT_PRICE if value and world.is_dead(address) else 0


def selfdestruct_is_free(world: Host, beneficiary: bytes, balance: int) -> int:
    """Before EIP-150."""
    return 0


def selfdestruct_price_if_absent(world: Host, beneficiary: bytes, balance: int) -> int:
    """EIP-150."""
    return NEW_ACCOUNT_PRICE if world.account(beneficiary) is None else 0


def selfdestruct_price_if_dead_and_paid(world: Host, beneficiary: bytes, balance: int) -> int:
    """EIP-161."""
    return NEW_ACCOUNT_PRICE if balance and world.is_dead(beneficiary) else 0


# Whose code runs ------------------------------------------------------------------------------------------------------
def own_code(world: Host, address: bytes) -> tuple[bytes, bytes | None]:
    """The account's own code, and no delegate."""
    return world.code(address), None


def delegation_of(code: bytes) -> bytes | None:
    """The address to which an account delegates (EIP-7702), or None."""
    if len(code) == DELEGATION_SIZE and code[:3] == DELEGATION_PREFIX:
        return code[3:]
    return None


def code_or_delegate_code(world: Host, address: bytes) -> tuple[bytes, bytes | None]:
    """EIP-7702: the code of the account's delegate where it has one; one step, no further."""
    code = world.code(address)
    delegate = delegation_of(code)
    if delegate is None:
        return code, None
    return world.code(delegate), delegate


def charge_delegate(frame: Frame, world: Host, delegate: bytes) -> None:
    """EIP-7702: an access of its own for the delegate."""
    frame.charge(frame.prices.warm_account)
    charge_account(frame, world, delegate)


# What becomes of the code that a creation returns ---------------------------------------------------------------------
def deposit_if_affordable(frame: Frame, code: bytes) -> bytes:
    """Frontier: code that can't be paid for is dropped, and the creation succeeds."""
    price = CODE_BYTE_PRICE * len(code)
    if price > frame.gas:
        return b""
    frame.charge(price)
    return code


def deposit(frame: Frame, code: bytes) -> bytes:
    """EIP-2: code that can't be paid for fails the creation; so does code above the size limit (EIP-170)."""
    if len(code) > frame.fork.limits.code_size:
        raise ExceptionalHalt(HaltReason.CODE_TOO_LARGE)
    frame.charge(CODE_BYTE_PRICE * len(code))
    return code


def deposit_but_0xef(frame: Frame, code: bytes) -> bytes:
    """EIP-3541: code that begins with 0xef fails the creation."""
    if code[:1] == b"\xef":
        raise ExceptionalHalt(HaltReason.CODE_PREFIX)
    return deposit(frame, code)


@dataclass(frozen=True, slots=True)
class Rules:
    """The functions of one fork; the defaults are Frontier's."""

    call_gas: Callable[[int, int], int] = all_that_is_asked
    create_gas: Callable[[int], int] = all_gas
    call_account_price: Callable[[Host, bytes, int], int] = call_price_if_absent
    selfdestruct_account_price: Callable[[Host, bytes, int], int] = selfdestruct_is_free
    code_to_run: Callable[[Host, bytes], tuple[bytes, bytes | None]] = own_code
    charge_delegate: Callable[[Frame, Host, bytes], None] = charge_delegate
    deposit_code: Callable[[Frame, bytes], bytes] = deposit_if_affordable
    # The nonce of a contract while its init code runs: 0, then 1 (EIP-161).
    contract_start_nonce: int = 0
    # Whether touched empty accounts are deleted at the end of the transaction (EIP-161).
    deletes_empty_accounts: bool = False
