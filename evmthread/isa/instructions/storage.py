"""Storage (Yellow Paper, appendix H.2, 50s; EIP-2200, 2929, 3529; transient: EIP-1153).

`frame.slots` holds the warm slots with their values; being in it is being warm. The surcharge for a cold slot is zero
before Berlin, so that one SLOAD serves every fork. `frame.stored` holds the values at the start of the transaction.
"""

from evmthread.isa.frame import Frame
from evmthread.isa.halts import ExceptionalHalt, HaltReason, OutOfGas
from evmthread.isa.host import Host
from evmthread.isa.instruction import host


def warm_up(frame: Frame, world: Host, key: int, surcharge: int) -> int:
    """The value of a slot that isn't warm yet, which it becomes; charges the surcharge."""
    value = world.peek_slot(frame.address, key)
    frame.charge(surcharge)
    world.warm_slot(frame.slots, key, value)
    return value


@host(0x54, "SLOAD")
def sload(frame: Frame, world: Host, key: int) -> int:
    value = frame.slots.get(key)
    if value is None:
        return warm_up(frame, world, key, frame.prices.cold_slot_read)
    return value


@host(0x55, "SSTORE")
def sstore(frame: Frame, world: Host, key: int, value: int) -> None:
    """The first rule: the price follows from the old and the new value alone (Yellow Paper, appendix G)."""
    if frame.is_static:
        raise ExceptionalHalt(HaltReason.WRITE_PROTECTION)
    prices = frame.prices
    current = frame.slots.get(key)
    if current is None:
        current = warm_up(frame, world, key, prices.cold_slot_write)
    if current == 0 and value:
        frame.charge(prices.slot_set)
    else:
        frame.charge(prices.slot_reset)
        if current and value == 0:
            world.refund += prices.slot_clear_refund
    if current != value:
        world.write_slot(frame.address, frame.slots, key, current, value)


@host(0x55, "SSTORE")
def sstore_net(frame: Frame, world: Host, key: int, value: int) -> None:
    """Net metering: the price follows from the transaction's first value too (EIP-1283, 2200, 2929, 3529)."""
    if frame.is_static:
        raise ExceptionalHalt(HaltReason.WRITE_PROTECTION)
    prices = frame.prices
    slots = frame.slots
    if frame.gas <= prices.slot_write_sentry:
        raise OutOfGas
    current = slots.get(key)
    if current is None:
        current = warm_up(frame, world, key, prices.cold_slot_write)
    if value == current:
        frame.charge(prices.slot_touch)
        return
    original = frame.stored[key]
    if original == current:
        if original == 0:
            frame.charge(prices.slot_set)
        else:
            frame.charge(prices.slot_reset)
            if value == 0:
                world.refund += prices.slot_clear_refund
    else:
        frame.charge(prices.slot_touch)
        if original:
            if current == 0:
                world.refund -= prices.slot_clear_refund
            elif value == 0:
                world.refund += prices.slot_clear_refund
        if original == value:
            world.refund += (prices.slot_reset if original else prices.slot_set) - prices.slot_touch
    world.write_slot(frame.address, slots, key, current, value)


@host(0x5C, "TLOAD")
def tload(frame: Frame, world: Host, key: int) -> int:
    return world.read_transient(frame.address, key)


@host(0x5D, "TSTORE")
def tstore(frame: Frame, world: Host, key: int, value: int) -> None:
    if frame.is_static:
        raise ExceptionalHalt(HaltReason.WRITE_PROTECTION)
    world.write_transient(frame.address, key, value)
