"""A suspended computation as canonical bytes, and back: the machine's frames, the journal's open transaction, the rest.

docs/snapshot.md is the specification. keccak-256 of the bytes is `machineHash` where a ruleset says machine.
"""

from dataclasses import dataclass

from evmthread.errors import DecodingError, InvalidInput
from evmthread.execution.environment import BlockEnvironment, TransactionEnvironment, WorldHost
from evmthread.isa.forks import Fork
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.codec import decode_machine, encode_machine, signed_bytes, signed_integer
from evmthread.machine.hooks import Observers
from evmthread.machine.machine import Engine
from evmthread.machine.watched import WatchedMachine
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.quick import quick
from evmthread.state.pending import encode_pending, restore_pending

VERSION = b"\x01"
MAX_BYTES = 2**28  # more than any memory limit of a thread lets a machine hold
MAX_DEPTH = 6
_ITEM_BYTES = 4
"""Logs are all that there can be hundreds of thousands of, and one takes 24 bytes at least for its four items."""
_HEAD = 7
_BLOCK = (
    "number",
    "timestamp",
    "coinbase",
    "gas_limit",
    "base_fee",
    "difficulty",
    "prev_randao",
    "chain_id",
    "blob_base_fee",
)


@quick
@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """What ends a transaction whose call has ended: its gas limit, its price in wei, the least gas that it pays for."""

    gas_limit: int
    price: int
    floor: int


def machine_hash(snapshot: bytes) -> bytes:
    """The 32 bytes that stand for a suspended computation."""
    return keccak256(snapshot)


def encode_snapshot(
    machine: WatchedMachine, host: WorldHost, transaction: OpenTransaction | None, mark: tuple[int, int, int]
) -> bytes:
    """The canonical bytes of a machine that is suspended; `mark` is where its call began."""
    number = rlp.integer_bytes
    block, said = host.block, host.transaction
    start = host.transaction_start
    environment: list[rlp.Item] = []
    for name in _BLOCK:
        value = getattr(block, name)
        environment.append(value if isinstance(value, bytes) else number(value))
    undo, logs, refund = mark
    items: list[rlp.Item] = [
        machine.plain_fork.name.encode(),
        environment,
        [said.origin, number(said.gas_price), b"".join(said.blob_hashes)],
        [] if transaction is None else list(map(number, (transaction.gas_limit, transaction.price, transaction.floor))),
        [number((undo - start) // 3), number(logs), signed_bytes(refund), signed_bytes(host.refund)],
        encode_pending(host),
        encode_machine(machine, start),
    ]
    return VERSION + rlp.encode(items)


def decode_snapshot(
    snapshot: bytes, *, host: WorldHost, fork: Fork, cache: CodeCache, engine: Engine, observers: Observers
) -> tuple[WatchedMachine, OpenTransaction | None, tuple[int, int, int]]:
    """The machine of canonical bytes, on a host in which nothing is pending; what encode_snapshot was given.

    Raises DecodingError for anything else than what encode_snapshot writes, WrongBase where the state below differs,
    Missing where it must be fetched first. The host isn't to be used then.
    """
    if not isinstance(snapshot, bytes):
        raise InvalidInput(f"a snapshot is bytes, not {type(snapshot).__name__}")
    if len(snapshot) > MAX_BYTES:
        raise DecodingError(f"a snapshot of {len(snapshot)} bytes is longer than {MAX_BYTES}")
    if snapshot[:1] != VERSION:
        raise DecodingError(f"no snapshot of version {VERSION[0]}: it begins with 0x{snapshot[:4].hex()}")
    most = max(rlp.MAX_ITEMS, len(snapshot) // _ITEM_BYTES)
    fields = _list(rlp.decode(snapshot[1:], max_depth=MAX_DEPTH, max_items=most), _HEAD)
    name = _bytes(fields[0])
    if name != fork.name.encode():
        raise DecodingError(f"a snapshot of a machine of fork {name.decode(errors='replace')!a}, not {fork.name}")
    host.block = _block(_list(fields[1], len(_BLOCK)))
    host.transaction = _transaction_environment(_list(fields[2], 3))
    opened = [rlp.bytes_integer(_bytes(item)) for item in _list(fields[3], None)]
    if len(opened) not in (0, 3):
        raise DecodingError("an open transaction of a snapshot has three numbers")
    undo, logs, refund, refund_now = _list(fields[4], 4)
    replaced = restore_pending(host, _list(fields[5], None), signed_integer(refund_now))
    start = host.transaction_start
    machine = WatchedMachine(None, fork=fork, host=host, cache=cache, observers=observers, engine=engine)
    decode_machine(fields[6], machine, undo_start=start, undo_length=host.mark()[0] - start)
    transaction = OpenTransaction(*opened) if opened else None
    mark = start + 3 * rlp.bytes_integer(_bytes(undo)), rlp.bytes_integer(_bytes(logs)), signed_integer(refund)
    first = machine.root.mark
    if mark[0] > first[0] or mark[1] > first[1]:
        raise DecodingError("a snapshot's call began before its beginning")
    _check_marks(machine, mark, start, replaced)
    if transaction is not None:
        _check_transaction(transaction, machine, host)
    if encode_snapshot(machine, host, transaction, mark) != snapshot:
        raise DecodingError("not the canonical bytes of a snapshot")
    return machine, transaction, mark


def _check_marks(
    machine: WatchedMachine, mark: tuple[int, int, int], start: int, replaced: list[tuple[int, bytes]]
) -> None:
    """Going back to any mark leaves every open frame with the slots that are its account's. Raises DecodingError."""
    frames = machine.frames
    places = [(undo - start) // 3 for undo, _, _ in (mark, *[frame.mark for frame in frames])]
    inside = {place + step for place, _ in replaced for step in (1, 2)}
    last: dict[bytes, int] = {}
    for place, address in replaced:
        last[address] = max(place, last.get(address, 0))
    # What the frames inside of this one did begins with the next one's mark.
    if not inside.isdisjoint(places) or any(
        last.get(frame.address, -1) >= after for frame, after in zip(frames, places[2:], strict=False)
    ):
        raise DecodingError("a mark of a snapshot lies where no call can begin")


def _check_transaction(transaction: OpenTransaction, machine: WatchedMachine, host: WorldHost) -> None:
    """What no transaction can have would end in amounts that no account can have. Raises DecodingError."""
    limit, price = transaction.gas_limit, transaction.price
    gas = sum([frame.gas for frame in machine.frames]) + (0 if machine.pending is None else machine.pending.gas)
    base_fee = host.block.base_fee if machine.plain_fork.transactions.base_fee else 0
    if max(transaction.floor, gas) > limit or limit * price >> 256 or price < base_fee:
        raise DecodingError("an open transaction of a snapshot with a gas limit or a price that can't be")


def _list(item: rlp.Decoded, size: int | None) -> list[rlp.Decoded]:
    if isinstance(item, bytes) or (size is not None and len(item) != size):
        raise DecodingError("a part of a snapshot is no list, or has another size")
    return item


def _bytes(item: rlp.Decoded) -> bytes:
    if not isinstance(item, bytes):
        raise DecodingError("a part of a snapshot is a list in the place of a string")
    return item


def _block(items: list[rlp.Decoded]) -> BlockEnvironment:
    values: dict[str, int | bytes] = {}
    for name, item in zip(_BLOCK, items, strict=True):
        values[name] = _bytes(item) if name == "coinbase" else rlp.bytes_integer(_bytes(item))
    try:
        return BlockEnvironment(**values)  # type: ignore[arg-type]
    except InvalidInput as error:
        raise DecodingError(f"the block of a snapshot: {error}") from None


def _transaction_environment(items: list[rlp.Decoded]) -> TransactionEnvironment:
    origin, gas_price, blobs = map(_bytes, items)
    if len(origin) != 20 or len(blobs) % 32:
        raise DecodingError("the transaction of a snapshot has a wrong origin or blob hashes")
    hashes = tuple([blobs[start : start + 32] for start in range(0, len(blobs), 32)])
    return TransactionEnvironment(origin, rlp.bytes_integer(gas_price), hashes)
