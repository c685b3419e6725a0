"""What a store told as kept is there after kill -9 and after a power cut; a batch is there whole, or not at all."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evmthread.channel.kept import SignedRecord
from evmthread.errors import BackendError
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.testing.thread_samples import DIGESTS
from tests.state.power_cut import PASSING, Disk, Event, built_recorder, put, record_of
from tests.store.keeper import expected, said

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "tests.store.keeper"]


def problem(place: Path, told: int, begun: int) -> str | None:
    """What is wrong with the store that a killed process left; None when all is well."""
    try:
        with SqliteThreadStore(place) as store:
            there = said({thread: store.look(thread) for thread in store.threads()})
            counts = [writes for writes in range(told, begun + 1) if expected(writes) == there]
            if not counts:
                return f"{told} writes were told as kept, and what is there is no state of them, nor of the next"
            store.check()
            for thread in there:  # and it goes on
                lease = store.acquire(thread)
                (error,) = store.write([(lease, [SignedRecord(lease.load().highest + 1, DIGESTS[0], False, b"")])])
                if error is not None:
                    return str(error)
    except BackendError as error:
        return str(error)
    return None


def kill_and_look(folder: Path, seed: int, kills: int) -> None:
    generator = random.Random(seed)
    for number in range(kills):
        place = folder / str(number)
        with subprocess.Popen([*PROGRAM, str(place)], stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(generator.random() * 0.15)
            os.kill(process.pid, signal.SIGKILL)
            told = int(([first, *process.stdout.read().split()])[-1])
        assert problem(place, told, told + 1) is None


def test_kill_9(tmp_path: Path) -> None:
    kill_and_look(tmp_path, 1, 4)


@pytest.mark.slow
def test_kill_9_sixty_times(tmp_path: Path) -> None:
    kill_and_look(tmp_path, 2, 60)


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_recorder(tmp_path_factory.mktemp("recorder"))


def recorded(recorder: Path, folder: Path, writes: int, *more: str) -> list[Event]:
    """What a keeper did to a folder, checked to be all that it did."""
    (folder / "disk").mkdir()
    command = [*PROGRAM, str(folder / "disk" / "threads"), str(writes), *more]
    events = record_of(command, recorder, folder / "disk", folder / "log", ROOT)
    disk = Disk(folder / "disk")
    for event in events:
        disk.tell(event)
    left = {path.name: path.read_bytes() for path in (folder / "disk").iterdir() if not path.name.endswith(PASSING)}
    assert disk.without_a_cut() == left
    assert len(disk.answers) == writes
    return events


def kill_at_every_write(folder: Path, events: list[Event], writes: int) -> list[str]:
    """Looks at the files as they were after each single thing that the process did; what is wrong."""
    disk, wrong = Disk(folder / "disk"), []
    for number, event in enumerate(events):
        disk.tell(event)
        if event.path.endswith(PASSING):
            continue
        put(folder / "after", disk.without_a_cut())
        told = len(disk.answers)
        if found := problem(folder / "after" / "threads", told, min(told + 1, writes)):
            wrong.append(f"after event {number}: {found}")
    return wrong


def cut_at_random(folder: Path, events: list[Event], writes: int, seed: int, cuts: int) -> list[str]:
    """Cuts the power, mostly right after an answer, where most would be lost; what is wrong."""
    generator, disk, wrong, told_events = random.Random(seed), Disk(folder / "disk"), [], 0
    answers = [number for number, event in enumerate(events, 1) if event.kind == "A"]
    points = [generator.choice((generator.choice(answers), generator.randrange(len(events)))) for _ in range(cuts)]
    for at in sorted(points):
        for event in events[told_events:at]:
            disk.tell(event)
        told_events = at
        kept = generator.choice((0.0, 0.0, 0.3, 0.7, 0.95))
        put(folder / "after", disk.after_a_cut(generator, kept))
        told = len(disk.answers)
        if found := problem(folder / "after" / "threads", told, min(told + 1, writes)):
            wrong.append(f"after event {at}, of the rest {kept:.0%} kept: {found}")
    return wrong


def test_kill_9_at_every_write(recorder: Path, tmp_path: Path) -> None:
    """C12, the store's part: all that was told is there, whichever write was the last."""
    events = recorded(recorder, tmp_path, 9)
    assert kill_at_every_write(tmp_path, events, 9) == []


@pytest.mark.slow
def test_kill_9_at_every_write_of_a_long_run(recorder: Path, tmp_path: Path) -> None:
    events = recorded(recorder, tmp_path, 50)
    assert kill_at_every_write(tmp_path, events, 50) == []


def test_power_cuts(recorder: Path, tmp_path: Path) -> None:
    events = recorded(recorder, tmp_path, 40)
    assert cut_at_random(tmp_path, events, 40, 1, 30) == []


@pytest.mark.slow
def test_hundreds_of_power_cuts(recorder: Path, tmp_path: Path) -> None:
    events = recorded(recorder, tmp_path, 120)
    assert cut_at_random(tmp_path, events, 120, 2, 200) == []


def test_a_store_that_does_not_sync_is_found(recorder: Path, tmp_path: Path) -> None:
    events = recorded(recorder, tmp_path, 12, "careless")
    assert any("told as kept" in found for found in cut_at_random(tmp_path, events, 12, 3, 20))
