"""What is remembered of others' signatures, how much of it, and when it is a proof."""

import json
from dataclasses import replace

from evmthread.channel.errors import DivergentField
from evmthread.channel.events import Convicted, Diverged, Stopped, StopReason
from evmthread.channel.messages import Propose
from evmthread.channel.party import SignedInput
from evmthread.channel.watch import MAX_KEPT, MAX_REMEMBERED, MAX_REMEMBERED_BATCHES, Watch
from evmthread.commit import Commitment, Equivocation, Input
from evmthread.errors import EvmthreadError
from tests.channel.endpoints import OUTSIDER, Table, empty_batch, word
from tests.channel.test_wishes import request_of


def watching(**options: object) -> tuple[Table, Watch, Commitment]:
    """Party 0's memory, which is empty yet, and what party 1 would propose."""
    table = Table(3, **options)  # type: ignore[arg-type]
    commitment = table.proposal(1).commitment
    return table, Watch(table.channel(0)._desk), commitment


def evidence(table: Table) -> list[tuple[str, int]]:
    """The proofs that party 0's store has."""
    table.ends[0].do(lambda channel: channel._desk.outbox.take())
    table.ends[0].flush()
    return [(each.kind, each.party) for each in table.stores[0].look(table.id).evidence()]


def sign(table: Table, watch: Watch, party: int, commitment: Commitment) -> None:
    watch.commitment(party, commitment, table.sign(party, commitment))


def test_two_under_one_nonce_convict_and_nothing_else_does() -> None:
    table, watch, first = watching()
    sign(table, watch, 1, first)
    sign(table, watch, 1, first)
    sign(table, watch, 2, replace(first, state_root=word(2)))
    sign(table, watch, 1, replace(first, nonce=4, state_root=word(2)))
    assert evidence(table) == []
    second = replace(first, state_root=word(1))
    sign(table, watch, 1, second)
    assert evidence(table) == [("Equivocation", 1)]
    (event,) = table.told(0, Convicted)
    assert isinstance(event, Convicted)
    (kept,) = table.stores[0].look(table.id).evidence()
    assert json.loads(kept.content) == event.evidence.to_json()
    assert {event.evidence.first, event.evidence.second} == {first, second}  # type: ignore[union-attr]


def test_our_own_signatures_are_none_of_it() -> None:
    table, watch, first = watching()
    for root in (1, 2):
        sign(table, watch, 0, replace(first, state_root=word(root)))
    assert watch.highest_of(0) is None
    assert evidence(table) == []


def test_an_operator_who_is_no_party_is_convicted_as_well() -> None:
    table = Table(2, operator=OUTSIDER, operator_leads=True)
    proposal = table.signed(2, Propose(*empty_batch(table, nonce=1), None, b""))
    table.tell(0, 2, proposal)
    table.tell(0, 2, table.signed(2, proposal, gas_used=1))
    assert evidence(table) == [("Equivocation", 2)]
    (event,) = table.told(0, Convicted)
    assert isinstance(event, Convicted)
    assert event.party == 2
    (kept,) = table.stores[0].look(table.id).evidence()
    read = Equivocation.from_json(table.head.domain, table.terms, json.loads(kept.content))
    assert read == event.evidence


def test_who_signs_a_lot_pushes_out_its_own_alone() -> None:
    table, watch, first = watching()
    sign(table, watch, 2, first)
    for number in range(MAX_REMEMBERED + 1):
        watch.commitment(1, replace(first, nonce=10 + number), b"")
    assert watch.highest_of(2) == (1, first, table.sign(2, first))
    assert len(watch._commitments) == MAX_REMEMBERED
    assert (1, 10) not in watch._commitments
    assert (1, 12) in watch._commitments


def test_what_proves_nothing_is_not_kept() -> None:
    table, watch, first = watching()
    sign(table, watch, 1, first)
    watch.commitment(1, replace(first, state_root=word(1)), table.sign(2, first))
    good, other = request_of(table, 1).signed, request_of(table, 1, 6).signed
    watch.input(1, good)
    watch.input(1, SignedInput(other.input, good.signature))
    assert evidence(table) == []


def test_the_highest_of_a_party() -> None:
    table, watch, first = watching()
    assert watch.highest_of(1) is None
    commitments = [replace(first, nonce=nonce) for nonce in (4, 7, 5)]
    for commitment in commitments:
        sign(table, watch, 1, commitment)
    sign(table, watch, 2, replace(first, nonce=9))
    assert watch.highest_of(1) == (7, commitments[1], table.sign(1, commitments[1]))


def test_two_inputs_of_one_kind_nonce_and_parent_convict() -> None:
    table, watch, _ = watching()
    for signed in (
        request_of(table, 1),
        request_of(table, 1),
        request_of(table, 1, 6, nonce=1),
        request_of(table, 1, 6, kind=2),
        request_of(table, 1, 6, parent=word(1)),
    ):
        watch.input(1, signed.signed)
    for number in (5, 6):
        watch.input(1, request_of(table, 1, number, parent=bytes(32)).signed)
        watch.input(0, request_of(table, 0, number).signed)
    assert evidence(table) == []
    assert len(watch._inputs) == 4, "what isn't bound to an agreement contradicts nothing, and takes no room"
    watch.input(1, request_of(table, 1, 7).signed)
    assert evidence(table) == [("InputEquivocation", 1)]
    (event,) = table.told(0, Convicted)
    assert isinstance(event, Convicted)
    assert event.party == 1


def test_the_memory_is_bounded_and_the_oldest_go() -> None:
    table, watch, first = watching()
    signature = table.sign(1, first)
    for number in range(MAX_REMEMBERED + 3):
        watch.commitment(1, replace(first, nonce=first.nonce + 3 * number), signature)
    assert len(watch._commitments) == MAX_REMEMBERED
    assert (1, first.nonce + 6) not in watch._commitments
    assert (1, first.nonce + 9) in watch._commitments
    model = request_of(table, 1).signed

    def numbered(number: int) -> Input:
        return replace(model.input, nonce=number)

    for number in range(MAX_REMEMBERED + 3):
        watch.input(1, SignedInput(numbered(number), model.signature))
    assert len(watch._inputs) == MAX_REMEMBERED
    assert next(iter(watch._inputs))[2] == 3


def test_long_inputs_push_out_their_own_actors_alone() -> None:
    table, watch, _ = watching(rules={"batch_bytes": 2000})
    model, small = request_of(table, 1).signed, request_of(table, 2).signed
    watch.input(2, small)

    def numbered(number: int) -> Input:
        return replace(model.input, nonce=number, data=bytes(1000))

    room = 2 * MAX_REMEMBERED_BATCHES
    _, exactly, _ = watching(rules={"batch_bytes": 2000})
    for number in range(room):
        exactly.input(1, SignedInput(numbered(number), model.signature))
    assert len(exactly._inputs) == room
    for number in range(room + 3):
        watch.input(1, SignedInput(numbered(number), model.signature))
        watch.input(1, SignedInput(numbered(number), model.signature))
    kept = [signed.input for signed in watch._inputs.values()]
    assert kept == [small.input, *map(numbered, range(4, room + 3))]
    assert sum(len(each.data) for each in kept) <= 2000 * MAX_REMEMBERED_BATCHES


def test_so_many_proofs_of_a_kind_are_enough() -> None:
    table, watch, first = watching()
    proposal = table.channel(1)._desk.ballot.standing[1].propose
    error = DivergentField("stateRoot", b"", b"")
    for number in range(MAX_KEPT + 2):
        watch.divergence(1, table.signed(1, proposal, state_root=word(number)), error)
    watch.divergence(2, proposal, error)
    sign(table, watch, 1, first)
    sign(table, watch, 1, replace(first, state_root=word(1)))
    kept = evidence(table)
    assert kept.count(("Divergence", 1)) == MAX_KEPT
    assert kept.count(("Divergence", 2)) == 1
    assert kept.count(("Equivocation", 1)) == 1
    assert len(table.told(0, Diverged)) == MAX_KEPT + 1


def test_a_proof_that_is_not_kept_is_not_told_and_stops_us() -> None:
    table, watch, first = watching()
    sign(table, watch, 1, first)
    sign(table, watch, 1, replace(first, state_root=word(1)))
    outbox = table.channel(0)._desk.outbox
    (token,) = outbox._keeping
    assert not outbox.waits, "nothing hangs on it"
    outbox.failed(token, str(EvmthreadError("full")))
    table.ends[0].flush()
    table.ends[0].do(lambda channel: [each for each in outbox.take() if type(each).__name__ == "Notify"])
    assert table.told(0, Convicted) == []
    (event,) = table.told(0, Stopped)
    assert isinstance(event, Stopped)
    assert (event.reason, event.detail) == (StopReason.REFUSED, "full")
