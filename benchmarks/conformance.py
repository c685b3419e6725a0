"""Time the official state tests on evmthread, py-evm and EELS: cases a second, over the same cases, turn by turn.

What is timed of a case: its accounts into a state, its transaction from bytes, with its sender recovered, the
execution, and the state root, which is compared with the fixture's. Reading JSON isn't timed. Cases are drawn evenly
from the forks that all three know, without those whose transaction is refused and those that are listed as slow.
"""

import argparse
import json
import random
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.conformance_worker import MODULES
from benchmarks.peers import PEERS, REPOSITORY, PeerError, Worker, start
from benchmarks.report import columns
from evmthread.errors import EvmthreadError
from evmthread.testing.fixtures import FixtureTest, read_tests, reading, word
from evmthread.testing.runner import find_files
from evmthread.testing.shards import SLOW_FILES, slow_tests
from evmthread.testing.state_tests import REQUIRED, transaction_of

SAMPLE = REPOSITORY / "tests" / "conformance" / "sample" / "state"
CHAIN_ID = 1
OURS, REFERENCE = "evmthread", "py-evm"
# EELS has no Constantinople with EIP-1283, py-evm no Osaka.
FORKS = (
    *("Frontier", "Homestead", "EIP150", "EIP158", "Byzantium", "ConstantinopleFix", "Istanbul", "Berlin"),
    *("London", "Paris", "Shanghai", "Cancun", "Prague"),
)
REPLAY_PROTECTED = FORKS.index("EIP158")  # EIP-155

CASES, SEED, ROUNDS, TURN_CASES = 390, 1, 5, 30
WIDTHS = (11, 9, 16, 10, 12, 8)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A case that was drawn: where it is from, what the EVMs are given, and the fixture's root."""

    file: str
    name: str
    fork: str
    index: int
    body: dict[str, Any] = field(repr=False)
    root: str


@dataclass(slots=True)
class Times:
    """What came of one EVM: CPU seconds by round, and by case what was wrong, if anything."""

    seconds: list[float] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)


class Runner(Worker):
    """A process that runs cases (see benchmarks/conformance_worker.py)."""

    module: ClassVar[str] = "benchmarks.conformance_worker"

    def give(self, cases: list[Drawn]) -> None:
        """Hands over the cases."""
        self._ask({"cases": [case.body for case in cases]})

    def turn(self, first: int, last: int) -> tuple[float, list[str]]:
        """CPU seconds and state roots of some of the cases."""
        answer = self._ask({"first": first, "last": last})
        return answer["seconds"], answer["roots"]


def candidates(paths: list[Path]) -> Iterator[tuple[FixtureTest, str, int]]:
    """(test, fork, index) of all cases that can be drawn."""
    for path in paths:
        slow = slow_tests(path)
        for file in find_files(path):
            for test in read_tests(file):
                origin = test.suite.encode(), test.file.encode()
                if origin in slow or SLOW_FILES in origin[1] or not all(name in test.body for name in REQUIRED):
                    continue
                for fork, entries in test.body["post"].items():
                    if fork in FORKS:
                        for index, entry in enumerate(entries):
                            if not entry.get("expectException"):
                                yield test, fork, index


def case_of(test: FixtureTest, fork: str, index: int) -> Drawn:
    """A case as the EVMs are given it. Raises EvmthreadError where the fixture's transaction can't be signed."""
    entry, fields = test.body["post"][fork][index], test.body["transaction"]
    if "txbytes" in entry:
        signed = entry["txbytes"].removeprefix("0x")
    else:
        transaction = transaction_of(fields, entry["indexes"], CHAIN_ID)
        chain_id = CHAIN_ID if transaction.type or FORKS.index(fork) >= REPLAY_PROTECTED else None
        with reading(test.name):
            key = word(fields["secretKey"]).to_bytes(32, "big")
        signed = replace(transaction, chain_id=chain_id).signed(key).encode().hex()
    body = {"fork": fork, "pre": test.body["pre"], "env": test.body["env"], "transaction": signed}
    return Drawn(test.file, test.name, fork, index, body, entry["hash"].removeprefix("0x"))


def draw(paths: list[Path], count: int, seed: int) -> list[Drawn]:
    """About `count` cases, as many of each fork as of any other where there are so many. Raises EvmthreadError."""
    dice = random.Random(seed)
    most = -(-count // len(FORKS))
    kept: dict[str, list[tuple[FixtureTest, str, int]]] = {fork: [] for fork in FORKS}
    seen: Counter[str] = Counter()
    # A reservoir for each fork: all tests together don't fit into memory.
    for test, fork, index in candidates(paths):
        place = dice.randrange(seen[fork] + 1)
        seen[fork] += 1
        if len(kept[fork]) < most:
            kept[fork].append((test, fork, index))
        elif place < most:
            kept[fork][place] = test, fork, index
    drawn = [case_of(*each) for found in kept.values() for each in found]
    dice.shuffle(drawn)
    return drawn


def run_rounds(cases: list[Drawn], runners: dict[str, Runner], rounds: int) -> dict[str, Times]:
    """Rounds in which the EVMs take turns, some cases a turn."""
    times = {name: Times() for name in runners}
    for runner in runners.values():
        runner.give(cases)
    for number in range(rounds):
        spent = dict.fromkeys(runners, 0.0)
        for first in range(0, len(cases), TURN_CASES):
            last = min(first + TURN_CASES, len(cases))
            for name, runner in runners.items():
                seconds, roots = runner.turn(first, last)
                spent[name] += seconds
                for place, root in enumerate(roots, first):
                    if root != cases[place].root:
                        times[name].problems[place] = root
        for name, seconds in spent.items():
            times[name].seconds.append(seconds)
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return times


def record_of(cases: list[Drawn], times: dict[str, Times], providers: dict[str, dict[str, str]]) -> dict[str, Any]:
    """The results as JSON."""
    evms = {}
    for name, found in times.items():
        seconds = statistics.median(found.seconds)
        pairs = zip(times[REFERENCE].seconds, found.seconds, strict=True) if REFERENCE in times else ()
        ratios = [theirs / ours for theirs, ours in pairs]
        raised = {place for place, root in found.problems.items() if root.startswith("!")}
        evms[name] = {
            "providers": providers[name],
            "cpu_seconds": round(seconds, 4),
            "cases_per_second": round(len(cases) / seconds, 1),
            "ratio": round(statistics.median(ratios), 2) if ratios else None,
            "other_root": len(found.problems) - len(raised),
            "raised": len(raised),
            "disagrees": [
                f"{cases[place].file} {cases[place].name} {cases[place].fork}[{cases[place].index}]: {root}"
                for place, root in sorted(found.problems.items())
            ],
        }
    return {"cases": len(cases), "forks": dict(Counter(case.fork for case in cases)), "evms": evms}


def print_table(record: dict[str, Any]) -> None:
    """The results for people."""
    print(f"{record['cases']} cases: {', '.join(f'{fork} {count}' for fork, count in record['forks'].items())}")
    print(columns(("evm", "CPU s", "cases a second", "x py-evm", "other root", "raised"), WIDTHS))
    for name, found in record["evms"].items():
        ratio = "-" if found["ratio"] is None else f"{found['ratio']:.2f}"
        cells = (name, f"{found['cpu_seconds']:.2f}", f"{found['cases_per_second']:.0f}", ratio)
        print(columns((*cells, str(found["other_root"]), str(found["raised"])), WIDTHS))
    for name, found in record["evms"].items():
        for line in found["disagrees"][:10]:
            print(f"{name} disagrees: {line}")


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, 1 when evmthread disagrees with a fixture or a peer fails, 2 when a file can't be read."""
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conformance", description=description)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files or folders (default: the sample)")
    parser.add_argument("--cases", type=int, default=CASES, help=f"how many to draw (default {CASES})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the draw (default {SEED})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of turns (default {ROUNDS})")
    others = [name for name in MODULES if name != OURS]
    parser.add_argument("--without", choices=others, action="append", default=[], help="leave an EVM out")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args(arguments)
    if options.cases < 1 or options.rounds < 1:
        parser.error("--cases and --rounds must be at least 1")
    runners: dict[str, Runner] = {}
    try:
        cases = draw(options.paths or [SAMPLE], options.cases, options.seed)
        if not cases:
            raise PeerError("no state tests of these forks in these files")
        runners[OURS] = Runner(OURS)
        for peer in PEERS:
            if peer.name in others and peer.name not in options.without:
                runners[peer.name] = start(peer, Runner)
        times = run_rounds(cases, runners, options.rounds)
    except EvmthreadError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    except PeerError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    finally:
        for runner in runners.values():
            runner.close()
    record = record_of(cases, times, {name: runner.providers for name, runner in runners.items()})
    if options.json:
        print(json.dumps(record, indent=1))
    else:
        print_table(record)
    return 1 if times[OURS].problems else 0


if __name__ == "__main__":
    sys.exit(main())
