"""The contracts on which the tools are tested, and Worlds in which they stand."""

from pathlib import Path

from evmthread.contracts import Artifact, parse_artifact
from evmthread.debugging.timeline import Beginning
from evmthread.execution.result import CallResult
from evmthread.execution.world import World
from evmthread.state.overlay import OverlayState

CONTRACTS = Path(__file__).parents[1] / "contracts"


def artifact(name: str) -> Artifact:
    """An artifact of tests/contracts."""
    return parse_artifact((CONTRACTS / f"{name}.json").read_bytes())


def line_of(contract: Artifact, text: str) -> int:
    """The one line of the contract's source that holds a text."""
    (source,) = [source for source in contract.sources if source.name == contract.source_name]
    lines = [number for number, line in enumerate(source.content.split("\n"), 1) if text in line]
    assert len(lines) == 1, text
    return lines[0]


def deployed(world: World, contract: Artifact, *arguments: object) -> bytes:
    """The address of a contract that was created with these arguments."""
    result = world.create(contract.creation_code + contract.encode_constructor(*arguments))
    assert result.created is not None, result.reason
    return result.created


def called(
    world: World, contract: Artifact, address: bytes, name: str, *arguments: object, **options: int
) -> CallResult:
    """What came of a call of one of its functions."""
    return world.call(address, contract.function(name).encode(*arguments), **options)  # type: ignore[arg-type]


def beginning_of(contract: Artifact, *arguments: object, name: str, constructor: tuple[object, ...] = ()) -> Beginning:
    """The beginning of a call of one function of a contract that was just deployed."""
    world = World()
    address = deployed(world, contract, *constructor)
    world.settle()
    data = contract.function(name).encode(*arguments)
    return Beginning(
        lambda hooks: World(view=OverlayState(world.view), hooks=hooks),
        lambda other: other.open_call(address, data, gas=10**8),
    )
