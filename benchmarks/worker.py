"""One EVM in a process of its own, timed over JSON lines: `python -m benchmarks.worker NAME`.

It first prints `{"providers": ...}`. Then a line `{"workload": ...}` prepares a workload and prints `{"ready": true}`,
and `{"calls": n}` makes n calls and prints their CPU seconds and the last one's answer. With `--first` it reads one
workload and makes one call, at once: the first of its process. It runs in environments that have no evmthread, so the
module that knows an EVM is imported by name.
"""

import gc
import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

# Module and options of its `repeatable(workload)`, which returns a function: a call from the prepared state, which
# returns CPU seconds and what came out.
MODULES: dict[str, tuple[str, dict[str, str]]] = {
    "stepper": ("benchmarks.measure", {"engine": "stepper"}),
    "auto": ("benchmarks.measure", {"engine": "auto"}),
    "py-evm": ("benchmarks.reference_pyevm", {}),
    "py-evm-channel": ("benchmarks.reference_pyevm_channel", {}),
    "pyrevm": ("benchmarks.reference_pyrevm", {}),
    "eels": ("benchmarks.reference_eels", {}),
}


def main() -> None:
    name, options = MODULES[sys.argv[1]]
    module = importlib.import_module(name)
    if sys.argv[2:] == ["--first"]:
        first = module.repeatable(json.load(sys.stdin), **options)
        gc.collect(0)  # as in benchmarks/cold.py
        seconds, answer = first()
        print(json.dumps({"seconds": seconds, "answer": answer}))
        return
    print(json.dumps({"providers": module.providers()}), flush=True)
    call: Callable[[], tuple[float, Any]] | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if "workload" in request:
            call = module.repeatable(request["workload"], **options)
            print(json.dumps({"ready": True}), flush=True)
        else:
            assert call is not None
            samples = [call() for _ in range(request["calls"])]
            print(json.dumps({"seconds": [seconds for seconds, _ in samples], "answer": samples[-1][1]}), flush=True)


if __name__ == "__main__":
    main()
