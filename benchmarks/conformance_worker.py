"""One EVM in a process of its own that runs state tests: `python -m benchmarks.conformance_worker NAME`.

It speaks JSON lines. It first prints `{"providers": ...}`. Then a line `{"cases": [...]}` gives it cases to keep, and
`{"first": a, "last": b}` runs some of them and prints their CPU seconds and state roots; a root is a text that begins
with "!" where the EVM raised something. It runs in environments that have no evmthread, so the module that knows an EVM
is imported by name.

A case has `fork`, `pre` and `env` as in the fixture, and `transaction`, the signed bytes.
"""

import importlib
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

# Modules with `providers()`, and `checker()`: a function from a case to the state root after it, as hex.
MODULES = {
    "evmthread": "benchmarks.conformance_evmthread",
    "py-evm": "benchmarks.conformance_pyevm",
    "eels": "benchmarks.conformance_eels",
}
# EVMs that call themselves for every call of a program.
RECURSION_LIMIT = 100_000
STACK_BYTES = 1 << 29

Checker = Callable[[dict[str, Any]], str]


def root_of(check: Checker, case: dict[str, Any]) -> str:
    """The root after a case, or what was raised instead."""
    try:
        return check(case)
    except Exception as error:  # noqa: BLE001 - it is told, and counted
        return f"! {type(error).__name__}: {str(error)[:200]}"


def main() -> None:
    module = importlib.import_module(MODULES[sys.argv[1]])
    print(json.dumps({"providers": module.providers()}), flush=True)
    cases: list[dict[str, Any]] = []
    for line in sys.stdin:
        request = json.loads(line)
        if "cases" in request:
            cases = request["cases"]
            print(json.dumps({"ready": True}), flush=True)
            continue
        check: Checker = module.checker()
        start = time.process_time()
        roots = [root_of(check, case) for case in cases[request["first"] : request["last"]]]
        seconds = time.process_time() - start
        print(json.dumps({"seconds": seconds, "roots": roots}), flush=True)


if __name__ == "__main__":
    sys.setrecursionlimit(RECURSION_LIMIT)
    threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
