"""What stands above the latest agreement: who leads, which nonces are free, whose signatures are here."""

from evmthread.channel.ballot import MAX_EARLY, MAX_REFUSED, MAX_SPARE, NEAR, Ballot, Standing
from evmthread.channel.messages import Propose
from evmthread.commit import Status
from tests.channel.endpoints import Table


def ballot(parties: int = 4, threshold: int = 3, index: int = 0, *, always: int | None = None) -> Ballot:
    return Ballot(parties, threshold, index, always=always)


def proposal(nonce: int, *, empty: bool = False, status: Status = Status.REST) -> Propose:
    """A proposal that nobody checks."""
    table = Table(begin=False)
    table.greet()
    if empty:
        table.ends[0].do(lambda channel: channel.propose())
        made = table.sent()[0][2]
    else:
        table.ends[0].do(lambda channel: channel.propose())
        table.pump()
        made = _with_input(table)
    assert isinstance(made, Propose)
    return table.signed(0, made, nonce=nonce, status=status)


def _with_input(table: Table) -> Propose:
    return table.proposal(1)


EMPTY, FULL = proposal(0, empty=True), proposal(1)


def standing(nonce: int, *, empty: bool = False, signed: bool = False, mark: int = 0) -> Standing:
    from dataclasses import replace

    model = EMPTY if empty else FULL
    made = Standing(
        replace(model, commitment=replace(model.commitment, nonce=nonce)), nonce.to_bytes(31, "big") + bytes([mark])
    )
    made.signed_here = signed
    return made


def test_parties_lead_in_turn_or_one_leads_always() -> None:
    turns = ballot()
    assert [turns.leader(nonce) for nonce in range(6)] == [0, 1, 2, 3, 0, 1]
    assert [turns.leads(index) for index in range(5)] == [True, True, True, True, False]
    always = ballot(always=4)
    assert {always.leader(nonce) for nonce in range(6)} == {4}
    assert [always.leads(index) for index in range(5)] == [False, False, False, False, True]
    assert [always.leads_always(index) for index in range(5)] == [False, False, False, False, True]
    assert not any(turns.leads_always(index) for index in range(5))


def test_the_next_nonce_is_above_all_that_is_used() -> None:
    one = ballot()
    assert one.lowest_free(-1, 0) == 0
    assert one.lowest_free(6, 0) == 7
    one.highest_signed = 9
    assert one.lowest_free(6, 0) == 10
    one.note_used(2, 12)
    one.note_used(2, 11)
    assert one.lowest_free(6, 0) == 13
    one.note_used(0, 50)  # what we used we know ourselves
    one.note_used(4, 50)  # an operator who is no party signs nothing that counts
    assert one.lowest_free(6, 0) == 13
    assert [one.next_led_by(index, 6, 0) for index in range(4)] == [16, 13, 14, 15]
    assert ballot(always=4).next_led_by(4, 6, 0) == 7


def test_who_claims_to_be_far_ahead_is_left_behind_while_there_are_enough() -> None:
    one = ballot(4, 3)
    one.note_used(3, 2**39)
    assert one.lowest_free(5, 0) == 6
    assert [one.lowest_free(5, misses) == 6 for misses in range(6)] == [True, True, False, False, True, True]
    assert one.lowest_free(5, 2) == 2**39 + 1, "after misses one more is counted on"
    one.note_used(2, 2**30)
    assert one.lowest_free(5, 0) == 2**30 + 1, "without this one there aren't enough"
    near = ballot(4, 3)
    near.note_used(3, 5 + NEAR)
    assert near.lowest_free(5, 0) == 6 + NEAR
    near.note_used(3, 6 + NEAR)
    assert near.lowest_free(5, 0) == 6
    everyone = ballot(4, 4)
    everyone.note_used(3, 2**39)
    assert everyone.lowest_free(5, 0) == 2**39 + 1
    outside = ballot(4, 3, 4)
    outside.note_used(3, 2**39)
    assert outside.lowest_free(5, 0) == 6
    outside.note_used(2, 2**39)
    assert outside.lowest_free(5, 0) == 2**39 + 1


def test_a_signature_may_come_before_its_proposal() -> None:
    one = ballot()
    assert one.add_signature(4, standing(4).digest, 1, b"one") is None
    assert one.add_signature(4, standing(4, mark=1).digest, 2, b"other") is None
    added = one.add(standing(4))
    assert added.signatures == {1: b"one"}
    assert one.add_signature(4, added.digest, 2, b"two") is added
    one.add_signature(4, added.digest, 2, b"three")
    assert added.signatures == {1: b"one", 2: b"two"}
    assert one.add_signature(4, standing(4, mark=1).digest, 3, b"x") is None
    assert added.signatures == {1: b"one", 2: b"two"}


def test_early_signatures_are_bounded_for_each_party() -> None:
    one = ballot()
    for nonce in range(MAX_EARLY + 10):
        one.add_signature(nonce, standing(nonce).digest, 1, b"one")
    one.add_signature(5, standing(5).digest, 2, b"two")
    assert one.add(standing(MAX_EARLY + 1)).signatures == {}
    assert one.add(standing(MAX_EARLY - 1)).signatures == {1: b"one"}
    assert one.add(standing(5)).signatures == {1: b"one", 2: b"two"}


def test_what_we_signed_counts_unless_it_is_empty() -> None:
    one = ballot()
    for number, empty in ((1, False), (2, True), (3, False)):
        one.note_signed(one.add(standing(number, empty=empty)))
    one.add(standing(4))
    assert one.open_proposals == 2
    assert one.own_standing is one.standing[3]
    assert one.highest_signed == 3
    assert one.standing[3].signing
    assert one.final is None
    assert sorted(one.signed) == [1, 2, 3]


def test_an_empty_batch_that_keeps_a_call_suspended_does_not_count_either() -> None:
    from dataclasses import replace

    made = standing(3, empty=True)
    made.propose = replace(
        made.propose, commitment=replace(made.propose.commitment, status=Status.SUSPENDED, awaiting=b"\x01" * 20)
    )
    assert not made.counts


def test_a_final_one_is_remembered() -> None:
    from dataclasses import replace

    one, made = ballot(), standing(3, empty=True)
    made.propose = replace(made.propose, commitment=replace(made.propose.commitment, status=Status.FINAL))
    one.note_signed(one.add(made))
    assert one.final == made.digest


def test_proposals_that_do_not_count_are_bounded_and_the_lowest_go() -> None:
    one = ballot()
    counted = [one.add(standing(nonce)) for nonce in range(3)]
    for each in counted:
        one.note_signed(each)
    for nonce in range(10, 10 + 2 * MAX_SPARE):
        one.add(standing(nonce, empty=True, signed=True))
    assert set(one.standing) == {0, 1, 2} | set(range(10 + MAX_SPARE, 10 + 2 * MAX_SPARE))
    one.add(standing(5))
    assert 5 in one.standing, "the newest stays"


def test_refused_nonces_are_bounded() -> None:
    one = ballot()
    for nonce in range(2 * MAX_REFUSED):
        one.refuse(nonce)
    assert len(one.refused) == MAX_REFUSED


def test_the_highest_signature_of_a_party() -> None:
    one = ballot()
    assert one.highest_of(1) is None
    one.add(standing(4)).signatures.update({1: b"four", 2: b"x"})
    one.add(standing(3)).signatures[1] = b"three"
    assert one.highest_of(1) == (4, standing(4).propose.commitment, b"four")
    one.add_signature(9, standing(9).digest, 1, b"nine")
    one.add_signature(10, standing(10).digest, 2, b"ten")
    assert one.highest_of(1) == (9, None, b"nine")


def test_nothing_stands_on_an_older_agreement() -> None:
    one = ballot()
    for nonce in (3, 4, 6):
        one.note_signed(one.add(standing(nonce)))
        one.add_signature(nonce + 10, b"x" * 32, 1, b"early")
    one.refuse(5)
    one.told, one.held = one.standing[6], one.standing[6].propose
    one.divergent[1] = 2
    assert one.undecided is one.standing[6]
    one.tip_moved(4)
    assert (one.standing, one.refused) == ({}, set())
    assert (one.told, one.held, one.divergent) == (None, None, {})
    assert one.signed == {6: standing(6).digest}
    assert one.highest_signed == 6
    one.add_signature(4, b"y" * 32, 1, b"early")
    one.tip_moved(14)
    assert one.highest_of(1) == (16, None, b"early")


def test_a_user_decides_on_what_stands_alone() -> None:
    one = ballot()
    assert one.undecided is None
    one.told = standing(3)
    assert one.undecided is None, "it doesn't stand"
    one.add(one.told)
    assert one.undecided is one.told
    one.add(standing(3))
    assert one.undecided is None, "another took its place"


def test_what_the_store_says_is_taken_over() -> None:
    one = ballot()
    one.restore(highest=7, final=b"f", signed={6: b"six"})
    assert (one.highest_signed, one.final, one.signed) == (7, b"f", {6: b"six"})


def test_proposals_that_we_did_not_sign_are_bounded_too() -> None:
    one = ballot()
    for nonce in range(2 * MAX_SPARE):
        one.add(standing(nonce))
    assert set(one.standing) == set(range(MAX_SPARE, 2 * MAX_SPARE))


def test_what_we_signed_last_is_the_highest() -> None:
    one = ballot()
    one.note_signed(one.add(standing(2)))
    highest = standing(5)
    one.note_signed(highest)
    for other in (standing(3), standing(5, mark=1)):
        one.note_signed(other)
        assert one.own_standing is highest
        assert one.highest_signed == 5


def test_when_so_many_are_bound_only_an_end_can_be_agreed() -> None:
    one = ballot(4, 3, 0)
    assert not one.can_only_end
    for party in (2, 2, 4, 0):
        one.note_bound(party)
        assert not one.can_only_end, "one party is bound: an operator is none, and ourselves we know"
    one.note_bound(3)
    assert one.can_only_end
    one.tip_moved(1)
    assert not one.can_only_end
    enough = ballot(4, 3, 0)
    for party in (1, 2):
        enough.note_bound(party)
    assert enough.can_only_end


def test_what_we_signed_on_an_older_agreement_is_aside() -> None:
    one = ballot()
    assert not one.has_signed_aside
    one.note_signed(one.add(standing(5)))
    assert not one.has_signed_aside
    one.restore(highest=7, final=None, signed={5: standing(5).digest, 7: standing(7).digest})
    assert one.has_signed_aside
    one.add(standing(7, signed=True))
    assert not one.has_signed_aside


def test_what_is_at_or_below_the_agreement_is_forgotten() -> None:
    one = ballot()
    for nonce in (4, 5, 6):
        one.add_signature(nonce, standing(nonce).digest, 1, b"early")
        one.note_signed(standing(nonce))
    one.tip_moved(5)
    assert one.signed == {6: standing(6).digest}
    assert one.highest_of(1) == (6, None, b"early")
    one.tip_moved(6)
    assert one.signed == {}
    assert one.highest_of(1) is None
    for nonce in (4, 5, 6):
        assert one.add(standing(nonce)).signatures == {}


def test_so_many_early_signatures_and_no_more() -> None:
    one = ballot()
    for nonce in range(MAX_EARLY + 1):
        one.add_signature(nonce, standing(nonce).digest, 1, b"early")
    assert one.add(standing(MAX_EARLY - 1)).signatures == {1: b"early"}
    assert one.add(standing(MAX_EARLY)).signatures == {}
    assert one.highest_of(2) is None
    late = one.add(standing(70))
    late.signatures[2] = b"late"
    assert one.highest_of(2) == (70, late.propose.commitment, b"late")


def test_a_signature_is_kept_early_where_that_is_wanted() -> None:
    one = ballot()
    assert one.add_signature(5, standing(5).digest, 1, b"one", early=False) is None
    assert one.add(standing(5)).signatures == {}
