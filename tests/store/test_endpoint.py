"""An endpoint performs what its channel asks, in order, with its store and its signer."""

from evmthread.channel.effects import Persist
from evmthread.channel.events import Adopted, Stopped
from evmthread.channel.messages import Accept, Propose, Request
from evmthread.channel.phases import Phase
from evmthread.store.endpoint import Endpoint
from tests.channel.endpoints import Table


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


def test_a_restored_store_gets_its_floor_when_it_is_opened() -> None:
    table = Table(2)
    table.stores[0] = table.stores[0].copy(restored=True)
    assert table.stores[0].look(table.id).restored
    end = table.opened(0)
    assert not table.stores[0].look(table.id).restored
    assert end.lease.floor is not None
    assert end.channel._desk.own_floor == end.lease.floor
