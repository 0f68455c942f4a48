"""Energy and operational emissions of a job per clock hour (UTC), for a greenhouse gas inventory.

A record holds energy and emissions per attempt, so each attempt is spread evenly over its time;
the column `basis` says so. The hours of a job sum to its attempts, and an hour in which it did not
run has no row. Embodied emissions are not part of it: in an inventory they are purchased goods.
"""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from lowtide.export.figures import MOCK_MARK, ExportError, Occasion, RunPeriod
from lowtide.metrics.job_figures import JobFigures
from lowtide.units import format_timestamp, joules_to_kwh, parse_timestamp

COLUMNS: Final = (
    "hour_start", "job", "energy_kwh", "operational_grams_co2eq", "zone", "signal", "basis",
)  # fmt: skip
SAME_SECONDS: Final = 1.5
"""Difference up to which a running time is the time from start to end."""
MOST_HOURS: Final = 100_000
"""Hours of one table, about eleven years."""
HOUR: Final = timedelta(hours=1)


def export(job: JobFigures, occasion: Occasion) -> str:
    """Return the table, one row per hour in order.

    Raises:
        ExportError: an attempt's time or energy is unknown.
    """
    attempts = occasion.attempts or (_whole_run(job),)
    joules: dict[datetime, float] = defaultdict(float)
    grams: dict[datetime, float | None] = {}
    hours = sum((one.end - one.start) / HOUR + 2 for one in attempts)
    if hours > MOST_HOURS:
        raise ExportError(f"{job.name} ran for {hours:.0f} hours, more than {MOST_HOURS}")
    for one in attempts:
        if one.energy_joules is None:
            raise ExportError(
                f"{job.name} has an attempt from {format_timestamp(one.start)} whose energy is "
                "unknown: its hours cannot be listed"
            )
        for hour, share in _hours(one):
            joules[hour] += one.energy_joules * share
            known = grams.get(hour, 0.0)
            emitted = one.operational_grams
            grams[hour] = None if known is None or emitted is None else known + emitted * share
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    basis = "attempt spread evenly over its time" + (f"; {MOCK_MARK}" if job.mock else "")
    for hour in sorted(joules):
        emitted = grams[hour]
        writer.writerow(
            (
                format_timestamp(hour),
                _cell(job.name),
                repr(joules_to_kwh(joules[hour])),
                "" if emitted is None else repr(emitted),
                _cell(job.zone or ""),
                job.signal or "",
                basis,
            )
        )
    return out.getvalue()


def _hours(attempt: RunPeriod) -> Iterator[tuple[datetime, float]]:
    """Yield each clock hour of an attempt with its share of the attempt's time."""
    start, end = attempt.start.astimezone(UTC), attempt.end.astimezone(UTC)
    hour = start.replace(minute=0, second=0, microsecond=0)
    if end == start:
        yield hour, 1.0
        return
    while hour < end:
        inside = min(end, hour + HOUR) - max(start, hour)
        yield hour, inside / (end - start)
        hour += HOUR


def _whole_run(job: JobFigures) -> RunPeriod:
    """Return a run without attempts in its record as one, if it was never paused."""
    if job.started_at is None or job.finished_at is None:
        raise ExportError(f"{job.name} has no times of start and end, which hours need")
    start, end = parse_timestamp(job.started_at), parse_timestamp(job.finished_at)
    span, ran = (end - start).total_seconds(), job.duration_seconds
    if ran is not None and not math.isclose(span, ran, abs_tol=SAME_SECONDS):
        raise ExportError(
            f"{job.name} ran for {ran:g} s between times {span:g} s apart, and its record does not "
            "say when it paused: export the TrainingJob itself"
        )
    return RunPeriod(
        start=start,
        end=end,
        energy_joules=job.energy_joules,
        operational_grams=job.operational_grams,
    )


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text
