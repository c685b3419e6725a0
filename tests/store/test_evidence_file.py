"""Evidence in a file of its own: written, read and checked by a stranger, from the command line too."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evmthread.channel.divergence import Divergence, NoDivergence
from evmthread.channel.kept import EvidenceRecord
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.cli import main
from evmthread.commit import Equivocation, InputEquivocation, LocalSigner, TypedData
from evmthread.commit.refusals import BrokenParent, NoEquivocation, WrongSignature
from evmthread.errors import BackendError, DecodingError, InvalidInput
from evmthread.store.evidence_file import Evidence, export_evidence, read_evidence, write_evidence
from evmthread.store.memory_threads import MemoryThreadStore
from evmthread.store.threadfile import ThreadHead
from tests.channel.games import MORPION, Match, MorpionMatch, finished_game
from tests.store.files import write

PLAY = MORPION.function("play").encode(4)


@pytest.fixture(scope="module")
def match() -> MorpionMatch:
    return MorpionMatch().begin()


def equivocation(match: MorpionMatch) -> Equivocation:
    """Party 1 signs a commitment and another one with its nonce."""
    first = match.thread.execute(match.batch([match.input(match.x, PLAY)]))
    second = replace(first, gas_used=first.gas_used - 1)
    signatures = [match.signers[1].sign(TypedData(LOCAL_DOMAIN, each)) for each in (first, second)]
    return Equivocation(LOCAL_DOMAIN, match.terms, 1, first, signatures[0], second, signatures[1])


def input_equivocation(match: MorpionMatch) -> InputEquivocation:
    """The player X signs two moves for one state."""
    first, second = (match.input(match.x, MORPION.function("play").encode(cell)) for cell in (4, 5))
    return InputEquivocation(LOCAL_DOMAIN, match.terms, first.input, first.signature, second.input, second.signature)


def divergence(match: MorpionMatch, **changes: object) -> Divergence:
    """Party 1 signs a commitment with fields that execution doesn't give."""
    signed = match.batch([match.input(match.x, PLAY)])
    commitment = replace(match.thread.execute(signed), **changes)  # type: ignore[arg-type]
    return Divergence(1, commitment, match.signers[1].sign(TypedData(LOCAL_DOMAIN, commitment)), signed, None)


@pytest.mark.parametrize("make", [equivocation, input_equivocation])
def test_a_contradiction_convicts_without_the_thread(match: MorpionMatch, tmp_path: Path, make: object) -> None:
    evidence: Evidence = make(match)  # type: ignore[operator]
    write_evidence(tmp_path / "file", match.thread.domain, match.terms, evidence)
    read = read_evidence(tmp_path / "file")
    assert read.evidence == evidence
    assert read.party == (1 if make is equivocation else match.x)
    assert read.convict().startswith("signed two ")


def test_a_divergence_convicts_with_the_thread(match: MorpionMatch, tmp_path: Path) -> None:
    write(match, tmp_path / "game.thread")
    write_evidence(tmp_path / "file", match.thread.domain, match.terms, divergence(match, gas_used=10**9))
    read = read_evidence(tmp_path / "file")
    assert read.convict(tmp_path / "game.thread").startswith("signed what its batch doesn't lead to: nonce 3: gasUsed")
    with pytest.raises(InvalidInput, match="needs the thread's file"):
        read.convict()


def test_a_divergence_that_does_not_hold(match: MorpionMatch, tmp_path: Path) -> None:
    write(match, tmp_path / "game.thread")
    write(finished_game(), tmp_path / "other.thread")
    write_evidence(tmp_path / "true", match.thread.domain, match.terms, divergence(match))
    with pytest.raises(NoDivergence):
        read_evidence(tmp_path / "true").convict(tmp_path / "game.thread")
    write_evidence(tmp_path / "floating", match.thread.domain, match.terms, divergence(match, parent=b"\x01" * 32))
    with pytest.raises(BrokenParent):
        read_evidence(tmp_path / "floating").convict(tmp_path / "game.thread")
    strange = MorpionMatch(salt=8).begin()
    write(strange, tmp_path / "strange.thread")
    with pytest.raises(InvalidInput, match="another thread's"):
        read_evidence(tmp_path / "true").convict(tmp_path / "strange.thread")


def test_a_file_that_lies_convicts_nobody(match: MorpionMatch, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_evidence(path, match.thread.domain, match.terms, equivocation(match))
    value = json.loads(path.read_text())
    evidence = value["evidence"]
    for wrong, error in (
        ({**value, "evidence": {**evidence, "second": evidence["first"]}}, NoEquivocation),
        ({**value, "evidence": {**evidence, "index": 0}}, WrongSignature),
        ({**value, "evidence": {**evidence, "index": "1"}}, InvalidInput),
        ({**value, "kind": "Gossip"}, InvalidInput),
        ({**value, "kind": "InputEquivocation"}, InvalidInput),
        ({**value, "format": "evmthread-evidence/2"}, InvalidInput),
        ({**value, "more": 1}, InvalidInput),
        ([value], InvalidInput),
    ):
        path.write_text(json.dumps(wrong))
        with pytest.raises(error):
            read_evidence(path)
    for data in (b"", b"{", b"\xff", b'{"format":' * 100_000):
        path.write_bytes(data)
        with pytest.raises(DecodingError):
            read_evidence(path)
    with pytest.raises(BackendError):
        read_evidence(tmp_path / "missing")


def test_nothing_is_overwritten(match: MorpionMatch, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(BackendError, match="is there already"):
        write_evidence(path, match.thread.domain, match.terms, equivocation(match))
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "mine"
    with pytest.raises(BackendError):
        write_evidence(tmp_path / "no" / "folder", match.thread.domain, match.terms, equivocation(match))


def test_a_store_hands_its_evidence_on(match: MorpionMatch, tmp_path: Path) -> None:
    store = MemoryThreadStore()
    store.create(ThreadHead(LOCAL_DOMAIN, match.terms, match.rules, match.code), match.terms.keys[0])
    lease = store.acquire(match.thread.thread_id)
    kept = [(type(each).__name__, each) for each in (equivocation(match), divergence(match, gas_used=1))]
    records = [EvidenceRecord(kind, 1, json.dumps(each.to_json()).encode()) for kind, each in kept]
    assert store.write([(lease, records)]) == [None]
    told = list(export_evidence(lease, tmp_path / "out"))
    assert [(path.name, kind, party) for path, kind, party in told] == [
        ("equivocation-0.json", "Equivocation", 1),
        ("divergence-1.json", "Divergence", 1),
    ]
    assert [read_evidence(path).evidence for path, _, _ in told] == [each for _, each in kept]


def test_the_command(match: MorpionMatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(match, tmp_path / "game.thread")
    write_evidence(tmp_path / "two", match.thread.domain, match.terms, equivocation(match))
    write_evidence(tmp_path / "wrong", match.thread.domain, match.terms, divergence(match, fee=0, gas_used=5))
    write_evidence(tmp_path / "true", match.thread.domain, match.terms, divergence(match))
    assert main(["evidence", str(tmp_path / "two")]) == 0
    key = "0x" + match.terms.keys[1].hex()
    assert capsys.readouterr().out.startswith(f"convicted: party 1, key {key}, signed two commitments for nonce 3; ")
    assert main(["evidence", str(tmp_path / "wrong"), "--thread", str(tmp_path / "game.thread"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["party"] == 1
    assert main(["evidence", str(tmp_path / "true"), "--thread", str(tmp_path / "game.thread")]) == 1
    assert "refuted" in capsys.readouterr().err
    assert main(["evidence", str(tmp_path / "wrong")]) == 2
    assert main(["evidence", str(tmp_path / "game.thread")]) == 2


def test_the_command_names_an_operator_who_is_no_party(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    operator = LocalSigner(b"\x0b" * 32)
    match = Match(b"\0", operator=operator.address)
    match.agree()
    first = match.thread.execute(match.batch([match.input(0)]))
    second = replace(first, gas_used=first.gas_used - 1)
    signatures = [operator.sign(TypedData(LOCAL_DOMAIN, each)) for each in (first, second)]
    evidence = Equivocation(LOCAL_DOMAIN, match.terms, 2, first, signatures[0], second, signatures[1])
    write_evidence(tmp_path / "two", LOCAL_DOMAIN, match.terms, evidence)
    assert main(["evidence", str(tmp_path / "two")]) == 0
    assert capsys.readouterr().out.startswith(f"convicted: the operator, key 0x{operator.address.hex()}, signed two ")
    assert main(["evidence", str(tmp_path / "two"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["party"], told["key"]) == (2, "0x" + operator.address.hex())
