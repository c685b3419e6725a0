"""What was acknowledged is there after kill -9, and what is there is a whole prefix of what was applied."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.state.applier import KINDS, Stream
from tests.state.changes import memory_of

ROOT = Path(__file__).parents[2]


def kill_and_look(scheme: str, path: Path, seed: int, kills: int) -> None:
    """Starts the applier on a new file each time, kills it somewhere, opens what is left."""
    generator = random.Random(seed)
    for number in range(kills):
        place = path / str(number)
        stream = Stream(number)
        with subprocess.Popen(
            [sys.executable, "-m", "tests.state.applier", scheme, str(place), str(number)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline()  # the state is open, and one change in it
            time.sleep(generator.random() * 0.15)
            process.kill()
            acknowledged = int(([first, *process.stdout.read().split()])[-1] or b"0")
        assert acknowledged > 0
        with KINDS[scheme](place) as state:
            assert acknowledged <= state.nonce <= acknowledged + 1
            for _ in range(state.nonce):
                stream.step()
            assert dict(state.accounts()) == {address: account for address, (account, _) in stream.told.items()}
            for address, (_, slots) in stream.told.items():
                assert dict(state.slots(address)) == slots
            assert state.root == memory_of(stream.told).roots().root()
            state.verify()
            state.apply(stream.step(), check=True)  # and it goes on


@pytest.mark.parametrize(("scheme", "kills"), [("sqlite", 12), ("lmdb", 8)])
def test_kill_9(tmp_path: Path, scheme: str, kills: int) -> None:
    kill_and_look(scheme, tmp_path, 1, kills)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["sqlite", "lmdb"])
def test_kill_9_two_hundred_times(tmp_path: Path, scheme: str) -> None:
    kill_and_look(scheme, tmp_path, 2, 200)
