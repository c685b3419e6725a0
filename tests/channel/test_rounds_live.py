"""What is signed, and what isn't, while the chain, where there is one, doesn't say LIVE (signer law, rule 4)."""

from random import Random

from evmthread.channel.desk import ChainHead, Mode
from evmthread.channel.effects import Persist
from evmthread.channel.kept import SignedRecord
from evmthread.channel.messages import Accept, Message, Propose, Reject
from evmthread.commit import Status
from evmthread.store.endpoint import Endpoint
from tests.channel.endpoints import Table
from tests.channel.games import START


def live(number: int, latest: Mode = Mode.LIVE) -> ChainHead:
    return ChainHead(number, START, latest, number - 1, Mode.LIVE)


def test_what_was_kept_before_a_restart_is_not_signed_again_before_the_chain_says_live() -> None:
    """Whether its signature was made before, the store doesn't know; the chain may show a challenge by now."""
    table = Table(on_chain=True)
    for end in table.ends:
        end.head(live(5))
    table.ask(1)
    (first,) = [message for _, _, message in table.sent() if isinstance(message, Propose)]
    table.restart(1)
    table.lost = lambda sender, receiver, message: isinstance(message, Propose)
    table.pump()

    def again() -> list[Propose]:
        return [message for sender, _, message in table.sent() if sender == 1 and isinstance(message, Propose)]

    for head in (None, live(6, Mode.CHALLENGED)):
        if head is not None:
            table.ends[1].head(head)
        table.wait(20, pump=False)
        assert again() == []
    table.ends[1].head(live(8))
    table.wait(90, pump=False)
    proposals = again()
    assert proposals
    assert set(proposals) == {first}


def test_what_becomes_durable_after_a_challenge_was_seen_is_not_signed() -> None:
    table, kept = Table(on_chain=True), list[Persist]()
    table.stores[0] = table.stores[0].crash()
    table.ends[0] = end = Endpoint.open(
        table.stores[0],
        table.id,
        table.signers[0],
        now=table.now,
        random=Random(0),
        send=lambda to, data: table.net.append((0, to, data)),
        notify=table.events[0].append,
        options=table.options[0],
        keep=lambda _, persist: kept.append(persist),
    )
    end.start()
    for each in table.ends:
        each.head(live(5))
    table.pump()
    table.ask(1)
    table.pump()
    (persist,) = [each for each in kept if any(isinstance(record, SignedRecord) for record in each.records)]
    end.head(live(6, Mode.CHALLENGED))
    table.stores[0].write([(end.lease, persist.records)])
    end.kept(persist.token, None)
    table.wait(20, pump=False)
    assert not [message for sender, _, message in table.sent() if sender == 0 and isinstance(message, Accept)]
    end.head(live(8))
    table.wait(90, pump=False)
    assert [message for sender, _, message in table.sent() if sender == 0 and isinstance(message, Accept)]


def test_an_end_that_a_peer_proposes_before_the_thread_is_live_is_refused() -> None:
    table = Table(on_chain=True)
    for end in table.ends:
        end.head(live(5))
    proposals: list[Propose] = []

    def lost(sender: int, receiver: int, message: Message) -> bool:
        if isinstance(message, Propose):
            proposals.append(message)
        return isinstance(message, Propose)

    table.lost = lost
    for index in (0, 1):
        table.ends[index].do(lambda channel: channel.close())
    table.pump()
    assert proposals[0].commitment.status == Status.FINAL
    desk = table.channel(0)._desk
    assert desk.ready_to_close is not None
    desk.head = ChainHead(5, START, Mode.FUNDING, 4, Mode.FUNDING)
    table.tell(0, 1, proposals[0])
    answers = [message for sender, _, message in table.sent() if sender == 0]
    assert [message for message in answers if isinstance(message, Reject)]
    assert not [message for message in answers if isinstance(message, Accept)]
