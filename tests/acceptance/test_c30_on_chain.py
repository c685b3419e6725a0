"""C30 on chain: simulated parties, crashes, reorgs and liars against the real registry, on both chains.

A run plays one seed to its end on chain. Besides what C30 checks of channels, it checks that

- what was settled is as high as the highest agreement that any honest party that was there, or its watchtower, had in
  time;
- after each block the registry has what it holds and owes, what came in was paid or is still there, and everybody got
  what was settled;
- the thread ended once, and each event was told as final once;
- honest keys sign one digest for a nonce, nothing before the deposits are final, nothing after a challenge was seen;
- whoever is there gets out.
"""

from collections.abc import Sequence

import pytest

from evmthread.chain.blocks import LATEST, block_at
from evmthread.chain.watchtower import Watchtower
from evmthread.testing.simulation.blocks import ANVIL_OPTIONS, LocalBlocks, NodeBlocks
from evmthread.testing.simulation.ledger import Broken
from evmthread.testing.simulation.settling import Settlement, SettlingSimulation
from tests.anvil import running_anvil

# Chosen for what happens in them: thieves, reorgs, parties that go for good, watchtowers, contracts that come back.
SEEDS = ((64, 73), (1000, 1005), (1006, 1019), (1023, 1024))
STOLEN = 73
"""A liar posts an old commitment here, and nobody but the honest party answers."""


def in_process(seed: int) -> Settlement:
    return SettlingSimulation(seed, LocalBlocks()).settle()


def on_anvil(seed: int) -> Settlement:
    with running_anvil(*ANVIL_OPTIONS, hardfork="osaka") as node:
        return SettlingSimulation(seed, NodeBlocks(node.provider)).settle()


PLAY = {"in process": in_process, "anvil": on_anvil}


def play(chain: str, seeds: Sequence[int]) -> list[Settlement]:
    """Plays seeds. What fails says which it was."""
    played = []
    for seed in seeds:
        try:
            played.append(PLAY[chain](seed))
        except Exception as error:
            raise AssertionError(f"seed {seed} {chain}: {type(error).__name__}: {error}") from error
    return played


@pytest.mark.parametrize("seeds", SEEDS, ids=str)
@pytest.mark.parametrize("chain", PLAY)
def test_c30(chain: str, seeds: Sequence[int]) -> None:
    played = play(chain, seeds)
    assert [each.ended for each in played] == ["settled"] * len(seeds)
    assert any(each.challenged for each in played)
    assert any(each.gone for each in played)  # blocks that a reorg took
    assert all(each.agreements > 1 for each in played)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 1200, 10))
def test_c30_two_hundred_seeds(first: int) -> None:
    played = play("in process", range(first, first + 10))
    assert any(each.ended == "settled" and each.agreements > 1 for each in played)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 1030, 5))
def test_c30_thirty_seeds_of_a_real_node(first: int) -> None:
    play("anvil", range(first, first + 5))


def test_c30_one_seed_is_one_run() -> None:
    """To the hash of the last block, which all transactions and their effects go into."""
    ends = []
    for _ in range(2):
        simulation = SettlingSimulation(STOLEN, LocalBlocks())
        settlement = simulation.settle()
        ends.append((block_at(simulation.mempool, LATEST), settlement.agreements, settlement.seconds))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("chain", PLAY)
def test_c30_a_party_that_never_answers_loses_and_that_is_seen(chain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can fail: the same run, with parties that look and don't answer."""
    monkeypatch.setattr(Watchtower, "_answer", lambda tower, account, state, number: [])
    with pytest.raises(Broken, match="settled on nonce"):
        PLAY[chain](STOLEN)
