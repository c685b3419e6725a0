"""A whole state as one file: written and read in bounded memory. docs/state.md is the specification of its bytes.

A file is read twice: first to see that it is whole and what its root is, and only then into a state. It must not know
what kind of state it reads from or writes to.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Protocol

from evmthread.errors import BackendError, DecodingError, InvalidInput, VerificationError
from evmthread.merkle.trie import EMPTY_ROOT
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.state.files import is_there, open_regular, path_of, publish, system_errors, unfinished_name
from evmthread.state.pruning import Progress, unheard
from evmthread.state.records import Tip, decode_account, decode_tip, encode_account, encode_tip
from evmthread.state.sorted_root import RootOfState
from evmthread.state.view import (
    Account,
    AccountChange,
    KeepsRoots,
    ListsAccounts,
    ListsSlots,
    StateBackend,
    StateChanges,
    StateView,
)

MAGIC = b"evmthread state\x00"
FORMAT_VERSION = 1
_HEAD, _CODE, _ACCOUNT, _SLOTS, _END = range(1, 6)
_SLOT_BYTES = 64
_SLOTS_IN_RECORD = 1024
_MAX_RECORD_BYTES = 1 << 24  # no fork's code comes near it
_BATCH = 20_000  # slots, accounts and codes of one apply


class Exportable(StateView, ListsAccounts, ListsSlots, KeepsRoots, Protocol):
    """A view that can be listed and has a root."""


class Importable(StateBackend, KeepsRoots, Protocol):
    """A backend that has a root."""


@dataclass(frozen=True, slots=True)
class _Record:
    kind: int
    payload: bytes


def export_state(state: Exportable, path: str | Path, *, nonce: int = 0, progress: Progress = unheard) -> bytes:
    """Writes a whole state into a file, which is there only when it is whole; its state root.

    `nonce` is a number for the reader. Raises InvalidInput when the file is there already, and what the state raises.
    """
    place = path_of(path)
    if is_there(place):
        raise InvalidInput(f"{place} is there already")
    root = state.roots().root()
    unfinished = unfinished_name(place)
    with system_errors(place):
        try:
            with unfinished.open("wb") as file:
                _write(file, Tip(nonce, root), state, progress)
            publish(unfinished, place)
        finally:
            unfinished.unlink(missing_ok=True)
    return root


def _write(file: BinaryIO, tip: Tip, state: Exportable, progress: Progress) -> None:
    digest = hashlib.sha256()

    def put(data: bytes) -> None:
        digest.update(data)
        file.write(data)

    def record(kind: int, payload: bytes) -> None:
        put(bytes((kind,)) + len(payload).to_bytes(4, "big") + payload)

    put(MAGIC + FORMAT_VERSION.to_bytes(2, "big"))
    record(_HEAD, encode_tip(tip))
    _write_accounts(state, record, progress)
    put(bytes((_END,)) + (32).to_bytes(4, "big"))
    file.write(digest.digest())


def _write_accounts(state: Exportable, record: Callable[[int, bytes], None], progress: Progress) -> None:
    codes = {EMPTY_HASH}
    done = 0
    for address, account in state.accounts():
        if account.code_hash not in codes:
            codes.add(account.code_hash)
            record(_CODE, state.code(account.code_hash))
        record(_ACCOUNT, address + encode_account(account))
        slots = iter(state.slots(address))
        while batch := list(islice(slots, _SLOTS_IN_RECORD)):
            record(_SLOTS, b"".join([key.to_bytes(32, "big") + value.to_bytes(32, "big") for key, value in batch]))
            done += len(batch)
            progress("slots written", done)


def check_export(path: str | Path, *, progress: Progress = unheard) -> Tip:
    """Reads an exported file to its end; the nonce and the root of its state.

    In bounded memory: what must be sorted lies in temporary files. Raises DecodingError for a file that is damaged, cut
    off or no export, VerificationError for one that lies about its root, BackendError for one that can't be read.
    """
    with checked_export(path, progress=progress) as export:
        return export.tip


@dataclass(frozen=True, slots=True)
class CheckedExport:
    """An exported file that was read to its end, and found to be whole and true."""

    tip: Tip
    _file: BinaryIO

    def fill(self, state: Importable, *, progress: Progress = unheard) -> None:
        """Puts its state into an empty backend, in several applies: what is interrupted is to be thrown away.

        Raises InvalidInput for a backend that isn't empty, BackendError.
        """
        if state.roots().root() != EMPTY_ROOT:
            raise InvalidInput("only an empty state takes an export")
        done = 0
        with system_errors(self._file.name):
            self._file.seek(0)
            _, records = _open(self._file)
            for changes, slots in _batches(records):
                state.apply(changes)
                done += slots
                progress("slots imported", done)
        if (root := state.roots().root()) != self.tip.root:
            raise BackendError(f"the file's root is 0x{self.tip.root.hex()}, and the backend's 0x{root.hex()}")


@contextmanager
def checked_export(path: str | Path, *, progress: Progress = unheard) -> Iterator[CheckedExport]:
    """The file, checked; raises what check_export raises."""
    place = path_of(path)
    with system_errors(place):
        file = open_regular(place)
    with file:
        with system_errors(place):
            tip = _check(file, progress)
        yield CheckedExport(tip, file)


def _check(file: BinaryIO, progress: Progress) -> Tip:
    tip, records = _open(file)
    known = {EMPTY_HASH}
    state = RootOfState()
    done = 0
    last_address = b""
    last_key = -1
    holder = False
    for record in records:
        if record.kind == _CODE:
            known.add(keccak256(record.payload))
            holder = False
        elif record.kind == _ACCOUNT:
            address, account = _account(record.payload)
            if address <= last_address or account.code_hash not in known:
                raise DecodingError(f"account 0x{address.hex()} is out of order, or its code doesn't come before it")
            last_address = address
            state.account(address, account)
            holder, last_key = True, -1
        else:
            if not holder:
                raise DecodingError("slots that belong to no account")
            for key, value in _slots(record.payload):
                if key <= last_key or not value:
                    raise DecodingError(f"slot {key:#x} is zero or out of order")
                last_key = key
                state.slot(key, value)
            done += len(record.payload) // _SLOT_BYTES
            progress("slots checked", done)
    if (root := state.root()) != tip.root:
        raise VerificationError(f"the file says its root is 0x{tip.root.hex()}, and it is 0x{root.hex()}")
    return tip


def import_state(path: str | Path, state: Importable, *, progress: Progress = unheard) -> Tip:
    """Puts an exported state into an empty backend; the nonce and the root that it had.

    Raises what check_export raises, before anything is touched, and what CheckedExport.fill raises.
    """
    with checked_export(path, progress=progress) as export:
        export.fill(state, progress=progress)
        return export.tip


def _batches(records: Iterator[_Record]) -> Iterator[tuple[StateChanges, int]]:
    accounts: dict[bytes, AccountChange] = {}
    codes: dict[bytes, bytes] = {}
    address, account = b"", Account()
    slots: dict[int, tuple[int, int]] = {}
    count = size = 0
    for record in records:
        if size >= _BATCH:
            yield StateChanges(accounts, codes), count
            accounts, codes, count, size = {}, {}, 0, 0
            if record.kind == _SLOTS:  # the account is there by now; the rest of its slots follows
                slots = {}
                accounts[address] = AccountChange(account, account, slots)
        if record.kind == _CODE:
            codes[keccak256(record.payload)] = record.payload
            size += 1 + len(record.payload) // _SLOT_BYTES
        elif record.kind == _ACCOUNT:
            address, account = _account(record.payload)
            slots = {}
            accounts[address] = AccountChange(None, account, slots)
            size += 1
        else:
            pairs = _slots(record.payload)
            slots.update({key: (0, value) for key, value in pairs})
            count += len(pairs)
            size += len(pairs)
    if accounts or codes:
        yield StateChanges(accounts, codes), count


def _open(file: BinaryIO) -> tuple[Tip, Iterator[_Record]]:
    digest = hashlib.sha256()
    head = file.read(len(MAGIC) + 2)
    if head[: len(MAGIC)] != MAGIC:
        raise DecodingError("this is no exported state")
    if head[len(MAGIC) :] != FORMAT_VERSION.to_bytes(2, "big"):
        raise DecodingError(f"an exported state of another version: {head[len(MAGIC) :].hex()}")
    digest.update(head)
    records = _records(file, digest)
    first = next(records, None)
    if first is None or first.kind != _HEAD:
        raise DecodingError("an exported state begins with its head")
    return decode_tip(first.payload), records


def _records(file: BinaryIO, digest: "hashlib._Hash") -> Iterator[_Record]:
    is_first = True
    while True:
        at = file.tell()
        prefix = file.read(5)
        size = int.from_bytes(prefix[1:], "big")
        if len(prefix) < 5 or size > _MAX_RECORD_BYTES:
            raise DecodingError(f"the file is cut off or damaged at byte {at}")
        digest.update(prefix)
        payload = file.read(size)
        if len(payload) != size:
            raise DecodingError(f"the file is cut off at byte {at}")
        if prefix[0] == _END:
            if payload != digest.digest() or file.read(1):
                raise DecodingError(f"the file is damaged: its checksum at byte {at} is wrong, or not its end")
            return
        if (prefix[0] == _HEAD) is not is_first or not _HEAD <= prefix[0] < _END:
            raise DecodingError(f"record of kind {prefix[0]} at byte {at}")
        is_first = False
        digest.update(payload)
        yield _Record(prefix[0], payload)


def _account(payload: bytes) -> tuple[bytes, Account]:
    return payload[:20], decode_account(payload[20:])


def _slots(payload: bytes) -> list[tuple[int, int]]:
    if not payload or len(payload) % _SLOT_BYTES:
        raise DecodingError(f"slots of {len(payload)} bytes")
    return [
        (int.from_bytes(payload[at : at + 32], "big"), int.from_bytes(payload[at + 32 : at + 64], "big"))
        for at in range(0, len(payload), _SLOT_BYTES)
    ]
