"""A conformance suite for logs of signatures: a stateful Hypothesis test against a model of dictionaries.

    TestMyLog = sign_log_tests(MyLog)

collects under pytest and unittest. A log must never let a second digest stand under a nonce, whatever is asked in
whatever order, by however many threads, before and after it is opened again.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from unittest import TestCase

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from evmthread.commit.signing import LogState, SignLog

L = TypeVar("L", bound=SignLog)

THREADS = [bytes(32), bytes(31) + b"\x01", b"\xff" * 32]
NONCES = [0, 1, 2, 3, 127, 128, 255, 256, 2**32, 2**63 - 1, 2**63, 2**64 - 1]
DIGESTS = [bytes([number]) * 32 for number in range(4)]

EXAMPLES, STEPS = 30, 30  # of the state machine
_threads, _nonces, _digests = st.sampled_from(THREADS), st.sampled_from(NONCES), st.sampled_from(DIGESTS)


class _Model:
    """What a log must say."""

    def __init__(self) -> None:
        self.entries: dict[tuple[bytes, int], bytes] = {}
        self.final: dict[bytes, bytes] = {}

    def highest(self, thread: bytes) -> int:
        return max([nonce for known, nonce in self.entries if known == thread], default=-1)

    def put(self, thread: bytes, nonce: int, digest: bytes, *, final: bool) -> LogState:
        if nonce > self.highest(thread) and thread not in self.final:
            self.entries[thread, nonce] = digest
            if final:
                self.final[thread] = digest
        return LogState(self.entries.get((thread, nonce)), self.highest(thread), self.final.get(thread))


def sign_log_tests(
    make: Callable[[], L], *, reopen: Callable[[L], L] | None = None, close: Callable[[L], None] = lambda _: None
) -> type[TestCase]:
    """The tests of a log. `make` gives a new one; `reopen` the same one as after the process ended, where it lasts."""

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.log = make()
            self.model = _Model()

        @rule(thread=_threads, nonce=_nonces, digest=_digests, final=st.booleans(), content=st.binary(max_size=40))
        def put(self, thread: bytes, nonce: int, digest: bytes, final: bool, content: bytes) -> None:
            told = self.log.put_if_absent(thread, nonce, digest, final=final, content=content)
            assert told == self.model.put(thread, nonce, digest, final=final)

        @rule(thread=_threads, nonce=_nonces)
        def race(self, thread: bytes, nonce: int) -> None:
            """Several threads want different digests under one nonce: one of them stands, and all are told which."""
            with ThreadPoolExecutor(len(DIGESTS)) as pool:

                def ask(digest: bytes) -> LogState:
                    return self.log.put_if_absent(thread, nonce, digest, final=False, content=b"")

                told = list(pool.map(ask, DIGESTS))
            standing = told[0].digest
            assert {state.digest for state in told} == {standing}
            before = self.model.entries.get((thread, nonce))
            if before is None and standing is not None:
                assert standing in DIGESTS
                assert self.model.put(thread, nonce, standing, final=False).digest == standing
            else:
                assert standing == before

        @precondition(lambda _: reopen is not None)
        @rule()
        def open_again(self) -> None:
            assert reopen is not None
            self.log = reopen(self.log)

        @invariant()
        def finals_stand(self) -> None:
            for thread in THREADS:
                assert self.log.final(thread) == self.model.final.get(thread)

        def teardown(self) -> None:
            close(self.log)

    tests: Any = Machine.TestCase
    tests.settings = settings(tests.settings, deadline=None, max_examples=EXAMPLES, stateful_step_count=STEPS)
    result: type[TestCase] = tests
    return result
