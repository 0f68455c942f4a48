"""Climatology of a grid: what an hour of a month is usually like, the last resort.

A table of twelve months by 24 UTC hours, from a CSV file with the columns `month,hour,g_per_kwh`.
It is used only where neither a provider nor three days of history exist, and every slot that comes
from it says `climatology`. The settings name the table's origin: who measured it and when.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from lowtide.grid.raw_values import usable
from lowtide.grid.series import IntensitySeries, Point, Signal, series_type
from lowtide.grid.trace_columns import TraceFileError

COLUMNS: Final = ("month", "hour", "g_per_kwh")
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Climatology:
    """Usual intensity in g/kWh by month (1 to 12) and UTC hour (0 to 23), all 288 of them."""

    grams_per_kwh: Mapping[tuple[int, int], float]
    origin: str

    def series(self, zone: str, signal: Signal, start: datetime, end: datetime) -> IntensitySeries:
        """Return the usual intensity of every hour that overlaps `[start, end)`."""
        hour = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        points = []
        while hour < end:
            points.append(Point(hour, hour + HOUR, self.grams_per_kwh[hour.month, hour.hour]))
            hour += HOUR
        return series_type(signal)(
            zone=zone, source=f"climatology ({self.origin})", points=tuple(points)
        )


def read_climatology(lines: Sequence[str], *, origin: str) -> Climatology:
    """Return the table in the lines of a CSV file.

    Raises:
        TraceFileError: a column, an hour or a value is missing, given twice or impossible; the
        message names the line.
    """
    reader = csv.DictReader(lines)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise TraceFileError(f"the first line must be {','.join(COLUMNS)}")
    table: dict[tuple[int, int], float] = {}
    for row in reader:
        where = f"line {reader.line_num}"
        try:
            place = int(row["month"]), int(row["hour"])
            value = usable(float(row["g_per_kwh"]), zero_possible=True)
        except (TypeError, ValueError):
            raise TraceFileError(f"{where} does not hold three numbers") from None
        if not (1 <= place[0] <= 12 and 0 <= place[1] <= 23) or value is None:
            raise TraceFileError(
                f"{where}: month 1 to 12, hour 0 to 23 and a value >= 0 are needed"
            )
        if place in table:
            raise TraceFileError(f"{where} repeats month {place[0]}, hour {place[1]}")
        table[place] = value
    if len(table) != 12 * 24:
        raise TraceFileError(f"{len(table)} of 288 hours are given")
    return Climatology(table, origin)
