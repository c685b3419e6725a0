"""A small state test, and ways to write fixtures into files."""

import copy
import gzip
import json
from pathlib import Path
from typing import Any

from evmthread.testing.state_tests import run_case, state_cases

SENDER_KEY = "0x45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8"
SENDER = "0xa94f5374fce5edbc8e2a8697c15331677e6ebf0b"
CONTRACT = "0x095e7baea6a6c7c4c2dfeb977efac326af552d87"
# Stores calldata's size in slot 0 and logs one word of memory.
CODE = "0x3660005560206000a000"
NO_HASH = "0x" + "00" * 32


def state_test() -> dict[str, Any]:
    """A valid state test of three cases; what it expects is what comes out of them."""
    test: dict[str, Any] = {
        "env": {
            "currentCoinbase": "0x2adc25665018aa1fe0e6bc666dac8fc2697ff9ba",
            "currentNumber": "0x01",
            "currentTimestamp": "0x03e8",
            "currentGasLimit": "0x05f5e100",
            "currentDifficulty": "0x020000",
            "currentRandom": NO_HASH,
            "currentBaseFee": "0x0a",
            "currentExcessBlobGas": "0x00",
            "previousHash": "0x5e20a0453cecd065ea59c37ac63e079ee08998b6045136a8ce6635c7912ec0b6",
        },
        "pre": {
            CONTRACT: {"balance": "0x0", "nonce": "0x00", "code": CODE, "storage": {}},
            SENDER: {"balance": "0x0de0b6b3a7640000", "nonce": "0x00", "code": "0x", "storage": {}},
        },
        "transaction": {
            "data": ["0x", "0x1234"],
            "gasLimit": ["0x0186a0", "0x5207"],
            "gasPrice": "0x0a",
            "nonce": "0x00",
            "secretKey": SENDER_KEY,
            "sender": SENDER,
            "to": CONTRACT,
            "value": ["0x01"],
        },
        "post": {
            "Cancun": [
                {"hash": NO_HASH, "logs": NO_HASH, "indexes": {"data": 0, "gas": 0, "value": 0}},
                {
                    "hash": NO_HASH,
                    "logs": NO_HASH,
                    "indexes": {"data": 0, "gas": 1, "value": 0},
                    "expectException": "TransactionException.INTRINSIC_GAS_TOO_LOW",
                },
            ],
            "Berlin": [{"hash": NO_HASH, "logs": NO_HASH, "indexes": {"data": 1, "gas": 0, "value": 0}}],
        },
    }
    for case in state_cases("sample", copy.deepcopy(test)):
        outcome = run_case(case)
        assert outcome.state_root is not None
        assert outcome.logs_hash is not None
        entry = test["post"][case.fork][case.index]
        entry["hash"], entry["logs"] = "0x" + outcome.state_root.hex(), "0x" + outcome.logs_hash.hex()
    return test


def write_json(path: Path, content: object) -> Path:
    """A file of JSON."""
    path.write_text(json.dumps(content))
    return path


def write_lines(path: Path, tests: list[dict[str, Any]]) -> Path:
    """A gzip-compressed file of JSON lines."""
    with gzip.open(path, "wt") as lines:
        for test in tests:
            lines.write(json.dumps(test) + "\n")
    return path
