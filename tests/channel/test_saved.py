"""What leads from one state to the next, as bytes."""

from dataclasses import replace

import pytest

from evmthread.channel.saved import SavedStep, decode_changes, decode_step, encode_step
from evmthread.commit import DIALECT
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives import rlp
from evmthread.primitives.types import Hash32
from evmthread.state.view import Account, AccountChange, StateChanges
from tests.channel.endpoints import ASKS, Table, word


def steps() -> list[SavedStep]:
    """Steps of a thread: with changes, with codes, with an open call."""
    table = Table(code=ASKS, rules={"dialect": DIALECT})
    table.play(0, 5, rest=word(0))
    table.play(1, 6, rest=bytes(12) + table.terms.owners[0])
    table.ends[0].flush()
    thread = table.channel(0).thread
    assert thread.agreed_call is not None
    whole = thread.whole_step()
    assert whole is not None
    return [*(decode_step(record.state) for record in table.ends[0].lease.load().base), whole]


STEPS = steps()


def test_a_step_is_read_as_it_was_written() -> None:
    assert any(step.open_call for step in STEPS)
    assert any(step.changes.codes for step in STEPS)
    for step in STEPS:
        assert decode_step(encode_step(step)) == step
        turned = SavedStep(step.changes, step.environment, step.slots, step.open_call, turn_since=1_760_000_001)
        assert decode_step(encode_step(turned)) == turned
        assert decode_changes(encode_step(step)) == step.changes


def test_beside_a_whole_state_stands_what_led_to_it() -> None:
    whole, last = STEPS[-1], STEPS[-2]
    both = replace(whole, since=last.changes, turn_since=7)
    assert decode_step(encode_step(both)) == both
    assert both.one == replace(last, turn_since=7)
    assert whole.one is whole
    for wrong in ([], [b"", b""], b"", [[], [], []]):
        items = rlp.decode(encode_step(whole)[1:], max_depth=8)
        with pytest.raises(DecodingError):
            decode_step(b"\x01" + rlp.encode([*items, wrong]))


def test_lists_and_numbers_have_one_form() -> None:
    items = rlp.decode(encode_step(STEPS[-1])[1:], max_depth=8)
    assert isinstance(items, list)
    assert decode_step(b"\x01" + rlp.encode([*items[:3], b"\xff" * 32, *items[4:]])).slots == 2**256 - 1
    for place, wrong in ((0, b""), (1, b""), (0, b"abc"), (3, b"\0"), (3, b"\0\1"), (3, b"\1" * 33), (3, [])):
        with pytest.raises(DecodingError):
            decode_step(b"\x01" + rlp.encode([*items[:place], wrong, *items[place + 1 :]]))


def test_equal_steps_have_equal_bytes() -> None:
    for step in STEPS:
        backwards = SavedStep(
            type(step.changes)(dict(reversed(list(step.changes.accounts.items()))), step.changes.codes),
            step.environment,
            step.slots,
            step.open_call,
            step.turn_since,
        )
        assert encode_step(backwards) == encode_step(step)


def test_other_bytes_are_refused() -> None:
    good = encode_step(STEPS[-1])
    for bad in (b"", b"\x02" + good[1:], good[:-1], good + b"\x00", b"\x01" + rlp.encode_list([b""] * 6)):
        with pytest.raises((DecodingError, InvalidInput)):
            decode_step(bad)
        with pytest.raises((DecodingError, InvalidInput)):
            decode_changes(bad)
    items = rlp.decode(good[1:], max_depth=8)
    assert isinstance(items, list)
    for place in range(6):
        for wrong in (b"\xc1\x80", b"\x83abc"):
            encoded = [rlp.encode(item) for item in items]
            if encoded[place] == wrong:
                continue
            encoded[place] = wrong
            data = b"\x01" + rlp.encode_list(encoded)
            try:
                step = decode_step(data)
            except (DecodingError, InvalidInput):
                continue
            assert encode_step(step) == data, "what is read is what was written"


def test_code_is_known_by_its_hash() -> None:
    for step in STEPS:
        for code_hash in decode_step(encode_step(step)).changes.codes:
            assert Hash32(code_hash)


def test_a_state_of_a_great_many_accounts_is_read() -> None:
    """More items of RLP than a message may have: whoever pays a wei to each of so many accounts stops no restart."""
    account = Account(0, 1, bytes(32))
    many = {(1 << 80 | number).to_bytes(20, "big"): AccountChange(None, account, {}) for number in range(40_000)}
    step = replace(STEPS[-1], changes=StateChanges(many, {}), since=StateChanges(many, {}))
    assert decode_step(encode_step(step)) == step
    assert decode_changes(encode_step(step)) == step.changes
