"""What each kind of hook costs: workloads on the compiled engine with it, as ratios to no hook in the same run.

    python -m benchmarks.hooks [PATH...] [--rounds N] [--save]

In each round every kind takes one turn, right after a turn without hooks: a round gives pairs, a ratio is the median
pair. Code caches are kept from turn to turn, and everything is warm; what takes seconds gets two turns. A time counts
only when the call's result is right.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import Subject
from benchmarks.report import columns
from benchmarks.results import HOOKS_FORMAT
from benchmarks.workload import WORKLOADS, WorkloadError, read_workload
from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame
from evmthread.isa.instruction import Instruction
from evmthread.isa.message import Message
from evmthread.machine.hooks import Hook
from evmthread.machine.tracing import Steps
from evmthread.tracers import CallTracer

DEFAULT = tuple(
    [WORKLOADS / f"{name}.json" for name in ("solidity/hashing", "solidity/erc20", "solidity/calls", "snailtracer")]
)
RESULTS = Path(__file__).resolve().parent / "results"
ROUNDS = 7
SLOW, FEW = 2.0, 2  # seconds of a turn, and how many turns such a kind gets


class Counting(Hook):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.count = 0


class Calls(Counting):
    def call(self, caller: Frame | None, message: Message) -> None:  # noqa: ARG002 - as Hook has it
        self.count += 1

    def frame_start(self, frame: Frame) -> None:  # noqa: ARG002
        self.count += 1

    def frame_end(self, frame: Frame) -> None:  # noqa: ARG002
        self.count += 1


class Storage(Counting):
    def storage_read(self, frame: Frame, key: int, value: int) -> None:  # noqa: ARG002
        self.count += 1

    def storage_write(self, frame: Frame, key: int, old: int, new: int) -> None:  # noqa: ARG002
        self.count += 1


class Preimages(Counting):
    def keccak(self, frame: Frame, preimage: bytes, digest: int) -> None:  # noqa: ARG002
        self.count += 1


class Logs(Counting):
    def log(self, frame: Frame, log: object) -> None:  # noqa: ARG002
        self.count += 1


class Opcode(Counting):
    def __init__(self, *names: str) -> None:
        super().__init__()
        self.opcodes = names

    def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> None:  # noqa: ARG002
        self.count += 1


class StepStarts(Counting):
    def step_start(self, frame: Frame, instruction: Instruction | None) -> None:  # noqa: ARG002
        self.count += 1


class Gas(Counting):
    def gas_change(self, frame: Frame, instruction: Instruction | None, before: int, after: int) -> None:  # noqa: ARG002
        self.count += 1


def _no_trace(_step: object) -> None:
    pass


KINDS: dict[str, Callable[[Fork], Hook]] = {
    "a hook that overrides nothing": lambda _: Hook(),
    "calls: call, frame_start, frame_end": lambda _: Calls(),
    "logs": lambda _: Logs(),
    "one opcode, seldom met: CALLDATALOAD": lambda _: Opcode("CALLDATALOAD"),
    "one opcode, met often: MUL": lambda _: Opcode("MUL"),
    "storage: storage_read, storage_write": lambda _: Storage(),
    "keccak": lambda _: Preimages(),
    "the call tracer": CallTracer,
    "steps: step_start": lambda _: StepStarts(),
    "steps: gas_change": lambda _: Gas(),
    "steps, each written down (Steps)": lambda _: Steps(_no_trace),
}
HEADINGS = ("workload", "hook", "told", "ms", "times no hook")
WIDTHS = (18, 39, 11, 12, 15)


def measure(path: Path, rounds: int) -> list[dict[str, Any]]:
    """A row for each kind, the first without hooks. Raises WorkloadError for a result that is wrong."""
    workload = read_workload(path)
    plain = Subject(workload, "auto")
    plain.warm_up()
    subjects: dict[str, tuple[Subject, Hook]] = {}
    for kind, make in KINDS.items():
        subject, hook = Subject(workload, "auto"), make(workload.fork)
        subject.world.hooks = (hook,)
        if not kind.startswith("steps"):  # which are never compiled
            subject.warm_up()
        subjects[kind] = subject, hook
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    ratios: dict[str, list[float]] = {kind: [] for kind in KINDS}
    told: dict[str, int | None] = {}
    bare: list[float] = []
    for turn in range(rounds):
        for kind, (subject, hook) in subjects.items():
            if turn >= FEW and seconds[kind][0] > SLOW:
                continue
            if isinstance(hook, Counting):
                hook.count = 0
            without = checked(plain)
            bare.append(without)
            seconds[kind].append(checked(subject))
            ratios[kind].append(seconds[kind][-1] / without)
            told[kind] = hook.count if isinstance(hook, Counting) else None
    rows: list[dict[str, Any]] = [
        {"workload": workload.name, "hook": "none", "told": 0, "seconds": median(bare), "ratio": 1.0}
    ]
    for kind in KINDS:
        row = {"told": told[kind], "seconds": median(seconds[kind]), "ratio": round(median(ratios[kind]), 3)}
        rows.append({"workload": workload.name, "hook": kind, **row})
    return rows


def checked(subject: Subject) -> float:
    seconds, problem = subject.check()
    if problem:
        raise WorkloadError(f"{subject.workload.name}: {problem}")
    return seconds


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows for people."""
    lines = []
    for row in rows:
        told = "" if row["told"] is None else f"{row['told']:,}"
        cells = (row["workload"], row["hook"], told, f"{row['seconds'] * 1000:,.2f}", f"{row['ratio']:.2f}")
        lines.append(columns(cells, WIDTHS))
    return lines


def save(record: dict[str, Any]) -> Path:
    """Keeps a record under its date."""
    path = RESULTS / f"hooks-{record['date'].replace(':', '').replace('+0000', 'Z')}.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hooks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("paths", nargs="*", metavar="PATH", type=Path, help="workload files (default: four)")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, metavar="N", help=f"turns of each kind (default {ROUNDS})"
    )
    parser.add_argument("--save", action="store_true", help="keep the results under benchmarks/results")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds: {options.rounds} is no number of turns")
    rows: list[dict[str, Any]] = []
    print(columns(HEADINGS, WIDTHS), flush=True)
    try:
        for path in options.paths or DEFAULT:
            made = measure(path, options.rounds)
            rows += made
            print("\n".join(table(made)), flush=True)
    except WorkloadError as error:
        print(error, file=sys.stderr)
        return 2
    if options.save:
        record = {
            "format": HOOKS_FORMAT,
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "rounds": options.rounds,
            "rows": rows,
        }
        print(f"saved as benchmarks/results/{save(record).name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
