"""CALL, CALLCODE, DELEGATECALL, STATICCALL (Yellow Paper, appendix H.2, f0s; EIP-7, 150, 161, 214, 2929, 7702).

What differs by fork is data: prices, and the functions in `frame.rules` (how much gas may be forwarded, what a new
account costs, whose code runs). All state is read before anything is charged, so that a call may be told to wait.
"""

from evmthread.isa.frame import Frame, call_data
from evmthread.isa.halts import ExceptionalHalt, HaltReason, OutOfGas
from evmthread.isa.host import Host
from evmthread.isa.instruction import control
from evmthread.isa.instructions.accounts import address_of
from evmthread.isa.message import CALL, CALLCODE, DELEGATECALL, MESSAGE_OF, STATICCALL, CallKind, Message
from evmthread.isa.rules import DELEGATION_SIZE

CALL_VALUE_PRICE = 9000  # G_callvalue, Yellow Paper appendix G
CALL_STIPEND = 2300  # G_callstipend, Yellow Paper appendix G


def _calling(
    frame: Frame,
    world: Host,
    kind: CallKind,
    address: bytes,
    sender: bytes,
    account: bytes,
    value: int,
    transfer: int,
    surcharge: int,
    is_static: bool,
    gas: int,
    in_offset: int,
    in_size: int,
    out_offset: int,
    out_size: int,
) -> int | Message:
    """What every call does: the message that runs `address`'s code in `account`, once all is paid.

    0 when depth or balance forbid it: then its gas, stipend included, comes back to the frame. `surcharge` is what this
    kind of call costs beyond the rest.
    """
    # Hot path: in contracts that call others, a third of the time is spent here.
    rules = frame.rules
    code = world.code(address)
    delegate = None
    if len(code) == DELEGATION_SIZE:
        code, delegate = rules.code_to_run(world, address)
    # price
    if in_size or out_size:
        in_end = in_offset + in_size if in_size else 0
        out_end = out_offset + out_size if out_size else 0
        end = in_end if in_end > out_end else out_end  # noqa: FURB136 - a branch costs less than a call
        if end > len(frame.memory) << 5:
            frame.grow(end)
    if address not in world.warm:
        world.warm_account(address)
        surcharge += frame.prices.cold_account
    if surcharge:
        frame.charge(surcharge)
    if delegate is not None:
        rules.charge_delegate(frame, world, delegate)
    left = frame.gas
    forwarded = rules.call_gas(left, gas)
    if forwarded > left:
        raise OutOfGas
    # effect
    frame.gas = left - forwarded
    frame.return_data = b""
    if transfer:
        forwarded += CALL_STIPEND
    depth = frame.depth
    if depth >= frame.fork.limits.call_depth or (transfer and world.balance(frame.address) < transfer):
        frame.gas += forwarded
        return 0
    return MESSAGE_OF(
        (
            kind,
            sender,
            account,
            address,
            code,
            call_data(frame.memory, in_offset, in_size) if in_size else b"",
            value,
            transfer,
            forwarded,
            is_static,
            depth + 1,
            out_offset,
            out_size,
            0,
        )
    )


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
    surcharge = frame.rules.call_account_price(world, address, value)
    if value:
        surcharge += CALL_VALUE_PRICE
    here, is_static = frame.address, frame.is_static
    return _calling(
        frame,
        world,
        CALL,
        address,
        here,
        address,
        value,
        value,
        surcharge,
        is_static,
        gas,
        in_offset,
        in_size,
        out_offset,
        out_size,
    )


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
    surcharge = CALL_VALUE_PRICE if value else 0
    here = frame.address
    return _calling(
        frame,
        world,
        CALLCODE,
        address_of(to),
        here,
        here,
        value,
        value,
        surcharge,
        frame.is_static,
        gas,
        in_offset,
        in_size,
        out_offset,
        out_size,
    )


@control(0xF4, "DELEGATECALL", pushes=1)
def delegatecall(
    frame: Frame, world: Host, gas: int, to: int, in_offset: int, in_size: int, out_offset: int, out_size: int
) -> int | Message:
    """EIP-7: the callee's code in the caller's account, with its sender and value."""
    message = frame.message
    return _calling(
        frame,
        world,
        DELEGATECALL,
        address_of(to),
        message.sender,
        frame.address,
        message.value,
        0,
        0,
        frame.is_static,
        gas,
        in_offset,
        in_size,
        out_offset,
        out_size,
    )


@control(0xFA, "STATICCALL", pushes=1)
def staticcall(
    frame: Frame, world: Host, gas: int, to: int, in_offset: int, in_size: int, out_offset: int, out_size: int
) -> int | Message:
    """EIP-214: a call in which, and below which, nothing may change."""
    address = address_of(to)
    return _calling(
        frame,
        world,
        STATICCALL,
        address,
        frame.address,
        address,
        0,
        0,
        0,
        True,
        gas,
        in_offset,
        in_size,
        out_offset,
        out_size,
    )


CALLS = (call, callcode, delegatecall, staticcall)
