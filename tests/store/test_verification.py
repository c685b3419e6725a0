"""Verifying and replaying files: whatever is changed, dropped, repeated, reordered or cut off is caught."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.channel.errors import DivergentField
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.commit import EMPTY_TRIE_ROOT, Agreement, Batch, Commitment, SignatureSet, SignedBatch, Status, TypedData
from evmthread.commit.refusals import (
    BrokenParent,
    Decreased,
    FinalDiffers,
    IllFormedBatch,
    NonceOrder,
    NotEnoughSignatures,
    ParentIsFinal,
    Refusal,
    WrongHash,
    WrongSignature,
    WrongThread,
)
from evmthread.errors import DecodingError
from evmthread.store.replaying import replay_file
from evmthread.store.threadfile import AgreedRecord, RecordKind, Seal, UnfinishedFile, encode_agreed, encode_seal
from evmthread.store.verification import SealMismatch, verify_file
from tests.assembler import assemble
from tests.channel.games import Match, MorpionMatch, finished_game, ruleset
from tests.store.files import flipped, item_of, join, leaves, split, with_item, write

FAILURES = (Refusal, DecodingError)


@pytest.fixture(scope="module")
def match() -> MorpionMatch:
    return finished_game()


@pytest.fixture(scope="module")
def small() -> Match:
    """A thread with an operator and a fee: genesis, two inputs in one batch, final."""
    code = assemble("PUSH 32 CALLDATALOAD PUSH 0 CALLDATALOAD SSTORE")
    made = Match(code, rules=ruleset(fee_per_gigagas=10**6), operator=b"\x0f" * 20, max_fee=90)
    made.agree()
    made.agree(made.input(0, b"\1" * 64), made.input(1, value=2))
    made.agree(final=True)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def game(match: MorpionMatch, folder: Path) -> bytes:
    return write(match, folder / "game.thread")


@pytest.fixture(scope="module")
def small_file(small: Match, folder: Path) -> bytes:
    return write(small, folder / "small.thread")


def verdict(folder: Path, data: bytes) -> Exception | None:
    """What verify says of these bytes."""
    path = folder / "changed.thread"
    path.write_bytes(data)
    try:
        verify_file(path)
    except FAILURES as error:
        found = error
    else:
        return None
    assert "\n" not in str(found)
    return found


def test_a_whole_game_holds(match: MorpionMatch, game: bytes, folder: Path) -> None:
    assert game
    report = verify_file(folder / "game.thread")
    assert report.count == len(match.line) == 10
    assert report.tip == match.tip
    assert report.thread_id == match.thread.thread_id
    thread, count = replay_file(folder / "game.thread")
    assert count == 10
    assert thread.agreement == match.tip
    assert thread.storage(3) == match.thread.storage(3) != 0


def test_a_file_without_agreements_holds_and_says_nothing(folder: Path) -> None:
    write(Match(b"\0"), folder / "empty.thread")
    report = verify_file(folder / "empty.thread")
    assert (report.count, report.tip) == (0, None)
    assert replay_file(folder / "empty.thread")[1] == 0


@pytest.mark.parametrize("bit", [0, 3])
def test_each_field_of_each_record_flipped_is_caught(game: bytes, folder: Path, bit: int) -> None:
    records = split(game)
    count = 0
    # The genesis, a join, a move, the final one; the records between them are of the same kinds.
    for place in (0, 1, 2, 3, 4, 6, len(records) - 2, len(records) - 1):
        item = item_of(records[place])
        for path in leaves(item):
            changed = [*records]
            changed[place] = with_item(records[place], flipped(item, path, bit))
            assert verdict(folder, join(game, changed)) is not None, f"record {place}, field {path}"
            count += 1
    assert count > 130


def test_each_field_of_a_thread_with_a_fee_flipped_is_caught(small_file: bytes, folder: Path) -> None:
    records = split(small_file)
    for place, record in enumerate(records):
        item = item_of(record)
        for path in leaves(item):
            for bit in (0, 7):
                changed = [*records]
                changed[place] = with_item(record, flipped(item, path, bit))
                assert verdict(folder, join(small_file, changed)) is not None, f"record {place}, field {path}"


@settings(max_examples=150)
@given(st.data())
def test_any_flipped_bit_is_caught(small_file: bytes, folder: Path, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(small_file) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(small_file)
    changed[position] ^= 1 << bit
    assert verdict(folder, bytes(changed)) is not None


@settings(max_examples=150)
@given(st.data())
def test_bytes_put_in_or_taken_out_are_caught(small_file: bytes, folder: Path, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(small_file)))
    out = data.draw(st.integers(0, 40))
    put = data.draw(st.binary(max_size=40))
    changed = small_file[:position] + put + small_file[position + out :]
    assert changed == small_file or verdict(folder, changed) is not None


def test_every_truncation_is_unfinished(small_file: bytes, folder: Path) -> None:
    shortest = Match(b"\0", parties=2)
    shortest.agree()
    path = folder / "cut.thread"
    whole = write(shortest, path)
    assert verify_file(path).count == 1
    for length in range(len(whole) - 1, -1, -1):
        os.truncate(path, length)
        with pytest.raises(UnfinishedFile):
            verify_file(path)
    for length in range(0, len(small_file), 7):
        assert isinstance(verdict(folder, small_file[:length]), UnfinishedFile), length


def test_every_truncation_of_a_game_at_and_around_its_records_is_unfinished(game: bytes, folder: Path) -> None:
    end = 12
    for record in split(game)[:-1]:
        for length in (end - 1, end, end + 1, end + 4, end + 5, end + 6):
            assert isinstance(verdict(folder, game[:length]), UnfinishedFile)
        end += len(record)


def test_dropped_records_are_caught(game: bytes, folder: Path) -> None:
    records = split(game)
    for place in range(len(records)):
        error = verdict(folder, join(game, records[:place] + records[place + 1 :]))
        if place < 3:
            assert isinstance(error, DecodingError)
        elif place == len(records) - 1:
            assert isinstance(error, UnfinishedFile)
        else:
            assert isinstance(error, SealMismatch if place == len(records) - 2 else BrokenParent), place


def test_repeated_records_are_caught(game: bytes, folder: Path) -> None:
    records = split(game)
    for place in range(len(records)):
        for where in range(len(records) + 1):
            assert verdict(folder, join(game, [*records[:where], records[place], *records[where:]])) is not None


def test_reordered_records_are_caught(game: bytes, folder: Path) -> None:
    records = split(game)
    for first in range(len(records)):
        for second in range(first):
            changed = [*records]
            changed[first], changed[second] = changed[second], changed[first]
            assert verdict(folder, join(game, changed)) is not None, (first, second)


def test_records_of_another_thread_are_caught(game: bytes, folder: Path) -> None:
    other = split(write(finished_game(salt=8), folder / "other.thread"))
    records = split(game)
    for place in range(len(records)):
        if records[place] != other[place]:
            assert verdict(folder, join(game, [*records[:place], other[place], *records[place + 1 :]])) is not None
    assert isinstance(verdict(folder, join(game, [*records[:3], *other[3:]])), WrongThread)


# What the one line says ---------------------------------------------------------------------------------------------
def mended(match: Match, data: bytes, place: int, record: AgreedRecord) -> bytes:
    """The file with the agreed record at `place` (0: genesis) changed."""
    records = split(data)
    records[3 + place] = encode_agreed(record)
    return join(data, records)


def test_the_reason_names_the_nonce_and_the_check(match: MorpionMatch, game: bytes, folder: Path) -> None:
    agreement, batch = match.line[4]
    swapped = SignatureSet(3, tuple(reversed(agreement.signatures.signatures)))
    alone = SignatureSet(1, agreement.signatures.signatures[:1])
    signed = agreement.signed
    cases = [
        (AgreedRecord(replace(signed, signatures=swapped), batch), WrongSignature, "nonce 4: signature 0: expected 0x"),
        (AgreedRecord(replace(signed, signatures=alone), batch), NotEnoughSignatures, "nonce 4: signatures: 2 needed"),
        (AgreedRecord(signed, match.line[5][1]), WrongHash, "nonce 4: batchHash: expected 0x"),
        (AgreedRecord(signed, replace(batch, signatures=match.line[5][1].signatures)), WrongSignature, "nonce 4: sig"),
    ]
    for record, kind, reason in cases:
        error = verdict(folder, mended(match, game, 4, record))
        assert isinstance(error, kind)
        assert str(error).startswith(reason)


def test_the_seal_counts_and_names_the_tip(match: MorpionMatch, game: bytes, folder: Path) -> None:
    records = split(game)[:-1]
    digest = match.tip.digest
    assert verdict(folder, join(game, [*records, encode_seal(Seal(10, digest))])) is None
    wrong = verdict(folder, join(game, [*records, encode_seal(Seal(11, digest))]))
    assert str(wrong) == "seal: agreed commitments: the records give 10, the seal says 11"
    other = match.line[8][0].digest
    wrong = verdict(folder, join(game, [*records, encode_seal(Seal(10, other))]))
    assert str(wrong) == f"seal: tip: the records give 0x{digest.hex()}, the seal says 0x{other.hex()}"


def signed_by_all(match: Match, commitment: object) -> Agreement:
    signatures = {i: signer.sign(TypedData(LOCAL_DOMAIN, commitment)) for i, signer in enumerate(match.signers)}  # type: ignore[arg-type]
    return Agreement(LOCAL_DOMAIN, match.terms, commitment, SignatureSet.of(signatures))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["state_root", "storage_root", "receipts_root", "gas_used", "balances"])
def test_a_pair_that_signs_a_lie_is_found_by_replay_alone(name: str, folder: Path) -> None:
    match = MorpionMatch().begin()
    lies = {"gas_used": 10**8, "balances": (1, 2)}
    agreement, batch = match.line[-1]
    lie = replace(agreement.commitment, **{name: lies.get(name, b"\5" * 32)})  # type: ignore[arg-type]
    match.line[-1] = (signed_by_all(match, lie), batch)
    path = folder / f"lie-{name}.thread"
    write(match, path)
    assert verify_file(path).count == 3
    with pytest.raises(DivergentField) as caught:
        replay_file(path)
    member = next(each.name for each in type(lie).STRUCT.members if each.attribute == name)
    assert (caught.value.field, caught.value.nonce) == (member, 2)
    assert caught.value.expected == getattr(agreement.commitment, name)
    assert str(caught.value).startswith(f"nonce 2: {member}: executed ")


def test_environments_that_run_backwards_are_found_without_execution(folder: Path) -> None:
    match = MorpionMatch().begin()
    batch = match.batch([match.input(0)], match.environment(5))
    commitment = replace(
        match.tip.commitment, nonce=3, parent=match.tip.digest, status=Status.REST, batch_hash=batch.batch.hash_struct()
    )
    match.line.append((signed_by_all(match, commitment), batch))
    path = folder / "backwards.thread"
    write(match, path)
    with pytest.raises(IllFormedBatch, match="nonce 3: batch: timestamp at least the parent's"):
        verify_file(path)


@pytest.mark.parametrize(
    ("changes", "kind", "reason"),
    [
        ({"nonce": 9}, NonceOrder, "nonce 9: nonce: not above its parent's 9"),
        ({"gas_used": 5, "nonce": 10}, ParentIsFinal, "nonce 10: parent: nonce 9 is final"),
    ],
)
def test_what_follows_a_final_one_is_found(
    game: bytes, folder: Path, changes: dict[str, object], kind: type[Refusal], reason: str
) -> None:
    assert game
    match = finished_game()
    if kind is NonceOrder:
        match.line[-1] = (at_rest(match, -1), match.line[-1][1])
    follower = replace(match.tip.commitment, parent=match.tip.digest, status=Status.REST, **changes)  # type: ignore[arg-type]
    refuted(match, folder, follower, kind, reason)


def test_a_final_one_that_changes_something_is_found(folder: Path) -> None:
    match = MorpionMatch().begin()
    final = replace(match.tip.commitment, nonce=3, parent=match.tip.digest, status=Status.FINAL, gas_used=10**8)
    final = replace(final, receipts_root=EMPTY_TRIE_ROOT)
    refuted(match, folder, final, FinalDiffers, "nonce 3: gasUsed: a final one has")


def test_gas_that_falls_is_found(folder: Path) -> None:
    match = MorpionMatch().begin()
    fallen = replace(match.tip.commitment, nonce=3, parent=match.tip.digest, gas_used=5)
    refuted(match, folder, fallen, Decreased, "nonce 3: gasUsed: 5 is below the parent's")


def at_rest(match: Match, place: int) -> Agreement:
    """The agreement at that place, as one that isn't final."""
    return signed_by_all(match, replace(match.line[place][0].commitment, status=Status.REST))


def refuted(match: Match, folder: Path, commitment: Commitment, kind: type[Refusal], reason: str) -> None:
    """A file whose line goes on with this commitment, on an empty batch, is refuted for this reason."""
    batch = SignedBatch(Batch(match.line[-1][1].batch.environment, ()), ())
    path = folder / "follower.thread"
    match.line.append((signed_by_all(match, replace(commitment, batch_hash=batch.batch.hash_struct())), batch))
    write(match, path)
    with pytest.raises(kind) as caught:
        verify_file(path)
    assert str(caught.value).startswith(reason)


def test_an_earlier_end_sealed_anew_is_a_file_of_its_own(match: MorpionMatch, game: bytes, folder: Path) -> None:
    # Verifying doesn't prove that nothing higher exists.
    records = split(game)[:6]
    assert verdict(folder, join(game, [*records, encode_seal(Seal(3, match.line[2][0].digest))])) is None


def test_verifying_loads_no_evm(game: bytes, folder: Path) -> None:
    assert game
    program = (
        "import sys; from evmthread.store.verification import verify_file; verify_file(sys.argv[1]);"
        "print([name for name in sys.modules if name.split('.')[:2] in "
        "[['evmthread', part] for part in ('isa', 'machine', 'execution', 'state', 'precompiles', 'channel')]])"
    )
    command = [sys.executable, "-c", program, str(folder / "game.thread")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_kinds_of_records_are_pinned() -> None:
    assert [(kind.name, int(kind)) for kind in RecordKind] == [
        ("TERMS", 1),
        ("RULESET", 2),
        ("ORIGIN", 3),
        ("AGREED", 4),
        ("SEAL", 5),
    ]
