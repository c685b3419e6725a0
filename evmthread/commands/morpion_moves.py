"""What a player of Morpion can say: a cell, or a word. Knows no game."""

import re
from enum import StrEnum

from evmthread.commands.board import O, X
from evmthread.errors import InvalidInput


class Word(StrEnum):
    """What is said about a draw, and to whoever has let the time of a turn run out."""

    DRAW = "draw"
    YES = "yes"
    NO = "no"
    ABORT = "abort"
    CLAIM = "claim"


ANSWERS = (Word.YES, Word.NO, Word.ABORT)
Action = int | Word
_MARKS = {"": None, "X": X, "O": O}
_CELL = re.compile(r"([xXoO]?)\s*([0-9]{1,3})")
_WORD = re.compile(rf"([xXoO]?)\s*({'|'.join(Word)})", re.IGNORECASE | re.ASCII)


def parse_move(text: str, *, words: bool = False) -> tuple[int | None, Action]:
    """(mark or None, cell or word) of "4", "X4", "draw" or "O no"; words only where the game has them.

    Raises InvalidInput; whether the cell exists is the contract's to say.
    """
    text = text.strip()
    if words and (said := _WORD.fullmatch(text)):
        return _MARKS[said[1].upper()], Word(said[2].lower())
    found = _CELL.fullmatch(text)
    cell = int(found[2]) if found else -1
    if not found or cell > 255:
        also = f", {', '.join(list(Word)[:-1])} or {Word.CLAIM}" if words else ""
        raise InvalidInput(f"no move: {text[:40]!r}; a move is a cell from 0 to 8{also}")
    return _MARKS[found[1].upper()], cell


def parse_moves(text: str, *, words: bool = False) -> list[tuple[int | None, Action]]:
    """The moves of a list with commas. Raises InvalidInput."""
    return [parse_move(part, words=words) for part in text.split(",")]
