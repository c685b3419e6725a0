"""What a World is given, and refuses: InvalidInput, and nothing has happened."""

from collections.abc import Callable

import pytest

from evmthread.errors import InvalidInput
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.primitives.types import Address
from tests.conftest import Engine
from tests.sandbox import (
    CONTRACT,
    COUNTER,
    OTHER,
    world_of,
)

WRONG: list[Callable[[World], object]] = [
    lambda world: world.account(bytes(19)),
    lambda world: world.balance(b""),
    lambda world: world.nonce(bytes(21)),
    lambda world: world.code(bytes(32)),
    lambda world: world.storage(bytes(19), 0),
    lambda world: world.storage(OTHER, -1),
    lambda world: world.storage(OTHER, 2**256),
    lambda world: world.set_balance(bytes(19), 1),
    lambda world: world.set_balance(OTHER, -1),
    lambda world: world.set_balance(OTHER, 2**256),
    lambda world: world.set_nonce(OTHER, 2**64),
    lambda world: world.set_nonce(OTHER, -1),
    lambda world: world.set_code(bytes(19), b""),
    lambda world: world.set_storage(bytes(19), 0, 0),
    lambda world: world.set_storage(OTHER, -1, 0),
    lambda world: world.set_storage(OTHER, 2**256, 0),
    lambda world: world.set_storage(OTHER, 0, 2**256),
    lambda world: world.call(bytes(19)),
    lambda world: world.call(OTHER, sender=bytes(19)),
    lambda world: world.call(OTHER, origin=bytes(21)),
    lambda world: world.call(OTHER, value=-1),
    lambda world: world.call(OTHER, value=2**256),
    lambda world: world.call(OTHER, gas=-1),
    lambda world: world.call(OTHER, gas_price=-1),
    lambda world: world.call(OTHER, gas_price=2**256),
    lambda world: world.call(OTHER, start_pc=-1),
    lambda world: world.call(OTHER, static=True, value=1),
    lambda world: world.create(b"", sender=bytes(19)),
    lambda world: world.create(b"", address=bytes(19)),
    lambda world: world.create(b"", value=-1),
    lambda world: world.create(b"", value=2**256),
    lambda world: world.create(b"", gas=-1),
    lambda world: world.create(b"", origin=b""),
    lambda world: world.with_limits(code_sise=1),
    # Other types: a float or a number of bytes would become part of the state, a text would fail far inside.
    lambda world: world.set_balance(OTHER, 10**18 / 1),  # type: ignore[arg-type]
    lambda world: world.set_balance(OTHER, "1"),  # type: ignore[arg-type]
    lambda world: world.set_balance("0x" + OTHER.hex(), 1),  # type: ignore[arg-type]
    lambda world: world.set_balance("a" * 20, 1),  # type: ignore[arg-type]
    lambda world: world.set_nonce(OTHER, 1.0),  # type: ignore[arg-type]
    lambda world: world.set_storage(OTHER, 1.0, 1),  # type: ignore[arg-type]
    lambda world: world.set_storage(OTHER, 1, 1.0),  # type: ignore[arg-type]
    lambda world: world.set_storage(OTHER, bytes(32), 1),  # type: ignore[arg-type]
    lambda world: world.set_storage(OTHER, 1, True),
    lambda world: world.set_code(OTHER, 5),  # type: ignore[arg-type]
    lambda world: world.set_code(OTHER, "6001"),  # type: ignore[arg-type]
    lambda world: world.balance(bytearray(OTHER)),  # type: ignore[arg-type]
    lambda world: world.balance(None),  # type: ignore[arg-type]
    lambda world: world.storage(OTHER, None),  # type: ignore[arg-type]
    lambda world: world.call(bytearray(OTHER)),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, 3),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, "0x1234"),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, code=5),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, sender=None),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, value=1.5),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, gas=1e6),  # type: ignore[arg-type]
    lambda world: world.call(OTHER, gas_price=1.5),  # type: ignore[arg-type]
    lambda world: world.create(3),  # type: ignore[arg-type]
    lambda world: world.create(b"", address=bytearray(20)),  # type: ignore[arg-type]
    lambda world: world.apply(None),  # type: ignore[arg-type]
    lambda world: world.apply(Transaction(to=OTHER), sender=bytes(4)),
    lambda world: world.apply(Transaction(to=OTHER), sender="a" * 20),  # type: ignore[arg-type]
    lambda world: world.rollback(5),  # type: ignore[arg-type]
    lambda world: world.rollback(World().mark()),
    lambda world: setattr(world, "environment", {}),
    lambda world: World(fork="Cancun"),  # type: ignore[arg-type]
    lambda world: World(environment={}),  # type: ignore[arg-type]
    lambda world: World(view="memory:"),  # type: ignore[arg-type]
    lambda world: World(view={}),  # type: ignore[arg-type]
    lambda world: World(threshold=-1),
]


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_arguments_of_the_wrong_form_are_refused_and_nothing_happens(
    engine: Engine, wrong: Callable[[World], object]
) -> None:
    world = world_of(engine, {})
    with pytest.raises(InvalidInput):
        wrong(world)
    assert not world.changes()


def test_what_holds_bytes_is_taken_and_kept_as_bytes(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: COUNTER})
    for made in (bytes, bytearray, memoryview):
        assert world.call(Address(CONTRACT), made(b"12")).message.data == b"12"  # type: ignore[operator]
        assert type(world.call(OTHER, code=made(b"\0")).code) is bytes  # type: ignore[operator]
    world.set_code(Address(OTHER), memoryview(b"\1"))
    assert world.code(OTHER) == b"\1"
    assert all(type(address) is bytes for address in world.changes().accounts)


def test_a_text_in_the_place_of_an_address_is_told() -> None:
    with pytest.raises(InvalidInput, match=r"20 bytes, not '0xaa'; Address\(text\) makes them of hex"):
        World().balance("0xaa")  # type: ignore[arg-type]


def test_an_unknown_engine() -> None:
    with pytest.raises(InvalidInput, match="no engine is called 'warp'"):
        World(engine="warp")


@pytest.mark.parametrize("options", [{"gas": 2**256}, {"gas": -1}, {"start_pc": 2**64}, {"start_pc": -1}])
def test_gas_and_places_in_code_are_numbers_that_fit(options: dict[str, int], engine: Engine) -> None:
    world = engine.world()
    with pytest.raises(InvalidInput, match=r"an integer from 0 on|more than (256|64) bits"):
        world.call(CONTRACT, code=b"\x5a\x5f\x52", **options)  # type: ignore[arg-type]
    assert world.call(CONTRACT, code=b"\x5a\x5f\x52", gas=2**256 - 1).success
