"""Draws a Morpion board as text."""

from collections.abc import Sequence

EMPTY, X, O = 0, 1, 2  # noqa: E741 - the marks' names in the contract
NAMES = {X: "X", O: "O"}
_COLOURS = {X: "\033[1;36m", O: "\033[1;33m", EMPTY: "\033[2m"}
_PLAIN = "\033[0m"


def draw_board(cells: Sequence[int], *, colour: bool = False, line_art: bool = False) -> list[str]:
    """Five lines: the nine cells row by row, empty ones by their number."""
    bar, rule = ("│", "   ───┼───┼───") if line_art else ("|", "   ---+---+---")
    lines: list[str] = []
    for row in range(3):
        if row:
            lines.append(rule)
        texts = [_cell(cell, cells[cell], colour=colour) for cell in range(3 * row, 3 * row + 3)]
        lines.append("    " + f" {bar} ".join(texts))
    return lines


def _cell(cell: int, mark: int, *, colour: bool) -> str:
    text = NAMES.get(mark, str(cell))
    return f"{_COLOURS[mark]}{text}{_PLAIN}" if colour else text
