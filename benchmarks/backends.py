"""Measure the state backends, from a thousand slots to a million: reads, applies and commits a second, bytes a slot.

    python -m benchmarks.backends [--slots N]... [--backend NAME]... [--save]

One account holds the slots. A read is of a slot at random. An apply changes ten slots at random; a commit does so too,
makes the new state root, and is on the disk when it returns where there is a disk. In files an apply makes the root and
the nodes as well, and only isn't synced. Reads and applies count CPU time, all else the time that passed; medians. Each
backend and size is measured in a process of its own; files go to a temporary folder (TMPDIR).
"""

import argparse
import gc
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import columns
from benchmarks.results import BACKENDS_FORMAT
from evmthread.primitives.keccak import EMPTY_HASH
from evmthread.state.lmdb import LmdbState
from evmthread.state.memory import MemoryState
from evmthread.state.overlay import OverlayState
from evmthread.state.sqlite import SqliteState
from evmthread.state.stored import StoredState
from evmthread.state.view import Account, AccountChange, StateChanges, apply_to_roots

State = MemoryState | OverlayState | StoredState
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BACKENDS = ("memory", "overlay", "sqlite", "lmdb")
SIZES = (1_000, 10_000, 100_000, 1_000_000)
HOLDER = b"\x0a" * 20
ACCOUNT = Account(1, 1, EMPTY_HASH)
BATCH = 50_000  # slots of one apply while a state is built
CHANGED = 10
ROUNDS = 60
READS = 20_000
HEADINGS = (
    "backend",
    "slots",
    "reads/s",
    "applies/s",
    "commits/s",
    "bytes/slot",
    "build s",
    "open ms",
    "root of 10 ms",
)
WIDTHS = (8, 11, 11, 11, 11, 12, 9, 9, 15)


def opened(name: str, path: Path, *, durable: bool = True) -> State:
    if name == "sqlite":
        return SqliteState(path, durable=durable)
    if name == "lmdb":
        return LmdbState(path, durable=durable)
    return MemoryState() if name == "memory" else OverlayState(MemoryState())


def value_of(key: int) -> int:
    """What the slots hold at first: numbers of eight bytes."""
    return key * 0x9E3779B97F4A7C15 % 2**64 | 1


def build(state: State, slots: int) -> None:
    """Puts the slots there, with the root after each batch."""
    for done in range(0, slots, BATCH):
        values = {key: (0, value_of(key)) for key in range(done, min(done + BATCH, slots))}
        change = AccountChange(ACCOUNT if done else None, ACCOUNT, values)
        state.apply(StateChanges({HOLDER: change}, {}))
        state.roots().root()
        print(f"{done + len(values):,} of {slots:,} slots", file=sys.stderr, flush=True)


def timed(
    state: State,
    generator: random.Random,
    slots: int,
    clock: Callable[[], float],
    work: Callable[[StateChanges], object],
) -> list[float]:
    """Seconds of each of some rounds, in which `work` applies a change of ten slots at random."""
    seconds = []
    for _ in range(ROUNDS):
        keys = generator.sample(range(slots), CHANGED)
        values = {key: (state.slot(HOLDER, key), generator.getrandbits(64) | 1) for key in keys}
        changes = StateChanges({HOLDER: AccountChange(ACCOUNT, ACCOUNT, values)}, {})
        began = clock()
        work(changes)
        seconds.append(clock() - began)
    return seconds


def resident() -> int:
    """Bytes of memory that this process has now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(name: str, slots: int, folder: Path) -> dict[str, Any]:
    """One line of the results."""
    path = folder / "state"
    before = resident()
    state = opened(name, path)
    began = time.perf_counter()
    build(state, slots)
    line: dict[str, Any] = {"backend": name, "slots": slots, "buildSeconds": time.perf_counter() - began}
    size = resident() - before
    if isinstance(state, StoredState):
        root = state.root
        state.close()
        size = sum(file.stat().st_blocks * 512 for file in folder.iterdir())
        began = time.perf_counter()
        state = opened(name, path)
        line["openSeconds"] = time.perf_counter() - began
        assert state.roots().root() == root
    line["bytesPerSlot"] = size / slots

    def root_of(changes: StateChanges) -> None:
        roots = state.roots().copy()
        apply_to_roots(roots, changes)
        roots.root()

    def commit(changes: StateChanges) -> None:
        state.apply(changes)
        state.roots().root()

    generator = random.Random(1)
    roots = timed(state, generator, slots, time.perf_counter, root_of)
    line["firstRootSeconds"], line["rootSeconds"] = roots[0], median(roots)
    line["commitSeconds"] = median(timed(state, generator, slots, time.perf_counter, commit))
    keys = [generator.randrange(slots) for _ in range(READS)]
    began = time.process_time()
    for key in keys:
        state.slot(HOLDER, key)
    line["readSeconds"] = (time.process_time() - began) / READS
    if isinstance(state, StoredState):
        state.close()
        state = opened(name, path, durable=False)
    line["applySeconds"] = median(timed(state, generator, slots, time.process_time, state.apply))
    if isinstance(state, StoredState):
        state.close()
    return line


def measured_apart(name: str, slots: int) -> dict[str, Any]:
    """The same, in a process of its own, with a folder that is taken away. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="evmthread-") as folder:
        command = [sys.executable, "-m", "benchmarks.backends", "--one", name, str(slots), folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT)
    line: dict[str, Any] = json.loads(done.stdout)
    return line


def row(line: dict[str, Any]) -> tuple[str, ...]:
    """A line of the results as a row of the table."""
    rates = [f"{1 / line[name]:,.0f}" for name in ("readSeconds", "applySeconds", "commitSeconds")]
    open_time = f"{line['openSeconds'] * 1e3:.1f}" if "openSeconds" in line else "-"
    return (
        line["backend"],
        f"{line['slots']:,}",
        *rates,
        f"{line['bytesPerSlot']:,.0f}",
        f"{line['buildSeconds']:.1f}",
        open_time,
        f"{line['rootSeconds'] * 1e3:.2f}",
    )


def save(record: dict[str, Any]) -> Path:
    """Writes a results file, named after its date."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"backends-{record['date'][:16].replace(':', '')}Z.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.backends", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slots", type=int, action="append", metavar="N", help="sizes (default: 10^3 to 10^6)")
    parser.add_argument("--backend", choices=BACKENDS, action="append", help="which ones (default: all)")
    parser.add_argument("--save", action="store_true", help="keep the results under benchmarks/results")
    parser.add_argument("--one", nargs=3, metavar=("NAME", "SLOTS", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        name, slots, folder = options.one
        print(json.dumps(measure(name, int(slots), Path(folder))))
        return 0
    if options.slots and min(options.slots) < CHANGED:
        parser.error(f"--slots: at least {CHANGED}")
    print(columns(HEADINGS, WIDTHS), flush=True)
    lines = []
    for slots in options.slots or SIZES:
        for name in options.backend or BACKENDS:
            lines.append(measured_apart(name, slots))
            print(columns(row(lines[-1]), WIDTHS), flush=True)
    record = {
        "format": BACKENDS_FORMAT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "lines": lines,
    }
    if options.save:
        print(f"saved as benchmarks/results/{save(record).name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
