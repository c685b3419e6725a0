"""A process that resumes snapshots: one JSON object a line in (state, fork, snapshot), what came of it out."""

import json
import sys
from typing import Any

from evmthread.execution.result import TransactionResult
from evmthread.execution.world import World
from evmthread.isa.forks import fork_named
from evmthread.state.memory import MemoryState
from tests.differential.cases import BLOCK, block_hash


def resume(question: dict[str, Any]) -> dict[str, Any]:
    """The outcome, with the state root."""
    view = MemoryState()
    for name, account in question["accounts"].items():
        storage = {int(key): value for key, value in account["storage"].items()}
        view.set_account(
            bytes.fromhex(name),
            nonce=account["nonce"],
            balance=account["balance"],
            code=bytes.fromhex(account["code"]),
            storage=storage,
        )
    for number in range(BLOCK.number - 256, BLOCK.number):
        view.set_block_hash(number, block_hash(number))
    world = World(fork=fork_named(question["fork"]), view=view, engine=question["engine"], threshold=0)
    done = world.load(bytes.fromhex(question["snapshot"])).resume()
    assert isinstance(done, TransactionResult)
    world.settle()
    return summary(done, view)


def summary(done: TransactionResult, view: MemoryState) -> dict[str, Any]:
    """All that must be equal however a transaction was run; its world is settled."""
    return {
        "status": done.result.status.value,
        "gas_used": done.gas_used,
        "gas_refunded": done.gas_refunded,
        "output": done.result.output.hex(),
        "logs": [[log.address.hex(), [topic.hex() for topic in log.topics], log.data.hex()] for log in done.logs],
        "destroyed": [address.hex() for address in done.destroyed],
        "root": view.roots().root().hex(),
    }


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(resume(json.loads(line))), flush=True)
