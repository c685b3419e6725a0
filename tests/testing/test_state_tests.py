"""State tests: what passes, what fails, and what is refused as malformed."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from evmthread.testing.cases import CaseOutcome
from evmthread.testing.fixtures import FixtureError
from evmthread.testing.state_tests import run_case, state_cases
from tests.testing.samples import CONTRACT, SENDER, state_test

VALID = state_test()
Change = Callable[[dict[str, Any]], object]


def outcomes(test: dict[str, Any]) -> list[CaseOutcome]:
    return [run_case(case) for case in state_cases("sample", test)]


def changed(change: Change) -> dict[str, Any]:
    test = copy.deepcopy(VALID)
    change(test)
    return test


def test_the_sample_passes_and_tells_gas_and_roots() -> None:
    done, refused, berlin = outcomes(VALID)
    assert done.passed
    assert refused.passed
    assert berlin.passed
    # base; CALLDATASIZE and PUSH; a cold slot set to zero again; two PUSHes; a log without topics of a new word
    assert done.gas_used == 21_000 + (2 + 3) + (2_100 + 100) + (3 + 3) + (375 + 8 * 32 + 3)
    assert refused.gas_used == 0
    assert len({done.state_root, refused.state_root, berlin.state_root}) == 3


def test_a_wrong_root_fails_in_the_words_of_geth() -> None:
    test = changed(lambda test: test["post"]["Cancun"][0].update(hash="0x" + "11" * 32))
    outcome = outcomes(test)[0]
    assert outcome.state_root is not None
    assert outcome.error == f"post state root mismatch: got {outcome.state_root.hex()}, want {'11' * 32}"


def test_wrong_logs_fail() -> None:
    test = changed(lambda test: test["post"]["Cancun"][0].update(logs="0x" + "11" * 32))
    assert outcomes(test)[0].error.startswith("post state logs hash mismatch")


def test_a_refusal_that_nobody_expects_fails() -> None:
    test = changed(lambda test: test["post"]["Cancun"][1].pop("expectException"))
    assert "unexpected error: gas limit below the intrinsic gas" in outcomes(test)[1].error


def test_another_refusal_than_the_expected_one_fails() -> None:
    name = "TransactionException.SENDER_NOT_EOA"
    test = changed(lambda test: test["post"]["Cancun"][1].update(expectException=name))
    assert "got GasLimitTooLow" in outcomes(test)[1].error


def test_a_transaction_that_should_be_refused_and_is_not_fails() -> None:
    test = changed(lambda test: test["post"]["Cancun"][0].update(expectException="TR_NoFunds"))
    assert "expected error 'TR_NoFunds', got no error" in outcomes(test)[0].error


def test_a_name_that_is_not_in_the_table_asks_for_a_refusal_only() -> None:
    test = changed(lambda test: test["post"]["Cancun"][1].update(expectException="Failed transaction: whatever"))
    assert outcomes(test)[1].passed


def test_an_unknown_fork_fails() -> None:
    test = changed(lambda test: test["post"].update(Atlantis=test["post"]["Cancun"]))
    assert outcomes(test)[-1].error == "unsupported fork 'Atlantis'"


def test_bytes_of_another_transaction_fail() -> None:
    from evmthread.execution.transaction import Transaction
    from evmthread.primitives.types import parse_hex
    from tests.testing.samples import SENDER_KEY

    other = Transaction(gas_price=11, gas_limit=100_000, to=parse_hex(CONTRACT), value=1).signed(parse_hex(SENDER_KEY))
    test = changed(lambda test: test["post"]["Cancun"][0].update(txbytes="0x" + other.encode().hex()))
    assert outcomes(test)[0].error.startswith("txbytes mismatch")


MALFORMED: dict[str, Change] = {
    "no env": lambda test: test.pop("env"),
    "no coinbase": lambda test: test["env"].pop("currentCoinbase"),
    "env is a list": lambda test: test.update(env=[]),
    "odd hex": lambda test: test["pre"][CONTRACT].update(code="0x123"),
    "no hex": lambda test: test["pre"][CONTRACT].update(code="0xzz"),
    "spaces in hex": lambda test: test["pre"][CONTRACT].update(code="0x12 34"),
    "code is a number": lambda test: test["pre"][CONTRACT].update(code=5),
    "short address": lambda test: test["pre"].update({"0x1234": test["pre"][SENDER]}),
    "account is null": lambda test: test["pre"].update({SENDER: None}),
    "negative balance": lambda test: test["pre"][SENDER].update(balance="-0x1"),
    "balance above 256 bits": lambda test: test["pre"][SENDER].update(balance="0x1" + "00" * 32),
    "nonce above 64 bits": lambda test: test["pre"][SENDER].update(nonce="0x10000000000000000"),
    "slot above 256 bits": lambda test: test["pre"][CONTRACT].update(storage={"0x1" + "00" * 32: "0x1"}),
    "negative slot": lambda test: test["pre"][CONTRACT].update(storage={"0x1": "-1"}),
    "storage is a list": lambda test: test["pre"][CONTRACT].update(storage=[1]),
    "timestamp above 256 bits": lambda test: test["env"].update(currentTimestamp="0x1" + "00" * 32),
    "timestamp is a fraction": lambda test: test["env"].update(currentTimestamp=0.5),
    "endless blob price": lambda test: test["env"].update(currentExcessBlobGas="0xffffffffffffffffffffffffffffffff"),
    "index too high": lambda test: test["post"]["Cancun"][0]["indexes"].update(data=2),
    "index negative": lambda test: test["post"]["Cancun"][0]["indexes"].update(gas=-1),
    "index is a truth": lambda test: test["post"]["Cancun"][0]["indexes"].update(value=False),
    "no indexes": lambda test: test["post"]["Cancun"][0].pop("indexes"),
    "root too short": lambda test: test["post"]["Cancun"][0].update(hash="0x11"),
    "no root": lambda test: test["post"]["Cancun"][0].pop("hash"),
    "logs are null": lambda test: test["post"]["Cancun"][0].update(logs=None),
    "entry is a string": lambda test: test["post"].update(Cancun=["x"]),
    "entries are an object": lambda test: test["post"].update(Cancun={}),
    "zero key": lambda test: test["transaction"].update(secretKey="0x00"),
    "to of 19 bytes": lambda test: test["transaction"].update(to="0x" + "11" * 19),
    "data is a string": lambda test: test["transaction"].update(data="0x"),
    "gas limit is null": lambda test: test["transaction"].update(gasLimit=[None]),
    "decimals without end": lambda test: test["transaction"].update(nonce="9" * 5000),
    "access list of strings": lambda test: test["transaction"].update(accessLists=[["0x"], ["0x"]]),
    "blob hash of a byte": lambda test: test["transaction"].update(blobVersionedHashes=["0x01"]),
    "authorization of nothing": lambda test: test["transaction"].update(authorizationList=[{}]),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_test_is_a_typed_error(name: str) -> None:
    with pytest.raises(FixtureError, match=r"."):
        outcomes(changed(MALFORMED[name]))


def test_a_value_above_256_bits_is_an_invalid_transaction_and_no_malformed_test() -> None:
    def overflow(test: dict[str, Any]) -> None:
        test["transaction"]["value"] = ["0x:bigint 0x1" + "00" * 32]
        test["post"]["Cancun"][1]["expectException"] = "TR_RLP_WRONGVALUE"

    assert outcomes(changed(overflow))[1].passed
