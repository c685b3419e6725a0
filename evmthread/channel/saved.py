"""What leads from one agreement's state to the next, as bytes that a store can keep and a restart can read.

Trusts nothing of what it reads but its form: whether the state is the agreed one, its root tells (Thread.restore).
"""

from dataclasses import dataclass, replace

from evmthread.channel.suspension import OpenCall
from evmthread.commit.batch import Environment, Input
from evmthread.commit.commitment import Suspension
from evmthread.commit.records import MAX_DEPTH, VERSION_BYTE, decoded_list
from evmthread.errors import DecodingError
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.quick import quick
from evmthread.state.view import Account, AccountChange, StateChanges

_WORD_BYTES = 32
_STEP_ITEMS, _SINCE_ITEMS, _CHANGE_ITEMS, _ACCOUNT_ITEMS, _SLOT_ITEMS, _OPEN_ITEMS = 6, 2, 4, 3, 3, 5


@quick
@dataclass(frozen=True, slots=True)
class SavedStep:
    """The changes of one batch, and where the thread stands after it.

    `slots` counts the root contract's non-zero slots. `changes` are exact; from nothing, they are a whole state.
    `turn_since` is for the party whose store this is: when its owner's turn began, or 0. `since`: beside a whole state,
    what led to it from the agreement before, by which it can be gone back across.
    """

    changes: StateChanges
    environment: Environment
    slots: int
    open_call: OpenCall | None
    turn_since: int = 0
    since: StateChanges | None = None

    @property
    def one(self) -> "SavedStep":
        """The step from the agreement before, where that is known; else this one, a whole state."""
        return self if self.since is None else replace(self, changes=self.since, since=None)


def encode_step(step: SavedStep) -> bytes:
    """The bytes of a step: 0x01 ++ rlp([accounts, codes, environment, slots, open call or empty, turn]).

    A whole state has a seventh item, [accounts, codes], of what led to it.
    """
    since = [] if step.since is None else [rlp.encode_list(_changes_rlp(step.since))]
    return VERSION_BYTE + rlp.encode_list(
        [
            *_changes_rlp(step.changes),
            step.environment.to_rlp(),
            rlp.encode_int(step.slots),
            rlp.EMPTY_LIST if step.open_call is None else _open_call_rlp(step.open_call),
            rlp.encode_int(step.turn_since),
            *since,
        ]
    )


def _changes_rlp(changes: StateChanges) -> list[bytes]:
    accounts = [_change_rlp(address, change) for address, change in sorted(changes.accounts.items())]
    codes = [rlp.encode_bytes(code) for _, code in sorted(changes.codes.items())]
    return [rlp.encode_list(accounts), rlp.encode_list(codes)]


def _change_rlp(address: bytes, change: AccountChange) -> bytes:
    slots = [
        rlp.encode_list([rlp.encode_int(key), rlp.encode_int(before), rlp.encode_int(after)])
        for key, (before, after) in sorted(change.slots.items())
    ]
    before = _account_rlp(change.before)
    after = before if change.after == change.before else _account_rlp(change.after)  # a contract's changes seldom
    return rlp.encode_list([rlp.encode_bytes(address), before, after, rlp.encode_list(slots)])


def _account_rlp(account: Account | None) -> bytes:
    if account is None:
        return rlp.EMPTY_LIST
    nonce, balance, code_hash = account
    return rlp.encode_list([rlp.encode_int(nonce), rlp.encode_int(balance), rlp.encode_bytes(code_hash)])


def _open_call_rlp(opened: OpenCall) -> bytes:
    return rlp.encode_list(
        [
            opened.input.to_rlp(),
            opened.environment.to_rlp(),
            opened.suspension.to_rlp(),
            rlp.encode_bytes(opened.snapshot),
            rlp.encode_bytes(opened.machine_hash),
        ]
    )


def decode_step(data: bytes) -> SavedStep:
    """The step of its bytes. Raises DecodingError."""
    (accounts, codes, environment, slots, opened, turn), since = _items(data)
    return SavedStep(
        _changes(accounts, codes),
        Environment.from_rlp(environment),
        _number(slots),
        None if opened == [] else _open_call(opened),
        _number(turn),
        None if since is None else _since(since),
    )


def decode_changes(data: bytes) -> StateChanges:
    """The changes of a step's bytes alone: all that counts where others follow. Raises DecodingError."""
    (accounts, codes, *_), _ = _items(data)
    return _changes(accounts, codes)


def _items(data: bytes) -> "tuple[list[rlp.Decoded], rlp.Decoded | None]":
    """The six items of a step, and the seventh where there is one."""
    if data[:1] != VERSION_BYTE:
        raise DecodingError(f"saved state of version 0x{data[:1].hex()}")
    # However large: a state that was kept and can't be read would lose its thread at the next start.
    items = _list(rlp.decode(data[1:], max_depth=MAX_DEPTH, max_items=len(data)))
    since = items.pop() if len(items) == _STEP_ITEMS + 1 else None
    return decoded_list(items, "saved state", _STEP_ITEMS), since


def _since(item: rlp.Decoded) -> StateChanges:
    return _changes(*decoded_list(item, "what led to a saved state", _SINCE_ITEMS))


def _changes(accounts: rlp.Decoded, codes: rlp.Decoded) -> StateChanges:
    changed = dict([_change(change) for change in _list(accounts)])
    return StateChanges(changed, {keccak256(code): code for code in [_bytes(code) for code in _list(codes)]})


def _list(item: rlp.Decoded) -> list[rlp.Decoded]:
    if isinstance(item, bytes):
        raise DecodingError("saved state: bytes where a list is wanted")
    return item


def _bytes(item: rlp.Decoded) -> bytes:
    if not isinstance(item, bytes):
        raise DecodingError("saved state: a list where bytes are wanted")
    return item


def _number(item: rlp.Decoded) -> int:
    if isinstance(item, bytes) and len(item) <= _WORD_BYTES and item[:1] != b"\x00":
        return int.from_bytes(item, "big")
    return rlp.bytes_integer(_bytes(item))  # which says what is wrong


def _change(item: rlp.Decoded) -> tuple[bytes, AccountChange]:
    address, before, after, slots = decoded_list(item, "change of an account", _CHANGE_ITEMS)
    first = _account(before)
    last = first if after == before else _account(after)
    changed = {}
    for slot in _list(slots):
        key, old, new = decoded_list(slot, "change of a slot", _SLOT_ITEMS)
        changed[_number(key)] = (_number(old), _number(new))
    return _bytes(address), AccountChange(first, last, changed)


def _account(item: rlp.Decoded) -> Account | None:
    if item == []:
        return None
    nonce, balance, code_hash = decoded_list(item, "account", _ACCOUNT_ITEMS)
    return Account(_number(nonce), _number(balance), _bytes(code_hash))


def _open_call(item: rlp.Decoded) -> OpenCall:
    each, environment, suspension, snapshot, machine_hash = decoded_list(item, "open call", _OPEN_ITEMS)
    return OpenCall(
        Input.from_rlp(each),
        Environment.from_rlp(environment),
        Suspension.from_rlp(suspension),
        _bytes(snapshot),
        _bytes(machine_hash),
    )
