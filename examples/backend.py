"""A storage backend of one's own, in one file that is replaced whole; evmthread's suite says whether it is one.

Run it: python examples/backend.py
"""

import os
import pickle
import tempfile
import unittest
from pathlib import Path

from evmthread.state import Account, StateChanges
from evmthread.state.view import UnknownCode, check_changes
from evmthread.testing.backends import backend_tests


class FileState:
    def __init__(self, path: Path) -> None:
        self.path = path
        empty: tuple[dict[bytes, tuple[Account, dict[int, int]]], dict[bytes, bytes]] = ({}, {Account().code_hash: b""})
        self.entries, self.codes = pickle.loads(path.read_bytes()) if path.exists() else empty

    def account(self, address: bytes) -> Account | None:
        return self.entries.get(address, (None,))[0]

    def code(self, code_hash: bytes) -> bytes:
        if code_hash not in self.codes:
            raise UnknownCode(code_hash)
        return self.codes[code_hash]

    def slot(self, address: bytes, key: int) -> int:
        return self.entries.get(address, (None, {}))[1].get(key, 0)

    def block_hash(self, number: int) -> bytes:  # noqa: ARG002 - it knows no chain
        return bytes(32)

    def apply(self, changes: StateChanges) -> None:
        check_changes(changes)
        entries, codes = dict(self.entries), {**self.codes, **changes.codes}
        for address, change in changes.accounts.items():
            _, old = entries.pop(address, (None, {}))
            if change.after is not None:
                new = {**({} if change.wiped else old), **{key: after for key, (_, after) in change.slots.items()}}
                entries[address] = (change.after, {key: value for key, value in new.items() if value})
        unfinished = self.path.with_suffix(".new")
        unfinished.write_bytes(pickle.dumps((entries, codes)))
        os.replace(unfinished, self.path)
        self.codes = codes  # first: a thread that sees a new account may ask for its code
        self.entries = entries


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        create = lambda: FileState(Path(tempfile.mkdtemp(dir=folder)) / "state")  # noqa: E731
        suite = backend_tests(create, reopen=lambda state: FileState(state.path), examples=25)
        result = unittest.TestResult()
        suite("runTest").run(result)
        print("a backend" if result.wasSuccessful() else f"no backend: {result.failures}{result.errors}")
