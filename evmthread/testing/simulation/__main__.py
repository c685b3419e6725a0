"""Plays many seeds: `python -m evmthread.testing.simulation FIRST COUNT`, or one, with what happens in it.

With `sqlite` as the last word all stores are SQLite files in a folder that is removed afterwards.
"""

import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from evmthread.channel.events import Adopted, Proposed, Superseded
from evmthread.channel.messages import (
    Accept,
    Agreed,
    CloseReady,
    Fetch,
    Hello,
    Propose,
    Reject,
    Request,
    decode_message,
)
from evmthread.commit.commitment import Commitment
from evmthread.commit.eip712 import Domain, TypedData
from evmthread.errors import EvmthreadError
from evmthread.testing.simulation.run import Simulation, run
from evmthread.testing.simulation.scenario import START, scenario_of


def main(arguments: list[str]) -> int:
    """0, or 1 where a seed failed."""
    sqlite = arguments[-1] == "sqlite"
    arguments = arguments[: len(arguments) - sqlite]
    if len(arguments) == 1:
        with _folder(sqlite=sqlite) as folder:
            return show(int(arguments[0]), folder)
    first, count = int(arguments[0]), int(arguments[1])
    failed: list[int] = []
    excuses: Counter[str] = Counter()
    begun = time.process_time()
    for seed in range(first, first + count):
        if seed % 100 == 0:
            print(f"seed {seed}", flush=True)
        try:
            with _folder(sqlite=sqlite) as folder:
                outcome = run(seed, folder=folder)
            excuses[outcome.excuse or ("closed" if outcome.closed else "progress")] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed and its words are wanted
            failed.append(seed)
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:200]}", flush=True)
    seconds = time.process_time() - begun
    print(f"{count} seeds from {first}, {len(failed)} failed {failed[:20]}, {count / seconds:.1f} a second")
    print(dict(excuses.most_common()))
    return int(bool(failed))


@contextmanager
def _folder(*, sqlite: bool) -> Iterator[Path | None]:
    if not sqlite:
        yield None
        return
    with TemporaryDirectory() as folder:
        yield Path(folder)


def show(seed: int, folder: Path | None = None) -> int:
    """Plays one seed and prints each message and each event."""
    print(scenario_of(seed))
    simulation = Simulation(seed, folder=folder)
    head = simulation.scenario.head

    def trace(sender: int, receiver: int, data: bytes) -> None:
        try:
            message: object = decode_message(data, batch_bytes=head.ruleset.batch_bytes)[1]
        except EvmthreadError as error:
            message = error
        print(f"{simulation.timeline.now - START:9.3f} {sender} -> {receiver} {brief(message, head.domain)}")

    simulation.trace = trace
    for user in simulation.users:
        hears = user.node.heard

        def heard(event: object, index: int = user.node.index, hears: object = hears) -> None:
            print(f"{simulation.timeline.now - START:9.3f}   {index}: {brief(event, head.domain)}")
            hears(event)  # type: ignore[operator]

        user.node.heard = heard
    try:
        print(simulation.play())
    except Exception:  # noqa: BLE001 - see above
        traceback.print_exc()
        for node in simulation.nodes:
            if node.endpoint is not None:
                channel = node.endpoint.channel
                print(node.index, channel.phase, channel.thread.next_nonce - 1, channel._desk.ballot.__dict__.keys())
        return 1
    return 0


def brief(said: object, domain: Domain) -> str:
    """A message or an event in one line: nonces, the beginnings of digests, and what is called."""
    match said:
        case Hello(highest, agreed, known, floor):
            return f"Hello(highest {highest}, agreed {agreed} {known[:3].hex()}, floor {floor})"
        case Propose(commitment, batch):
            kinds = [each.data[-2:].hex() for each in batch.batch.inputs]
            return f"Propose({_commitment(commitment, domain)}, {kinds})"
        case Agreed(signed):
            return f"Agreed({_commitment(signed.commitment, domain)}, signers {signed.signatures.indexes()})"
        case Accept(nonce, digest):
            return f"Accept({nonce} {digest[:3].hex()})"
        case Reject(nonce, digest, code, where):
            return f"Reject({nonce} {digest[:3].hex()}, {code}: {where})"
        case Request(signed_input):
            each = signed_input.input
            return f"Request({each.data[-2:].hex()}, nonce {each.nonce}, on {each.parent[:3].hex()})"
        case Fetch(digest) | CloseReady(digest):
            return f"{type(said).__name__}({digest[:3].hex()})"
        case Adopted(agreement) | Superseded(agreement):
            return f"{type(said).__name__}({_commitment(agreement.commitment, domain)})"
        case Proposed(proposal):
            return f"Proposed({_commitment(proposal.commitment, domain)})"
        case _:
            return str(said)[:200]


def _commitment(commitment: Commitment, domain: Domain) -> str:
    digest = TypedData(domain, commitment).digest()
    status = ("", ", suspended", ", final")[min(commitment.status, 2)]
    return f"{commitment.nonce} {digest[:3].hex()} on {commitment.parent[:3].hex()}{status}"


sys.exit(main(sys.argv[1:]))
