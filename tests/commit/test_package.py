"""The package is light: nothing of the EVM, of state or of networks is imported with it."""

import json
import subprocess
import sys

import evmthread.commit


def test_importing_it_imports_no_evm_and_no_state() -> None:
    script = "import evmthread.commit, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = [name for name in json.loads(done.stdout) if name.startswith("evmthread.")]
    assert "evmthread.commit.agreement" in loaded
    allowed = ("evmthread.commit", "evmthread.primitives", "evmthread.merkle", "evmthread.errors")
    assert [name for name in loaded if not name.startswith(allowed)] == []
    heavy = {"eth_account", "eth_abi", "py_ecc", "rlp", "trie", "sqlite3", "asyncio", "cryptography", "socket"}
    assert heavy & {name.partition(".")[0] for name in json.loads(done.stdout)} == set()


def test_every_public_name_is_there() -> None:
    assert sorted(set(evmthread.commit.__all__)) == sorted(evmthread.commit.__all__)
    for name in evmthread.commit.__all__:
        assert getattr(evmthread.commit, name) is not None
