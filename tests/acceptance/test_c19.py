"""C19: a peer that sends a gigabyte, deep nesting, a million small messages, random bytes, other versions, huge nonces.

Memory stays bounded, nothing is signed, and the thread goes on. (Time per message is in the benchmarks.)
"""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from evmthread.channel.events import PeerFault
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import (
    Accept,
    Agreed,
    CloseReady,
    Fetch,
    Hello,
    Message,
    Propose,
    Reject,
    Request,
    encode_message,
)
from evmthread.channel.party import SignedInput
from evmthread.commit import SignatureSet, SignedCommitment, TypedData
from evmthread.primitives import rlp
from tests.acceptance.table import Table, add

HIGHEST = 2**64 - 1


@pytest.fixture
def table(tmp_path: Path) -> Table:
    table = Table(tmp_path).start()
    table.call(0, add(1))
    return table


def goes_on(table: Table) -> None:
    """Both still agree, and a call is executed."""
    table.wait(30)
    before = table.sums[0]
    table.call(0, add(1), lasting=True)
    table.wait(900, step=5)
    assert table.sums == [before + 1] * 2


def throw(table: Table, messages: Iterator[bytes], *, source: int = 1) -> int:
    """A party sends these to party 0; how many. What party 0 sends back is lost, its faults forgotten."""
    count = 0
    for count, data in enumerate(messages, 1):
        table.endpoints[0].receive(source, data)
        table.wire.clear()
        if count % 1000 == 0:
            table.events[0].clear()
            table.sent.clear()
    return count


def test_c19_a_gigabyte(table: Table) -> None:
    data = bytes(2**30)
    tracemalloc.start()
    table.endpoints[0].receive(1, data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**20
    assert isinstance(table.events[0][-1], PeerFault)
    del data
    goes_on(table)


def test_c19_deep_and_wide(table: Table) -> None:
    deep = b"\xc0"
    for _ in range(5000):
        deep = rlp.encode_list([deep])
    wide = rlp.encode_list([b"\x80"] * 60_000)
    for body in (deep, wide, rlp.encode_list([deep, wide])):
        for data in (b"\x01" + body, b"\x01" + rlp.encode_list([rlp.encode_int(2), rlp.encode_bytes(bytes(32)), body])):
            before = len(table.told(0, PeerFault))
            table.endpoints[0].receive(1, data)
            assert len(table.told(0, PeerFault)) == before + 1
    goes_on(table)


def valid_messages(table: Table) -> list[Message]:
    """One of each kind, as an honest peer may have sent it."""
    return [table.read(data) for source, to, data in table.sent if (source, to) == (1, 0)] + [
        Fetch(bytes(32)),
        CloseReady(bytes(32)),
        Reject(5, bytes(32), 2, "no"),
    ]


def test_c19_other_versions_cut_and_changed_bytes(table: Table) -> None:
    random = Random(19)

    def bad() -> Iterator[bytes]:
        for message in valid_messages(table):
            data = encode_message(table.thread_id, message)
            yield b"\x02" + data[1:]
            yield data + b"\x00"
            yield encode_message(bytes(32), message)
            for _ in range(60):
                yield data[: random.randrange(len(data))]
                place = random.randrange(len(data))
                yield data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]
        for size in range(200):
            yield random.randbytes(size)
            yield b"\x01" + random.randbytes(size)

    signed = dict(table.endpoints[0].channel._desk.ballot.signed)
    assert throw(table, bad()) > 500
    assert table.endpoints[0].channel._desk.ballot.signed == signed
    goes_on(table)


def test_c19_the_highest_nonce(table: Table) -> None:
    tip = table.channel(0).agreement
    assert tip is not None
    key = table.signer(1)
    commitment = replace(tip.commitment, nonce=HIGHEST, parent=tip.digest)
    signature = key.sign(TypedData(LOCAL_DOMAIN, commitment))
    batch = table.channel(0)._desk.tip.batch  # type: ignore[union-attr]
    each = replace(batch.batch.inputs[0], nonce=HIGHEST, actor=table.terms.owners[1], parent=tip.digest)
    messages: list[Message] = [
        Hello(HIGHEST - 1, HIGHEST - 1, b"\x01" * 32, HIGHEST),
        Hello(HIGHEST - 1, -1, bytes(32), HIGHEST),
        Propose(commitment, batch, None, signature),
        Accept(HIGHEST, b"\x01" * 32, signature),
        Accept(HIGHEST, tip.digest, signature),
        Reject(HIGHEST, b"\x01" * 32, 255, "x" * 256),
        Agreed(SignedCommitment(commitment, SignatureSet.of({1: signature})), batch, None),
        Request(SignedInput(each, key.sign(TypedData(LOCAL_DOMAIN, each)))),
    ]
    throw(table, (encode_message(table.thread_id, message) for message in messages))
    assert table.nonces[0] == tip.commitment.nonce
    goes_on(table)


def many(table: Table, count: int) -> Iterator[bytes]:
    """Small messages that differ, most of them well-formed, some signed by party 2's own key."""
    random, key = Random(20), table.signer(2)
    base = table.channel(0)._desk.tip
    assert base is not None
    parent = table.channel(0).thread.parent
    for number in range(count):
        digest = number.to_bytes(32, "big")
        kind = number % 50
        message: Message
        if kind == 0:
            each = replace(
                base.batch.batch.inputs[0], actor=table.terms.owners[2], parent=parent, gas=number % 30_000_000
            )
            message = Request(SignedInput(each, key.sign(TypedData(LOCAL_DOMAIN, each))))
        elif kind == 1:
            commitment = replace(base.signed.commitment, nonce=number + 10, parent=parent, gas_used=number)
            message = Propose(commitment, base.batch, None, key.sign(TypedData(LOCAL_DOMAIN, commitment)))
        elif kind < 10:
            message = Hello(random.randrange(2**40), random.randrange(2**40), digest, random.randrange(2**40))
        elif kind < 20:
            message = Fetch(digest)
        elif kind < 30:
            message = CloseReady(digest)
        else:
            message = Reject(number, digest, number % 256, "no")
        yield encode_message(table.thread_id, message)


def flood(folder: Path, count: int) -> None:
    """Party 2 floods party 0; it and party 1, enough for the threshold, go on."""
    table = Table(folder, parties=3, threshold=2).start()
    table.call(0, add(1))
    throw(table, many(table, 2000), source=2)  # what is kept of a peer is full now
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    throw(table, many(table, count), source=2)
    table.events[0].clear()
    table.sent.clear()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 4 * 2**20
    table.lost = lambda source, to, _message: 2 in (source, to)
    before_sums = table.sums[:2]
    table.call(0, add(1), lasting=True)
    table.wait(900, step=5)
    assert table.sums[:2] == [each + 1 for each in before_sums]


def test_c19_many_small_ones(tmp_path: Path) -> None:
    flood(tmp_path, 5_000)


@pytest.mark.slow
def test_c19_a_million_small_ones(tmp_path: Path) -> None:
    flood(tmp_path, 1_000_000)
