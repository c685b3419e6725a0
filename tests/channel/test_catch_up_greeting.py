"""What is said again when nothing was heard: to whom a participant says what it has, and for how long."""

from evmthread.channel.catch_up import END_TRIES
from evmthread.channel.channel import Channel
from evmthread.channel.desk import NEVER
from evmthread.channel.effects import Send
from evmthread.channel.messages import Agreed, Hello, Message
from tests.channel.endpoints import OUTSIDER, Table, word


def said(table: Table, channel: Channel) -> list[tuple[int, type[Message]]]:
    """What it says again, and to whom."""
    channel._catch_up.say_again()
    return [(each.to, type(table.read(each.data))) for each in channel._desk.outbox.take() if isinstance(each, Send)]


def test_all_are_greeted_who_may_know_too_little_of_us_and_else_who_has_not_greeted() -> None:
    table = Table(3)
    channel = table.channel(0)
    desk = channel._desk
    both: list[tuple[int, type[Message]]] = [(1, Hello), (2, Hello)]
    assert said(table, channel) == []
    desk.heard.remove(2)
    assert said(table, channel) == [(2, Hello)]
    desk.ballot.signed[4] = word(1)
    assert said(table, channel) == both, "we signed something on an agreement that was superseded"
    desk.ballot.signed.clear()
    desk.own_floor = 7
    assert said(table, channel) == both, "they lead to above our floor"
    desk.own_floor = NEVER
    assert said(table, channel) == [(2, Hello)]
    desk.own_floor, desk.wants_floor, desk.tip = 0, True, None
    assert said(table, channel) == both, "our store may be from before the genesis"


def test_who_is_ahead_is_asked_again() -> None:
    table = Table(3)
    channel = table.channel(0)
    channel._catch_up._ahead = {1: 0, 2: 3}
    assert channel._catch_up.is_behind
    assert said(table, channel) == [(2, Hello)]


def ended() -> Table:
    """Two parties have ended a thread; the operator heard nothing of it."""
    table = Table(2, operator=OUTSIDER)
    table.lost = lambda sender, receiver, message: receiver == 2
    for end in table.ends[:2]:
        end.do(lambda channel: channel.close())
    table.pump()
    assert table.channel(0)._desk.is_ended
    assert not table.channel(2)._desk.is_ended
    return table


def test_when_all_is_over_the_end_goes_to_the_operator_and_nothing_to_anybody_else() -> None:
    table = ended()
    channel = table.channel(0)
    channel._desk.heard.clear()
    channel._catch_up._ahead[1] = 1 << 20
    assert said(table, channel) == [(2, Agreed)]
    assert channel._catch_up.waits


def test_for_how_long_others_are_waited_for() -> None:
    table = Table(3)
    channel = table.channel(0)
    desk, catch_up = channel._desk, channel._catch_up
    assert not catch_up.waits
    desk.heard.remove(2)
    assert catch_up.waits, "for its greeting"
    desk.heard.add(2)
    catch_up._ahead[1] = 1
    assert catch_up.waits, "for what it has, and we lack"
    catch_up._ahead[1] = 0
    desk.wants_floor, desk.tip = True, None
    assert catch_up.waits, "for the genesis"
    table = ended()
    catch_up = table.channel(0)._catch_up
    catch_up._ahead[2] = table.channel(0)._desk.tip_nonce
    table.channel(0)._desk.heard.clear()
    assert not catch_up.waits, "it has the end, and nothing else counts"


def test_the_end_is_told_to_an_operator_that_is_no_party_until_it_has_it_or_too_often() -> None:
    table = ended()
    desk, catch_up = table.channel(0)._desk, table.channel(0)._catch_up
    for known, misses, untold in (
        (None, 0, True),
        (desk.tip_nonce - 1, 0, True),
        (desk.tip_nonce, 0, False),
        (None, END_TRIES - 1, True),
        (None, END_TRIES, False),
    ):
        catch_up._ahead = {} if known is None else {2: known}
        desk.pacing.misses = misses
        assert catch_up.waits == untold
    without = Table(2)
    for end in without.ends:
        end.do(lambda channel: channel.close())
    without.pump()
    assert without.channel(0)._desk.is_ended
    assert not without.channel(0)._catch_up.waits


def test_an_operator_that_has_the_end_says_so_to_whoever_sends_it_and_nobody_else_does() -> None:
    table = ended()
    end = table.channel(0)._desk.tip
    assert end is not None

    def answers(index: int, agreed: Agreed) -> list[tuple[int, type[Message]]]:
        table.net.clear()
        table.now += 60
        table.ends[index].tick(table.now)
        table.net.clear()
        table.tell(index, 1 - min(index, 1), agreed)
        return [(to, type(message)) for _, to, message in table.sent()]

    before = table.channel(2)._desk.tip
    assert before is not None
    assert answers(2, before) == [], "that isn't the end"
    answers(2, end)
    assert table.channel(2)._desk.is_ended
    assert answers(2, before) == []
    assert answers(2, end) == [(0, Hello)]
    assert answers(0, end) == []
