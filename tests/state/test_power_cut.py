"""What was acknowledged is there after a power cut, which leaves of writes that weren't synced what it likes."""

import random
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from evmthread.errors import BackendError
from tests.state.applier import KINDS, Stream
from tests.state.changes import Told, memory_of
from tests.state.power_cut import PASSING, Disk, Event, built_recorder, put, record_of

ROOT = Path(__file__).parents[2]
SEED = 5


@dataclass(frozen=True)
class Run:
    """What an applier did to a folder, and the states that its stream leads to."""

    scheme: str
    folder: Path
    events: list[Event]
    states: list[tuple[dict[bytes, Told], bytes]]


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_recorder(tmp_path_factory.mktemp("recorder"))


def recorded(recorder: Path, scheme: str, folder: Path, applies: int, *more: str) -> Run:
    stream = Stream(SEED)
    states: list[tuple[dict[bytes, Told], bytes]] = [({}, memory_of({}).roots().root())]
    for _ in range(applies):
        stream.step()
        told = {address: (account, dict(slots)) for address, (account, slots) in stream.told.items()}
        states.append((told, memory_of(told).roots().root()))
    (folder / "disk").mkdir()
    command = [sys.executable, "-m", "tests.state.applier", scheme, str(folder / "disk" / "state"), str(SEED)]
    events = record_of([*command, str(applies), *more], recorder, folder / "disk", folder / "log", ROOT)
    return Run(scheme, folder, events, states)


def lost(run: Run, files: dict[str, bytes], acknowledged: int, *, begun: int) -> str | None:
    """What is wrong with what a cut left; None when all is well."""
    place = run.folder / "after"
    put(place, files)
    try:
        with KINDS[run.scheme](place / "state") as state:
            if not acknowledged <= state.nonce <= begun:
                return f"{acknowledged} applies were acknowledged, and {state.nonce} are there"
            told, root = run.states[state.nonce]
            if state.root != root or dict(state.accounts()) != {at: account for at, (account, _) in told.items()}:
                return f"another state than that of apply {state.nonce}"
            for address, (_, slots) in told.items():
                if dict(state.slots(address)) != slots:
                    return f"other slots than those of apply {state.nonce}"
            state.verify()
            stream = Stream(SEED)
            for _ in range(state.nonce):
                stream.step()
            state.apply(stream.step(), check=True)  # and it goes on
    except BackendError as error:
        return str(error)
    return None


def point(events: list[Event], generator: random.Random) -> int:
    """How many events there were before a cut."""
    where = generator.choice(("anywhere", "answered", "answered", "unsynced"))
    if where == "anywhere":
        return generator.randrange(len(events))
    if where == "answered":  # where most would be lost
        return generator.choice([number for number, event in enumerate(events, 1) if event.kind == "A"])
    # In the middle of a sync; each file as often as the others, so also those that are rarely synced.
    path = generator.choice(sorted({event.path for event in events if event.kind == "S"}))
    return generator.choice([at for at, event in enumerate(events) if event.kind == "S" and event.path == path])


def cut(run: Run, seed: int, cuts: int) -> list[str]:
    """Cuts the power at points of a run; what went wrong."""
    generator = random.Random(seed)
    points = sorted(point(run.events, generator) for _ in range(cuts))
    disk = Disk(run.folder / "disk")
    wrong = []
    told = 0
    for at in points:
        for event in run.events[told:at]:
            disk.tell(event)
        told = at
        acknowledged = len(disk.answers)
        kept = generator.choice((0.0, 0.0, 0.3, 0.7, 0.95))
        files = disk.after_a_cut(generator, kept)
        # Opening makes a state where there is none.
        problem = lost(run, files, acknowledged, begun=min(acknowledged + 1, len(run.states) - 1))
        if problem is not None:
            wrong.append(f"after event {at} of {len(run.events)}, of the rest {kept:.0%} kept: {problem}")
    return wrong


def check_the_record(run: Run) -> None:
    """The record is complete: with all that it tells, the files are those that the process left."""
    disk = Disk(run.folder / "disk")
    for event in run.events:
        disk.tell(event)
    left = {path.name: path.read_bytes() for path in (run.folder / "disk").iterdir() if not path.name.endswith(PASSING)}
    assert disk.without_a_cut() == left
    assert b"".join(disk.answers).split() == [b"%d" % number for number in range(1, len(run.states))]


@pytest.mark.parametrize("scheme", list(KINDS))
def test_power_cuts(recorder: Path, tmp_path: Path, scheme: str) -> None:
    run = recorded(recorder, scheme, tmp_path, 90)
    check_the_record(run)
    assert cut(run, 1, 40) == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", list(KINDS))
def test_hundreds_of_power_cuts(recorder: Path, tmp_path: Path, scheme: str) -> None:
    run = recorded(recorder, scheme, tmp_path, 300)
    check_the_record(run)
    assert cut(run, 2, 500) == []


@pytest.mark.parametrize("scheme", list(KINDS))
def test_a_state_that_does_not_sync_is_found(recorder: Path, tmp_path: Path, scheme: str) -> None:
    run = recorded(recorder, scheme, tmp_path, 10, "careless")
    check_the_record(run)
    assert any("applies were acknowledged, and" in problem for problem in cut(run, 3, 20))
