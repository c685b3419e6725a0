"""The drawn board."""

from evmthread.commands.board import draw_board


def test_a_plain_board() -> None:
    assert draw_board([1, 0, 2, 0, 1, 0, 0, 2, 1]) == [
        "    X | 1 | O",
        "   ---+---+---",
        "    3 | X | 5",
        "   ---+---+---",
        "    6 | O | X",
    ]


def test_line_art_and_colours() -> None:
    lines = draw_board([1, 0, 2, 0, 0, 0, 0, 0, 0], colour=True, line_art=True)
    assert lines[1] == "   ───┼───┼───"
    assert lines[0] == "    \033[1;36mX\033[0m │ \033[2m1\033[0m │ \033[1;33mO\033[0m"
