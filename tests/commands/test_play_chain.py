"""`evmthread play morpion --chain`: the whole story as one command, on a chain of this process."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from evmthread.chain.accounts import KeyAccount
from evmthread.chain.registry import Registry
from evmthread.cli import main
from evmthread.commands.board import O, X
from evmthread.commands.chain_game import ChainGame, Happened, Seat
from evmthread.commit import LocalSigner
from evmthread.primitives.keccak import keccak256
from evmthread.rpc import NodeRefused
from evmthread.store.memory_threads import MemoryThreadStore
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.testing.node import LocalNode
from tests.chain.chains import QUICK

STAKE = 10**15
DEVELOPMENT = {"eth_accounts", "eth_sendTransaction", "evm_increaseTime", "evm_mine"}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> LocalNode:
    """The chain that any URL leads to."""
    node = LocalNode(finality=2)
    monkeypatch.setattr("evmthread.rpc.connect", lambda url: node)
    return node


def play(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["play", "morpion", "--chain", "http://node", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def events(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_the_loser_does_not_sign_and_the_winner_is_paid(node: LocalNode, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = play(capsys, "--json")
    assert (code, err) == (0, "")
    told = events(out)
    order = [str(each["event"]) for each in told if each["event"] not in ("move", "balance")]
    assert order == [
        *("origin", "genesis", "deposit", "deposit", "live", "refused"),
        *("challenge", "settle", "materialize", "paid"),
    ]
    x, o = (int(str(each["balance"])) for each in told if each["event"] == "balance")
    assert x - o > STAKE  # twice the stake, less X's gas


def test_both_sign_and_one_transaction_pays(node: LocalNode, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = play(capsys, "--agree")
    assert code == 0
    assert "both are paid by one transaction" in out
    assert "challenge" not in out


def test_a_drawn_game_has_no_loser(node: LocalNode, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = play(capsys, "--moves", "0,1,2,4,3,5,7,6,8")
    assert code == 0
    assert "both are paid by one transaction" in out


def test_random_games_end_and_pay(node: LocalNode, capsys: pytest.CaptureFixture[str]) -> None:
    registry = None
    for seed in range(2):
        code, out, _ = play(capsys, "--random", str(seed), *(() if registry is None else ("--registry", registry)))
        assert code == 0
        assert "paid" in out
        registry = registry or "0x" + node.chain.mined[1].created.hex()  # type: ignore[union-attr]


def test_keys_and_stores_are_kept(node: LocalNode, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    assert play(capsys, "--save-keys", str(folder))[0] == 0
    assert sorted(each.name for each in folder.iterdir() if each.suffix in (".key", ".threads")) == [
        *("o.key", "o.threads", "x.key", "x.threads")
    ]
    with SqliteThreadStore(folder / "x.threads", read_only=True) as store:
        (identity,) = store.threads()
    out = tmp_path / "x.watch"
    assert main(["thread", "export", str(folder / "x.threads"), identity.hex(), str(out), "--watchtower"]) == 0
    told = capsys.readouterr().out
    assert "exported" in told
    assert main(["watch", str(out), "--chain", "http://node", "--once"]) == 0


def _not_for_development(node: LocalNode) -> Callable[..., object]:
    real = node.request

    def request(method: str, *parameters: object) -> object:
        if method == "eth_accounts":
            return []
        if method in DEVELOPMENT:
            raise NodeRefused(method, -32601, "the method does not exist")
        return real(method, *parameters)

    return request


def test_where_ether_is_worth_something_nothing_is_forgotten(
    node: LocalNode, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "request", _not_for_development(node))
    code, out, err = play(capsys)
    assert (code, out) == (2, "")
    assert "--save-keys" in err
    code, out, err = play(capsys, "--save-keys", str(tmp_path / "kept"))
    assert code == 2
    assert "has 0 wei" in err  # the keys are kept, and there is nothing in their accounts
    assert node.chain.mined == []


def test_where_time_cannot_be_moved_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    node = LocalNode(finality=2)
    keys = {mark: keccak256(b"waits %d" % mark) for mark in (X, O)}
    for key in keys.values():
        node.chain.world.set_balance(KeyAccount(key).address, 10**18)
    node.mine(3)
    monkeypatch.setattr(node, "request", _not_for_development(node))
    waited = 0.0

    def sleep(seconds: float) -> None:
        nonlocal waited
        waited += seconds
        node.mine()

    told: list[Happened] = []
    game = ChainGame(
        node,
        Registry.deploy(node, KeyAccount(keys[X]), patience=QUICK),
        {mark: Seat(LocalSigner(key), KeyAccount(key), MemoryThreadStore()) for mark, key in keys.items()},
        stake=STAKE,
        turn_seconds=24 * 3600,
        challenge_period=60,
        sleep=sleep,
        tell=told.append,
    )
    game.open()
    game.join()
    for number, cell in enumerate((0, 3, 1, 4)):
        game.play((X, O)[number % 2], cell)
    game.end_alone(X, 2)
    assert told[-3].event == "paid"
    assert waited >= 5 * (2 + 60 // 12 - 2)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--moves", "0,1"), "end before the game"),
        (("--moves", "0,0"), "CellTaken"),
        (("--moves", "0,3,1,4,2,5", "--agree"), "over"),
        (("--moves", "x"), "no move"),
        (("--stake", "much"), "no number"),
        (("--challenge-period", "1"), "challengePeriod"),
        (("--challenge-period", "90000"), "contractTimeout"),
        (("--registry", "0x" + "12" * 20), "registry"),
        (("--registry", "0x12"), "Address"),
        (("--out", "game.thread"), "--out"),
    ],
)
def test_what_is_refused(
    node: LocalNode, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], reason: str
) -> None:
    code, _, err = play(capsys, *arguments)
    assert code == 2
    assert reason in err
    assert err.startswith("evmthread play: ")
    assert err.count("\n") == 1
