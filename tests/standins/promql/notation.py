"""Series in the notation of promtool's unit tests, as samples a minute apart."""

import re
from collections.abc import Iterator

from standins.promql.stores import Past

_SERIES = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_RUN = re.compile(r"(-?[\d.]+)([+-][\d.]+)?x(\d+)")
_GAP = re.compile(r"_x(\d+)")


def past_of(series: str, notation: str, start: int) -> Past:
    """Return the samples of a series from `start` on, Unix seconds."""
    found = _SERIES.fullmatch(series)
    assert found, series
    samples = [
        (start + 60 * minute, value)
        for minute, value in enumerate(_values(notation))
        if value is not None
    ]
    return Past(found[1], dict(_LABEL.findall(found[2] or "")), samples)


def _values(notation: str) -> Iterator[float | None]:
    """Yield a value a minute, `None` where there is none."""
    for word in notation.split():
        if run := _RUN.fullmatch(word):
            for count in range(int(run[3]) + 1):
                yield float(run[1]) + count * float(run[2] or 0)
        elif gap := _GAP.fullmatch(word):
            yield from [None] * int(gap[1])
        else:
            yield None if word in ("_", "stale") else float(word)
