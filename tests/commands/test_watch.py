"""`evmthread watch`: what it says and when it ends, on a chain of this process."""

import errno
import json
import os
import threading
from pathlib import Path
from typing import IO

import pytest

from evmthread.chain.registry import Registry
from evmthread.cli import main
from evmthread.rpc import BadAnswer, Missed, NodeRefused, NodeUnreachable, Notice, WebSocketProvider
from evmthread.store.watchtower_file import write_watchtower_file
from evmthread.testing.node import LocalNode
from tests.chain.chains import FINALITY, InProcess, account, deploy, rich
from tests.chain.played import Played

WATCHER = "evmthread chain test watcher"


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """The chain that any URL leads to."""
    chain = InProcess(LocalNode(finality=FINALITY))
    monkeypatch.setattr("evmthread.rpc.connect", lambda url: chain.node)
    return chain


@pytest.fixture
def registry(chain: InProcess) -> Registry:
    return deploy(chain)


@pytest.fixture
def game(chain: InProcess, registry: Registry) -> Played:
    game = Played(chain, registry)
    game.fund()
    game.play(0, 3, 1, 4)
    return game


@pytest.fixture
def key_file(chain: InProcess, tmp_path: Path) -> Path:
    from evmthread.primitives.keccak import keccak256

    rich(chain, account("watcher"))
    path = tmp_path / "watcher.key"
    path.write_text(keccak256(WATCHER.encode()).hex())
    path.chmod(0o600)
    return path


def watch(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[dict[str, object]], str]:
    code = main(["watch", *map(str, arguments), "--chain", "http://node", "--json"])
    told = capsys.readouterr()
    return code, [json.loads(line) for line in told.out.splitlines()], told.err


def test_a_stale_challenge_is_answered(
    chain: InProcess,
    registry: Registry,
    game: Played,
    key_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "game.watch"
    write_watchtower_file(path, game.tip)
    assert "key" not in json.loads(path.read_text())
    assert watch(capsys, path, "--key", key_file, "--once") == (0, [], "")
    registry.challenge(game.owners[1], game.line[2])
    code, told, err = watch(capsys, path, "--key", key_file, "--once")
    assert (code, err) == (0, "")
    assert [each["event"] for each in told] == ["alarm", "answered"]
    assert told[1]["nonce"] == game.tip.commitment.nonce
    state = registry.thread(game.thread_id)
    assert state.record == game.tip.digest
    code, told, _ = watch(capsys, path, "--once")
    assert [each["event"] for each in told] == ["standing"]
    game.past_deadline()
    registry.settle_record(account("deployer"), game.terms, game.tip.commitment)
    chain.mine(FINALITY)
    code, told, _ = watch(capsys, path)
    assert (code, [each["event"] for each in told]) == (0, ["over"])


def test_it_ends_when_the_settlement_is_final_and_says_of_what(
    chain: InProcess, registry: Registry, game: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "game.watch"
    write_watchtower_file(path, game.tip)
    registry.challenge(game.owners[1], game.line[2])
    assert [each["alarm"] for each in watch(capsys, path, "--once")[1]] == ["UNANSWERED"]
    game.past_deadline()
    registry.settle_record(account("deployer"), game.terms, game.line[2].commitment)
    chain.mine(FINALITY)
    code, told, _ = watch(capsys, path)
    assert code == 1
    assert [each.get("alarm") or each["event"] for each in told] == ["SETTLED_OLD", "over"]


def test_a_newer_file_is_taken_up_and_a_node_that_is_away_is_waited_for(
    chain: InProcess, registry: Registry, game: Played, key_file: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path = tmp_path / "game.watch"
    write_watchtower_file(path, game.line[3])
    pauses: list[float] = []
    real = chain.node.request

    def away(method: str, *parameters: object) -> object:
        if method == "eth_getBlockByNumber" and len(pauses) == 1:
            raise NodeUnreachable("gone")
        return real(method, *parameters)

    def sleep(seconds: float) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        pauses.append(seconds)
        if len(pauses) == 2:
            write_watchtower_file(path, game.tip)
            registry.challenge(game.owners[1], game.line[2])
        if len(pauses) == 4:
            game.past_deadline()
            registry.settle_record(account("deployer"), game.terms, game.tip.commitment)
            chain.mine(FINALITY)
        assert len(pauses) < 10

    monkeypatch.setattr(chain.node, "request", away)
    monkeypatch.setattr("evmthread.commands.watch.time.sleep", sleep)
    code, told, err = watch(capsys, path, "--key", key_file, "--interval", "0.5")
    assert code == 0
    assert "gone" in err
    names = [each["event"] for each in told]
    assert names == ["alarm", "answered", "standing", *["final"] * 4, "over"]
    assert pauses[1] > pauses[0]
    assert told[1]["nonce"] == game.tip.commitment.nonce


def settle(chain: InProcess, registry: Registry, game: Played) -> None:
    """What the registry has at the deadline is settled, for good."""
    game.past_deadline()
    record = next(each for each in game.line if each.digest == registry.thread(game.thread_id).record)
    registry.settle_record(account("deployer"), game.terms, record.commitment)
    chain.mine(FINALITY)


@pytest.mark.parametrize("content", [None, "{}"])
def test_a_file_that_goes_missing_or_bad_stops_no_answer(
    chain: InProcess, registry: Registry, game: Played, key_file: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, content: str | None,
) -> None:  # fmt: skip
    path = tmp_path / "game.watch"
    write_watchtower_file(path, game.tip)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            path.unlink()
            if content is not None:
                path.write_text(content)
            registry.challenge(game.owners[1], game.line[2])
        if len(pauses) == 3:
            settle(chain, registry, game)
        assert len(pauses) < 10

    monkeypatch.setattr("evmthread.commands.watch.time.sleep", sleep)
    code, told, err = watch(capsys, path, "--key", key_file, "--interval", "0.5")
    assert (code, told[-1]["nonce"]) == (0, game.tip.commitment.nonce)
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("hindrance", ["pipe", "unreadable"])
def test_a_file_that_can_not_be_read_for_a_while_is_read_then(
    chain: InProcess, registry: Registry, game: Played, key_file: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, hindrance: str,
) -> None:  # fmt: skip
    """A pipe holds nobody up, and a read that fails once is made again though the file is the same."""
    path = tmp_path / "game.watch"
    write_watchtower_file(path, game.line[3])
    pauses: list[float] = []
    reading = Path.open

    def fail(self: Path, *arguments: str) -> IO[bytes]:
        if self == path and len(pauses) == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return reading(self, *arguments)

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            write_watchtower_file(path, game.tip)
            if hindrance == "pipe":
                path.unlink()
                os.mkfifo(path)
            else:
                monkeypatch.setattr(Path, "open", fail)
        if len(pauses) == 2:
            if hindrance == "pipe":
                write_watchtower_file(path, game.tip)
            registry.challenge(game.owners[1], game.line[2])
        if len(pauses) == 3:
            settle(chain, registry, game)
        assert len(pauses) < 10

    monkeypatch.setattr("evmthread.commands.watch.time.sleep", sleep)
    code, told, err = watch(capsys, path, "--key", key_file, "--interval", "0.5")
    assert (code, told[-1]["nonce"]) == (0, game.tip.commitment.nonce)
    assert len(err.splitlines()) == 1


def test_deposits_that_went_back_are_no_settlement_of_what_was_agreed(
    chain: InProcess, registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    game = Played(chain, registry)
    game.fund()
    path = tmp_path / "genesis.watch"
    write_watchtower_file(path, game.tip)
    registry.exit(game.owners[1], game.terms)
    assert watch(capsys, path, "--once")[0] == 0
    game.past_deadline()
    registry.refund(account("deployer"), game.terms)
    chain.mine(FINALITY)
    code, told, _ = watch(capsys, path)
    assert (code, told[0].get("alarm")) == (1, "SETTLED_OLD")


class Pushing(WebSocketProvider):
    """A node that pushes heads, in its way: it refuses to, at first or after its connection broke."""

    def __init__(self, chain: InProcess, refused: str) -> None:
        super().__init__("ws://node")
        self.chain, self.refused = chain, refused

    def request(self, method: str, *parameters: object) -> object:
        return self.chain.node.request(method, *parameters)

    def subscribe(self, *what: object) -> int:
        if self.refused == "subscribe":
            raise NodeRefused("eth_subscribe", -32601, "no such method")
        return 0

    def listen(self, seconds: float) -> Notice | Missed | None:
        if self.refused == "listen":
            raise NodeRefused("eth_subscribe", -32005, "too many requests")
        raise BadAnswer("eth_subscribe: no number")


@pytest.mark.parametrize("refused", ["subscribe", "listen", "nothing"])
def test_a_node_that_pushes_nothing_is_asked(
    chain: InProcess, registry: Registry, game: Played, key_file: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, refused: str,
) -> None:  # fmt: skip
    path = tmp_path / "game.watch"
    write_watchtower_file(path, game.tip)
    monkeypatch.setattr("evmthread.rpc.connect", lambda url: Pushing(chain, refused))
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            registry.settle(account("deployer"), game.close())
            chain.mine(FINALITY)
        assert len(pauses) < 5

    monkeypatch.setattr("evmthread.commands.watch.time.sleep", sleep)
    code, told, _ = watch(capsys, path, "--key", key_file)
    assert (code, told[-1]["event"]) == (0, "over")


def test_what_can_not_be_watched(game: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "game.watch"
    write_watchtower_file(path, game.tip)
    for arguments in (
        (tmp_path / "none",), (path, "--interval", "0"), (path, "--interval", "x"), (path, "--key", tmp_path / "none"),
    ):  # fmt: skip
        code, told, err = watch(capsys, *arguments, "--once")
        assert (code, told) == (2, [])
        assert err.startswith("evmthread watch: ")
    path.write_text("{}")
    assert watch(capsys, path, "--once")[0] == 2
