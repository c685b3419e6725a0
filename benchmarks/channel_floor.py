"""What a Morpion move between two parties must cost: the pieces that no protocol can leave out, each timed alone.

For each move: three signatures (the input, the leader's, the other's) and as many recoveries, for each is checked by
the one who didn't make it; and on both sides the digests of input, batch and commitment, the bare execution, and the
roots of state, storage and receipts. Messages, comparing, keeping and the protocol itself are left out.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from evmthread.channel.rules import ThreadRules, thread_rules
from evmthread.channel.suspension import block_environment, transaction_of
from evmthread.commit import Agreement, SignedBatch
from evmthread.commit.eip712 import digest
from evmthread.commit.signature import join_signature, recover_signer
from evmthread.execution.receipts import Receipt, receipts_root
from evmthread.execution.world import World
from evmthread.machine.code_cache import CodeCache
from evmthread.merkle.accounts import StateRoots
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.secp256k1 import SigningKey
from evmthread.state.memory import MemoryState, apply_to_roots
from evmthread.state.view import StateChanges
from evmthread.store.threadfile import ThreadHead

SIGNATURES = RECOVERIES = 3
PARTIES = 2
PIECES = ("signatures", "recoveries", "digests", "execution", "roots")
_KEY = SigningKey(keccak256(b"benchmark key 0"))

Line = Sequence[tuple[Agreement, SignedBatch]]


class Bare:
    """A thread's state with nothing around it."""

    def __init__(self, rules: ThreadRules, state: StateChanges, cache: CodeCache) -> None:
        """`state` leads there from nothing."""
        view = MemoryState()
        view.apply(state)
        self._rules = rules
        self._world = World(fork=rules.fork, view=view, cache=cache)
        self._roots = StateRoots()
        apply_to_roots(self._roots, state)
        self._roots.root()

    def execute(self, signed: SignedBatch) -> tuple[list[Receipt], StateChanges]:
        """Runs a batch's calls and applies what they change."""
        world = self._world
        world.environment = block_environment(self._rules, signed.batch.environment)
        receipts, gas = [], 0
        for each in signed.batch.inputs:
            result = world.apply(transaction_of(each), sender=each.actor)
            gas += result.gas_used
            receipts.append(Receipt(result.result.success, gas, result.logs))
        return receipts, world.settle()

    def root(self, receipts: list[Receipt], changes: StateChanges) -> tuple[bytes, bytes, bytes]:
        """The roots of state, storage and receipts."""
        roots = self._roots.copy()
        apply_to_roots(roots, changes)
        self._roots = roots
        return roots.root(), roots.storage_root(self._rules.address), receipts_root(receipts)


def timed(work: Callable[[], object]) -> float:
    """CPU seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began


def floor(head: ThreadHead, state: StateChanges, line: Line, cache: CodeCache) -> dict[str, float]:
    """CPU seconds of each of the PIECES for all batches of a line that begins on this state.

    Raises AssertionError where what is executed here isn't what was agreed.
    """
    rules = thread_rules(head.domain, head.terms, head.ruleset)
    bare = Bare(rules, state, cache)
    seconds = dict.fromkeys(PIECES, 0.0)
    for agreement, signed in line:
        commitment = agreement.commitment
        executed: list[tuple[list[Receipt], StateChanges]] = []
        seconds["execution"] += PARTIES * timed(lambda: executed.append(bare.execute(signed)))  # noqa: B023
        roots: list[tuple[bytes, bytes, bytes]] = []
        seconds["roots"] += PARTIES * timed(lambda: roots.append(bare.root(*executed[0])))  # noqa: B023
        assert roots == [(commitment.state_root, commitment.storage_root, commitment.receipts_root)]
        # Records remember their hashes: new ones.
        inputs = tuple([replace(each) for each in signed.batch.inputs])
        batch, fresh = replace(signed.batch, inputs=inputs), replace(commitment)

        def digests() -> bytes:
            for each in inputs:  # noqa: B023
                digest(head.domain, each)
            batch.hash_struct()  # noqa: B023
            return digest(head.domain, fresh)  # noqa: B023

        seconds["digests"] += PARTIES * timed(digests)
        assert digests() == agreement.digest
        made: list[bytes] = []
        seconds["signatures"] += SIGNATURES * timed(lambda: made.append(join_signature(*_KEY.sign(agreement.digest))))  # noqa: B023
        got: list[bytes] = []
        seconds["recoveries"] += RECOVERIES * timed(lambda: got.append(recover_signer(agreement.digest, made[0])))  # noqa: B023
        assert got == [_KEY.address]
    return seconds
