"""The story as a user has it: commands and examples in processes of their own, against a real node."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evmthread.primitives.keccak import keccak256
from evmthread.store.watchtower_file import write_watchtower_file
from tests.anvil import Anvil, running_anvil
from tests.chain.chains import OnAnvil, account, deploy, rich
from tests.chain.played import Played

EXAMPLE = Path(__file__).parents[2] / "examples" / "settle.py"


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running_anvil(hardfork="osaka", accounts=2) as running:
        yield running


def run(*arguments: str) -> str:
    """What a program prints, which must succeed."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_the_example_says_the_same_of_a_real_node(node: Anvil, scheme: str) -> None:
    told = run(str(EXAMPLE), scheme + node.url.removeprefix("http"))
    assert told == EXAMPLE.with_suffix(".txt").read_text()


def test_the_whole_story_is_one_command(node: Anvil) -> None:
    play = ("-m", "evmthread", "play", "morpion", "--chain", node.url)
    told = [json.loads(line)["event"] for line in run(*play, "--json").splitlines()]
    assert told[-8:] == ["refused", "challenge", "settle", "materialize", "move", "paid", "balance", "balance"]
    assert "both are paid by one transaction" in run(*play, "--agree")


def test_c14_a_watchtower_of_another_process_answers_within_two_blocks(node: Anvil, tmp_path: Path) -> None:
    chain = OnAnvil(node)
    registry = deploy(chain)
    rich(chain, account("watcher"))
    game = Played(chain, registry, challenge_period=600)  # this machine may be busy
    game.fund()
    game.play(0, 3, 1, 4)
    node.mine(70)
    write_watchtower_file(tmp_path / "game.watch", game.tip)
    key = tmp_path / "watcher.key"
    key.write_text(keccak256(b"evmthread chain test watcher").hex())
    key.chmod(0o600)
    words = [str(tmp_path / "game.watch"), "--chain", node.url, "--key", str(key), "--interval", "0.1", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "evmthread", "watch", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        try:
            time.sleep(2)  # it may also begin after the challenge
            stale = registry.challenge(game.owners[1], game.line[2])
            deadline = registry.thread(game.thread_id).deadline
            end = time.monotonic() + 120
            while registry.thread(game.thread_id).record != game.tip.digest:
                assert time.monotonic() < end
                time.sleep(0.05)
            assert int(node.ask("eth_blockNumber"), 16) <= stale.block.number + 2
            assert registry.thread(game.thread_id).deadline == deadline
            game.past_deadline()
            registry.settle_record(account("deployer"), game.terms, game.tip.commitment)
            node.mine(70)
            out, err = watching.communicate(timeout=60)
        finally:
            watching.kill()
    assert watching.returncode == 0, err
    names = [json.loads(line)["event"] for line in out.splitlines()]
    assert names[:2] == ["alarm", "answered"]
    assert names[-1] == "over"
