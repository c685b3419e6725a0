"""A process to be killed: applies the same stream of random changes to a state, and says on its output what is durable.

python -m tests.state.applier SCHEME PATH SEED [COUNT [careless]]

After COUNT applies it ends at once and closes nothing. A careless one lets the database answer before it has synced.
"""

import os
import random
import sys
from itertools import count
from pathlib import Path

from evmthread.primitives.keccak import keccak256
from evmthread.state.lmdb import LmdbState
from evmthread.state.sqlite import SqliteState
from evmthread.state.view import Account, AccountChange, StateChanges

KINDS = {"sqlite": SqliteState, "lmdb": LmdbState}


class Stream:
    """The states that a seed leads to, one after the other, as accounts with their slots."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.told: dict[bytes, tuple[Account, dict[int, int]]] = {}

    def step(self) -> StateChanges:
        """The next changes; `told` is then what they lead to."""
        generator = self._random
        accounts: dict[bytes, AccountChange] = {}
        for address in generator.sample([bytes((number,)) * 20 for number in range(8)], 3):
            before, old = self.told.get(address, (None, {}))
            new = dict(old)
            if before is not None and generator.random() < 0.1:
                del self.told[address]
                accounts[address] = AccountChange(before, None, {key: (value, 0) for key, value in old.items()})
                continue
            for key in generator.sample(range(40), generator.randrange(12)):
                new[key] = generator.choice((0, generator.getrandbits(256)))
            slots = {key: (old.get(key, 0), new[key]) for key in new if new[key] != old.get(key, 0)}
            code_hash = before.code_hash if before else keccak256(b"\x60\x01")
            after = Account(generator.randrange(2**30), generator.getrandbits(100), code_hash)
            self.told[address] = (after, {key: value for key, value in new.items() if value})
            accounts[address] = AccountChange(before, after, slots)
        return StateChanges(accounts, {keccak256(b"\x60\x01"): b"\x60\x01"})


def main(scheme: str, path: str, seed: str, applies: str = "", careless: str = "") -> None:
    stream = Stream(int(seed))
    with KINDS[scheme](Path(path), durable=not careless) as state:
        for _ in range(int(applies)) if applies else count():
            state.apply(stream.step(), check=True)
            sys.stdout.write(f"{state.nonce}\n")
            sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
