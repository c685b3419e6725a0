"""The nine messages: their bytes come back as what they were, and nothing else is read."""

from copy import deepcopy
from random import Random

import pytest

from evmthread.channel.messages import (
    MAX_WHERE_BYTES,
    OVERHEAD_BYTES,
    Accept,
    Agreed,
    Close,
    CloseReady,
    Fetch,
    Hello,
    Message,
    MessageType,
    Propose,
    Reject,
    RejectCode,
    Request,
    decode_agreed,
    decode_message,
    decode_proposal,
    encode_body,
    encode_message,
    thread_of,
)
from evmthread.errors import DecodingError
from evmthread.primitives import rlp
from tests.channel.traps import TrapsMatch, asked

THREAD = b"\x11" * 32
BATCH_BYTES = 2**17


def samples() -> list[Message]:
    match: TrapsMatch = asked()
    at_rest, batch, none = match.whole_line[0]
    suspended, asking, suspension = match.whole_line[1]
    answer = match.parties[1].answer(b"yes")
    agreed = Agreed(suspended.signed, asking, suspension)
    return [
        Hello(-1, -1, bytes(32)),
        Hello(7, 6, b"\x22" * 32, 2**40),
        Request(answer),
        Propose(suspended.commitment, asking, suspension, b"\x01" * 65),
        Propose(at_rest.commitment, batch, none, b"\x01" * 65),
        Accept(3, b"\x33" * 32, b"\x02" * 65),
        Reject(4, b"\x44" * 32, RejectCode.DIVERGENT, "stateRoot"),
        Reject(4, b"\x44" * 32, RejectCode.STALE, "", agreed),
        agreed,
        Agreed(at_rest.signed, batch, none),
        Fetch(b"\x55" * 32),
        Close(),
        CloseReady(b"\x66" * 32),
    ]


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    return samples()


def test_every_message_comes_back(messages: list[Message]) -> None:
    assert len({type(message) for message in messages}) == len(MessageType)
    for message in messages:
        data = encode_message(THREAD, message)
        assert decode_message(data, batch_bytes=BATCH_BYTES) == (THREAD, message)
        assert encode_message(THREAD, decode_message(data, batch_bytes=BATCH_BYTES)[1]) == data


def test_what_is_kept_of_a_proposal_and_of_an_agreement_comes_back(messages: list[Message]) -> None:
    for message in messages:
        if isinstance(message, Propose):
            assert decode_proposal(encode_body(message), batch_bytes=BATCH_BYTES) == message
        if isinstance(message, Agreed):
            assert decode_agreed(encode_body(message), batch_bytes=BATCH_BYTES) == message


def test_whose_a_message_is_can_be_told_without_reading_it(messages: list[Message]) -> None:
    forms = set()
    for message in messages:
        data = encode_message(THREAD, message)
        forms.add(data[1])
        assert thread_of(data) == THREAD
        assert thread_of(data[:36] + data[36:38]) == THREAD
    assert {0xE3, 0xF8, 0xF9} <= forms, "the shortest, and lengths of one and of two bytes"
    assert thread_of(b"\x01\xf7\x07\xa0" + THREAD) == THREAD
    close = encode_message(THREAD, Close())
    short = b"\x01\xe2\x07\xa0" + THREAD
    for wrong in (b"", b"\x01", b"\x02" + close[1:], short, close[:3] + b"\x9f" + close[4:], close[:35], b"\x01\xf8"):
        with pytest.raises(DecodingError):
            thread_of(wrong)


def test_cut_and_longer_messages_are_refused(messages: list[Message]) -> None:
    for message in messages:
        data = encode_message(THREAD, message)
        for wrong in (*(data[:size] for size in range(0, len(data), 1 + len(data) // 40)), data + b"\x00", data * 2):
            with pytest.raises(DecodingError):
                decode_message(wrong, batch_bytes=BATCH_BYTES)


def test_changed_bytes_are_refused_or_are_another_message(messages: list[Message]) -> None:
    random = Random(1)
    for message in messages:
        data = encode_message(THREAD, message)
        for _ in range(150):
            changed = bytearray(data)
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
            try:
                thread, other = decode_message(bytes(changed), batch_bytes=BATCH_BYTES)
            except DecodingError:
                continue
            assert (thread, other) != (THREAD, message)
            # A proposal's parts remember the bytes that they were read of; a copy has to write them anew.
            assert encode_message(thread, other) == encode_message(thread, deepcopy(other)) == bytes(changed)


@pytest.mark.parametrize(
    "item",
    [
        b"",
        [],
        [b"\x09", THREAD, []],
        [b"\x07", THREAD, [b""]],
        [b"\x07", THREAD, b""],
        [b"\x07", THREAD[1:], []],
        [b"\x00\x07", THREAD, []],
        [b"\x06", THREAD, [b"\x01" * 31]],
        [b"", THREAD, [b"\x01", b"\x01", bytes(32)]],
        [b"", THREAD, [b"\x01" * 9, b"", bytes(32), b""]],
        [b"\x04", THREAD, [b"", bytes(32), b"", b"w" * (MAX_WHERE_BYTES + 1), []]],
        [b"\x04", THREAD, [b"", bytes(32), b"", b"\xff", []]],
        [b"\x07", THREAD, [], []],
    ],
)
def test_what_is_no_message_is_refused(item: rlp.Item) -> None:
    with pytest.raises(DecodingError):
        decode_message(b"\x01" + rlp.encode(item), batch_bytes=BATCH_BYTES)


def test_messages_of_a_thread_id_of_another_length_are_refused(messages: list[Message]) -> None:
    for message in messages:
        kind, _, body = rlp.decode(encode_message(THREAD, message)[1:])
        for thread in (b"", THREAD[1:], THREAD + b"\x01", THREAD * 2, [THREAD]):
            with pytest.raises(DecodingError):
                decode_message(b"\x01" + rlp.encode([kind, thread, body]), batch_bytes=BATCH_BYTES)


def test_other_versions_are_refused(messages: list[Message]) -> None:
    with pytest.raises(DecodingError):
        decode_message(b"\x02" + encode_message(THREAD, messages[0])[1:], batch_bytes=BATCH_BYTES)


def test_long_and_deep_messages_are_refused_before_they_are_read() -> None:
    for data in (b"\x01" + bytes(OVERHEAD_BYTES + BATCH_BYTES), b"\x01" + b"\xc1" * 60_000 + b"\xc0"):
        with pytest.raises(DecodingError):
            decode_message(data, batch_bytes=BATCH_BYTES)


def test_a_long_reason_is_cut(messages: list[Message]) -> None:
    data = encode_message(THREAD, Reject(1, bytes(32), 0, "é" * 1000))
    _, told = decode_message(data, batch_bytes=BATCH_BYTES)
    assert isinstance(told, Reject)
    assert len(told.where.encode()) <= MAX_WHERE_BYTES
    assert set(told.where) == {"é"}
