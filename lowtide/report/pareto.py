"""Curve between grams and money: what each price per tonne saves of both.

One point per objective, from money alone to grams alone, for the planner and for the best possible
run. Nothing is computed here. Savings are in percent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Final

from lowtide.report.drawing import Anchor, Drawing, Polygon, Text, rectangle

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


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What one objective saves: grams and money, of the planner and at best."""

    label: str
    ours: tuple[float, float]
    best: tuple[float, float]


def pareto_drawing(title: str, points: Sequence[CurvePoint]) -> Drawing:
    """Return the curve through at least one point, in the order of the points."""
    curves = [("lowtide", OURS, [p.ours for p in points]), ("best", BEST, [p.best for p in points])]
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
    labels: list[Text] = []
    for place, (words, colour, curve) in enumerate(curves):
        line = [(_place(x, across, LEFT, RIGHT), _place(y, upward, BOTTOM, TOP)) for x, y in curve]
        shapes.append(_line(line, colour))
        shapes += [rectangle(x - DOT, y - DOT, 2 * DOT, 2 * DOT, fill=colour) for x, y in line]
        shapes.append(Text(RIGHT - 90 * (2 - place), 32, words, 9, fill=colour))
        if place == 0:
            labels = _labels(line, [point.label for point in points])
    shapes += labels
    return Drawing(WIDTH, HEIGHT, title, tuple(shapes))


def _labels(line: Sequence[tuple[float, float]], names: Sequence[str]) -> list[Text]:
    """Return the labels of the planner's points, one for neighbours that would cover each other."""
    groups: list[list[int]] = []
    for number, (x, y) in enumerate(line):
        if groups:
            first_x, first_y = line[groups[-1][0]]
            if abs(x - first_x) < LABEL_WIDTH and abs(y - first_y) < LABEL_HEIGHT:
                groups[-1].append(number)
                continue
        groups.append([number])
    texts = []
    for group in groups:
        x, y = line[group[0]]
        words = " to ".join(dict.fromkeys(names[number] for number in (group[0], group[-1])))
        left = x < (LEFT + RIGHT) / 2
        anchor = Anchor.START if left else Anchor.END
        # The curve falls to the right: its free side is above at the left and below at the right.
        texts.append(
            Text(x + (5 if left else -5), y - 5 if left else y + 9, words, 7, anchor, fill=OURS)
        )
    return texts


def _line(points: Sequence[tuple[float, float]], colour: str) -> Polygon:
    """Return an open line, as a polygon that runs there and back."""
    return Polygon((*points, *reversed(points)), stroke=colour)


def _ticks(values: Sequence[float]) -> list[float]:
    """Return round values around all, at most about eight."""
    low, high = min(0.0, *values), max(0.0, *values)
    step = next((s for s in (1, 2, 5, 10, 20, 50) if (high - low) / s <= 8), 100)
    first, last = floor(low / step), max(ceil(high / step), floor(low / step) + 1)
    return [float(step * number) for number in range(first, last + 1)]


def _place(value: float, ticks: Sequence[float], start: float, end: float) -> float:
    return start + (end - start) * (value - ticks[0]) / (ticks[-1] - ticks[0])
