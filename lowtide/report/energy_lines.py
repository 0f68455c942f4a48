"""Picture of a model's energy against its epochs and against its share of the data.

One panel for each: a point for each run, and the straight line of least squares through them, where
at least two runs differ in nothing else. The other axis of a panel is that of most of its runs.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression

from lowtide.report.drawing import Anchor, Drawing, Polygon, Text, rectangle

SIDE, MARGIN = 260.0, 56.0
INK, LINE = "#22313f", "#0b6e99"


@dataclass(frozen=True, slots=True)
class EnergyPoint:
    """A run: its epochs, the share of the data above 0 up to 1, and its energy in joules."""

    epochs: int
    data_share: float
    energy_joules: float


def energy_lines(points: Sequence[EnergyPoint], title: str) -> Drawing:
    """Return the two panels side by side.

    Raises:
        ValueError: there are no runs.
    """
    if not points:
        raise ValueError("there are no runs to draw: measure at least two")
    share = Counter(point.data_share for point in points).most_common(1)[0][0]
    by_epochs = [
        (float(point.epochs), point.energy_joules) for point in points if point.data_share == share
    ]
    others = [point.epochs for point in points if point.data_share != share]
    epochs = Counter(others or [point.epochs for point in points]).most_common(1)[0][0]
    by_share = [
        (100 * point.data_share, point.energy_joules) for point in points if point.epochs == epochs
    ]
    top = max(point.energy_joules for point in points)
    shapes: list[Polygon | Text] = [
        rectangle(0, 0, 2 * SIDE + 3 * MARGIN, SIDE + 2 * MARGIN, fill="#ffffff"),
        Text(MARGIN, 24, title, 13, bold=True, fill=INK),
    ]
    across = f"epochs, with {100 * share:g} % of the data"
    shapes += _panel(MARGIN, across, by_epochs, top)
    across = f"% of the data, in {epochs} epochs"
    shapes += _panel(2 * MARGIN + SIDE, across, by_share, top)
    return Drawing(2 * SIDE + 3 * MARGIN, SIDE + 2 * MARGIN, title, tuple(shapes))


def _panel(
    left: float, label: str, points: Sequence[tuple[float, float]], top: float
) -> list[Polygon | Text]:
    """Return one panel; both axes begin at zero, so that twice as far is twice as much."""
    right = max(x for x, _ in points)
    bottom = MARGIN + SIDE

    def place(x: float, y: float) -> tuple[float, float]:
        return left + x / right * SIDE * 0.95, bottom - y / (top or 1) * SIDE * 0.92

    shapes: list[Polygon | Text] = [
        rectangle(left, MARGIN, SIDE, SIDE, fill=None, stroke="#9aa5ad"),
        Text(left + SIDE / 2, bottom + 34, label, 10, Anchor.MIDDLE, fill=INK),
        Text(left, MARGIN - 6, "energy, J", 10, fill=INK),
    ]
    shapes += [
        Text(place(x, 0)[0], bottom + 14, f"{x:g}", 9, Anchor.MIDDLE, fill=INK)
        for x in sorted({x for x, _ in points})
    ]
    for x, y in points:
        across, down = place(x, y)
        shapes.append(rectangle(across - 3, down - 3, 6, 6, fill=LINE))
        shapes.append(Text(across - 6, down - 5, f"{y:.4g}", 9, Anchor.END, fill=INK))
    if len({x for x, _ in points}) > 1:
        slope, base = linear_regression(*zip(*points, strict=True))
        first = min(x for x, _ in points)
        ends = (place(first, base + slope * first), place(right, base + slope * right))
        shapes.append(_line(*ends))
    return shapes


def _line(begin: tuple[float, float], end: tuple[float, float]) -> Polygon:
    """Return a line that is wide enough for every format."""
    (left, high), (right, low) = begin, end
    half = 0.5
    corners = ((left, high - half), (right, low - half), (right, low + half), (left, high + half))
    return Polygon(corners, fill=LINE)
