"""The invariants of the simulation can fail: each is shown what it must not let pass."""

from dataclasses import replace
from types import SimpleNamespace

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


def later(first: TypedData, nonce: int, **changes: object) -> TypedData:
    changed = replace(first.record, nonce=nonce, **changes)  # type: ignore[type-var,arg-type]
    return replace(first, record=changed)


def test_a_restored_party_goes_on_after_an_end_only_behind_an_honest_one_and_that_end_is_void() -> None:
    final = typed(Table(), status=Status.FINAL)
    rest = later(final, 3, status=Status.REST)
    alone, kept = ledger(), ledger()
    for each in (alone, kept):
        each.signed(0, final)
        each.restored(0, marked=True, final=None)
    with pytest.raises(Broken, match="after the final"):
        alone.signed(0, rest)
    kept.signed(1, rest)
    kept.signed(0, rest)
    end = SimpleNamespace(commitment=final.record, digest=final.digest())
    with pytest.raises(Broken, match="an end that was lost"):
        kept.happened(0, Adopted(end, None, None))  # type: ignore[arg-type]


def test_who_has_its_end_or_never_lost_it_signs_nothing_after_it() -> None:
    final = typed(Table(), status=Status.FINAL)
    for restored in (False, True):
        kept = ledger()
        kept.signed(0, final)
        if restored:
            kept.restored(0, marked=True, final=final.digest())
        rest = later(final, 3, status=Status.REST)
        kept.signed(1, rest)
        with pytest.raises(Broken, match="after the final"):
            kept.signed(0, rest)


def test_only_restored_members_may_stop_for_that() -> None:
    kept, stopped = ledger(), Stopped(StopReason.RESTORED, "x")
    with pytest.raises(Broken):
        kept.happened(0, stopped)
    kept.restored(0, marked=True, final=None)
    kept.happened(0, stopped)
    kept.restored(1, marked=False, final=None)
    with pytest.raises(Broken):
        kept.happened(1, stopped)
    kept.happened(1, Stopped(StopReason.STALE_STORE, "x"))
    with pytest.raises(Broken):
        kept.happened(1, Stopped(StopReason.FORKED, "x"))


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
