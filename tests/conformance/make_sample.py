"""Makes the sample of the official test vectors that lies in the repository, from the folder that holds them all.

    python tests/conformance/make_sample.py ../shared/conformance

The choice is deterministic: tests are drawn by the hash of their names, a few from each file of vectors, none that is
large or slow; then as many more as it takes to have every fork and every name of an exception. Lines are copied as they
are, one file for each suite.
"""

import gzip
import hashlib
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).parent / "sample"
MAX_BYTES = 2_000_000  # of the whole sample, packed
LINE_BYTES = 40_000  # the largest test that is taken, unpacked
FILE_BYTES = 60_000  # what is taken of each file of state tests, unpacked
FORK_CASES = 150  # the least number of cases of each fork
# Whole, but for what is slow.
SMALL_SUITES = ("abi", "basic", "keystore", "rlp", "transaction", "trie", "vm")
SLOW_FOLDERS = ("vmPerformance/",)

Test = dict[str, Any]


def draw(line: bytes) -> bytes:
    """What decides which tests are taken."""
    return hashlib.sha256(line).digest()


def lines_of(path: Path) -> list[bytes]:
    """The lines of one file of vectors, in the order in which they are drawn."""
    with gzip.open(path) as source:
        return sorted(source, key=draw)


def exceptions_of(test: Test) -> set[str]:
    """All names of exceptions in a state test."""
    return {
        entry["expectException"]
        for entries in test["post"].values()
        for entry in entries
        if entry.get("expectException")
    }


def forks_of(test: Test) -> Counter[str]:
    """How many cases of each fork a state test has."""
    return Counter({fork: len(entries) for fork, entries in test["post"].items()})


def state_sample(folder: Path) -> dict[str, list[bytes]]:
    """The chosen lines by suite."""
    with (folder / "slow.txt").open() as rows:
        slow = {tuple(row.split("\t")[:2]) for row in rows}
    chosen: dict[str, list[bytes]] = {}
    left: list[tuple[str, bytes, Test]] = []
    forks: Counter[str] = Counter()
    exceptions: set[str] = set()

    def take(suite: str, line: bytes, test: Test) -> None:
        chosen.setdefault(suite, []).append(line)
        forks.update(forks_of(test))
        exceptions.update(exceptions_of(test))

    for path in sorted((folder / "state").glob("*/*.jsonl.gz")):
        suite, room = path.parent.name, FILE_BYTES
        for line in lines_of(path):
            test = json.loads(line)
            if (test["suite"], test["file"]) in slow or len(line) > LINE_BYTES:
                continue
            if len(line) <= room:
                room -= len(line)
                take(suite, line, test)
            else:
                left.append((suite, line, test))
    for suite, line, test in left:
        wants_fork = any(forks[fork] < FORK_CASES for fork in test["post"])
        if wants_fork or not exceptions_of(test) <= exceptions:
            take(suite, line, test)
    return chosen


def small_sample(folder: Path) -> Iterator[tuple[str, list[bytes]]]:
    """The other suites, a file for each."""
    for suite in SMALL_SUITES:
        lines = [line for path in sorted((folder / suite).glob("*.jsonl.gz")) for line in lines_of(path)]
        yield suite, [line for line in lines if not json.loads(line)["file"].startswith(SLOW_FOLDERS)]


def write(path: Path, lines: list[bytes]) -> None:
    """Writes lines in the order of their text, so that likes stand together, and no time in the file's header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(sorted(lines)), compresslevel=9, mtime=0))


def main() -> None:
    folder = Path(sys.argv[1])
    shutil.rmtree(SAMPLE, ignore_errors=True)
    for suite, lines in state_sample(folder).items():
        write(SAMPLE / "state" / f"{suite}.jsonl.gz", lines)
    for suite, lines in small_sample(folder):
        write(SAMPLE / f"{suite}.jsonl.gz", lines)
    shutil.copyfile(folder / "LICENSE", SAMPLE / "LICENSE")
    sizes = {path: path.stat().st_size for path in sorted(SAMPLE.rglob("*")) if path.is_file()}
    for path, size in sizes.items():
        print(f"{size:9,}  {path.relative_to(SAMPLE)}")
    total = sum(sizes.values())
    print(f"{total:9,}  together")
    if total > MAX_BYTES:
        sys.exit(f"more than {MAX_BYTES:,} bytes")


if __name__ == "__main__":
    main()
