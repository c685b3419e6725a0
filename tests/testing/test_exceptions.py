"""The table of exceptions: complete for the vectors, and strict."""

import pytest

from evmthread.execution import invalid
from evmthread.execution.invalid import InvalidTransaction
from evmthread.testing.exceptions import EXCEPTIONS, classes_of, mismatch
from evmthread.testing.fixtures import read_tests
from tests.conformance.test_sample import FILES


def test_every_name_leads_to_refusals() -> None:
    assert all(
        classes and all(issubclass(one, InvalidTransaction) for one in classes) for classes in EXCEPTIONS.values()
    )


def test_every_name_in_the_sample_is_in_the_table() -> None:
    names = set()
    for path in FILES:
        for test in read_tests(path):
            if test.suite == "derived":
                continue
            for entries in test.body.get("post", {}).values() if "transaction" in test.body else ():
                names |= {entry["expectException"] for entry in entries if "expectException" in entry}
            if "txbytes" in test.body:
                names |= {result["exception"] for result in test.body["result"].values() if "exception" in result}
    assert len(names) > 40
    assert [name for name in names if classes_of(name) is None] == []


def test_names_joined_by_bars_allow_each() -> None:
    names = "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS|TransactionException.INTRINSIC_GAS_TOO_LOW"
    assert classes_of(names) == (invalid.InsufficientFunds, invalid.GasLimitTooLow)
    assert classes_of(names + "|Unheard") is None


@pytest.mark.parametrize(
    ("names", "refusal", "right"),
    [
        (None, None, True),
        ("", None, True),
        (None, invalid.NonceTooLow(1, 0), False),
        ("TR_NoFunds", None, False),
        ("TR_NoFunds", invalid.InsufficientFunds(1, 0), True),
        ("TR_NoFunds", invalid.NonceTooLow(1, 0), False),
        ("something of another client", invalid.NonceTooLow(1, 0), True),
        ("something of another client", None, False),
    ],
)
def test_mismatch(names: str | None, refusal: InvalidTransaction | None, right: bool) -> None:
    assert (mismatch(names, refusal) == "") is right
