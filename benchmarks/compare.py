"""Time evmthread and other EVMs on the same workloads, turn by turn in one run, and print ratios.

A ratio says how many times faster than py-evm, warmed up: each round gives a pair, and the median pair counts. `cold`
is the first call in a fresh process, `stored` the same with the compiled code of a former one; `warm` is evmthread as
it comes, after warming up. `both cold` compares like with like: evmthread's first call in a fresh process with py-evm's
first call in a fresh process. On either side imports and the preparation of the state lie outside of what is timed.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.cold import ColdError, call_cold, stored_code
from benchmarks.peers import PEERS, Peer, PeerError, Worker, first_call, start
from benchmarks.report import BOTH_COLD, COLD, GROUPS, OURS, STORED, columns, geometric_mean, group_of
from benchmarks.results import FORMAT
from benchmarks.workload import WORKLOADS, Workload, WorkloadError, read_workloads

RESULTS = Path(__file__).resolve().parent / "results"
REFERENCE = "py-evm"
REFERENCE_COLD = "py-evm, cold"

ROUNDS = 5
SLOW_ROUNDS = 3
SLOW_SECONDS = 0.5  # a call of py-evm from which on there are fewer rounds
PATIENCE = 5.0  # seconds that one EVM may take on a workload before it sits out the later rounds
TURN_SECONDS = 0.02  # short calls are repeated about so long in a turn, whose median counts
TURN_CALLS = 50
WARMING_CALLS = 3

Turn = Callable[[], float]


@dataclass(slots=True)
class Comparison:
    """One workload: CPU seconds by EVM, one for each round; an EVM that sat out has fewer."""

    workload: Workload
    rounds: dict[str, list[float]] = field(default_factory=dict)

    def seconds(self, name: str) -> float:
        return statistics.median(self.rounds[name])

    def ratio(self, name: str) -> float:
        """How many times faster than py-evm: the median over the rounds in which both ran."""
        theirs, ours = (REFERENCE_COLD, COLD) if name == BOTH_COLD else (REFERENCE, name)
        pairs = zip(self.rounds[theirs], self.rounds[ours], strict=False)
        return statistics.median([their_seconds / seconds for their_seconds, seconds in pairs])

    @property
    def compared(self) -> list[str]:
        """What there are ratios of."""
        names = [name for name in self.rounds if name not in (REFERENCE, REFERENCE_COLD)]
        return [*names, BOTH_COLD] if REFERENCE_COLD in self.rounds else names

    def line(self) -> dict[str, Any]:
        """As it is kept in a results file."""
        workload = self.workload
        return {
            "name": workload.name,
            "group": group_of(workload.name, solidity=is_solidity(workload)),
            "opcodes": workload.expect.opcodes,
            "cpu_seconds": {name: round(self.seconds(name), 9) for name in self.rounds},
            "ratio": {name: round(self.ratio(name), 3) for name in self.compared},
        }


def is_solidity(workload: Workload) -> bool:
    """Whether it is one of the contracts in benchmarks/contracts."""
    return str(workload.record.get("source")).startswith("benchmarks/contracts/")


def turns(worker: Worker, workload: Workload) -> Turn:
    """A function that takes one turn: CPU seconds of the call. The worker is warmed up. Raises PeerError."""
    worker.prepare(workload)
    first = worker.call(workload, 1)[0]
    if first * WARMING_CALLS < PATIENCE:
        first = min(worker.call(workload, WARMING_CALLS))
    calls = max(1, min(TURN_CALLS, int(TURN_SECONDS / max(first, 1e-9))))
    return lambda: statistics.median(worker.call(workload, calls))


def cold_turn(workload: Workload, *folder: str) -> float:
    seconds, problem = call_cold(workload, "auto", *folder)
    if problem:
        raise PeerError(f"cold, {workload.name}: {problem}")
    return seconds


def cold_peer_turn(peer: Peer, workload: Workload) -> float:
    """CPU seconds of a peer's first call in a fresh process. Raises PeerError."""
    seconds, problem = first_call(peer, workload)
    if problem:
        raise PeerError(f"{peer.name}, cold, {workload.name}: {problem}")
    return seconds


def compare(workload: Workload, workers: dict[str, Worker], *, rounds: int | None, without: set[str]) -> Comparison:
    """Rounds in which each EVM takes one turn. Raises PeerError or ColdError."""
    taking: dict[str, Turn] = {name: turns(worker, workload) for name, worker in workers.items()}
    if COLD not in without:
        reference = next(peer for peer in PEERS if peer.name == REFERENCE)
        taking[COLD] = lambda: cold_turn(workload)
        taking[REFERENCE_COLD] = lambda: cold_peer_turn(reference, workload)
    if STORED in without:
        return _take(workload, taking, rounds=rounds)
    with stored_code(workload, "auto") as folder:
        taking[STORED] = lambda: cold_turn(workload, folder)
        return _take(workload, taking, rounds=rounds)


def _take(workload: Workload, taking: dict[str, Turn], *, rounds: int | None) -> Comparison:
    comparison = Comparison(workload, {name: [] for name in taking})
    number = 0
    while number < (rounds or ROUNDS):
        for name, turn in taking.items():
            spent = comparison.rounds[name]
            if sum(spent) < PATIENCE or name == REFERENCE:
                spent.append(turn())
        number += 1
        if rounds is None and number >= SLOW_ROUNDS and comparison.seconds(REFERENCE) > SLOW_SECONDS:
            break
    return comparison


def compare_all(workloads: list[Workload], *, rounds: int | None, without: set[str]) -> Iterator[Any]:
    """First what each EVM says of itself, then a Comparison for each workload. Raises PeerError or ColdError."""
    workers: dict[str, Worker] = {}
    peers = {peer.name: peer for peer in PEERS if peer.name not in without}
    try:
        for peer in peers.values():
            workers[peer.name] = start(peer, Worker)
        workers["stepper"], workers["warm"] = Worker("stepper"), Worker("auto")
        yield {name: worker.providers for name, worker in workers.items()}
        for workload in workloads:
            fit = dict(workers)
            for name, peer in peers.items():
                if peer.most_opcodes is not None and workload.expect.opcodes >= peer.most_opcodes:
                    del fit[name]
            yield compare(workload, fit, rounds=rounds, without=without)
    finally:
        for worker in workers.values():
            worker.close()


def summary(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """For each group and EVM: the geometric mean of the ratios, and the least one."""
    groups: dict[str, Any] = {}
    for group in GROUPS:
        inside = [line for line in lines if line["group"] == group]
        if not inside:
            continue
        names = dict.fromkeys(name for line in inside for name in line["ratio"])
        groups[group] = {}
        for name in names:
            ratios = {line["name"]: line["ratio"][name] for line in inside if name in line["ratio"]}
            least = min(ratios, key=lambda key: ratios[key])
            groups[group][name] = {
                "workloads": len(ratios),
                "geometric_mean": round(geometric_mean(ratios.values()), 3),
                "least": ratios[least],
                "least_of": least,
            }
    return groups


def headings(names: list[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    cells = ("workload", "opcodes", "py-evm ns", "stepper ns", "warm ns", *names)
    return cells, (34, 11, 11, 11, 11, *(12 for _ in names))


def row(line: dict[str, Any], names: list[str], widths: tuple[int, ...]) -> str:
    seconds, opcodes = line["cpu_seconds"], line["opcodes"]
    prices = [f"{seconds[name] / opcodes * 1e9:.1f}" if opcodes else "-" for name in (REFERENCE, "stepper", "warm")]
    ratios = [f"{line['ratio'][name]:.2f} x" if name in line["ratio"] else "-" for name in names]
    return columns((line["name"], f"{opcodes:,}", *prices, *ratios), widths)


def save(record: dict[str, Any]) -> Path:
    """Writes a results file, named after its date."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{record['date'][:16].replace(':', '')}Z.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, 1 when an EVM fails or gives something wrong, 2 when a file is no workload."""
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=description)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files or folders (default: all workloads)")
    parser.add_argument("--rounds", type=int, help=f"of turns (default {ROUNDS}, {SLOW_ROUNDS} for long workloads)")
    optional = [peer.name for peer in PEERS if peer.name != REFERENCE]
    parser.add_argument(
        "--without",
        choices=[*optional, COLD, STORED],
        action="append",
        default=[],
        help="leave an EVM out, or what needs fresh processes",
    )
    parser.add_argument("--save", action="store_true", help="keep the results under benchmarks/results")
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of tables")
    options = parser.parse_args(arguments)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    left_out = {*options.without, BOTH_COLD} if COLD in options.without else set(options.without)
    names = [name for name in (*OURS, *optional) if name not in left_out]
    cells, widths = headings(names)
    load_before = os.getloadavg()[0]  # how many others wanted a core: more than there are is a busy machine
    try:
        workloads = read_workloads(options.paths or [WORKLOADS])
        running = compare_all(workloads, rounds=options.rounds, without=set(options.without))
        evms = next(running)
        lines = []
        if not options.json:
            for name, providers in evms.items():
                print(f"{name}: {', '.join(f'{what} {value}' for what, value in providers.items())}")
            print(columns(cells, widths), flush=True)
        with suppress(KeyboardInterrupt):  # what was measured until then counts
            for comparison in running:
                lines.append(comparison.line())
                if not options.json:
                    print(row(lines[-1], names, widths), flush=True)
    except WorkloadError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    except (PeerError, ColdError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    record = {
        "format": FORMAT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in (load_before, os.getloadavg()[0])],
        "evms": evms,
        "workloads": lines,
        "summary": summary(lines),
    }
    if options.json:
        print(json.dumps(record, indent=1))
    else:
        print_summary(record["summary"], names)
    if options.save:
        print(f"saved as {save(record).relative_to(RESULTS.parent.parent)}", file=sys.stderr)
    return 0


def print_summary(groups: dict[str, Any], names: list[str]) -> None:
    for group, evms in groups.items():
        for name in names:
            if name in evms:
                found = evms[name]
                print(
                    f"{group}, {name}: geometric mean {found['geometric_mean']:.2f} x over {found['workloads']}, "
                    f"least {found['least']:.2f} x ({found['least_of']})"
                )


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background too, where shells have it ignored
    sys.exit(main())
