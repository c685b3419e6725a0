"""The kinds of official fixtures: how each is told by what is in a test, and who makes cases of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from evmthread.testing import basic_tests, rlp_tests, state_tests, transaction_tests, trie_tests, vm_tests
from evmthread.testing.basic_tests import cases_of
from evmthread.testing.cases import Case
from evmthread.testing.crypto_tests import check_decryption
from evmthread.testing.fixtures import FixtureError, FixtureTest


@dataclass(frozen=True, slots=True)
class Suite:
    """One kind of test. A test that has one of `marks` (all names of it) is of this kind and must have `required`."""

    name: str
    marks: tuple[frozenset[str], ...]
    required: tuple[str, ...]
    cases: Callable[[FixtureTest], Iterator[Case]]


def _marks(*sets: str) -> tuple[frozenset[str], ...]:
    return tuple([frozenset(names.split()) for names in sets])


# The first kind that fits is taken.
SUITES = (
    Suite("vm", _marks("exec"), vm_tests.REQUIRED, vm_tests.cases),
    Suite("transaction", _marks("txbytes"), transaction_tests.REQUIRED, transaction_tests.cases),
    Suite("keys", _marks("seed key"), ("seed", "key", "addr", "sig_of_emptystring"), cases_of(basic_tests.check_key)),
    Suite("signing", _marks("unsigned signed"), ("key", "nonce", "to"), cases_of(basic_tests.check_signing)),
    Suite("hex prefix", _marks("seq"), ("seq", "term", "out"), cases_of(basic_tests.check_hex_prefix)),
    Suite(
        "genesis",
        _marks("genesis_rlp_hex"),
        ("genesis_rlp_hex", "genesis_state_root", "genesis_hash"),
        cases_of(basic_tests.check_genesis),
    ),
    Suite("old genesis", _marks("inputs result"), ("inputs", "result"), cases_of(basic_tests.check_old_genesis)),
    Suite("decryption", _marks("decryption_type"), ("key", "cipher", "payload"), cases_of(check_decryption)),
    Suite("abi", _marks("types args"), ("types", "args", "result"), cases_of(basic_tests.check_abi)),
    Suite("keystore", _marks("password", "priv"), ("json", "password", "priv"), cases_of(basic_tests.check_keystore)),
    Suite("trie", _marks("in root", "in tests"), trie_tests.REQUIRED, trie_tests.cases),
    Suite("rlp", _marks("in out"), rlp_tests.REQUIRED, rlp_tests.cases),
    # Last: a test with some of its parts only is a malformed state test.
    Suite("state", _marks("pre", "post", "env", "transaction"), state_tests.REQUIRED, state_tests.cases),
)

# Official tests that need more than one transaction in one block, and the sources that tests are filled from.
_OTHERS = _marks("blocks", "genesisBlockHeader", "engineNewPayloads", "expect", "vectors", "executionPayloads")


def suite_of(test: FixtureTest) -> Suite | None:
    """The kind of a test; None for one that isn't run here. Raises FixtureError for one with parts missing."""
    names = test.body.keys()
    if any(mark <= names for mark in _OTHERS):
        return None
    for suite in SUITES:
        if any(mark <= names for mark in suite.marks):
            missing = [name for name in suite.required if name not in names]
            if missing:
                raise FixtureError(f"{test.name}: a {suite.name} test without {', '.join(missing)}")
            return suite
    return None
