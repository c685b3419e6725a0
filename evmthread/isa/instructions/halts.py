"""STOP, RETURN, REVERT, INVALID (Yellow Paper, appendix H.2, f0s; EIP-140, 141) and SELFDESTRUCT by fork."""

from evmthread.isa.frame import LAZY_OUTPUT_BYTES, Frame, MemoryBytes, read_memory
from evmthread.isa.halts import REVERT, SUCCESS, ExceptionalHalt, HaltReason
from evmthread.isa.host import Host
from evmthread.isa.instruction import HALTED, Halted, control
from evmthread.isa.instructions.accounts import address_of


@control(0x00, "STOP")
def stop(frame: Frame, world: Host) -> Halted:
    frame.status = SUCCESS
    return HALTED


def _give(frame: Frame, offset: int, size: int) -> None:
    """Makes a range of memory the output."""
    memory = frame.memory
    if offset + size > len(memory) << 5:
        frame.grow(offset + size)
    if size <= LAZY_OUTPUT_BYTES:
        frame.output = read_memory(memory, offset, size)
    else:
        frame.output = MemoryBytes(memory, offset, size)  # type: ignore[assignment]


@control(0xF3, "RETURN")
def return_(frame: Frame, world: Host, offset: int, size: int) -> Halted:
    if size:
        _give(frame, offset, size)
    frame.status = SUCCESS
    return HALTED


@control(0xFD, "REVERT")
def revert(frame: Frame, world: Host, offset: int, size: int) -> Halted:
    """EIP-140."""
    if size:
        _give(frame, offset, size)
    frame.status = REVERT
    return HALTED


@control(0xFE, "INVALID")
def invalid(frame: Frame, world: Host) -> Halted:
    """EIP-141: the instruction that is none, for ever."""
    raise ExceptionalHalt(HaltReason.INVALID_OPCODE)


def _begin_selfdestruct(frame: Frame, world: Host, beneficiary: bytes) -> None:
    if frame.is_static:
        raise ExceptionalHalt(HaltReason.WRITE_PROTECTION)
    balance = world.balance(frame.address)
    world.account(beneficiary)  # asked for here in every fork: once wei have moved it is too late to wait
    surcharge = frame.rules.selfdestruct_account_price(world, beneficiary, balance)
    if world.warm_account(beneficiary):
        surcharge += frame.prices.selfdestruct_cold
    frame.charge(surcharge)


@control(0xFF, "SELFDESTRUCT")
def selfdestruct(frame: Frame, world: Host, word: int) -> Halted:
    """The account is deleted at the end of the transaction, whoever created it."""
    beneficiary = address_of(word)
    _begin_selfdestruct(frame, world, beneficiary)
    address = frame.address
    if not world.is_destroyed(address):
        world.refund += frame.prices.selfdestruct_refund
    world.move(address, beneficiary, world.balance(address))
    world.burn(address)
    world.destroy(address)
    frame.status = SUCCESS
    return HALTED


@control(0xFF, "SELFDESTRUCT")
def selfdestruct_if_created(frame: Frame, world: Host, word: int) -> Halted:
    """EIP-6780: only an account created in this transaction is deleted; the balance moves in any case."""
    beneficiary = address_of(word)
    _begin_selfdestruct(frame, world, beneficiary)
    address = frame.address
    world.move(address, beneficiary, world.balance(address))
    if world.is_created(address):
        world.burn(address)
        world.destroy(address)
    frame.status = SUCCESS
    return HALTED
