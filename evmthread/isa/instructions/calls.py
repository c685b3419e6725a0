"""CALL, CALLCODE, DELEGATECALL, STATICCALL (Yellow Paper, appendix H.2, f0s; EIP-7, 150, 161, 214, 2929, 7702).

What differs by fork is data: prices, and the functions in `frame.rules` (how much gas may be forwarded, what a new
account costs, whose code runs). All state is read before anything is charged, so that a call may be told to wait.
"""

from evmthread.isa.frame import Frame, call_data
from evmthread.isa.halts import ExceptionalHalt, HaltReason
from evmthread.isa.host import Host
from evmthread.isa.instruction import control
from evmthread.isa.instructions.accounts import address_of, charge_account
from evmthread.isa.message import CALL, CALLCODE, DELEGATECALL, MESSAGE_OF, STATICCALL, Message

CALL_VALUE_PRICE = 9000  # G_callvalue, Yellow Paper appendix G
CALL_STIPEND = 2300  # G_callstipend, Yellow Paper appendix G


def _grow_for_call(frame: Frame, in_offset: int, in_size: int, out_offset: int, out_size: int) -> None:
    in_end = in_offset + in_size if in_size else 0
    out_end = out_offset + out_size if out_size else 0
    end = in_end if in_end > out_end else out_end  # noqa: FURB136 - a branch costs less than a call
    if end > len(frame.memory) << 5:
        frame.grow(end)


def _depart(frame: Frame, world: Host, message: Message) -> int | Message:
    """The message, or 0 when depth or balance forbid it: then its gas, stipend included, comes back to the frame."""
    frame.return_data = b""
    if frame.depth >= frame.fork.limits.call_depth or (
        message.transfer and world.balance(frame.address) < message.transfer
    ):
        frame.gas += message.gas
        return 0
    return message


@control(0xF1, "CALL", pushes=1)
def call(
    frame: Frame,
    world: Host,
    gas: int,
    to: int,
    value: int,
    in_offset: int,
    in_size: int,
    out_offset: int,
    out_size: int,
) -> int | Message:
    if value and frame.is_static:
        raise ExceptionalHalt(HaltReason.WRITE_PROTECTION)
    address = address_of(to)
    rules = frame.rules
    new_account = rules.call_account_price(world, address, value)
    code, delegate = rules.code_to_run(world, address)
    # price
    _grow_for_call(frame, in_offset, in_size, out_offset, out_size)
    charge_account(frame, world, address)
    if delegate is not None:
        rules.charge_delegate(frame, world, delegate)
    if value:
        frame.charge(CALL_VALUE_PRICE + new_account)
    elif new_account:
        frame.charge(new_account)
    forwarded = rules.call_gas(frame.gas, gas)
    frame.charge(forwarded)
    # effect
    message = MESSAGE_OF(
        (
            CALL,
            frame.address,
            address,
            address,
            code,
            call_data(frame.memory, in_offset, in_size),
            value,
            value,
            forwarded + CALL_STIPEND if value else forwarded,
            frame.is_static,
            frame.depth + 1,
            out_offset,
            out_size,
            0,
        )
    )
    return _depart(frame, world, message)


@control(0xF2, "CALLCODE", pushes=1)
def callcode(
    frame: Frame,
    world: Host,
    gas: int,
    to: int,
    value: int,
    in_offset: int,
    in_size: int,
    out_offset: int,
    out_size: int,
) -> int | Message:
    address = address_of(to)
    rules = frame.rules
    code, delegate = rules.code_to_run(world, address)
    # price
    _grow_for_call(frame, in_offset, in_size, out_offset, out_size)
    charge_account(frame, world, address)
    if delegate is not None:
        rules.charge_delegate(frame, world, delegate)
    if value:
        frame.charge(CALL_VALUE_PRICE)
    forwarded = rules.call_gas(frame.gas, gas)
    frame.charge(forwarded)
    # effect
    message = MESSAGE_OF(
        (
            CALLCODE,
            frame.address,
            frame.address,
            address,
            code,
            call_data(frame.memory, in_offset, in_size),
            value,
            value,
            forwarded + CALL_STIPEND if value else forwarded,
            frame.is_static,
            frame.depth + 1,
            out_offset,
            out_size,
            0,
        )
    )
    return _depart(frame, world, message)


@control(0xF4, "DELEGATECALL", pushes=1)
def delegatecall(
    frame: Frame, world: Host, gas: int, to: int, in_offset: int, in_size: int, out_offset: int, out_size: int
) -> int | Message:
    """EIP-7: the callee's code in the caller's account, with its sender and value."""
    address = address_of(to)
    rules = frame.rules
    code, delegate = rules.code_to_run(world, address)
    # price
    _grow_for_call(frame, in_offset, in_size, out_offset, out_size)
    charge_account(frame, world, address)
    if delegate is not None:
        rules.charge_delegate(frame, world, delegate)
    forwarded = rules.call_gas(frame.gas, gas)
    frame.charge(forwarded)
    # effect
    message = MESSAGE_OF(
        (
            DELEGATECALL,
            frame.message.sender,
            frame.address,
            address,
            code,
            call_data(frame.memory, in_offset, in_size),
            frame.message.value,
            0,
            forwarded,
            frame.is_static,
            frame.depth + 1,
            out_offset,
            out_size,
            0,
        )
    )
    return _depart(frame, world, message)


@control(0xFA, "STATICCALL", pushes=1)
def staticcall(
    frame: Frame, world: Host, gas: int, to: int, in_offset: int, in_size: int, out_offset: int, out_size: int
) -> int | Message:
    """EIP-214: a call in which, and below which, nothing may change."""
    address = address_of(to)
    rules = frame.rules
    code, delegate = rules.code_to_run(world, address)
    # price
    _grow_for_call(frame, in_offset, in_size, out_offset, out_size)
    charge_account(frame, world, address)
    if delegate is not None:
        rules.charge_delegate(frame, world, delegate)
    forwarded = rules.call_gas(frame.gas, gas)
    frame.charge(forwarded)
    # effect
    message = MESSAGE_OF(
        (
            STATICCALL,
            frame.address,
            address,
            address,
            code,
            call_data(frame.memory, in_offset, in_size),
            0,
            0,
            forwarded,
            True,
            frame.depth + 1,
            out_offset,
            out_size,
            0,
        )
    )
    return _depart(frame, world, message)
