"""Official transaction tests: bytes, and what each fork makes of them: hash, sender and intrinsic gas, or a refusal.

The chain is always number 1. What needs a block or a state (funds, nonces, base fee) isn't asked.
"""

from collections.abc import Iterator
from functools import partial

from evmthread.errors import InvalidInput
from evmthread.execution.invalid import InvalidTransaction
from evmthread.execution.transaction import decode_transaction
from evmthread.execution.validation import check_form, intrinsic_gas
from evmthread.isa.forks import fork_named
from evmthread.machine.code_cache import CodeCache
from evmthread.testing import exceptions
from evmthread.testing.cases import Case, CaseOutcome, Hooks, differences
from evmthread.testing.fixtures import FixtureTest, Json, data, fixed, number, reading, text_or_none

REQUIRED = ("txbytes", "result")
CHAIN_ID = 1


def cases(test: FixtureTest) -> Iterator[Case]:
    """A case for each fork. Raises FixtureError."""
    with reading(test.name):
        for fork, result in test.body["result"].items():
            yield Case(test.name, fork, 0, partial(_check, test.name, test.body, fork, result))


def _check(name: str, body: Json, fork_name: str, result: Json, _cache: CodeCache, _hooks: Hooks) -> CaseOutcome:
    try:
        fork = fork_named(fork_name)
    except InvalidInput:
        return CaseOutcome(f"unsupported fork {fork_name!r}")
    with reading(name):
        raw = data(body["txbytes"])
        names = text_or_none(result.get("exception"))
        want_gas = number(result.get("intrinsicGas", 0))
        want_hash, want_sender = (b"", b"") if names else (fixed(result["hash"], 32), fixed(result["sender"], 20))
    gas: int | None = None
    try:
        transaction = decode_transaction(raw, fork.transactions)
        gas = intrinsic_gas(transaction, fork)
        sender = transaction.sender(fork.transactions, CHAIN_ID)
        check_form(transaction, fork)
    except InvalidTransaction as refusal:
        error = exceptions.mismatch(names, refusal)
        if want_gas and gas is not None:
            error = error or differences(("intrinsic gas", gas, want_gas))
        return CaseOutcome(error, gas_used=gas)
    error = exceptions.mismatch(names, None) or differences(
        ("hash", transaction.hash(), want_hash),
        ("sender", sender, want_sender),
        ("intrinsic gas", gas, want_gas),
        ("bytes", transaction.encode(), raw),
    )
    return CaseOutcome(error, gas_used=gas)
