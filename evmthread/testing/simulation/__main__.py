"""Plays many seeds: `python -m evmthread.testing.simulation FIRST COUNT`, or one, with what happens in it."""

import sys
import time
import traceback
from collections import Counter

from evmthread.channel.messages import Propose, decode_message
from evmthread.errors import EvmthreadError
from evmthread.testing.simulation.run import Simulation
from evmthread.testing.simulation.scenario import START, scenario_of


def main(arguments: list[str]) -> int:
    """The number of seeds that failed, at most 1."""
    if len(arguments) == 1:
        return show(int(arguments[0]))
    first, count = int(arguments[0]), int(arguments[1])
    failed: list[int] = []
    excuses: Counter[str] = Counter()
    begun = time.process_time()
    for seed in range(first, first + count):
        if seed % 100 == 0:
            print(f"seed {seed}", flush=True)
        try:
            outcome = Simulation(seed).play()
            excuses[outcome.excuse or ("closed" if outcome.closed else "progress")] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed and its words are wanted
            failed.append(seed)
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:200]}", flush=True)
    seconds = time.process_time() - begun
    print(f"{count} seeds from {first}, {len(failed)} failed {failed[:20]}, {count / seconds:.1f} a second")
    print(dict(excuses.most_common()))
    return int(bool(failed))


def show(seed: int) -> int:
    """Plays one seed and prints each message and each event."""
    print(scenario_of(seed))
    simulation = Simulation(seed)
    batch_bytes = simulation.scenario.head.ruleset.batch_bytes

    def trace(sender: int, receiver: int, data: bytes) -> None:
        try:
            message: object = decode_message(data, batch_bytes=batch_bytes)[1]
        except EvmthreadError as error:
            message = error
        text = str(message)[:150]
        if isinstance(message, Propose):
            kinds = [each.data[-2:].hex() for each in message.batch.batch.inputs]
            text = f"Propose({message.commitment.nonce}, on {message.commitment.parent[:3].hex()}, {kinds})"
        print(f"{simulation.timeline.now - START:9.3f} {sender} -> {receiver} {text}")

    simulation.trace = trace
    for user in simulation.users:
        hears = user.node.heard

        def heard(event: object, index: int = user.node.index, hears: object = hears) -> None:
            print(f"{simulation.timeline.now - START:9.3f}   {index}: {str(event)[:200]}")
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


sys.exit(main(sys.argv[1:]))
