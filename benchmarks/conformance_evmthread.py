"""Runs a case of a state test on evmthread, as the other EVMs do it: for benchmarks/conformance_worker.py."""

import platform
from collections.abc import Callable
from typing import Any

from evmthread.execution.transaction import decode_transaction
from evmthread.execution.world import World
from evmthread.isa.forks import fork_named
from evmthread.testing.runner import new_cache
from evmthread.testing.state_tests import block_of, state_of

CHAIN_ID = 1


def providers() -> dict[str, str]:
    return {"evmthread": "this repository", "python": platform.python_version()}


def checker() -> Callable[[dict[str, Any]], str]:
    """A function that runs one case. Code is decoded anew for each checker."""
    cache = new_cache()

    def check(case: dict[str, Any]) -> str:
        fork = fork_named(case["fork"])
        block = block_of(case["env"], fork, CHAIN_ID)
        world = World(fork=fork, environment=block, view=state_of(case["pre"], case["env"]), cache=cache)
        transaction = decode_transaction(bytes.fromhex(case["transaction"]), fork.transactions)
        world.apply(transaction, sender=transaction.sender(fork.transactions, CHAIN_ID))
        world.touch_coinbase()
        return world.state_root().hex()

    return check
