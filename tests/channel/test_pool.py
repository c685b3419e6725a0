"""Inputs that wait, the order in which they go, and who was passed over."""

from dataclasses import replace

import pytest

from evmthread.channel.party import SignedInput
from evmthread.channel.pool import MAX_CONTINUATIONS, Own, Pool, Wish
from evmthread.commit import Input, InputKind
from evmthread.errors import InvalidInput
from tests.channel.games import signers

A, B, C = (signer.address for signer in signers(3))
PARENT = b"\x07" * 32


def an_input(actor: bytes, nonce: int = 0, kind: InputKind = InputKind.CALL) -> Input:
    return Input(bytes(32), nonce, PARENT, kind, actor, bytes(20), 0, 1000, b"")


def signed(actor: bytes, nonce: int = 0, kind: InputKind = InputKind.CALL) -> SignedInput:
    return SignedInput(an_input(actor, nonce, kind), b"s")


def own(nonce: int = 0, kind: InputKind = InputKind.CALL, *, signature: bytes = b"s") -> Own:
    wish = Wish(kind, bytes(20), 0, 1000, b"", PARENT, lasting=False)
    return Own(wish, an_input(A, nonce, kind), signature)


def test_an_input_is_kept_once_and_so_many_of_one_actor() -> None:
    pool = Pool(2, 1000)
    assert not pool
    assert pool.add(signed(B), 1.0)
    assert not pool.add(signed(B), 2.0)
    assert pool.add(signed(B, 1), 2.0)
    assert not pool.add(signed(B, 2), 3.0)
    assert pool.add(signed(C), 3.0)
    assert pool
    for nonce in range(MAX_CONTINUATIONS):
        assert pool.add(signed(B, nonce, InputKind.ANSWER), 4.0), "what goes on finds room"
    assert not pool.add(signed(B, 9, InputKind.ABORT), 4.0)


def test_what_others_want_is_kept_as_far_as_batches_can_hold_it() -> None:
    pool = Pool(8, 100)

    def long(nonce: int, size: int, actor: bytes = B, kind: InputKind = InputKind.CALL) -> SignedInput:
        return SignedInput(replace(an_input(actor, nonce, kind), data=bytes(size)), b"s")

    assert not pool.add(long(0, 101), 1.0)
    assert pool.add(long(0, 60), 1.0)
    assert not pool.add(long(1, 41), 1.0)
    assert pool.add(long(1, 40), 1.0)
    assert not pool.add(long(2, 1), 1.0)
    assert pool.add(long(0, 100, C), 1.0), "each has its own room"
    assert pool.add(long(0, 100, kind=InputKind.ANSWER), 1.0), "what goes on finds room"
    assert not pool.add(long(1, 101, kind=InputKind.ABORT), 1.0)
    pool.drop(long(0, 100, kind=InputKind.ANSWER).input)
    pool.drop(long(1, 40).input)
    pool.drop(long(1, 40).input)
    assert not pool.add(long(1, 41), 2.0)
    assert pool.add(long(1, 40), 2.0)
    pool.take_lapsed(())
    assert pool.add(long(0, 100), 3.0)


def test_what_is_ours_waits_as_well() -> None:
    pool = Pool(2, 1000)
    pool.own.append(own())
    assert pool


def test_our_own_are_bounded_too_and_answers_find_room() -> None:
    pool = Pool(2, 1000)
    pool.own.append(own())
    assert not pool.is_full(InputKind.CALL)
    pool.wishes.append(own(1).wish)
    assert pool.is_full(InputKind.CALL)
    assert not pool.is_full(InputKind.ANSWER)
    pool.own += [own(kind=InputKind.ANSWER)] * MAX_CONTINUATIONS
    assert pool.is_full(InputKind.ABORT)


def test_others_go_first_by_when_they_came_then_our_own_that_are_signed() -> None:
    pool = Pool(8, 1000)
    pool.own += [own(0), own(1, signature=b"")]
    pool.add(signed(C), 1.0)
    pool.add(signed(B, 1), 0.5)
    pool.add(signed(B, 0), 0.5)
    actors = [(each.input.actor, each.input.nonce) for each in pool.collect(suspended=False)]
    assert actors == [(B, 0), (B, 1), (C, 0), (A, 0)]
    pool.drop(an_input(B, 1))
    pool.drop(an_input(C, 9))
    assert len(pool.collect(suspended=False)) == 3
    small = Pool(2, 1000)
    for nonce in range(2):
        small.add(signed(B, nonce), 0.0)
    small.own.append(own())
    assert len(small.collect(suspended=False)) == 2


def test_a_suspended_thread_takes_an_answer_first_and_nothing_without_one() -> None:
    pool = Pool(3, 1000)
    pool.add(signed(B), 0.0)
    assert pool.collect(suspended=True) == []
    pool.add(signed(C, 0, InputKind.ABORT), 1.0)
    pool.add(signed(B, 0, InputKind.ANSWER), 2.0)
    kinds = [each.input.kind for each in pool.collect(suspended=True)]
    assert kinds == [InputKind.ANSWER, InputKind.CALL]
    assert [each.input.kind for each in pool.collect(suspended=False)] == [InputKind.CALL]


def test_all_inputs_are_void_when_the_agreement_moves() -> None:
    pool = Pool(3, 1000)
    pool.own += [own(0), own(1)]
    pool.used[InputKind.CALL, 0] = an_input(A)
    pool.barred = True
    pool.add(signed(B), 0.0)
    assert [each.input for each in pool.take_lapsed([an_input(A, 0), an_input(B)])] == [an_input(A, 1)]
    assert not pool
    assert (pool.own, pool.used, pool.barred) == ([], {}, False)


def test_only_a_call_that_all_have_had_for_long_enough_is_due() -> None:
    pool = Pool(3, 1000)
    assert pool.oldest_due(10.0, 2.0) is None
    first, second = own(0), own(1)
    answer = own(0, InputKind.ANSWER)
    answer.sent = 0.0
    pool.own += [answer, first, second]
    assert pool.oldest_due(10.0, 2.0) is None, "not sent yet"
    first.sent, second.sent = 8.5, 1.0
    assert pool.oldest_due(10.0, 2.0) is None, "the first one counts"
    assert pool.oldest_due(10.5, 2.0) is first


def test_who_may_go_before_a_request_that_is_due() -> None:
    pool, due = Pool(3, 1000), own(0)
    due.sent = 10.0
    pool.add(signed(B, 0), 12.0)
    pool.add(signed(B, 1), 12.1)
    assert pool.goes_before(an_input(A, 5), due, 2.0), "ours"
    assert pool.goes_before(an_input(C, 0, InputKind.ANSWER), due, 2.0), "an answer"
    assert pool.goes_before(an_input(B, 0), due, 2.0), "made at about the same time"
    assert not pool.goes_before(an_input(B, 1), due, 2.0), "made later"
    assert not pool.goes_before(an_input(C, 0), due, 2.0), "never seen"


def test_a_wish_becomes_an_input_of_plain_values() -> None:
    each = own().wish.as_input(bytes(32), A, 3, PARENT)
    assert each == an_input(A, 3)
    assert type(each.kind) is int
    wish = Wish("call", bytes(20), 0, 1000, b"", PARENT, lasting=False)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        wish.as_input(bytes(32), A, 3, PARENT)
