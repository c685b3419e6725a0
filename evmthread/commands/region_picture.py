"""A picture of a contract's regions: the code from left to right, a row for each region, arrows where one leads on.

Knows nothing of how regions are made: it is given where they lie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

WIDTH, MARGIN, ROW, BAR = 1200, 60, 26, 14
COLD, HOT = (198, 219, 239), (203, 24, 29)


@dataclass(frozen=True, slots=True)
class Box:
    """A region: its head, the ranges of code that it holds, the heads that it leads to, and its head's visits."""

    head: int
    spans: tuple[tuple[int, int], ...]
    exits: tuple[int, ...]
    loops: bool
    heat: int


def _colour(heat: int, hottest: int) -> str:
    share = log(1 + heat) / log(1 + hottest) if hottest else 0.0
    red, green, blue = (round(cold + (hot - cold) * share) for cold, hot in zip(COLD, HOT, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def draw_regions(code_size: int, boxes: Sequence[Box]) -> str:
    """The picture as SVG. Rows are in the order of `boxes`; colours go from blue (never visited) to red."""
    scale = (WIDTH - 2 * MARGIN) / max(code_size, 1)
    rows = {box.head: MARGIN + ROW * index for index, box in enumerate(boxes)}
    hottest = max((box.heat for box in boxes), default=0)
    height = 2 * MARGIN + ROW * len(boxes)

    def x(place: int) -> str:
        return f"{MARGIN + scale * place:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-size="11">',
        '<defs><marker id="tip" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="5" markerHeight="5" orient="auto">',
        '<path d="M0 0L6 3L0 6z" fill="#555"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{MARGIN}" y="24">{len(boxes)} regions in {code_size} bytes; most visits: {hottest}</text>',
    ]
    for box in boxes:
        top = rows[box.head]
        fill = _colour(box.heat, hottest)
        parts.append(f'<line x1="{x(0)}" y1="{top + BAR}" x2="{x(code_size)}" y2="{top + BAR}" stroke="#eee"/>')
        for start, end in box.spans:
            width = max(scale * (end - start), 1.0)
            parts.append(
                f'<rect x="{x(start)}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{fill}" stroke="#333" '
                f'stroke-width="0.4"><title>{start} to {end - 1}, {box.heat} visits of {box.head}</title></rect>'
            )
        label = f"{box.head}{' ⟳' if box.loops else ''}"
        parts.append(f'<text x="{MARGIN - 6}" y="{top + BAR - 3}" text-anchor="end">{label}</text>')
    for box in boxes:
        right = x(max([end for _, end in box.spans], default=box.head))
        targets = [target for target in box.exits if target in rows and target != box.head]
        parts.extend([_arrow(right, rows[box.head], x(target), rows[target]) for target in targets])
    return "\n".join([*parts, "</svg>", ""])


def _arrow(from_x: str, from_row: int, to_x: str, to_row: int) -> str:
    start, end = from_row + BAR // 2, to_row + (0 if to_row > from_row else BAR)
    middle = (start + end) // 2
    curve = f"M{from_x} {start}C{from_x} {middle} {to_x} {middle} {to_x} {end}"
    return f'<path d="{curve}" fill="none" stroke="#555" stroke-width="0.7" marker-end="url(#tip)"/>'
