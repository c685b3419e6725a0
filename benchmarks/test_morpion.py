"""Morpion between two parties in one process: each move executed, rooted, compared and signed by both.

Run with `pytest benchmarks/test_morpion.py`. A round is the nine moves of a drawn game; opening the thread and paying
the stakes in isn't timed. In a move the input is made and signed, the leader executes it, computes the roots and
signs, the other checks both signatures, executes, compares all fields and signs, and each verifies and adopts the
agreement. Nothing is written to disk. `moves_per_second` stands among the extra info.
"""

from pytest_benchmark.fixture import BenchmarkFixture

from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.party import Party, agree_on
from evmthread.channel.thread import Thread
from evmthread.commit import GuardedSigner, InputKind, LocalSigner, MemorySignLog, Ruleset, Terms
from evmthread.contracts import load_artifact
from evmthread.machine.code_cache import CodeCache
from evmthread.primitives.keccak import keccak256

STAKE = 10**15
DAY = 24 * 3600
START = 1_760_000_000
DRAW = (0, 4, 8, 1, 7, 6, 2, 5, 3)
MORPION = load_artifact("Morpion")


class Game:
    """Two parties with the stakes paid in."""

    def __init__(self, salt: int, caches: tuple[CodeCache, CodeCache]) -> None:
        keys = [LocalSigner(keccak256(b"benchmark key %d" % index)) for index in range(2)]
        signers = sorted(keys, key=lambda signer: signer.address)
        players = tuple(signer.address for signer in signers)
        rules = Ruleset(contract_timeout=DAY)
        terms = Terms(
            origin=bytes(20),
            code_hash=keccak256(MORPION.runtime_code),
            ruleset=rules.hash_struct(),
            asset=bytes(20),
            keys=players,
            owners=players,
            deposits=(STAKE, STAKE),
            threshold=2,
            operator=bytes(20),
            max_fee=0,
            challenge_period=3600,
            open_before=START,
            salt=salt,
        )
        self.parties = [
            Party(Thread.open(LOCAL_DOMAIN, terms, rules, cache=cache), GuardedSigner(signer, MemorySignLog()))
            for signer, cache in zip(signers, caches, strict=True)
        ]
        init_code = MORPION.creation_code + MORPION.encode_constructor(*players, STAKE, DAY)
        self.move(0, init_code, kind=InputKind.CREATE, gas=4_000_000)
        for index in range(2):
            self.move(index, MORPION.function("join").encode(), value=STAKE)

    def move(self, actor: int, data: bytes, *, gas: int = 200_000, **options: int) -> None:
        """One agreed batch with one input."""
        environment = self.parties[0].thread.environment(timestamp=START)
        each = self.parties[actor].sign_input(data, gas=gas, **options)  # type: ignore[arg-type]
        agree_on(self.parties, [each], environment)

    def play(self) -> "Game":
        """All nine moves."""
        for number, cell in enumerate(DRAW):
            self.move(number % 2, PLAYS[cell])
        return self


PLAYS = [MORPION.function("play").encode(cell) for cell in range(9)]


def test_moves_executed_rooted_and_signed_by_two_parties(benchmark: BenchmarkFixture) -> None:
    caches = CodeCache(), CodeCache()  # each party knows the contract's code from earlier games
    for salt in range(10):
        Game(salt, caches).play()
    salts = iter(range(10, 1000))
    game = benchmark.pedantic(Game.play, setup=lambda: ((Game(next(salts), caches),), {}), rounds=30)
    benchmark.extra_info["moves_per_second"] = round(len(DRAW) / benchmark.stats.stats.median)
    agreements = [party.agreement for party in game.parties]
    assert agreements[0] == agreements[1] is not None
    assert agreements[0].commitment.nonce == 2 + len(DRAW)
    function = MORPION.function("state")
    assert function.decode(game.parties[1].thread.call(function.encode()).output) == (4,)  # drawn
