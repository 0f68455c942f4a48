"""Chart of carbon intensity in characters, for terminals.

Text only, no colour and no terminal: the caller colours it. An unknown value is a gap, never a low
bar, because low means clean. Every column is one value; rows come top first.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from lowtide.grid.series import IntensitySeries

BLOCKS = " ▁▂▃▄▅▆▇█"
PLANNED = "█"
PRESENT = "▲"


def chart_rows(values: Sequence[float | None], *, height: int) -> tuple[str, ...]:
    """Return `height` lines of blocks, one column per value, top line first.

    The scale begins at zero, so half the height means half the value.
    """
    top = max((value for value in values if value is not None), default=0.0)
    levels = len(BLOCKS) - 1

    def block(value: float | None, row: int) -> str:
        if value is None or top == 0:
            return " "
        # At least an eighth of the lowest row, so that a known zero differs from a gap.
        eighths = max(1, round(value / top * height * levels))
        return BLOCKS[max(0, min(levels, eighths - row * levels))]

    return tuple(
        "".join(block(value, row) for value in values) for row in range(height - 1, -1, -1)
    )


def column_times(start: datetime, end: datetime, *, columns: int) -> tuple[datetime, ...]:
    """Return the middle of each of `columns` equal parts of `[start, end)`."""
    step = (end - start) / columns
    return tuple(start + step * index + step / 2 for index in range(columns))


def sampled(series: IntensitySeries, times: Sequence[datetime]) -> tuple[float | None, ...]:
    """Return the intensity at each time in g/kWh, `None` where it is not known."""
    return tuple(series.at(moment) for moment in times)


def marks(
    times: Sequence[datetime], spans: Sequence[tuple[datetime, datetime]], mark: str = PLANNED
) -> str:
    """Return a line with `mark` in every column whose time lies in one of the spans."""
    return "".join(
        mark if any(start <= moment < end for start, end in spans) else " " for moment in times
    )


def size_marks(
    times: Sequence[datetime], spans: Sequence[tuple[datetime, datetime, int | None]]
) -> str:
    """Return the replicas below every column, blank at rest; `+` stands for ten and more."""
    sizes = [
        next((size for start, end, size in spans if start <= moment < end), None)
        for moment in times
    ]
    return "".join(" " if not size else str(size) if size < 10 else "+" for size in sizes)


def present_mark(times: Sequence[datetime], now: datetime) -> str:
    """Return a line with one arrow below the column that contains `now`, or an empty line."""
    if len(times) < 2:
        return ""
    half = (times[1] - times[0]) / 2
    return marks(times, [(now - half, now + half + timedelta(microseconds=1))], PRESENT).rstrip()
