"""The root of a state that is told once, from its first account to its last, and may be larger than memory.

What is told is sorted by the hashes that tries go by, in a temporary file once it is much. A trie that is told its keys
in order changes only along its last path: the rest is let go.
"""

import tempfile
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import BinaryIO

from evmthread.errors import BackendError
from evmthread.merkle.accounts import Account as AccountLeaf
from evmthread.merkle.accounts import encode_account, hash_slot
from evmthread.merkle.trie import Trie
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.rlp import encode_int
from evmthread.state.view import Account

_HASH_BYTES = 32
_IN_MEMORY = 100_000  # pairs that are sorted at once
_KEYS_AT_ONCE = 10_000  # of a trie, before what is finished is let go
_READ_BYTES = 1 << 16  # of each sorted piece at once


class SortedPairs:
    """Hashes with short values, in the order of the hashes."""

    def __init__(self) -> None:
        self._pairs: list[tuple[bytes, bytes]] = []
        self._file: BinaryIO | None = None
        self._pieces: list[tuple[int, int]] = []

    def add(self, digest: bytes, value: bytes) -> None:
        """One more pair. A value has at most 255 bytes. Raises BackendError when there is no room on the disk."""
        self._pairs.append((digest, value))
        if len(self._pairs) >= _IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        self._pairs.sort()
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `take`, or with this object
            begin = self._file.seek(0, 2)
            self._file.writelines([digest + bytes((len(value),)) + value for digest, value in self._pairs])
            self._pieces.append((begin, self._file.tell()))
        except OSError as error:
            raise BackendError(f"a temporary file in {tempfile.gettempdir()}: {error.strerror or error}") from error
        self._pairs.clear()

    def take(self) -> Iterator[tuple[bytes, bytes]]:
        """All pairs; afterwards there are none."""
        self._pairs.sort()
        yield from merge(self._pairs, *[self._piece(*piece) for piece in self._pieces])
        if self._file is not None:
            self._file.close()
        self._pairs, self._file, self._pieces = [], None, []

    def _piece(self, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
        file = self._file
        assert file is not None
        rest = b""
        while at < end:
            file.seek(at)
            data = rest + file.read(min(_READ_BYTES, end - at))
            at += len(data) - len(rest)
            begin = 0
            while len(data) > (size_at := begin + _HASH_BYTES):
                stop = size_at + 1 + data[size_at]
                if stop > len(data):
                    break
                yield data[begin:size_at], data[size_at + 1 : stop]
                begin = stop
            rest = data[begin:]


def root_of(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The root of a trie whose keys come in order."""
    trie = Trie()
    rest = iter(pairs)
    while batch := list(islice(rest, _KEYS_AT_ONCE)):
        for key, value in batch:
            trie.set(key, value)
        path = {keccak256(node): node for node in trie.witness(batch[-1][0])}
        trie = Trie.open(trie.root(), path)
    return trie.root()


class RootOfState:
    """Told a state account by account, each with its slots after it."""

    def __init__(self) -> None:
        self._accounts = SortedPairs()
        self._slots = SortedPairs()
        self._open: tuple[bytes, Account] | None = None

    def account(self, address: bytes, account: Account) -> None:
        """The next account."""
        self._finish()
        self._open = (address, account)

    def slot(self, key: int, value: int) -> None:
        """A slot of the last account, not zero."""
        self._slots.add(hash_slot(key), encode_int(value))

    def root(self) -> bytes:
        """The state root of all that was told."""
        self._finish()
        return root_of(self._accounts.take())

    def _finish(self) -> None:
        if self._open is not None:
            address, account = self._open
            leaf = AccountLeaf(account.nonce, account.balance, root_of(self._slots.take()), account.code_hash)
            self._accounts.add(keccak256(address), encode_account(leaf))
            self._open = None
