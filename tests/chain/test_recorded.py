"""The agreement in a transaction's input: found where it is, and believed for its signatures alone."""

from types import SimpleNamespace

from evmthread.chain.blocks import PlacedLog
from evmthread.chain.recorded import recorded_agreement
from evmthread.chain.registry import Registry, signed_arguments
from evmthread.chain.transactions import Transactions
from evmthread.commit import Agreement
from evmthread.primitives.types import Log
from tests.chain.conftest import OnChain
from tests.chain.played import Played


def test_signatures_on_chain_are_found_wherever_a_transaction_has_them(world: OnChain) -> None:
    """Another contract passed them on, with decoys before them; a lie of the node gives none."""
    game = Played(world.chain, world.registry)
    game.fund()
    call = world.registry.call("checkpoint", *signed_arguments(world.registry.domain, game.tip))
    there = PlacedLog(1, bytes(32), 0, bytes(32), Log(world.registry.address, (), b""))

    def found(told: object) -> Agreement | None:
        node = SimpleNamespace(request=lambda *_: told)
        registry = Registry(Transactions(node, world.registry.domain.chain_id), world.registry.address)
        return recorded_agreement(registry, game.terms, there, game.tip.digest)

    assert found({"input": "0x" + (b"\x01" * 7 + call.data[:4] * 9 + call.data + bytes(99)).hex()}) == game.tip
    assert found(None) is None
    changed = call.data[:-40] + bytes((call.data[-40] ^ 1,)) + call.data[-39:]
    for data in (b"", call.data[:4], call.data[:4] * 9_000, call.data[:-200], changed):
        assert found({"input": "0x" + data.hex()}) is None
