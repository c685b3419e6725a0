"""What a player can say."""

import pytest

from evmthread.commands.board import O, X
from evmthread.commands.morpion_moves import Word, parse_move, parse_moves
from evmthread.errors import InvalidInput


def test_words() -> None:
    assert parse_move("draw", words=True) == (None, Word.DRAW)
    assert parse_move(" O No ", words=True) == (O, Word.NO)
    assert parse_move("xYES", words=True) == (X, Word.YES)
    assert parse_move("oabort", words=True) == (O, Word.ABORT)
    assert parse_move("Claim", words=True) == (None, Word.CLAIM)
    assert parse_moves("4, draw,no ,X8", words=True) == [(None, 4), (None, Word.DRAW), (None, Word.NO), (X, 8)]


@pytest.mark.parametrize("text", ["draws", "ye", "n", "o", "x", "no4", "4no", "XOno", "ye\u017f", "draw\n draw", ""])
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidInput, match="draw, yes, no, abort or claim"):
        parse_move(text, words=True)


def test_words_only_where_the_game_has_them() -> None:
    for word in Word:
        with pytest.raises(InvalidInput, match=r"a cell from 0 to 8$"):
            parse_move(word)
