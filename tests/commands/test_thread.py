"""`evmthread thread`: what is said of the threads in a store, exit codes, and errors of one line."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from evmthread.channel.kept import EvidenceRecord, SignedRecord
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import Agreed, encode_body
from evmthread.cli import main
from evmthread.commands.watch import read_newest
from evmthread.commit import Agreement, Equivocation, SignatureSet, SignedCommitment, TypedData, digest
from evmthread.store.database import _checksum
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.store.threadfile import ThreadHead
from tests.channel.games import Match, MorpionMatch, finished_game
from tests.store.files import write
from tests.store.test_handing_on import keep, records_of

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def games() -> list[Match]:
    """A finished game, one that goes on, and a thread without a genesis."""
    return [
        finished_game(),
        MorpionMatch(parties=3, salt=8).begin(),
        Match(b"\0", parties=3, salt=9, threshold=2, operator=b"\5" * 20, max_fee=10),
    ]


@pytest.fixture
def store(tmp_path: Path, games: list[Match]) -> str:
    place = tmp_path / "threads"
    with SqliteThreadStore(place, durable=False) as made:
        for game in games:
            keep(made, game)
    return str(place)


def run(capsys: Captured, *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["thread", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def identity(game: Match) -> str:
    return game.thread.thread_id.hex()


def test_list(capsys: Captured, store: str, games: list[Match]) -> None:
    code, out, err = run(capsys, "list", store)
    assert (code, err) == (0, "")
    lines = dict(line.split("  ", 1) for line in out.splitlines())
    finished, going, empty = (lines[f"0x{identity(game)[:8]}"] for game in games)
    assert finished == "2 parties, own key 0; nonce 9, final; 2025-10-09 08:53:20 UTC"
    assert going == "3 parties, own key 0; nonce 2, at rest; 2025-10-09 08:53:20 UTC"
    assert empty == "3 parties, own key 0; no genesis yet"
    code, out, _ = run(capsys, "list", store, "--json")
    objects = [json.loads(line) for line in out.splitlines()]
    assert [each["threadId"] for each in objects] == sorted(f"0x{identity(game)}" for game in games)
    assert sorted((each["commitments"], each["nonce"], each["status"]) for each in objects) == sorted(
        [(10, "9", 2), (3, "2", 0), (0, None, None)], key=lambda each: each[0]
    )


def test_an_empty_store_lists_nothing(capsys: Captured, tmp_path: Path) -> None:
    SqliteThreadStore(tmp_path / "threads").close()
    assert run(capsys, "list", tmp_path / "threads") == (0, "", "")


def test_show(capsys: Captured, store: str, games: list[Match]) -> None:
    code, out, err = run(capsys, "show", store, f"0x{identity(games[0])[:6].upper()}")
    assert (code, err) == (0, "")
    terms, tip = games[0].terms, games[0].tip
    balances = [f"deposit 5,000 wei, balance {balance:,} wei" for balance in tip.commitment.balances]
    assert out.splitlines() == [
        f"thread 0x{identity(games[0])}",
        f"  contract: Morpion, code 0x{terms.code_hash.hex()}",
        f"    at 0x{games[0].thread.address.hex()}, here and on chain 31337",
        f"    registry 0x{games[0].thread.domain.verifying_contract.hex()}, challenges last 3,600 s",
        "  rules: Osaka, at most 30,000,000 gas and 256 inputs a batch",
        "  parties: 2, all of them sign",
        f"    0: 0x{terms.owners[0].hex()} (this store's): {balances[0]}",
        f"    1: 0x{terms.owners[1].hex()}: {balances[1]}",
        "  operator: none",
        "  agreed: nonce 9, final; 2025-10-09 08:53:20 UTC; 10 commitments are kept",
        f"    digest 0x{tip.digest.hex()}",
        f"    state root 0x{tip.commitment.state_root.hex()}, {tip.commitment.gas_used:,} gas",
        "  signed: nothing",
        "  floor: none",
        "  evidence: none",
    ]
    _, out, _ = run(capsys, "show", store, identity(games[2]))
    assert "  parties: 3, 2 of them decide" in out
    assert f"  operator: 0x{'05' * 20}, fee 0 of at most 10 wei" in out
    assert "  agreed: no genesis yet; 0 commitments are kept" in out


def test_show_as_json(capsys: Captured, store: str, games: list[Match]) -> None:
    _, out, _ = run(capsys, "show", store, identity(games[0]), "--json")
    shown = json.loads(out)
    assert shown["terms"] == games[0].terms.to_json()
    assert shown["agreement"] == games[0].tip.to_json()
    assert (shown["tip"], shown["evidence"], shown["floor"]) == (f"0x{games[0].tip.digest.hex()}", [], None)
    assert json.loads(run(capsys, "show", store, identity(games[2]), "--json")[1])["agreement"] is None


def test_what_a_party_has_to_know_of_itself(capsys: Captured, store: str, games: list[Match]) -> None:
    """What it signed above the agreement, its floor, whom it can convict, and that the store was restored."""
    game = games[1]
    tip = game.tip.commitment
    pair = [replace(tip, nonce=5, gas_used=gas) for gas in (1, 2)]
    signatures = [game.signers[1].sign(TypedData(game.thread.domain, each)) for each in pair]
    evidence = Equivocation(game.thread.domain, game.terms, 1, pair[0], signatures[0], pair[1], signatures[1])
    content = json.dumps(evidence.to_json()).encode()
    with SqliteThreadStore(store) as opened:
        lease = opened.acquire(game.thread.thread_id)
        records = [
            SignedRecord(7, b"\1" * 32, False, b""),
            SignedRecord(8, b"\2" * 32, True, b""),
            EvidenceRecord("Equivocation", 1, content),
            EvidenceRecord("Other\nkind", 0, b"no JSON"),
        ]
        assert opened.write([(lease, records)]) == [None]
        lease.set_floor(2**32)
    SqliteThreadStore(store, restored=True).close()
    _, out, _ = run(capsys, "show", store, identity(game))
    restored = "restored from a copy: a new one is needed before anything is signed"
    assert out.splitlines()[-4:] == [
        "  signed: up to nonce 8, 2 above the latest agreement, the final one too",
        f"  floor: nothing is signed up to nonce 4294967296; {restored}",
        "  evidence: Equivocation of party 1",
        "  evidence: Other kind of party 0",
    ]
    shown = json.loads(run(capsys, "show", store, identity(game), "--json")[1])
    assert (shown["signedAbove"], shown["highestSigned"], shown["floor"]) == (["7", "8"], "8", str(2**32))
    assert shown["evidence"][0]["content"] == evidence.to_json()
    assert shown["evidence"][1]["content"] == "0x" + b"no JSON".hex()
    _, out, _ = run(capsys, "list", store)
    assert out.count("restored, needs a floor") == 3


def test_a_suspended_thread(capsys: Captured, tmp_path: Path) -> None:
    # JUMPDEST, PUSH1 0, JUMP: it goes on until its gas is spent, and is stopped before.
    match = Match(bytes.fromhex("5b600056"))
    match.agree()
    match.agree(match.input(1), steps=10)
    with SqliteThreadStore(tmp_path / "threads", durable=False) as made:
        keep(made, match)
    place, name = tmp_path / "threads", identity(match)
    assert f"awaits party {match.terms.owners.index(match.tip.commitment.awaiting)}" in run(capsys, "list", place)[1]
    _, out, _ = run(capsys, "show", place, name)
    assert "    asked: nothing; the call stopped after 10 instructions, to go on" in out
    shown = json.loads(run(capsys, "show", place, name, "--json")[1])
    assert shown["suspended"]["steps"] == 10
    assert shown["awaiting"] == f"0x{match.tip.commitment.awaiting.hex()}"
    for action in ("verify", "replay"):
        code, out, _ = run(capsys, action, place, name)
        assert (code, "the call stopped after 10 instructions" in out) == (0, True)


@pytest.mark.parametrize("action", ["verify", "replay"])
def test_verify_and_replay_say_what_they_say_of_files(
    capsys: Captured, store: str, games: list[Match], tmp_path: Path, action: str
) -> None:
    write(games[0], tmp_path / "file")
    for more in ((), ("--json",)):
        assert main([action, str(tmp_path / "file"), *more]) == 0
        of_file = capsys.readouterr().out
        assert run(capsys, action, store, identity(games[0]), *more) == (0, of_file, "")
    _, _, err = run(capsys, action, store, identity(games[0]), "--progress")
    assert err == ""  # it takes no time


def test_export(capsys: Captured, store: str, games: list[Match], tmp_path: Path) -> None:
    name = identity(games[0])
    code, out, err = run(capsys, "export", store, name, tmp_path / "out")
    assert (code, out, err) == (0, f"exported: 10 commitments of thread 0x{name}\n", "")
    assert (tmp_path / "out").read_bytes() == write(games[0], tmp_path / "file")
    assert main(["replay", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    code, out, err = run(capsys, "export", store, name, tmp_path / "out")
    assert (code, out, err) == (2, "", f"evmthread thread export: unreadable: {tmp_path / 'out'}: is there already\n")
    _, out, _ = run(capsys, "export", store, name, tmp_path / "other", "--json")
    assert json.loads(out)["tip"] == f"0x{games[0].tip.digest.hex()}"


def test_export_for_a_watchtower(capsys: Captured, store: str, games: list[Match], tmp_path: Path) -> None:
    name = identity(games[0])
    out = tmp_path / "game.watch"
    for _ in range(2):  # an older one is replaced
        code, told, err = run(capsys, "export", store, name, out, "--watchtower")
        assert (code, told, err) == (0, f"exported: 10 commitments of thread 0x{name}\n", "")
    assert read_newest(out) == games[0].tip
    write(games[0], tmp_path / "file")
    assert read_newest(tmp_path / "file") == games[0].tip


def test_a_lie_is_refuted_with_both_values(capsys: Captured, tmp_path: Path) -> None:
    match = MorpionMatch().begin()
    agreement, batch = match.line[-1]
    lie = replace(agreement.commitment, storage_root=b"\5" * 32)
    signatures = {i: signer.sign(TypedData(match.thread.domain, lie)) for i, signer in enumerate(match.signers)}
    match.line[-1] = (Agreement(match.thread.domain, match.terms, lie, SignatureSet.of(signatures)), batch)
    with SqliteThreadStore(tmp_path / "threads", durable=False) as made:
        keep(made, match)
    assert run(capsys, "verify", tmp_path / "threads", identity(match))[0] == 0
    code, out, err = run(capsys, "replay", tmp_path / "threads", identity(match))
    truth = agreement.commitment.storage_root.hex()
    assert (code, out) == (1, "")
    assert (
        err == f"evmthread thread replay: refuted: nonce 2: storageRoot: executed 0x{truth}, committed 0x{'05' * 32}\n"
    )


def test_a_forged_signature_is_refuted(capsys: Captured, games: list[Match], tmp_path: Path) -> None:
    records = records_of(games[0])
    agreement, batch = games[0].line[3]
    swapped = replace(agreement.signatures, signatures=agreement.signatures.signatures[::-1])
    records[3] = replace(
        records[3], content=encode_body(Agreed(replace(agreement.signed, signatures=swapped), batch, None))
    )
    with SqliteThreadStore(tmp_path / "threads", durable=False) as made:
        keep(made, games[0], records)
    for action in (("verify",), ("replay",), ("export", tmp_path / "out")):
        code, out, err = run(capsys, action[0], tmp_path / "threads", identity(games[0]), *action[1:])
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"evmthread thread {action[0]}: refuted: nonce 3: signature 0: expected 0x")
    code, out, _ = run(capsys, "verify", tmp_path / "threads", identity(games[0]), "--json")
    assert (code, json.loads(out)["check"], json.loads(out)["nonce"]) == (1, "WrongSignature", 3)
    assert not (tmp_path / "out").exists()


def test_what_is_not_there(capsys: Captured, store: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"no database at all, but long enough to be looked at" * 40)
    for arguments, reason in (
        (("list", tmp_path / "none"), "unable to open"),
        (("list", tmp_path / "text"), "not a database"),
        (("show", store, "0xzz"), "no thread's id"),
        (("show", store, ""), "no thread's id"),
        (("show", store, "0x" + "ab" * 32), "no thread begins"),
        (("verify", store, "0x" + "ab" * 33), "no thread begins"),
    ):
        code, out, err = run(capsys, *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert reason in err
    assert not (tmp_path / "none").exists()


def test_a_beginning_that_several_share(capsys: Captured, tmp_path: Path) -> None:
    with SqliteThreadStore(tmp_path / "threads", durable=False) as made:
        found: dict[str, bytes] = {}
        for salt in range(100):
            match = Match(b"\0", salt=salt)
            keep(made, match)
            if (first := identity(match)[0]) in found:
                break
            found[first] = match.thread.thread_id
    code, _, err = run(capsys, "show", tmp_path / "threads", first)
    assert code == 2
    assert f"2 threads begin with 0x{first}" in err


def test_who_runs_the_threads_is_not_disturbed(
    capsys: Captured, store: str, games: list[Match], tmp_path: Path
) -> None:
    with SqliteThreadStore(store, durable=False) as running:
        lease = running.acquire(games[0].thread.thread_id)
        for action in (("list",), ("show",), ("verify",), ("replay",), ("export", tmp_path / "out")):
            names = () if action == ("list",) else (identity(games[0]),)
            assert run(capsys, action[0], store, *names, *action[1:])[0] == 0
        assert running.write([(lease, [SignedRecord(10, b"\1" * 32, False, b"")])]) == [None]
        assert running.acquire(lease.thread_id).epoch == lease.epoch + 1


def test_the_store_of_an_operator_who_is_no_party(capsys: Captured, tmp_path: Path, games: list[Match]) -> None:
    game, place = games[2], tmp_path / "operator"
    with SqliteThreadStore(place, durable=False) as made:
        made.create(ThreadHead(LOCAL_DOMAIN, game.terms, game.rules, game.code), game.terms.operator)
    code, out, _ = run(capsys, "list", place)
    assert (code, out.split("  ")[1]) == (0, "3 parties, own key the operator; no genesis yet\n")
    code, out, _ = run(capsys, "show", place, identity(game))
    assert code == 0
    assert f"  operator: 0x{game.terms.operator.hex()} (this store's), fee 0 of at most 10 wei" in out
    code, out, _ = run(capsys, "list", place, "--json")
    assert (code, json.loads(out)["party"]) == (0, 3)


@pytest.mark.parametrize("changes", [{"status": 1, "awaiting": b"\x09" * 20}, {"status": 7}, {"balances": (1,)}])
def test_what_nobody_can_have_agreed_on_is_refuted(
    capsys: Captured, tmp_path: Path, games: list[Match], changes: dict[str, object]
) -> None:
    """Whoever wrote the file can have put anything into it, with the right digest."""
    game, place = games[1], tmp_path / "changed"
    records = records_of(game)
    agreement, batch = game.line[-1]
    commitment = replace(agreement.commitment, **changes)  # type: ignore[arg-type]
    content = encode_body(Agreed(SignedCommitment(commitment, agreement.signatures), batch, None))
    records[-1] = replace(records[-1], digest=digest(LOCAL_DOMAIN, commitment), content=content)
    with SqliteThreadStore(place, durable=False) as made:
        keep(made, game, records)
    for command in (
        ["list", str(place)],
        ["show", str(place), identity(game)],
        ["show", str(place), identity(game), "--json"],
    ):
        code, _, err = run(capsys, *command)
        assert code == 1
        assert "not well-formed" in err


def test_the_store_of_a_stranger_or_of_another_thread_is_refused(
    capsys: Captured, tmp_path: Path, games: list[Match]
) -> None:
    for number, (column, value) in enumerate((("key", b"\x08" * 20), ("chain", b"\x07" * 32))):
        place = tmp_path / str(number)
        with SqliteThreadStore(place, durable=False) as made:
            keep(made, games[1])
        with closing(sqlite3.connect(place, isolation_level=None)) as file:
            file.execute(f"UPDATE threads SET {column} = ?", (value,))
            row = file.execute("SELECT id, key, chain, registry, terms, ruleset FROM threads").fetchone()
            file.execute("UPDATE threads SET checksum = ?", (_checksum("threads", row),))
        code, out, err = run(capsys, "list", place)
        assert (code, out) == ((2, 1)[number], "")
        assert len(err.splitlines()) == 1
