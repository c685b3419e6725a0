"""CREATE and CREATE2 (Yellow Paper, section 7 and appendix H.2; EIP-150, 161, 684, 1014, 2681, 2929, 3860, 7610)."""

from evmthread.errors import Missing
from evmthread.isa.frame import Frame, read_memory
from evmthread.isa.halts import ExceptionalHalt, HaltReason
from evmthread.isa.host import Host
from evmthread.isa.instruction import control
from evmthread.isa.instructions.hashing import KECCAK_WORD_PRICE
from evmthread.isa.message import CREATE, CREATE2, MESSAGE_OF, CallKind, Message
from evmthread.primitives import rlp
from evmthread.primitives.keccak import EMPTY_HASH, keccak256

MAX_NONCE = 2**64 - 1  # EIP-2681


def create_address(sender: bytes, nonce: int) -> bytes:
    """The address of a contract made by CREATE or by a transaction (Yellow Paper, section 7)."""
    if nonce < 0x80:  # as nearly always: the list as it then is, of 20 bytes and one
        return keccak256(b"\xd6\x94" + sender + bytes((nonce or 0x80,)))[12:]
    return keccak256(rlp.encode_list((rlp.encode_bytes(sender), rlp.encode_int(nonce))))[12:]


def create2_address(sender: bytes, salt: bytes, init_code: bytes) -> bytes:
    """The address of a contract made by CREATE2 (EIP-1014)."""
    return keccak256(b"\xff" + sender + salt + keccak256(init_code))[12:]


def is_taken(world: Host, address: bytes) -> bool:
    """True where no contract can be created: a nonce, code or storage is there (EIP-684, 7610). May raise Missing."""
    account = world.account(address)
    if account is None:
        return False
    return account.nonce != 0 or account.code_hash != EMPTY_HASH or world.has_storage(address)


def _charge_create(frame: Frame, offset: int, size: int, word_price: int) -> bytes:
    if frame.is_static:
        raise ExceptionalHalt(HaltReason.WRITE_PROTECTION)
    if size > frame.fork.limits.init_code_size:
        raise ExceptionalHalt(HaltReason.INIT_CODE_TOO_LARGE)
    frame.grow_range(offset, size)
    frame.charge((frame.prices.init_code_word + word_price) * ((size + 31) >> 5))
    return read_memory(frame.memory, offset, size)


def _depart(frame: Frame, world: Host, kind: CallKind, address: bytes, init_code: bytes, value: int) -> int | Message:
    account = world.account(frame.address)
    balance, nonce = (account.balance, account.nonce) if account is not None else (0, 0)
    taken = is_taken(world, address)
    gas = frame.rules.create_gas(frame.gas)
    frame.return_data = b""
    if balance < value or nonce >= MAX_NONCE or frame.depth >= frame.fork.limits.call_depth:
        return 0
    frame.charge(gas)
    world.warm_account(address)
    world.increment_nonce(frame.address)
    if taken:
        return 0
    here, depth = frame.address, frame.depth + 1
    return MESSAGE_OF((kind, here, address, address, init_code, b"", value, value, gas, False, depth, 0, 0, 0))


@control(0xF0, "CREATE", pushes=1)
def create(frame: Frame, world: Host, value: int, offset: int, size: int) -> int | Message:
    account = world.account(frame.address)
    address = create_address(frame.address, account.nonce if account is not None else 0)
    is_taken(world, address)
    init_code = _charge_create(frame, offset, size, 0)
    return _depart(frame, world, CREATE, address, init_code, value)


@control(0xF5, "CREATE2", pushes=1)
def create2(frame: Frame, world: Host, value: int, offset: int, size: int, salt: int) -> int | Message:
    """EIP-1014. The address hangs on the init code, so memory is read before the new account is."""
    words, gas = len(frame.memory), frame.gas
    init_code = _charge_create(frame, offset, size, KECCAK_WORD_PRICE)
    address = create2_address(frame.address, salt.to_bytes(32), init_code)
    try:
        is_taken(world, address)
    except Missing:
        del frame.memory[words:]
        frame.gas = gas
        raise
    return _depart(frame, world, CREATE2, address, init_code, value)
