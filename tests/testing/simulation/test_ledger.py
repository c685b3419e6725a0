"""The invariants of the simulation can fail: each is shown what it must not let pass."""

from dataclasses import replace

import pytest

from evmthread.channel.errors import RemoteProtocolError
from evmthread.channel.events import Adopted, Convicted, PeerFault, Stopped, StopReason, Unexecutable
from evmthread.commit import Status, TypedData
from evmthread.testing.simulation.ledger import Broken, Ledger
from evmthread.testing.simulation.network import Link
from evmthread.testing.simulation.run import Simulation
from evmthread.testing.simulation.scenario import scenario_of
from tests.channel.endpoints import Table, word


def ledger() -> Ledger:
    """Of a scenario with honest members and a network that damages nothing."""
    scenario = next(each for each in map(scenario_of, range(1000)) if not each.liars and each.parties == 2)
    return Ledger(replace(scenario, link=Link()))


def typed(table: Table, **changes: object) -> TypedData:
    commitment = replace(table.proposal(1).commitment, **changes)  # type: ignore[arg-type]
    return TypedData(table.head.domain, commitment)


def test_two_commitments_under_one_nonce() -> None:
    table, kept = Table(), ledger()
    first = typed(table)
    kept.signed(0, first)
    kept.signed(0, first)
    kept.signed(1, replace(first, record=replace(first.record, state_root=word(1))))  # type: ignore[type-var,arg-type]
    with pytest.raises(Broken, match="two commitments"):
        kept.signed(0, replace(first, record=replace(first.record, state_root=word(1))))  # type: ignore[type-var,arg-type]


def test_anything_after_a_final() -> None:
    table, kept = Table(), ledger()
    final = typed(table, status=Status.FINAL)
    kept.signed(0, final)
    assert kept.signed_final(0)
    with pytest.raises(Broken, match="after the final"):
        kept.signed(0, replace(final, record=replace(final.record, nonce=3, status=Status.REST)))  # type: ignore[type-var,arg-type]


def test_two_inputs_for_one_place() -> None:
    table, kept = Table(), ledger()
    each = table.proposal(1).batch.batch.inputs[0]
    kept.signed(0, TypedData(table.head.domain, each))
    with pytest.raises(Broken, match="two inputs"):
        kept.signed(0, TypedData(table.head.domain, replace(each, data=b"x")))


def test_what_is_lost_after_it_was_told() -> None:
    table, kept = Table(), ledger()
    table.play(0)
    for event in table.told(0, Adopted):
        kept.happened(0, event)
    kept.check_restarted(0, table.channel(0))
    with pytest.raises(Broken, match="was told of nonce 1"):
        kept.check_restarted(0, Table().channel(0))


def test_honest_members_are_not_to_be_blamed_or_stopped() -> None:
    table, kept = Table(), ledger()
    agreement = table.channel(0).agreement
    assert agreement is not None
    for event in (
        PeerFault(1, RemoteProtocolError("x")),
        Convicted(1, None),  # type: ignore[arg-type]
        Unexecutable(agreement, "x"),
        Stopped(StopReason.REFUSED, "x"),
    ):
        with pytest.raises(Broken):
            kept.happened(0, event)


def test_memory_that_grows() -> None:
    table, kept = Table(), ledger()
    kept.check_sizes(0, table.channel(0))
    table.channel(0)._desk.ballot.refused.update(range(1000))
    with pytest.raises(Broken, match="1000 refused nonces"):
        kept.check_sizes(0, table.channel(0))


def test_a_run_without_progress_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is lost for ever, and somebody should have made progress."""
    seed = next(
        seed
        for seed in range(1000)
        if not scenario_of(seed).liars and not any(each.backup for each in scenario_of(seed).members)
    )
    simulation = Simulation(seed)
    monkeypatch.setattr(simulation.network, "send", lambda sender, receiver, data: None)
    with pytest.raises(Broken, match="no progress"):
        simulation.play()
