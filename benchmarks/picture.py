"""Draw a real contract's regions and their heat: Morpion's, after a whole game.

python -m benchmarks.picture docs/regions.svg
"""

import argparse
import sys
from pathlib import Path

from evmthread import BlockEnvironment, World, load_artifact
from evmthread.commands.region_heat import Visits, box_of, regions_of
from evmthread.commands.region_picture import draw_regions
from evmthread.errors import EvmthreadError
from evmthread.machine.analysis import Program

PLAYERS = (b"\x11" * 20, b"\x22" * 20)
STAKE = 10**15
TURN_SECONDS = 3600
MOVES = (4, 0, 8, 2, 1, 7, 3, 5, 6)  # a draw: all nine cells are taken


def played() -> tuple[Program, Visits]:
    """Morpion's code, and how often a game visits its places. Raises EvmthreadError."""
    morpion = load_artifact("Morpion")
    visits = Visits(morpion.runtime_code)
    world = World(environment=BlockEnvironment(timestamp=1_700_000_000), hooks=(visits,))
    for player in PLAYERS:
        world.set_balance(player, STAKE)
    constructor = morpion.encode_constructor(*PLAYERS, STAKE, TURN_SECONDS)
    game = world.create(morpion.creation_code + constructor, sender=PLAYERS[0]).created
    assert game is not None
    calls: list[tuple[str, tuple[int, ...], bytes, int]] = [("join", (), player, STAKE) for player in PLAYERS]
    calls += [("play", (cell,), PLAYERS[turn % 2], 0) for turn, cell in enumerate(MOVES)]
    calls += [("withdraw", (), player, 0) for player in PLAYERS]
    for name, arguments, player, value in calls:
        result = world.call(game, morpion.function(name).encode(*arguments), sender=player, value=value)
        if not result.success:
            raise EvmthreadError(f"{name}{arguments}: {morpion.decode_error(result.output)}")
    return world.cache.program(world.code(game), world.fork), visits


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.picture", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("out", type=Path, help="an .svg file")
    options = parser.parse_args(arguments)
    program, visits = played()
    regions, _ = regions_of(program, None)
    boxes = [box_of(writer, visits.counts) for writer, _ in regions]
    options.out.write_text(draw_regions(len(program.code), boxes), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
