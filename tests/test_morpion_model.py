"""The model of Morpion that the bytecode is compared with, itself checked against games written out by hand."""

import pytest

from tests.morpion_model import DRAWN, JOINING, PLAYING, WON_BY_O, WON_BY_X, ZERO, MorpionModel, Verdict, refused

ALICE, BOB, EVE = b"\x11" * 20, b"\x22" * 20, b"\x33" * 20


def started(*cells: int, stake: int = 5) -> MorpionModel:
    """A game joined at time 100 with ten seconds a turn, and these moves played at time 100."""
    game = MorpionModel(ALICE, BOB, stake, 10)
    assert game.join(ALICE, stake, 90).accepted
    assert game.join(BOB, stake, 100).accepted
    for index, cell in enumerate(cells):
        assert game.play((ALICE, BOB)[index % 2], cell, 100).accepted
    return game


@pytest.mark.parametrize(
    ("cells", "state", "winner"),
    [
        ((0, 3, 1, 4, 2), WON_BY_X, ALICE),
        ((0, 2, 1, 4, 8, 6), WON_BY_O, BOB),
        ((0, 1, 2, 4, 3, 5, 7, 6, 8), DRAWN, ZERO),
        ((0, 1, 2, 3, 4, 5, 7, 6, 8), WON_BY_X, ALICE),  # the ninth move makes a line: no draw
        ((0, 1), PLAYING, ZERO),
    ],
)
def test_games(cells: tuple[int, ...], state: int, winner: bytes) -> None:
    game = started(*cells)
    assert (game.state, game.winner, game.moves) == (state, winner, len(cells))
    assert game.turn == (ALICE if state == PLAYING else ZERO)
    assert game.pot == 10


def test_the_clock() -> None:
    game = started()
    assert game.deadline == 110
    assert game.claim_timeout(BOB, 110) == refused("TurnNotExpired", 110)
    assert game.claim_timeout(ALICE, 111) == refused("OwnTurn")
    assert game.play(ALICE, 0, 111) == refused("TurnExpired", 110)
    assert game.play(ALICE, 0, 110).accepted
    assert game.deadline == 120
    assert game.claim_timeout(ALICE, 121).accepted
    assert game.winner == ALICE
    assert game.deadline == 0


def test_money() -> None:
    game = started(0, 3, 1, 4, 2)
    assert game.withdraw(BOB, 200) == refused("NothingOwed")
    assert game.withdraw(ALICE, 200) == Verdict(True, amount=10)
    assert game.withdraw(ALICE, 200) == refused("NothingOwed")
    assert game.pot == 0
    drawn = started(0, 1, 2, 4, 3, 5, 7, 6, 8)
    assert [drawn.withdraw(player, 200).amount for player in (ALICE, BOB)] == [5, 5]
    assert drawn.pot == 0
    assert started(0, 3, 1, 4, 2, stake=0).withdraw(ALICE, 200) == refused("NothingOwed")


def test_joining_and_taking_it_back() -> None:
    game = MorpionModel(ALICE, BOB, 5, 10)
    assert game.join(EVE, 5, 1) == refused("NotAPlayer", EVE)
    assert game.join(ALICE, 4, 1) == refused("WrongStake", 4, 5)
    assert game.unjoin(ALICE, 1) == refused("NotJoined")
    assert game.join(ALICE, 5, 1).accepted
    assert game.join(ALICE, 5, 1) == refused("AlreadyJoined")
    assert game.unjoin(BOB, 1) == refused("NotJoined")
    assert game.unjoin(ALICE, 1) == Verdict(True, amount=5)
    assert (game.state, game.pot, game.has_joined(ALICE)) == (JOINING, 0, False)
    assert game.play(ALICE, 0, 1) == refused("GameNotStarted")
    assert started().unjoin(ALICE, 100) == refused("GameAlreadyStarted")


def test_illegal_moves() -> None:
    game = started(4)
    assert game.play(EVE, 0, 100) == refused("NotAPlayer", EVE)
    assert game.play(ALICE, 0, 100) == refused("NotYourTurn")
    assert game.play(BOB, 9, 100) == refused("NoSuchCell", 9)
    assert game.play(BOB, 256, 100) == refused(None)
    assert game.play(BOB, 4, 100) == refused("CellTaken", 4)
    assert started(0, 3, 1, 4, 2).play(BOB, 8, 100) == refused("GameOver")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((ZERO, BOB, 1, 1), "ZeroPlayer"),
        ((ALICE, ALICE, 1, 1), "SamePlayer"),
        ((ALICE, BOB, 2**128, 1), "StakeTooLarge"),
        ((ALICE, BOB, 1, 0), "TurnTimeOutOfRange"),
        ((ALICE, BOB, 1, 2**64), "TurnTimeOutOfRange"),
    ],
)
def test_parameters(arguments: tuple[bytes, bytes, int, int], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        MorpionModel(*arguments)
