"""What a signature of ours that is shown says of our store, and what a restored store signs: last, and the highest."""

import pytest

from evmthread.channel.ballot import Standing
from evmthread.channel.desk import ChannelOptions, Desk
from evmthread.channel.effects import Persist
from evmthread.channel.events import Proposed, Stopped, StopReason
from evmthread.channel.kept import SignedRecord
from evmthread.channel.messages import Accept
from tests.channel.endpoints import Table, word

FLOOR = 10


# Whether our store is sound ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("nonce", "floor", "known", "sound"),
    [
        (0, 0, False, True),
        (1, 0, False, False),
        (1, 0, True, True),
        (FLOOR, FLOOR, False, True),
        (FLOOR + 1, FLOOR, False, False),
        (FLOOR + 1, FLOOR, True, True),
    ],
)
def test_our_store_holds_all_that_we_signed_above_the_agreement_and_the_floor(
    nonce: int, floor: int, known: bool, sound: bool
) -> None:
    for wants_floor in (False, True):
        table = Table(2)
        desk = table.channel(0)._desk
        desk.own_floor, desk.wants_floor = floor, wants_floor
        if known:
            desk.ballot.signed[nonce] = word(1)
        table.channel(0)._rounds.check_known(nonce, word(1))
        stopped = None if sound or wants_floor else Stopped(StopReason.STALE_STORE, f"nonce {nonce}: 0x{word(1).hex()}")
        assert desk.stopped == stopped, "one that waits for its floor gets one above"
        assert not desk.lost_end


def test_an_end_of_ours_that_our_store_lacks_binds_below_any_nonce_and_floor() -> None:
    for wants_floor in (False, True):
        table = Table(2)
        desk = table.channel(0)._desk
        desk.own_floor, desk.wants_floor = FLOOR, wants_floor
        table.channel(0)._rounds.check_known(0, word(1), final=True)
        assert desk.stopped == Stopped(StopReason.STALE_STORE, f"the end of nonce 0: 0x{word(1).hex()}")
        assert desk.lost_end


def test_an_end_of_ours_that_our_store_holds_is_no_news() -> None:
    desk = (table := Table(2)).channel(0)._desk
    desk.ballot.final = word(1)
    table.channel(0)._rounds.check_known(0, word(1), final=True)
    table.channel(0)._rounds.check_known(0, desk.thread.parent, final=True)
    assert (desk.stopped, desk.lost_end) == (None, False), "it stands, or is agreed"
    table.channel(0)._rounds.check_known(0, word(2), final=True)
    assert desk.lost_end, "this one is another"


# Signing last --------------------------------------------------------------------------------------------------------
def restored(**options: object) -> tuple[Table, Desk]:
    """Three parties; the first one's store is restored, and has its floor."""
    table = Table(3, each={0: ChannelOptions(trusts_others=True, **options)})  # type: ignore[arg-type]
    desk = table.channel(0)._desk
    desk.own_floor = desk.ballot.highest_signed = FLOOR
    return table, desk


def propose(table: Table, *nonces: int) -> list[Standing]:
    """Proposals of the others reach the restored party."""
    proposal = table.proposal(1)
    for nonce in nonces:
        table.tell(0, nonce % 3, table.signed(nonce % 3, proposal, nonce=nonce))
    table.net.clear()
    return [table.channel(0)._desk.ballot.standing[nonce] for nonce in nonces]


def sign_by_the_other(table: Table, standing: Standing) -> Accept:
    """The signature of the party that neither leads a proposal nor is restored."""
    other = 3 - standing.nonce % 3
    return Accept(standing.nonce, standing.digest, table.sign(other, standing.propose.commitment))


def signed(table: Table) -> list[int]:
    """Under which nonces the restored party signed since the genesis."""
    return [record.nonce for record in table.stores[0].look(table.id).load().signed if record.nonce]


def test_the_highest_that_lacks_our_signature_alone_is_signed() -> None:
    table, desk = restored()
    low, high = propose(table, 13, 14)
    assert signed(table) == [], "each lacks another signature, too"
    low.signatures[2] = sign_by_the_other(table, low).signature
    table.tell(0, 1, sign_by_the_other(table, high))
    assert desk.tip_nonce == 14
    assert desk.ballot.highest_signed == 14
    assert desk.thread.agreement is not None
    assert desk.thread.agreement.signatures.indexes() == (0, 1, 2)


def test_of_two_the_lower_is_signed_where_the_higher_lacks_more() -> None:
    table, desk = restored()
    low, high = propose(table, 13, 14)
    table.tell(0, 2, sign_by_the_other(table, low))
    assert (desk.tip_nonce, desk.ballot.highest_signed, high.signed_here) == (13, 13, False)


def test_what_may_not_be_signed_now_is_passed_over() -> None:
    table, desk = restored()
    low, high = propose(table, 13, 14)
    low.signatures[2] = sign_by_the_other(table, low).signature
    desk.hears_until = desk.now + 1
    table.tell(0, 1, sign_by_the_other(table, high))
    assert (desk.tip_nonce, low.signed_here, high.signed_here) == (0, False, False), "others are known to have more"
    desk.hears_until = None
    high.nonce = desk.highest_now + 1
    table.channel(0)._rounds.settle()
    assert (low.signed_here, high.signed_here) == (True, False)


def test_what_is_being_signed_is_not_signed_once_more() -> None:
    table, _ = restored()
    waiting: list[Persist] = []
    table.ends[0]._keep = lambda endpoint, persist: waiting.append(persist)
    low, high = propose(table, 13, 14)
    low.signatures[2] = sign_by_the_other(table, low).signature
    for _ in range(2):
        table.tell(0, 1, sign_by_the_other(table, high))
    records = [record for persist in waiting for record in persist.records]
    assert [record.nonce for record in records if isinstance(record, SignedRecord)] == [14]
    assert not low.signed_here


def test_what_our_user_has_not_decided_is_not_signed() -> None:
    table, desk = restored(manual=True)
    low, high = propose(table, 13, 14)
    table.tell(0, 2, sign_by_the_other(table, low))
    table.tell(0, 1, sign_by_the_other(table, high))
    assert [low.wanted, high.wanted, desk.tip_nonce] == [False, False, 0]
    assert [event.proposal.commitment.nonce for event in table.told(0, Proposed)] == [13, 14]  # type: ignore[attr-defined]
    table.ends[0].do(lambda channel: channel.accept(14))
    assert desk.tip_nonce == 14, "it lacks our signature alone"


def test_what_a_restored_party_wants_waits_for_others_and_what_another_wants_does_not() -> None:
    table, desk = restored(manual=True)
    (standing,) = propose(table, 13)
    table.ends[0].do(lambda channel: channel.accept(13))
    assert (standing.wanted, standing.signed_here) == (True, False)
    table.tell(0, 1, standing.propose)
    assert len(table.told(0, Proposed)) == 1, "what is decided isn't told again"
    assert desk.ballot.standing[13] is standing
    table.tell(0, 2, sign_by_the_other(table, standing))
    assert desk.tip_nonce == 13
    other = Table(3)
    proposal = other.proposal(1)
    other.tell(0, 1, proposal)
    standing = other.channel(0)._desk.ballot.standing[1]
    assert (standing.wanted, standing.signed_here) == (False, True)
