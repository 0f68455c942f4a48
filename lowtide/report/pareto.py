"""Curve between grams and money: what each price per tonne saves of both.

One point per objective, from money alone to grams alone, for the planner and for the best possible
run. Nothing is computed here. Savings are in percent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor
from typing import Final, TypeAlias

from lowtide.report.drawing import Anchor, Drawing, Polygon, Text, rectangle
from lowtide.report.lettering import text_width

WIDTH: Final = 440.0
HEIGHT: Final = 320.0
LEFT: Final = 48.0
RIGHT: Final = 420.0
TOP: Final = 44.0
BOTTOM: Final = 272.0
OURS: Final = "#1b6e53"
BEST: Final = "#8a8f98"
GRID: Final = "#d9dce1"
INK: Final = "#22262b"
DOT: Final = 2.5
LABEL_WIDTH: Final = 44.0
LABEL_HEIGHT: Final = 9.0
"""Room of a label: points nearer than this share one."""
LABEL_SIZE: Final = 7.0
LEAST_SPAN: Final = 4.0
"""Percent that an axis shows at least, so that next to nothing does not look large."""

_Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What one objective saves: grams and money, of the planner and at best."""

    label: str
    ours: tuple[float, float]
    best: tuple[float, float]


def pareto_drawing(title: str, points: Sequence[CurvePoint]) -> Drawing:
    """Return the curve through at least one point, in the order of the points."""
    curves = [("best", BEST, [p.best for p in points]), ("lowtide", OURS, [p.ours for p in points])]
    every = [point for _, _, row in curves for point in row]
    across = _ticks([x for x, _ in every])
    upward = _ticks([y for _, y in every])
    shapes: list[Polygon | Text] = [
        rectangle(0, 0, WIDTH, HEIGHT, fill="#ffffff"),
        Text(LEFT, 18, title, 11, bold=True, fill=INK),
    ]
    for value in across:
        x = _place(value, across, LEFT, RIGHT)
        shapes += [
            _line([(x, TOP), (x, BOTTOM)], GRID),
            Text(x, BOTTOM + 14, f"{value:g} %", 8, Anchor.MIDDLE, fill=INK),
        ]
    for value in upward:
        y = _place(value, upward, BOTTOM, TOP)
        shapes += [
            _line([(LEFT, y), (RIGHT, y)], GRID),
            Text(LEFT - 6, y + 3, f"{value:g} %", 8, Anchor.END, fill=INK),
        ]
    shapes.append(Text((LEFT + RIGHT) / 2, BOTTOM + 32, "grams saved", 9, Anchor.MIDDLE, fill=INK))
    shapes.append(Text(6, TOP - 12, "money saved", 9, fill=INK))
    ours: list[tuple[float, float]] = []
    drawn: list[_Box] = []
    for place, (words, colour, curve) in enumerate(curves):
        line = [(_place(x, across, LEFT, RIGHT), _place(y, upward, BOTTOM, TOP)) for x, y in curve]
        ours = line
        drawn += [_around(x, y, DOT) for x, y in line] + _along(line)
        legend = RIGHT - 60 * (place + 1)
        shapes += [
            _line(line, colour),
            *(rectangle(x - DOT, y - DOT, 2 * DOT, 2 * DOT, fill=colour) for x, y in line),
            rectangle(legend - 9, 32 - 2 * DOT - 0.5, 2 * DOT, 2 * DOT, fill=colour),
            Text(legend, 32, words, 9, fill=colour),
        ]
    shapes += _labels(ours, drawn, [point.label for point in points])
    return Drawing(WIDTH, HEIGHT, title, tuple(shapes))


def _labels(
    line: Sequence[tuple[float, float]], drawn: Sequence[_Box], names: Sequence[str]
) -> list[Text]:
    """Return the labels of the planner's points, one for neighbours that would cover each other.

    Each stands where it covers least of what is drawn and of other labels.
    """
    groups: list[list[int]] = []
    for number, (x, y) in enumerate(line):
        if groups:
            first_x, first_y = line[groups[-1][0]]
            if abs(x - first_x) < LABEL_WIDTH and abs(y - first_y) < LABEL_HEIGHT:
                groups[-1].append(number)
                continue
        groups.append([number])
    texts: list[Text] = []
    taken = list(drawn)
    for group in groups:
        words = " to ".join(dict.fromkeys(names[number] for number in (group[0], group[-1])))
        width = text_width(words, LABEL_SIZE)
        boxes = [box for number in group for box in _boxes_beside(line[number], width)]
        box = min(boxes, key=lambda box: sum(_overlap(box, other) for other in taken))
        taken.append(box)
        texts.append(Text(box[0], box[3] - 2, words, LABEL_SIZE, fill=OURS))
    return texts


def _boxes_beside(point: tuple[float, float], width: float) -> list[_Box]:
    """Return where a label of a point may stand inside the picture: left, top, right, bottom."""
    x, y = point
    lefts = x - width / 2, x + 5, x - 5 - width
    tops = y - LABEL_HEIGHT - 4, y + 4, y - LABEL_HEIGHT / 2
    return [
        (left, top, left + width, top + LABEL_HEIGHT)
        for left in lefts
        for top in tops
        if LEFT <= left <= RIGHT - width and TOP <= top <= BOTTOM - LABEL_HEIGHT
    ] or [(min(max(x, 0.0), WIDTH - width), y, x + width, y + LABEL_HEIGHT)]


def _around(x: float, y: float, room: float) -> _Box:
    return x - room, y - room, x + room, y + room


def _along(line: Sequence[tuple[float, float]]) -> list[_Box]:
    """Return boxes along a line, close enough that no label fits between them."""
    boxes = []
    for (x, y), (next_x, next_y) in pairwise(line):
        steps = 1 + int(max(abs(next_x - x), abs(next_y - y)) / LABEL_HEIGHT)
        for step in range(1, steps):
            share = step / steps
            boxes.append(_around(x + share * (next_x - x), y + share * (next_y - y), DOT / 2))
    return boxes


def _overlap(one: _Box, other: _Box) -> float:
    """Return the area that two boxes share."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, across) * max(0.0, down)


def _line(points: Sequence[tuple[float, float]], colour: str) -> Polygon:
    """Return an open line, as a polygon that runs there and back."""
    return Polygon((*points, *reversed(points)), stroke=colour)


def _ticks(values: Sequence[float]) -> list[float]:
    """Return round values around all, at most about eight; never less than four percent apart."""
    room = max(0.0, LEAST_SPAN - (max(values) - min(values))) / 2
    low, high = min(values) - room, max(values) + room
    step = next((s for s in (1, 2, 5, 10, 20, 50) if (high - low) / s <= 8), 100)
    first, last = floor(low / step), max(ceil(high / step), floor(low / step) + 1)
    return [float(step * number) for number in range(first, last + 1)]


def _place(value: float, ticks: Sequence[float], start: float, end: float) -> float:
    return start + (end - start) * (value - ticks[0]) / (ticks[-1] - ticks[0])
