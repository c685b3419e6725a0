"""The call's, the transaction's and the block's environment (Yellow Paper, appendix H.2, 30s and 40s)."""

from evmthread.isa.frame import Frame, from_bytes
from evmthread.isa.host import Host
from evmthread.isa.instruction import framed, host


@framed(0x30, "ADDRESS", steady=True)
def address(frame: Frame) -> int:
    return from_bytes(frame.address)


@host(0x32, "ORIGIN", steady=True)
def origin(frame: Frame, world: Host) -> int:
    return from_bytes(world.transaction.origin)


@framed(0x33, "CALLER", steady=True)
def caller(frame: Frame) -> int:
    return from_bytes(frame.message.sender)


@framed(0x34, "CALLVALUE", steady=True)
def callvalue(frame: Frame) -> int:
    return frame.message.value


@host(0x3A, "GASPRICE", steady=True)
def gasprice(frame: Frame, world: Host) -> int:
    return world.transaction.gas_price


@host(0x40, "BLOCKHASH")
def blockhash(frame: Frame, world: Host, number: int) -> int:
    current = world.block.number
    if number >= current or number + 256 < current:
        return 0
    return world.block_hash(number)


@host(0x41, "COINBASE", steady=True)
def coinbase(frame: Frame, world: Host) -> int:
    return from_bytes(world.block.coinbase)


@host(0x42, "TIMESTAMP", steady=True)
def timestamp(frame: Frame, world: Host) -> int:
    return world.block.timestamp


@host(0x43, "NUMBER", steady=True)
def number(frame: Frame, world: Host) -> int:
    return world.block.number


@host(0x44, "DIFFICULTY", steady=True)
def difficulty(frame: Frame, world: Host) -> int:
    return world.block.difficulty


@host(0x44, "PREVRANDAO", steady=True)
def prevrandao(frame: Frame, world: Host) -> int:
    """EIP-4399: the beacon chain's randomness in the place of the difficulty."""
    return world.block.prev_randao


@host(0x45, "GASLIMIT", steady=True)
def gaslimit(frame: Frame, world: Host) -> int:
    return world.block.gas_limit


@host(0x46, "CHAINID", steady=True)
def chainid(frame: Frame, world: Host) -> int:
    """EIP-1344."""
    return world.block.chain_id


@host(0x48, "BASEFEE", steady=True)
def basefee(frame: Frame, world: Host) -> int:
    """EIP-3198."""
    return world.block.base_fee


@host(0x49, "BLOBHASH", steady=True)
def blobhash(frame: Frame, world: Host, index: int) -> int:
    """EIP-4844."""
    hashes = world.transaction.blob_hashes
    return from_bytes(hashes[index]) if index < len(hashes) else 0


@host(0x4A, "BLOBBASEFEE", steady=True)
def blobbasefee(frame: Frame, world: Host) -> int:
    """EIP-7516."""
    return world.block.blob_base_fee


@framed(0x5A, "GAS")
def gas(frame: Frame) -> int:
    return frame.gas
