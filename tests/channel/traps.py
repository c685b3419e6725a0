"""A thread on the contract that asks everywhere."""

from evmthread.channel.replay import replay
from evmthread.commit import Commitment
from tests.channel.games import Match, ruleset
from tests.contracts.test_thread_library import TRAPS

ANSWER = b"\x2a" * 40
QUESTION = b"a draw?"


class TrapsMatch(Match):
    """A thread on the contract that asks everywhere."""

    def __init__(self, **options: object) -> None:
        rules = ruleset(**({"create": True, "storage_slots": 1000} | options))
        super().__init__(TRAPS.runtime_code, rules=rules)
        self.agree()

    def ask(self, name: str, *arguments: object, actor: int = 0, **changes: object) -> Commitment:
        """A call of one function, agreed."""
        return self.call(actor, TRAPS.function(name).encode(*arguments), **changes).commitment

    def answered(self, answer: bytes = ANSWER, *, by: int = 1, steps: int = 0) -> Commitment:
        """An answer, agreed."""
        return self.agree(self.parties[by].answer(answer), steps=steps).commitment

    def read(self, name: str, *arguments: object) -> object:
        function = TRAPS.function(name)
        return function.decode(self.thread.call(function.encode(*arguments)).output)[0]

    @property
    def other(self) -> bytes:
        return self.terms.owners[1]

    def replayed(self) -> None:
        """The whole line, executed again by a stranger, and from a file."""
        thread = self.open()
        assert len(list(replay(thread, self.whole_line))) == len(self.line)
        assert thread.agreement is not None
        assert thread.agreement.digest == self.tip.digest


def asked(**options: object) -> TrapsMatch:
    match = TrapsMatch(**options)
    match.ask("askAndStore", match.other, QUESTION)
    return match
