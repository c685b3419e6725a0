"""A state of a million slots: built, opened again, read, and changed ten slots at a time.

    python -m benchmarks.large_state sqlite /tmp/large.state --slots 1000000

Says on standard error how far it is; the results are one JSON object on standard output. The file stays, and a second
run goes on with it.
"""

import argparse
import json
import random
import resource
import sys
import time
from statistics import median

from evmthread.primitives.keccak import EMPTY_HASH
from evmthread.state.opening import open_state
from evmthread.state.stored import StoredState
from evmthread.state.view import Account, AccountChange, StateChanges, apply_to_roots

HOLDER = b"\x0a" * 20
ACCOUNT = Account(1, 1, EMPTY_HASH)


def value_of(key: int) -> int:
    return key * 0x9E3779B97F4A7C15 % 2**64 | 1


def opened(url: str) -> StoredState:
    state = open_state(url)
    assert isinstance(state, StoredState)
    return state


def build(url: str, slots: int, batch: int) -> float:
    began = time.perf_counter()
    with opened(url) as state:
        done = min(state.nonce * batch, slots)
        while done < slots:
            values = {key: (0, value_of(key)) for key in range(done, min(done + batch, slots))}
            change = AccountChange(ACCOUNT if done else None, ACCOUNT, values)
            state.apply(StateChanges({HOLDER: change}, {}))
            done += len(values)
            rate = done / (time.perf_counter() - began)
            print(f"{done:,} of {slots:,} slots, {rate:,.0f} a second", file=sys.stderr, flush=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scheme", choices=["sqlite", "lmdb"])
    parser.add_argument("path")
    parser.add_argument("--slots", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=50_000, help="slots of one apply while it is built")
    options = parser.parse_args()
    url = f"{options.scheme}:{options.path}"
    built = build(url, options.slots, options.batch)
    results: dict[str, object] = {"slots": options.slots, "buildSeconds": round(built, 1)}
    generator = random.Random(1)
    began = time.perf_counter()
    with opened(url) as state:
        results["openMilliseconds"] = round((time.perf_counter() - began) * 1e3, 2)
        times, root_times = [], []
        for _ in range(30):
            keys = generator.sample(range(options.slots), 10)
            values = {key: (before, before % 2**63 + 1) for key in keys for before in (state.slot(HOLDER, key),)}
            changes = StateChanges({HOLDER: AccountChange(ACCOUNT, ACCOUNT, values)}, {})
            began = time.perf_counter()
            roots = state.roots().copy()
            apply_to_roots(roots, changes)
            root = roots.root()
            root_times.append((time.perf_counter() - began) * 1e3)
            began = time.perf_counter()
            state.apply(changes)
            times.append((time.perf_counter() - began) * 1e3)
            assert state.root == root
        results["firstRootOfTenSlotsMilliseconds"] = round(root_times[0], 2)
        results["rootOfTenSlotsMilliseconds"] = round(median(root_times), 2)
        results["firstDurableApplyMilliseconds"] = round(times[0], 2)
        results["durableApplyMilliseconds"] = round(median(times), 2)
        results["slowestDurableApplyMilliseconds"] = round(max(times), 2)
        keys = generator.sample(range(options.slots), min(20_000, options.slots))
        began = time.perf_counter()
        for key in keys:
            state.slot(HOLDER, key)
        results["readsPerSecond"] = round(len(keys) / (time.perf_counter() - began))
        results["bytesPerSlot"] = round(state.store.size() / options.slots)
    results["peakMegabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
