"""A picture of a contract's regions: the code from left to right, a row for each region that was visited.

What was never visited shares one row at the bottom. Knows nothing of how regions are made: it is given where they lie.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log

WIDTH, LEFT, RIGHT, TOP, ROW, BAR = 1200, 90, 850, 84, 22, 13
VISITS, EXITS = RIGHT + 70, RIGHT + 90  # where the columns end and begin
EXITS_NAMED = 5
NEVER, WARM, HOT = (225, 229, 234), (253, 212, 158), (179, 0, 0)
TICKS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)  # bytes of code from one to the next
LEGEND, SWATCH = 5, 26


@dataclass(frozen=True, slots=True)
class Box:
    """A region: its head, the ranges of code that it holds, the heads that it leads to, and its head's visits.

    A range is (start, end, visits): its code may be run as part of other regions too.
    """

    head: int
    spans: tuple[tuple[int, int, int], ...]
    exits: tuple[int, ...]
    loops: bool
    visits: int


def _colour(visits: int, hottest: int) -> str:
    colour = NEVER
    if visits:
        share = log(visits) / log(hottest) if hottest > 1 else 1.0
        red, green, blue = (round(warm + (hot - warm) * share) for warm, hot in zip(WARM, HOT, strict=True))
        colour = red, green, blue
    return "#{:02x}{:02x}{:02x}".format(*colour)


def draw_regions(code_size: int, boxes: Sequence[Box]) -> str:
    """The picture as SVG. Rows are in the order of `boxes`; colours go from light to red by visits, grey is none."""
    visited = [box for box in boxes if box.visits]
    never = [box for box in boxes if not box.visits]
    rows = len(visited) + bool(never)
    height = TOP + ROW * rows + 16
    hottest = max((visits for box in visited for _, _, visits in box.spans), default=0)
    style = 'font-family="sans-serif" font-size="11" fill="#222"'
    title = f"{len(boxes)} regions in {code_size:,} bytes of code, {len(visited)} of them visited"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {style}>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="14">{title}</text>',
        *_legend(hottest),
        *_axis(code_size, TOP + ROW * rows),
    ]
    for index, box in enumerate(visited):
        top = TOP + ROW * index
        head = f"{box.head}{' ⟳' if box.loops else ''}"
        parts += [_text(LEFT - 8, top, head, end=True), *_bars(code_size, box, top, hottest)]
        parts += [_text(VISITS, top, f"{box.visits:,}", end=True), _text(EXITS, top, _exits(box))]
    if never:
        top = TOP + ROW * len(visited)
        parts += [_text(LEFT - 8, top, f"{len(never)} others", end=True), _text(VISITS, top, "0", end=True)]
        parts += [bar for box in never for bar in _bars(code_size, box, top, 0)]
    return "\n".join([*parts, "</svg>", ""])


def _x(code_size: int, place: int) -> float:
    return LEFT + (RIGHT - LEFT) * place / max(code_size, 1)


def _text(x: float, top: int, text: str, *, end: bool = False) -> str:
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x:.0f}" y="{top + BAR - 2}"{anchor}>{text}</text>'


def _bars(code_size: int, box: Box, top: int, hottest: int) -> Iterator[str]:
    for start, end, visits in box.spans:
        left = _x(code_size, start)
        width = max(_x(code_size, end) - left, 1.0)
        fill = _colour(min(visits, hottest), hottest)
        yield (
            f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{fill}" stroke="#555" '
            f'stroke-width="0.3"><title>{start} to {end - 1}, region {box.head}, visits: {visits}</title></rect>'
        )


def _exits(box: Box) -> str:
    targets = [str(target) for target in box.exits if target != box.head]
    more = f" and {len(targets) - EXITS_NAMED} more" if len(targets) > EXITS_NAMED else ""
    return " ".join(targets[:EXITS_NAMED]) + more


def _legend(hottest: int) -> Iterator[str]:
    steps = sorted({0, *(round(hottest ** (step / (LEGEND - 1))) for step in range(LEGEND) if hottest)})
    right = WIDTH - 24
    for place, visits in enumerate(reversed(steps)):
        left = right - (place + 1) * (SWATCH + 26)
        yield f'<rect x="{left}" y="14" width="{SWATCH}" height="{BAR}" fill="{_colour(visits, hottest)}"/>'
        yield _text(left + SWATCH + 4, 14, f"{visits:,}")
    yield _text(right - len(steps) * (SWATCH + 26) - 8, 14, "visits", end=True)


def _axis(code_size: int, bottom: int) -> Iterator[str]:
    step = next((tick for tick in TICKS if code_size <= 10 * tick), TICKS[-1])
    for place in range(0, code_size + 1, step):
        x = _x(code_size, place)
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke="#e4e4e4"/>'
        yield f'<text x="{x:.1f}" y="{TOP - 14}" text-anchor="middle" fill="#666">{place}</text>'
    yield f'<text x="{LEFT - 8}" y="{TOP - 14}" text-anchor="end" fill="#666">head</text>'
    yield f'<text x="{VISITS}" y="{TOP - 14}" text-anchor="end" fill="#666">visits</text>'
    yield f'<text x="{EXITS}" y="{TOP - 14}" fill="#666">leads to</text>'
