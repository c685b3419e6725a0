"""A journal's open transaction as canonical bytes, and back: the state half of a suspended machine.

docs/snapshot.md is the specification of these bytes. Everything that can still change the outcome is in them: what was
changed, warm sets, transient storage, logs, refund, and the undo log, since calls that are still open may yet fail.
What can be read again from the view isn't. Equal transactions give equal bytes, whichever engine ran them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from evmthread.errors import DecodingError, VerificationError
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import Log
from evmthread.state.journal import Journal
from evmthread.state.scope import ABSENT
from evmthread.state.view import Account

ACCOUNT_BYTES = 73  # present (1), nonce (8), balance (32), code hash (32)
SLOT_BYTES = 84  # address (20), key (32), value (32)
PENDING_ITEMS = 14

(_ACCOUNT, _OPENED, _STORED, _WIPED, _TOUCHED, _CREATED, _DESTROYED, _WARM, _SLOT, _TRANSIENT, _BREAKPOINT) = range(11)

Slots = dict[int, int]


class WrongBase(VerificationError):  # noqa: N818 - as all names in errors.py, it says what happened
    """The state below isn't the one on which the suspended transaction began."""

    def __init__(self, address: bytes) -> None:
        super().__init__(f"account 0x{address.hex()} isn't what it was when the transaction was suspended")
        self.address = address


# Pieces of fixed size -----------------------------------------------------------------------------------------------
def _account_bytes(account: Account | None) -> bytes:
    if account is None:
        return bytes(ACCOUNT_BYTES)
    return b"\x01" + account.nonce.to_bytes(8, "big") + account.balance.to_bytes(32, "big") + account.code_hash


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _flag(old: object) -> bytes:
    return b"\x00" if old is ABSENT else b"\x01"


def _optional_word(value: Any) -> bytes:
    return bytes(33) if value is ABSENT else b"\x01" + _word(value)


def _table(slots: Mapping[int, int]) -> bytes:
    return len(slots).to_bytes(4, "big") + b"".join([_word(key) + _word(slots[key]) for key in sorted(slots)])


def _rows(slots: Mapping[bytes, Mapping[int, int]]) -> bytes:
    return b"".join(
        [address + _word(key) + _word(inner[key]) for address, inner in sorted(slots.items()) for key in sorted(inner)]
    )


class _Reader:
    """Takes pieces of fixed size from bytes. Raises DecodingError where there are too few."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def __bool__(self) -> bool:
        return self._position < len(self._data)

    def take(self, size: int) -> bytes:
        start = self._position
        self._position += size
        if self._position > len(self._data):
            raise DecodingError("pending state ends in the middle of an entry")
        return self._data[start : self._position]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def flag(self) -> bool:
        value = self.number(1)
        if value > 1:
            raise DecodingError(f"a flag of {value} in pending state")
        return bool(value)

    def account(self) -> Account | None:
        present = self.flag()
        account = Account(self.number(8), self.number(32), self.take(32))
        return account if present else None

    def table(self) -> Slots:
        return {self.number(32): self.number(32) for _ in range(self.number(4))}


def _addresses(data: bytes) -> list[bytes]:
    if len(data) % 20:
        raise DecodingError("addresses of pending state aren't 20 bytes each")
    return [data[start : start + 20] for start in range(0, len(data), 20)]


def _slot_rows(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    reader = _Reader(data)
    while reader:
        yield reader.take(20), reader.number(32), reader.number(32)


# Encoding -----------------------------------------------------------------------------------------------------------
def encode_pending(journal: Journal) -> list[rlp.Item]:
    """The open transaction of a journal as an RLP item: a list of PENDING_ITEMS strings and lists."""
    undo, touched_accounts, codes = _encode_undo(journal)
    scope = journal._scope
    changed = sorted(
        {address for address in journal._changed if journal._accounts[address] != journal._loaded[address]}
        | touched_accounts
    )
    for address in changed:
        account = journal._accounts[address]
        if account is not None:
            codes.add(account.code_hash)
    accounts = [
        address + _account_bytes(journal._accounts[address]) + _account_bytes(journal._loaded[address])
        for address in changed
    ]
    earlier = {address: dict.fromkeys(keys, 0) for address, keys in journal._changed_slots.items()}
    stored = {
        address: {key: slots[key] for key in _known(journal, address, journal._opened.get(address, {})) if key in slots}
        for address, slots in journal._stored.items()
    }
    return [
        b"".join(accounts),
        _rows(stored),
        _rows(earlier),
        b"".join(sorted(journal._wiped)),
        [journal._new_codes[code_hash] for code_hash in sorted(codes) if code_hash in journal._new_codes],
        b"".join(sorted(scope.warm)),
        _rows(scope.opened),
        _rows(scope.transient),
        b"".join(sorted(scope.touched)),
        b"".join(sorted(scope.created)),
        b"".join(scope.destroyed),
        b"".join(sorted(scope.breakpoints)),
        [[log.address, b"".join(log.topics), log.data] for log in scope.logs],
        undo,
    ]


def _known(journal: Journal, address: bytes, opened: Mapping[int, int]) -> set[int]:
    """The slots whose value at the start of the transaction must be told: it can't be read from the view, or is due."""
    return set(opened) | journal._changed_slots.get(address, set())


def _encode_undo(journal: Journal) -> tuple[bytes, set[bytes], set[bytes]]:
    """The undo entries of the open transaction, the accounts in them, and the code hashes of those."""
    scope, undo = journal._scope, journal._undo
    flags = {
        id(journal._wiped): _WIPED,
        id(scope.touched): _TOUCHED,
        id(scope.created): _CREATED,
        id(scope.destroyed): _DESTROYED,
        id(scope.warm): _WARM,
        id(scope.breakpoints): _BREAKPOINT,
    }
    # Going backwards, each dictionary of slots is that of one account; an entry may put an older one in its place.
    owners = {id(slots): address for address, slots in scope.opened.items()}
    transients = {id(slots): address for address, slots in scope.transient.items()}
    opened: dict[bytes, Mapping[int, int]] = dict(scope.opened)
    entries: list[bytes] = []
    accounts: set[bytes] = set()
    codes: set[bytes] = set()
    for index in range(len(undo) - 3, scope.undo_start - 1, -3):
        mapping, key, old = undo[index : index + 3]
        place = id(mapping)
        entry: bytes
        if place in owners:
            entry = bytes((_SLOT,)) + owners[place] + _word(key) + _optional_word(old)  # type: ignore[arg-type]
        elif mapping is journal._accounts:
            assert isinstance(key, bytes)
            account = old if isinstance(old, Account) else None
            entry = bytes((_ACCOUNT,)) + key + _account_bytes(account)
            accounts.add(key)
            if account is not None:
                codes.add(account.code_hash)
        elif place in flags:
            entry = bytes((flags[place],)) + key + _flag(old)  # type: ignore[operator]
        elif mapping is scope.opened:
            assert isinstance(key, bytes)
            before: Slots = {} if old is ABSENT else old  # type: ignore[assignment]
            entry = bytes((_OPENED,)) + key + _table(before)
            if old is not ABSENT:
                owners[id(before)] = key
            opened[key] = before
        elif mapping is journal._stored:
            assert isinstance(key, bytes)
            known: Slots = {} if old is ABSENT else old  # type: ignore[assignment]
            wanted = _known(journal, key, opened.get(key, {}))
            entry = bytes((_STORED,)) + key + _table({slot: known[slot] for slot in wanted if slot in known})
        else:
            assert place in transients, "an undo entry of an unknown dictionary"
            entry = bytes((_TRANSIENT,)) + transients[place] + _word(key) + _optional_word(old)  # type: ignore[arg-type]
        entries.append(entry)
    return b"".join(reversed(entries)), accounts, codes


# Decoding -----------------------------------------------------------------------------------------------------------
def restore_pending(journal: Journal, items: list[rlp.Decoded], refund: int) -> None:
    """Makes the journal's open transaction the one that was encoded; nothing may be pending in it.

    Raises DecodingError, WrongBase where the view differs, and Missing: get the state, then begin again with a journal
    in which nothing is pending. The caller encodes the journal again and compares: only canonical bytes are good.
    """
    if len(items) != PENDING_ITEMS:
        raise DecodingError(f"pending state has {PENDING_ITEMS} items, not {len(items)}")
    strings = [item if isinstance(item, bytes) else b"" for item in items]
    codes, logs = items[4], items[12]
    if isinstance(codes, bytes) or isinstance(logs, bytes) or sum([isinstance(item, list) for item in items]) != 2:
        raise DecodingError("pending state has a list in the place of a string, or a string in that of a list")
    journal._undo_to(journal.transaction_start)  # what is warm from the start comes with the rest
    _restore_accounts(journal, strings[0])
    for code in codes:
        if not isinstance(code, bytes):
            raise DecodingError("a code of pending state is a list")
        code_hash = keccak256(code)
        journal._codes[code_hash] = journal._new_codes[code_hash] = code
    for address, key, value in _slot_rows(strings[1]):
        journal._stored.setdefault(address, {})[key] = value
    for address, key, _ in _slot_rows(strings[2]):
        journal._changed_slots.setdefault(address, set()).add(key)
    journal._wiped.update(dict.fromkeys(_addresses(strings[3]), True))
    scope = journal._scope
    _fill(scope.warm, strings[5])
    for address, key, value in _slot_rows(strings[6]):
        scope.opened.setdefault(address, {})[key] = value
    for address, slots in scope.opened.items():
        if slots.keys() - journal._stored.get(address, {}).keys():
            raise DecodingError("pending state has a warm slot without its value at the beginning")
    for address, key, value in _slot_rows(strings[7]):
        scope.transient.setdefault(address, {})[key] = value
    for flags, data in zip(
        (scope.touched, scope.created, scope.destroyed, scope.breakpoints), strings[8:12], strict=True
    ):
        _fill(flags, data)
    scope.logs[:] = [_decode_log(item) for item in logs]
    journal.refund = refund
    _restore_undo(journal, strings[13])


def _fill(flags: dict[bytes, bool], data: bytes) -> None:
    flags.clear()
    flags.update(dict.fromkeys(_addresses(data), True))


def _restore_accounts(journal: Journal, data: bytes) -> None:
    reader = _Reader(data)
    while reader:
        address, now, before = reader.take(20), reader.account(), reader.account()
        if journal.view.account(address) != before:
            raise WrongBase(address)
        journal._accounts[address], journal._loaded[address] = now, before
        journal._changed.add(address)


def _decode_log(item: rlp.Decoded) -> Log:
    if isinstance(item, bytes) or len(item) != 3:
        raise DecodingError("a log of pending state has three items")
    address, topics, data = item
    if not isinstance(address, bytes) or not isinstance(topics, bytes) or not isinstance(data, bytes):
        raise DecodingError("a log of pending state holds a list")
    if len(address) != 20 or len(topics) % 32 or len(topics) > 4 * 32:
        raise DecodingError("a log of pending state has a wrong address or topics")
    return Log(address, tuple([topics[start : start + 32] for start in range(0, len(topics), 32)]), data)


def _restore_undo(journal: Journal, data: bytes) -> None:
    """Reads entries forwards and links them backwards, where each dictionary is known."""
    scope = journal._scope
    flags: dict[int, dict[bytes, bool]] = {
        _WIPED: journal._wiped,
        _TOUCHED: scope.touched,
        _CREATED: scope.created,
        _DESTROYED: scope.destroyed,
        _WARM: scope.warm,
        _BREAKPOINT: scope.breakpoints,
    }
    entries = list(_read_undo(data))
    opened: dict[bytes, Slots] = scope.opened
    live = dict(opened)
    undo: list[object] = []
    rehearsed: dict[int, dict[object, object]] = {}
    for tag, address, key, old in reversed(entries):
        if tag in flags:
            linked: tuple[object, object, object] = flags[tag], address, old
        elif tag == _ACCOUNT:
            if address not in journal._changed:
                raise DecodingError("an undo entry of pending state is about an account that didn't change")
            linked = journal._accounts, address, old
        elif tag == _SLOT:
            linked = _slots_of(live, scope.opened, address), key, old
        elif tag == _TRANSIENT:
            linked = scope.transient.setdefault(address, {}), key, old
        elif tag == _OPENED:
            live[address] = old
            linked = scope.opened, address, old
        else:
            linked = journal._stored, address, old
        _rehearse(rehearsed, *linked)
        undo.extend(reversed(linked))
    journal._undo.extend(reversed(undo))


def _rehearse(rehearsed: dict[int, dict[object, object]], mapping: Any, key: object, old: object) -> None:
    """Undoes an entry on a copy: what was absent before it must be there now."""
    copy = rehearsed.setdefault(id(mapping), dict(mapping))
    if old is not ABSENT:
        copy[key] = old
    elif copy.pop(key, ABSENT) is ABSENT:
        raise DecodingError("an undo entry of pending state takes away what isn't there")


def _slots_of(live: dict[bytes, Slots], opened: dict[bytes, Slots], address: bytes) -> Slots:
    if address not in live:
        live[address] = opened[address] = {}
    return live[address]


def _read_undo(data: bytes) -> Iterable[tuple[int, bytes, Any, Any]]:
    reader = _Reader(data)
    while reader:
        tag, address = reader.number(1), reader.take(20)
        read = _READ.get(tag)
        if read is None:
            raise DecodingError(f"undo entry of unknown kind {tag}")
        yield tag, address, *read(reader)


def _read_slot(reader: _Reader) -> tuple[int, object]:
    key, present, value = reader.number(32), reader.flag(), reader.number(32)
    if value and not present:
        raise DecodingError("an absent slot with a value in pending state")
    return key, value if present else ABSENT


def _read_account(reader: _Reader) -> tuple[None, Account | None]:
    return None, reader.account()


def _read_table(reader: _Reader) -> tuple[None, Slots]:
    return None, reader.table()


def _read_flag(reader: _Reader) -> tuple[None, object]:
    return None, True if reader.flag() else ABSENT


_READ: Mapping[int, Callable[[_Reader], tuple[Any, Any]]] = {
    _ACCOUNT: _read_account,
    _OPENED: _read_table,
    _STORED: _read_table,
    **dict.fromkeys((_WIPED, _TOUCHED, _CREATED, _DESTROYED, _WARM, _BREAKPOINT), _read_flag),
    _SLOT: _read_slot,
    _TRANSIENT: _read_slot,
}
