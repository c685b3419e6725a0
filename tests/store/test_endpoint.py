"""An endpoint performs what its channel asks, in order, with its store and its signer."""

import pytest

from evmthread.channel.desk import ChainHead, Mode
from evmthread.channel.effects import Persist
from evmthread.channel.events import Adopted, Stopped, Undone
from evmthread.channel.messages import Accept, Fetch, Propose, Request
from evmthread.channel.phases import Phase
from evmthread.channel.review import highest_nonce
from evmthread.commit import TypedData
from evmthread.errors import BackendError, InvalidInput
from evmthread.store.endpoint import Endpoint
from tests.channel.endpoints import Table
from tests.channel.games import START


def test_what_is_not_urgent_is_written_with_what_is_or_on_flush() -> None:
    table = Table(2)
    table.ask(0)
    table.ends[0].flush()
    writes: list[int] = []
    store = table.ends[1]._store
    write = store.write

    def counted(batch: object) -> object:
        writes.append(len(batch))  # type: ignore[arg-type]
        return write(batch)  # type: ignore[arg-type]

    store.write = counted  # type: ignore[method-assign]
    while table.net:
        sender, receiver, data = table.net.popleft()
        table.ends[receiver].receive(sender, data)
    assert writes == [1], "the signature; the agreement waits"
    assert len(table.told(1, Adopted)) == 1
    table.ends[1].flush()
    table.ends[1].flush()
    assert writes == [1, 1]
    assert len(table.told(1, Adopted)) == 2


def test_an_early_tick_keeps_the_timer() -> None:
    table = Table(2)
    table.lost = lambda sender, receiver, message: True
    table.ask(0)
    timer = table.ends[0].timer
    assert timer is not None
    table.ends[0].tick(table.now + 0.001)
    assert table.ends[0].timer == timer
    table.net.clear()
    table.ends[0].tick(timer)
    assert any(isinstance(message, Request) for _, _, message in table.sent())
    again = table.ends[0].timer
    assert again is not None
    assert again > timer


def test_a_party_bound_by_a_final_keeps_sending_it() -> None:
    """What is past and can't be done any more doesn't stand before what is due."""
    table = Table(2)
    table.lost = lambda sender, receiver, message: isinstance(message, Propose)
    for end in table.ends:
        end.do(lambda channel: channel.close())
    table.pump()
    assert table.channel(1).phase == Phase.CLOSING
    sent = 0
    for _ in range(20):
        timer = table.ends[1].timer
        assert timer is not None
        table.now = timer
        table.net.clear()
        table.ends[1].tick(timer)
        sent += any(isinstance(message, Propose) for _, _, message in table.sent())
    assert sent > 5


def test_another_may_keep_things_and_answer_later() -> None:
    table = Table(2)
    waiting: list[Persist] = []

    def keep(endpoint: Endpoint, persist: Persist) -> None:
        waiting.append(persist)

    table.ends[0]._keep = keep
    table.ask(0)
    assert table.sent() == [], "nothing leaves before it is kept"
    while waiting:
        persist = waiting.pop(0)
        (refused,) = table.stores[0].write([(table.ends[0].lease, persist.records)])
        table.ends[0].kept(persist.token, refused)
    assert [message for _, _, message in table.sent() if isinstance(message, Request)] != []


def test_a_store_that_was_taken_over_stops_its_endpoint() -> None:
    """C21."""
    table = Table(2)
    proposal = table.proposal(1)
    table.stores[0].acquire(table.id)
    table.tell(0, 1, proposal)
    assert len(table.told(0, Stopped)) == 1
    assert [message for _, _, message in table.sent() if isinstance(message, Accept)] == []
    assert table.channel(0).phase == Phase.STOPPED


def test_another_keys_signer_is_refused_and_takes_nothing_over() -> None:
    """It would sign what its own store's guard has never seen: two things for one nonce."""
    table = Table(2)
    own, other = table.signers
    table.signers[0] = other
    with pytest.raises(InvalidInput, match=f"own key is 0x{own.address.hex()}, and not the signer's"):
        table.opened(0)
    table.ask(0, 5)
    table.pump()
    assert table.told(0, Stopped) == []
    assert table.channel(1).thread.storage(0) == 5 + 1


def test_a_restored_store_gets_its_floor_when_it_is_opened() -> None:
    table = Table(2)
    table.stores[0] = table.stores[0].copy(restored=True)
    assert table.stores[0].look(table.id).restored
    end = table.opened(0)
    assert not table.stores[0].look(table.id).restored
    assert end.lease.floor is not None
    assert end.channel._desk.own_floor == end.lease.floor


def test_a_restored_store_gets_its_floor_with_the_genesis() -> None:
    """What the lost store signed can't be bounded before: the genesis tells when all began."""
    table = Table(2, begin=False)
    table.stores[0] = table.stores[0].copy(restored=True)
    table.ends[0] = table.opened(0)
    assert table.stores[0].look(table.id).restored
    other = Table(2)
    genesis = other.channel(1)._desk.tip
    assert genesis is not None
    table.now += 100
    table.ends[0].tick(table.now)
    table.tell(0, 1, genesis)
    assert not table.stores[0].look(table.id).restored
    floor = table.ends[0].lease.floor
    assert floor is not None
    assert floor == highest_nonce(START, table.now)
    assert table.channel(0)._desk.ballot.highest_signed == floor
    table.ends[0].flush()
    again = table.opened(0).channel
    assert (again._desk.own_floor, again._desk.ballot.highest_signed, again._desk.begun) == (floor, floor, START)


def test_without_a_floor_nothing_bars_a_nonce() -> None:
    table = Table(2)
    table.wait(5)
    channel = table.opened(0).channel
    assert (channel._desk.own_floor, channel._desk.ballot.highest_signed, channel._desk.begun) == (0, 0, START)
    fresh = Table(2, begin=False).channel(0)
    assert (fresh._desk.own_floor, fresh._desk.ballot.highest_signed, fresh._desk.begun) == (0, -1, None)


def test_effects_are_performed_in_order_and_answers_after_them() -> None:
    table = Table(3)
    order: list[str] = []
    end, store = table.ends[1], table.stores[1]
    write = store.write

    def written(batch: object) -> object:
        order.append("kept")
        return write(batch)  # type: ignore[arg-type]

    class Signs:
        def sign(self, *arguments: object, **options: object) -> bytes:
            order.append("signed")
            return signer.sign(*arguments, **options)  # type: ignore[arg-type]

    store.write = written  # type: ignore[method-assign]
    signer, end._signer = end._signer, Signs()  # type: ignore[assignment]
    end._send = lambda to, data: order.append(type(table.read(data)).__name__)
    end.do(lambda channel: channel.propose(empty=True))
    assert order == ["kept", "signed", "Propose", "Propose"]


def test_a_signer_that_fails_stops_its_endpoint() -> None:
    table = Table(2)

    class Fails:
        def sign(self, *arguments: object, **options: object) -> bytes:
            raise BackendError("no key")

    table.ends[1]._signer = Fails()  # type: ignore[assignment]
    table.ends[1].do(lambda channel: channel.propose(empty=True))
    (event,) = table.told(1, Stopped)
    assert isinstance(event, Stopped)
    assert event.detail == "no key"
    assert table.sent() == []


def test_a_store_that_can_not_write_stops_its_endpoint() -> None:
    table = Table(2)

    def fails(batch: object) -> object:
        raise BackendError("disk full")

    table.stores[1].write = fails  # type: ignore[method-assign, assignment]
    table.ends[1].do(lambda channel: channel.propose(empty=True))
    (event,) = table.told(1, Stopped)
    assert isinstance(event, Stopped)
    assert "disk full" in event.detail
    assert table.sent() == [], "nothing leaves that isn't kept"


def test_a_timer_is_forgotten_when_its_time_has_come() -> None:
    table = Table(2)
    end = table.ends[0]
    end.timer = table.now + 1
    end.tick(table.now + 0.5)
    assert end.timer == table.now + 1
    end.tick(table.now + 1)
    assert end.timer is None
    end.tick(table.now + 2)
    assert end.timer is None


def test_ticking_writes_what_could_wait() -> None:
    table = Table(2)
    table.ask(0)
    while table.net:
        sender, receiver, data = table.net.popleft()
        table.ends[receiver].receive(sender, data)
    assert len(table.told(0, Adopted)) == 1
    table.ends[0].tick(table.now)
    assert len(table.told(0, Adopted)) == 2


def test_the_chains_head_is_passed_on() -> None:
    table = Table(2, on_chain=True)
    head = ChainHead(6, START, Mode.LIVE, 5, Mode.LIVE)
    table.ends[0].head(head)
    assert table.channel(0)._desk.head == head


def test_a_transport_that_fails_once_loses_one_message_and_nothing_else() -> None:
    table = Table(3)
    end = table.ends[1]
    send = end._send

    def fail(to: int, data: bytes) -> None:
        end._send = send
        raise ConnectionError("the wire is cut")

    end._send = fail
    with pytest.raises(ConnectionError):
        table.ask(1)
    table.tell(1, 0, Fetch(bytes(32)))
    assert [(to, type(message)) for _, to, message in table.sent()] == [(2, Propose)]
    table.wait(20)
    assert table.channel(1).thread.storage(0) == 6
    assert len(table.tips()) == 1


def test_whatever_a_signer_raises_the_channel_is_told() -> None:
    """A wallet far away: its errors are its own."""

    class Away:
        address = Table(2, begin=False).signers[1].address

        def sign(self, typed_data: TypedData) -> bytes:
            raise TimeoutError

    table = Table(2)
    table.signers[1] = Away()  # type: ignore[call-overload]
    table.restart(1)
    table.pump()
    table.ask(1)
    (undone,) = table.told(1, Undone)
    assert isinstance(undone, Undone)
    assert undone.reason == "TimeoutError"
    table.ask(0)
    table.pump()
    (stopped,) = table.told(1, Stopped)
    assert isinstance(stopped, Stopped)
    assert stopped.detail == "TimeoutError"
