"""State tests: what passes, what fails, and what is refused as malformed."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from evmthread.execution.transaction import Transaction
from evmthread.primitives.types import parse_hex
from evmthread.testing.cases import CaseOutcome
from evmthread.testing.fixtures import FixtureError
from evmthread.testing.state_tests import run_case, state_cases, transaction_of
from tests.testing.samples import CODE, CONTRACT, SENDER, SENDER_KEY, state_test

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
    other = Transaction(gas_price=11, gas_limit=100_000, to=parse_hex(CONTRACT), value=1).signed(parse_hex(SENDER_KEY))
    test = changed(lambda test: test["post"]["Cancun"][0].update(txbytes="0x" + other.encode().hex()))
    assert outcomes(test)[0].error.startswith("txbytes mismatch")


def everywhere_null(test: dict[str, Any]) -> None:
    names = "accessList accessLists maxFeePerGas maxPriorityFeePerGas maxFeePerBlobGas chainId"
    test["transaction"].update(dict.fromkeys([*names.split(), "blobVersionedHashes", "authorizationList"]))
    test.update(config=None)
    for cases in test["post"].values():
        for case in cases:
            case.update(txbytes=None, expectException=case.get("expectException"))


def of_genesis(test: dict[str, Any]) -> None:
    test["env"]["currentNumber"] = "0x00"


def as_geth_leaves_out(test: dict[str, Any]) -> None:
    test["pre"][CONTRACT] = {"balance": 0, "code": CODE}
    test["pre"][SENDER] = {"balance": "1000000000000000000", "nonce": None, "code": None, "storage": None}


LEGAL: dict[str, Change] = {
    "null for what isn't there": everywhere_null,
    "null in a config": lambda test: test.update(config={"chainid": None, "blobSchedule": {}}),
    "an access list for none": lambda test: test["transaction"].update(accessLists=[None, None]),
    "zero and empty left out": as_geth_leaves_out,
    "a base fee that is geth's": lambda test: test["env"].pop("currentBaseFee"),
    "a null base fee that is geth's": lambda test: test["env"].update(currentBaseFee=None, currentRandom=None),
    "no bytes": lambda test: test["post"]["Cancun"][0].update(txbytes="0x"),
    "no secret key": lambda test: test["transaction"].update(secretKey="0x"),
    "a null secret key": lambda test: test["transaction"].update(secretKey=None),
    "the first block": of_genesis,
    "no hash before": lambda test: test["env"].update(previousHash=None),
}


@pytest.mark.parametrize("name", LEGAL)
def test_what_other_clients_write_in_other_words_is_the_same(name: str) -> None:
    assert [outcome.error for outcome in outcomes(changed(LEGAL[name]))] == ["", "", ""]


@pytest.mark.parametrize("to", [None, ""])
def test_nobody_is_the_receiver_of_a_creation(to: str | None) -> None:
    def creates(test: dict[str, Any]) -> None:
        test["transaction"].update(to=to, value=["0x"])

    created = changed(creates)
    created["transaction"].pop("to")
    assert [each.state_root for each in outcomes(changed(creates))] == [each.state_root for each in outcomes(created)]


def test_a_transaction_is_of_the_tests_chain() -> None:
    to = parse_hex(CONTRACT)
    signed = Transaction(type=1, chain_id=0x539, gas_price=10, gas_limit=100_000, to=to, value=1).signed(
        parse_hex(SENDER_KEY)
    )

    def typed(test: dict[str, Any]) -> None:
        test["config"] = {"chainid": "0x539"}
        test["transaction"].update(accessLists=[[], []])
        test["post"]["Cancun"][0].update(txbytes="0x" + signed.encode().hex())

    assert outcomes(changed(typed))[0].error == ""


def test_an_authorization_with_null_for_the_other_name() -> None:
    fields = {"chainId": "0x", "address": CONTRACT, "nonce": "0x00", "r": "0x01", "s": "0x02", "signer": SENDER}
    found = [
        transaction_of(
            VALID["transaction"] | {"authorizationList": [fields | parity]}, {"data": 0, "gas": 0, "value": 0}, 1
        ).authorizations[0]
        for parity in ({"v": "0x01"}, {"yParity": "0x1"}, {"yParity": None, "v": 1}, {"yParity": "0x01", "v": None})
    ]
    assert {(each.chain_id, each.y_parity, each.r, each.s) for each in found} == {(0, 1, 1, 2)}


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
