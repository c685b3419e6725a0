"""Many endpoints on one store: bytes find their thread, timers go off, what the writer completed is told."""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from evmthread.channel.channel import Channel
from evmthread.channel.effects import Effect
from evmthread.channel.events import Adopted, Event, Stopped
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import Close, Hello, Message, Reject, decode_message, encode_message, thread_of
from evmthread.commit import signature, thread_id
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives.secp256k1 import recover_address
from evmthread.store.endpoints import CLOCK_SECONDS, Endpoints
from evmthread.store.memory_threads import MemoryThreadStore
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.store.thread_store import ThreadStore, UnknownThread
from evmthread.store.threadfile import ThreadHead
from tests.channel.games import START, ruleset, signers, terms_of

SECONDS = 20.0  # more than anything here takes
CODE = bytes.fromhex("5f3560010160005500")  # stores the calldata's first word plus one in slot 0
RULES = ruleset()
SALTS = (1, 2, 3)


def head_of(salt: int) -> ThreadHead:
    terms = terms_of(CODE, RULES, salt=salt)
    return ThreadHead(LOCAL_DOMAIN, terms, RULES, CODE)


def id_of(salt: int) -> bytes:
    return thread_id(LOCAL_DOMAIN, head_of(salt).terms)


def asking(number: int) -> Callable[[Channel], list[Effect]]:
    """A request with this number as calldata."""
    return lambda channel: channel.request(number.to_bytes(32, "big"), gas=100_000)


class Pair:
    """Two parties with all their threads, and wires between them that can be cut."""

    def __init__(self, stores: list[ThreadStore]) -> None:
        self.stores = stores
        self.wires: deque[tuple[int, bytes]] = deque()
        self.cut = False
        self.told: list[tuple[int, bytes, Event]] = []
        self.parties: list[Endpoints] = []
        for party in range(2):
            self.start(party)

    def start(self, party: int) -> None:
        def send(_thread: bytes, to: int, data: bytes) -> None:
            if not self.cut:
                self.wires.append((to, data))

        made = Endpoints(
            self.stores[party],
            now=START,
            random=Random(party),
            send=send,
            notify=lambda thread, event: self.told.append((party, thread, event)),
            linger=0.001,
        )
        self.parties[party : party + 1] = [made]

    def open(self, *salts: int, party: int | None = None) -> None:
        for salt in salts:
            for each in range(2) if party is None else (party,):
                self.parties[each].open(id_of(salt), signers(2)[each])

    def run(self) -> None:
        """Until nothing is under way."""
        while self.wires or any(party.waiting for party in self.parties):
            while self.wires:
                to, data = self.wires.popleft()
                self.parties[to].receive(1 - to, data)
            for party in self.parties:
                party.settle(SECONDS if party.waiting else 0)

    def stored(self, salt: int) -> list[int]:
        return [party[id_of(salt)].channel.thread.storage(0) for party in self.parties]

    def nonces(self, salt: int) -> list[int]:
        agreements = [party[id_of(salt)].channel.agreement for party in self.parties]
        return [-1 if each is None else each.commitment.nonce for each in agreements]


def made(stores: list[ThreadStore]) -> Pair:
    for salt in SALTS:
        for store, signer in zip(stores, signers(2), strict=True):
            store.create(head_of(salt), signer.address)
    return Pair(stores)


@pytest.fixture
def pair() -> Iterator[Pair]:
    made_pair = made([MemoryThreadStore(), MemoryThreadStore()])
    made_pair.open(*SALTS)
    made_pair.run()
    for salt in SALTS:
        made_pair.parties[0].do(id_of(salt), lambda channel: channel.propose())
    made_pair.run()
    yield made_pair
    for party in made_pair.parties:
        party.close()


def test_each_thread_goes_its_own_way(pair: Pair) -> None:
    assert len(pair.parties[0]) == len(SALTS)
    assert set(pair.parties[0]) == {id_of(salt) for salt in SALTS}
    for salt in SALTS:
        pair.parties[salt % 2].do(id_of(salt), asking(salt * 100))
    pair.run()
    pair.parties[0].do(id_of(2), asking(7))
    pair.run()
    assert [pair.stored(salt) for salt in SALTS] == [[101, 101], [8, 8], [301, 301]]
    adopted = {(party, thread) for party, thread, event in pair.told if isinstance(event, Adopted)}
    assert adopted == {(party, id_of(salt)) for party in range(2) for salt in SALTS}
    for salt in SALTS:
        assert pair.nonces(salt)[0] == pair.nonces(salt)[1] >= 1


def test_each_signature_is_recovered_once_by_who_did_not_make_it(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    recovered: list[bytes] = []

    def counting(digest: bytes, r: int, s: int, y_parity: int) -> bytes:
        recovered.append(digest)
        return recover_address(digest, r, s, y_parity)

    monkeypatch.setattr(signature, "recover_address", counting)
    pair.parties[0].do(id_of(1), asking(5))
    pair.run()
    assert pair.stored(1) == [6, 6]
    agreement = pair.parties[0][id_of(1)].channel.agreement
    assert agreement is not None
    # The input and the other's signature by the leader, and the leader's by the other.
    assert len(recovered) == 3
    assert recovered.count(agreement.digest) == 2


def test_a_thread_that_there_is_not_is_told_whatever_stands_for_its_id(pair: Pair) -> None:
    for name, told in ((id_of(9), f"0x{id_of(9).hex()}"), ("0x12", "'0x12'"), (None, "None")):
        with pytest.raises(UnknownThread, match=f"no thread {told} in the store"):
            pair.stores[0].look(name)  # type: ignore[arg-type]


def test_bytes_that_belong_to_no_thread_change_nothing(pair: Pair) -> None:
    party = pair.parties[0]
    stranger = encode_message(bytes(31) + b"\x01", Close())
    with pytest.raises(UnknownThread):
        party.receive(1, stranger)
    for data in (b"", b"\x01", b"\x02" + stranger[1:], stranger[:20], b"\x01\xc0", b"\x01" + bytes(40)):
        with pytest.raises(DecodingError):
            party.receive(1, data)
    assert not party.waiting
    assert not pair.wires


@pytest.mark.parametrize("message", [Hello(5, 4, bytes(32)), Close(), Reject(1, bytes(32), 2, "x" * 60, None)])
def test_the_thread_of_a_message_is_told_without_reading_it(message: Message) -> None:
    identity = bytes(range(32))
    data = encode_message(identity, message)
    assert thread_of(data) == identity == decode_message(data, batch_bytes=1000)[0]
    assert thread_of(data[: data.index(identity) + 32]) == identity


def test_what_was_lost_is_sent_again_when_its_time_has_come(pair: Pair) -> None:
    pair.cut = True
    pair.parties[0].do(id_of(1), asking(5))
    pair.run()
    pair.cut = False
    assert pair.stored(1) == [0, 0]
    party, endpoint = pair.parties[0], pair.parties[0][id_of(1)]
    due = endpoint.timer
    assert due is not None
    assert START < due < START + 10
    while (at := party.timer) is not None and at < due:  # others' come first; they have nothing to send
        party.tick(at)
        pair.run()
    assert pair.stored(1) == [0, 0]
    party.tick(due - 0.01)  # before its time
    assert not pair.wires
    assert party.timer == due
    party.tick(due)
    pair.run()
    assert pair.stored(1) == [6, 6]


def test_a_timer_outlasts_a_tick_before_its_time(pair: Pair) -> None:
    endpoint = pair.parties[0][id_of(1)]
    pair.cut = True
    pair.parties[0].do(id_of(1), asking(5))
    pair.run()
    at = endpoint.timer
    assert at is not None
    endpoint.tick(at - 0.1)
    assert endpoint.timer == at


def test_nothing_is_signed_with_an_old_time(pair: Pair) -> None:
    for party in pair.parties:
        party.tick(START + 100 * CLOCK_SECONDS)
    pair.parties[0].do(id_of(1), asking(5))
    pair.run()
    assert pair.stored(1) == [6, 6]
    batches = [event.batch.batch for _, thread, event in pair.told if isinstance(event, Adopted) and thread == id_of(1)]
    assert batches[-1].environment.timestamp == START + 100


def test_a_lost_lease_stops_its_thread_and_no_other(pair: Pair) -> None:
    pair.stores[0].acquire(id_of(1))
    for salt in (1, 2):
        pair.parties[0].do(id_of(salt), asking(5))
    pair.run()
    assert pair.stored(1) == [0, 0]
    assert pair.stored(2) == [6, 6]
    undone = [(party, thread) for party, thread, event in pair.told if not isinstance(event, Adopted)]
    assert set(undone) == {(0, id_of(1))}
    assert not any(isinstance(event, Stopped) and thread != id_of(1) for _, thread, event in pair.told)


def test_closing_writes_what_waits_and_a_new_one_goes_on(tmp_path: Path) -> None:
    stores: list[ThreadStore] = [SqliteThreadStore(tmp_path / name, durable=False) for name in ("first", "second")]
    pair = made(stores)
    pair.open(1)
    pair.run()
    pair.parties[0].do(id_of(1), lambda channel: channel.propose())
    pair.run()
    pair.parties[1].do(id_of(1), asking(41))
    while pair.wires or pair.nonces(1)[0] < 1:
        while pair.wires:
            to, data = pair.wires.popleft()
            pair.parties[to].receive(1 - to, data)
        for party in pair.parties:
            party.settle()
    pair.parties[0].close()
    pair.parties[0].close()
    assert not pair.parties[0].waiting
    line = stores[0].look(id_of(1)).line_after(-1, 10)
    assert [record.nonce for record in line] == [0, 1]
    pair.start(0)
    pair.open(1, party=0)
    pair.run()
    assert pair.stored(1) == [42, 42]
    pair.parties[0].do(id_of(1), asking(50))
    pair.run()
    assert pair.stored(1) == [51, 51]
    for party in pair.parties:
        party.close()
    for store in stores:
        store.close()


def test_a_thread_is_open_once_and_can_be_forgotten(pair: Pair) -> None:
    party = pair.parties[0]
    with pytest.raises(InvalidInput, match="open already"):
        party.open(id_of(1), signers(2)[0])
    party.do(id_of(1), asking(5))
    party.forget(id_of(1))
    assert id_of(1) not in party
    while party.waiting:
        party.settle(SECONDS)
    with pytest.raises(UnknownThread):
        party[id_of(1)]
    with pytest.raises(UnknownThread):
        party.forget(id_of(1))
    with pytest.raises(UnknownThread):
        party.do(id_of(1), asking(6))
    assert party.timer is None or party.timer > START
    pair.wires.clear()
    party.open(id_of(1), signers(2)[0])  # it finds the input that was kept
    pair.run()
    assert pair.stored(1) == [6, 6]
