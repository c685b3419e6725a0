"""Command lines that drivers write for go-ethereum's `evm`."""

import pytest

from evmthread.commands.geth_flags import normalised


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        # goevmlab, new and old
        (
            "statetest --trace --trace.format=json --trace.nomemory=true --trace.noreturndata=true x.json",
            "statetest --trace --trace.format=json x.json",
        ),
        ("--json --noreturndata --nomemory statetest x.json", "statetest --json x.json"),
        ("--nomemory --noreturndata --nostack statetest x.json", "statetest --nostack x.json"),
        ("statetest --trace.nomemory=false --trace.nostack=false x", "statetest --memory x"),
        ("statetest -trace -statetest.fork=Berlin --statetest.index 3", "statetest --trace --fork=Berlin --index 3"),
        ("run --json=false --code 00", "run --code 00"),
        ("statetest -- --nomemory", "statetest -- --nomemory"),
        ("statetest --fork Cancun -h", "statetest --fork Cancun -h"),
        ("verify --json x", "verify --json x"),
        ("--json verify x", "--json verify x"),
        ("", ""),
    ],
)
def test_normalised(theirs: str, ours: str) -> None:
    assert normalised(theirs.split()) == ours.split()
