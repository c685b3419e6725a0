"""Balances and code of accounts (Yellow Paper, appendix H.2, 30s; EIP-1052, 1884, 2929).

The surcharge for a cold account is zero before Berlin, so that one body serves every fork.
"""

from functools import lru_cache

from evmthread.isa.frame import Frame, copy_data, from_bytes
from evmthread.isa.host import Host
from evmthread.isa.instruction import host
from evmthread.isa.instructions.memory import COPY_WORD_PRICE
from evmthread.primitives.keccak import EMPTY_HASH
from evmthread.primitives.words import ADDRESS_MASK

ADDRESSES = 4096  # that are kept as bytes, of those that code named last; about 1 MB


@lru_cache(maxsize=ADDRESSES)
def address_of(word: int) -> bytes:
    """The address in a word's low 20 bytes; the same object again, whose hash is known."""
    return (word & ADDRESS_MASK).to_bytes(20)


def charge_cold(frame: Frame, world: Host, address: bytes) -> None:
    """Makes a cold account warm, and charges the surcharge (EIP-2929)."""
    world.warm_account(address)
    frame.charge(frame.prices.cold_account)


def charge_account(frame: Frame, world: Host, address: bytes) -> None:
    """Makes an account warm; charges the surcharge if it was cold (EIP-2929)."""
    if address not in world.warm:
        charge_cold(frame, world, address)


@host(0x31, "BALANCE")
def balance(frame: Frame, world: Host, word: int) -> int:
    address = address_of(word)
    result = world.balance(address)
    if address not in world.warm:
        charge_cold(frame, world, address)
    return result


@host(0x3B, "EXTCODESIZE")
def extcodesize(frame: Frame, world: Host, word: int) -> int:
    address = address_of(word)
    code = world.code(address)
    if address not in world.warm:
        charge_cold(frame, world, address)
    return len(code)


@host(0x3C, "EXTCODECOPY")
def extcodecopy(frame: Frame, world: Host, word: int, destination: int, source: int, size: int) -> None:
    address = address_of(word)
    code = world.code(address)
    memory = frame.memory
    end = destination + size if size else 0
    if end > len(memory) << 5:
        frame.grow(end)
    frame.charge(COPY_WORD_PRICE * ((size + 31) >> 5))
    if address not in world.warm:
        charge_cold(frame, world, address)
    copy_data(memory, destination, code, source, size)


@host(0x3F, "EXTCODEHASH")
def extcodehash(frame: Frame, world: Host, word: int) -> int:
    """EIP-1052: zero for an account that is absent or empty."""
    address = address_of(word)
    result = 0
    account = world.account(address)
    if account is not None and (account.code_hash != EMPTY_HASH or not world.is_dead(address)):
        result = from_bytes(account.code_hash)
    if address not in world.warm:
        charge_cold(frame, world, address)
    return result


@host(0x47, "SELFBALANCE")
def selfbalance(frame: Frame, world: Host) -> int:
    """EIP-1884."""
    return world.balance(frame.address)
