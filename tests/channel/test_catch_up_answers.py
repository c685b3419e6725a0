"""What a channel answers to its peers is bounded for each of them, and always goes on."""

import pytest

from evmthread.channel.allowance import BURST_SECONDS
from evmthread.channel.messages import Accept, Agreed, Fetch, Hello, Propose, Reject, encode_message
from tests.channel.endpoints import Table, word
from tests.channel.test_catch_up import far
from tests.channel.test_wishes import request_of

RATE = 100.0


def answered(table: Table, of: int, message: Hello | Fetch | Accept | Propose, *, times: int = 300) -> int:
    """How many bytes party 0 sends in answer to the same of one peer, again and again at one time."""
    table.sent()
    for _ in range(times):
        table.tell(0, of, message)
    return sum(len(encode_message(table.id, each)) for _, _, each in table.sent())


def test_one_peer_gets_so_much_for_its_questions_and_another_one_gets_its_own() -> None:
    table = Table(3, threshold=2, answer_rate=RATE)
    for number in (10, 20, 30):
        table.play(number % 3, number)
    table.wait(20)
    tip = table.channel(0)._desk.tip
    assert tip is not None
    longest = len(encode_message(table.id, tip))
    most = RATE * BURST_SECONDS + longest
    fetch = Fetch(table.channel(0).thread.parent)
    assert longest < answered(table, 1, fetch) <= most
    assert answered(table, 1, fetch) == 0
    older = table.stores[0].look(table.id).line_after(-1, 1)[0].digest
    assert answered(table, 1, Fetch(older)) == 0
    assert answered(table, 1, Hello(-1, -1, bytes(32)), times=20) < 2 * 150, "one greeting, and no agreement"
    assert longest < answered(table, 2, fetch) <= most
    table.wait(longest / RATE + 1)
    assert answered(table, 1, fetch) >= longest


@pytest.mark.parametrize("question", ["hello", "accept", "request", "propose", "signed"])
def test_whatever_is_answered_with_an_agreement_is_counted(question: str) -> None:
    table = Table(3, answer_rate=RATE)
    table.play(1)
    tip = table.channel(0)._desk.tip
    assert tip is not None
    commitment = tip.signed.commitment
    old = table.signed(1, Propose(commitment, tip.batch, None, b""), nonce=1, state_root=word(1))
    asked = {
        "hello": Hello(0, 0, word(5)),
        "accept": Accept(commitment.nonce, table.digest(commitment), table.sign(1, commitment)),
        "request": request_of(table, 1, parent=word(1)),
        "propose": old,
        "signed": table.signed(1, Propose(commitment, tip.batch, None, b"")),
    }[question]

    def agreements() -> int:
        table.tell(0, 1, asked)
        sent = [message for _, _, message in table.sent()]
        return sum(isinstance(each, Agreed) or (isinstance(each, Reject) and each.agreed is not None) for each in sent)

    table.sent()
    assert agreements() >= 1
    counts = [agreements() for _ in range(10)]
    assert counts[-1] == 0
    table.ends[0].tick(table.now + 600)
    table.sent()
    assert agreements() >= 1


def test_what_we_signed_is_shown_to_who_greets_us_as_long_as_anything_is_left() -> None:
    table = Table(3, answer_rate=RATE)
    table.proposal(1)
    hello = Hello(0, 0, table.channel(1).thread.parent)

    def proposals() -> int:
        table.tell(1, 0, hello)
        return sum(isinstance(message, Propose) for _, _, message in table.sent())

    counts = [proposals() for _ in range(20)]
    assert counts[0] == 1
    assert counts[-1] == 0
    table.ends[1].tick(table.now + 600)
    table.sent()
    assert proposals() == 1


def test_who_is_far_behind_gets_all_however_little_goes_at_once() -> None:
    table = Table(3, threshold=2, answer_rate=20.0)
    far(table, 12, without=2)
    behind = table.channel(2)._desk.tip_nonce
    assert table.channel(0)._desk.tip_nonce >= behind + 12
    for index in (0, 1):
        desk = table.channel(index)._desk
        desk.charge(2, 5000)
        assert not desk.may_answer(2)
    table.restart(2)
    table.pump()
    assert table.channel(2)._desk.tip_nonce == behind
    table.wait(1500)
    assert len(table.tips()) == 1
