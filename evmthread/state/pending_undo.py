"""The undo entries of a journal's open transaction as canonical bytes, and back.

Calls that are still open may yet fail: what they would take back belongs to a suspended machine. In a journal an entry
is a dictionary, a key and the old value; in the bytes, a kind and an address. docs/snapshot.md is the specification.
"""

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, NamedTuple

from evmthread.errors import DecodingError, InvalidInput
from evmthread.state.journal import Journal
from evmthread.state.pieces import Reader, Slots, account_bytes, flag, optional_word, table, word
from evmthread.state.scope import ABSENT
from evmthread.state.view import Account

(_ACCOUNT, _OPENED, _STORED, _WIPED, _TOUCHED, _CREATED, _DESTROYED, _WARM, _SLOT, _TRANSIENT, _BREAKPOINT) = range(11)

# What is written stays, until it is undone; only who was touched or destroyed is forgotten at the end of a transaction.
_LEAVES_A_KEY = (_WIPED, _CREATED, _WARM, _SLOT, _TRANSIENT, _BREAKPOINT)


def _flags(journal: Journal) -> dict[int, dict[bytes, bool]]:
    scope = journal._scope
    return {
        _WIPED: journal._wiped,
        _TOUCHED: scope.touched,
        _CREATED: scope.created,
        _DESTROYED: scope.destroyed,
        _WARM: scope.warm,
        _BREAKPOINT: scope.breakpoints,
    }


def exists_below(journal: Journal, address: bytes) -> bool:
    """Whether the view has this account: only then does it matter that its storage was wiped. May raise Missing."""
    journal.account(address)
    return journal._loaded[address] is not None


def changed_before(journal: Journal, address: bytes, slots: Mapping[int, int], *, wiped: bool) -> set[int]:
    """The keys of an account's slots, as they were when a transaction began, that aren't as in the view.

    Nor as in one in which the account is `wiped`. May raise Missing.
    """
    return {
        key
        for key in journal._changed_slots.get(address, ())
        if key in slots and slots[key] != (0 if wiped else journal.view.slot(address, key))
    }


class EncodedUndo(NamedTuple):
    """`accounts`: the accounts in the entries, as they were; `wiped`: those that were created or deleted; `earlier`:
    the slots that earlier transactions changed, as far as that can be seen."""

    data: bytes
    accounts: list[tuple[bytes, Account | None]]
    wiped: set[bytes]
    earlier: dict[bytes, set[int]]


def encode_undo(journal: Journal) -> EncodedUndo:
    """The entries, oldest first. Raises InvalidInput for the one journal that has no bytes (see below)."""
    scope, undo = journal._scope, journal._undo
    flags = {id(mapping): kind for kind, mapping in _flags(journal).items()}
    # Going backwards, each dictionary of slots is that of one account; an entry may put an older one in its place.
    owners = {id(slots): address for address, slots in scope.opened.items()}
    transients = {id(slots): address for address, slots in scope.transient.items()}
    opened: dict[bytes, Mapping[int, int]] = dict(scope.opened)
    wiped = set(journal._wiped)
    entries: list[bytes] = []
    accounts: list[tuple[bytes, Account | None]] = []
    oldest: dict[bytes, int] = {}  # of those that were wiped: where the oldest entry of each is
    earlier = {
        address: changed_before(journal, address, journal._stored.get(address, {}), wiped=address in wiped)
        for address in journal._changed_slots
    }
    for index in range(len(undo) - 3, scope.undo_start - 1, -3):
        mapping, key, old = undo[index : index + 3]
        place = id(mapping)
        entry: bytes
        if place in owners:
            entry = bytes((_SLOT,)) + owners[place] + word(key) + optional_word(old)  # type: ignore[arg-type]
        elif mapping is journal._accounts:
            assert isinstance(key, bytes)
            account = old if isinstance(old, Account) else None
            entry = bytes((_ACCOUNT,)) + key + account_bytes(account)
            accounts.append((key, account))
        elif place in flags:
            assert isinstance(key, bytes)
            if mapping is journal._wiped:
                (wiped.discard if old is ABSENT else wiped.add)(key)
                oldest[key] = len(entries)
            entry = bytes((flags[place],)) + key + flag(old)
        elif mapping is scope.opened:
            assert isinstance(key, bytes)
            before: Slots = {} if old is ABSENT else old  # type: ignore[assignment]
            entry = bytes((_OPENED,)) + key + table(before)
            if old is not ABSENT:
                owners[id(before)] = key
            opened[key] = before
        elif mapping is journal._stored:
            assert isinstance(key, bytes)
            known: Slots = {} if old is ABSENT else old  # type: ignore[assignment]
            due = changed_before(journal, key, known, wiped=key in wiped)
            earlier[key] = earlier.get(key, set()) | due
            wanted = due | set(opened.get(key, ()))
            entry = bytes((_STORED,)) + key + table({slot: known[slot] for slot in wanted if slot in known})
        elif place in transients:
            entry = bytes((_TRANSIENT,)) + transients[place] + word(key) + optional_word(old)  # type: ignore[arg-type]
        else:
            # Code that ran at an address without code, of its caller's choice, had a contract created there.
            raise InvalidInput("a contract was created where a call is still open: such a machine has no bytes")
        entries.append(entry)
    for address, place in oldest.items():
        if not exists_below(journal, address):  # then it doesn't matter whether it was wiped when this began
            entries[place] = bytes((_WIPED,)) + address + flag(ABSENT)
    return EncodedUndo(b"".join(reversed(entries)), accounts, set(oldest), earlier)


# Decoding -----------------------------------------------------------------------------------------------------------
class RestoredUndo(NamedTuple):
    """`accounts` as in EncodedUndo, the oldest last; `wiped`: whose storage didn't count when the transaction began;
    `stored`: values at that time, with whether their account was wiped; `replaced`: where, counted in entries, and
    whose slots give way to others, by three entries."""

    accounts: list[tuple[bytes, Account | None]]
    wiped: set[bytes]
    stored: list[tuple[bytes, Slots, bool]]
    replaced: list[tuple[int, bytes]]


def restore_undo(journal: Journal, data: bytes, wiped_before: Container[bytes]) -> RestoredUndo:
    """Reads entries forwards and links them backwards, where each dictionary is known. Raises DecodingError.

    `wiped_before`: whose storage didn't count in this journal before anything was restored.
    """
    scope = journal._scope
    flags = _flags(journal)
    entries = list(_read_undo(data))
    live: dict[bytes, Slots] = dict(scope.opened)
    undo: list[object] = []
    rehearsal = _Rehearsal()
    wiped = set(journal._wiped)
    restored = RestoredUndo([], wiped, [], [])
    for index in range(len(entries) - 1, -1, -1):
        kind, address, key, old = entries[index]
        if kind in flags:
            linked: tuple[object, object, object] = flags[kind], address, old
            if kind == _WIPED:
                (wiped.discard if old is ABSENT else wiped.add)(address)
                linked = journal._wiped, address, True if address in wiped_before else old
        elif kind == _ACCOUNT:
            if address not in journal._changed:
                raise DecodingError("an undo entry of pending state is about an account that didn't change")
            restored.accounts.append((address, old))
            linked = journal._accounts, address, old
        elif kind == _SLOT:
            if address not in live:
                live[address] = scope.opened[address] = {}
            linked = live[address], key, old
        elif kind == _TRANSIENT:
            linked = scope.transient.setdefault(address, {}), key, old
        else:
            _check_replacement(entries, index)
            linked = (scope.opened if kind == _OPENED else journal._stored), address, old
            if kind == _OPENED:
                live[address] = old
            else:
                restored.stored.append((address, old, address in wiped))
                restored.replaced.append((index, address))
        rehearsal.undo(*linked, there=old is ABSENT or kind in _LEAVES_A_KEY)
        undo.extend(reversed(linked))
    journal._undo.extend(reversed(undo))
    return restored


def _check_replacement(entries: list[tuple[int, bytes, Any, Any]], index: int) -> None:
    """An account's slots give way to others when it is created or deleted: by three entries that stand together."""
    kind, address = entries[index][:2]
    first = index if kind == _STORED else index - 2
    group = entries[max(first, 0) : first + 3]
    if [entry[:2] for entry in group] != [(each, address) for each in (_STORED, _WIPED, _OPENED)]:
        raise DecodingError("undo entries of pending state put slots in the place of others half-way")
    if not group[2][3].keys() <= group[0][3].keys():
        raise DecodingError("an undo entry of pending state has a warm slot without its value at the beginning")


class _Rehearsal:
    """Undoes entries on copies, to see that each finds what it takes away, or what it wrote over."""

    def __init__(self) -> None:
        self._copies: dict[int, dict[object, object]] = {}

    def undo(self, mapping: Any, key: object, old: object, *, there: bool) -> None:
        """`there`: the key must be there before it is undone."""
        copy = self._copies.get(id(mapping))
        if copy is None:
            copy = self._copies[id(mapping)] = dict(mapping)
        if there and key not in copy:
            raise DecodingError("an undo entry of pending state takes away what isn't there")
        if old is ABSENT:
            del copy[key]
        else:
            copy[key] = old


def _read_undo(data: bytes) -> Iterator[tuple[int, bytes, Any, Any]]:
    reader = Reader(data)
    while reader:
        kind, address = reader.number(1), reader.take(20)
        read = _READ.get(kind)
        if read is None:
            raise DecodingError(f"undo entry of unknown kind {kind}")
        yield kind, address, *read(reader)


def _read_slot(reader: Reader) -> tuple[int, object]:
    key, present, value = reader.number(32), reader.flag(), reader.number(32)
    if value and not present:
        raise DecodingError("an absent slot with a value in pending state")
    return key, value if present else ABSENT


def _read_account(reader: Reader) -> tuple[None, Account | None]:
    return None, reader.account()


def _read_table(reader: Reader) -> tuple[None, Slots]:
    return None, reader.table()


def _read_flag(reader: Reader) -> tuple[None, object]:
    return None, True if reader.flag() else ABSENT


_READ: Mapping[int, Callable[[Reader], tuple[Any, Any]]] = {
    _ACCOUNT: _read_account,
    _OPENED: _read_table,
    _STORED: _read_table,
    **dict.fromkeys((_WIPED, _TOUCHED, _CREATED, _DESTROYED, _WARM, _BREAKPOINT), _read_flag),
    _SLOT: _read_slot,
    _TRANSIENT: _read_slot,
}
