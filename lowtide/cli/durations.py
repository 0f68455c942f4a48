"""Durations, moments and percentages on the command line, with their units written out.

A bare number is refused: `--duration 24` would mean a day to one person and 24 s to another.
"""

import re
from datetime import datetime, timedelta
from typing import Any, Final

import click

from lowtide.units import parse_timestamp

UNIT_SECONDS: Final = {"d": 86400, "h": 3600, "m": 60, "min": 60, "s": 1}
PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)")
WHOLE: Final = re.compile(rf"\s*(?:{PART.pattern}\s*)+", re.IGNORECASE)
LONGEST: Final = timedelta(days=366)


class DurationType(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """`24h`, `90m`, `1d 12h`, `15min`, `30s`: a positive length of up to a year."""

    name = "duration"

    def __init__(self, *, zero: bool = False) -> None:
        """Accept zero only if `zero` says so."""
        self._zero = zero

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the duration, or fail with what would be right."""
        if isinstance(value, timedelta):
            return value
        text = str(value)
        if not WHOLE.fullmatch(text):
            self.fail(f"{text!r} is not a duration: write 24h, 90m, 1d12h or 30s", param, ctx)
        seconds = sum(
            float(number) * UNIT_SECONDS[unit.lower()]
            for number, unit in re.findall(PART.pattern, text, re.IGNORECASE)
        )
        if seconds > LONGEST.total_seconds() or (seconds == 0 and not self._zero):
            self.fail(f"{text!r} is not between 1 s and 366 days", param, ctx)
        return timedelta(seconds=seconds)


class MomentType(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """A time with an offset, such as `2026-12-01T08:00Z`."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time in UTC, or fail with what would be right."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_timestamp(str(value))
        except ValueError:
            self.fail(
                f"{value!r} is not a time with an offset: write 2026-12-01T08:00Z", param, ctx
            )


class PercentType(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """`2%` or `2`: a percentage between 0 and 100, as a ratio."""

    name = "percent"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the ratio, or fail with what would be right."""
        if isinstance(value, float):
            return value
        try:
            percent = float(str(value).strip().removesuffix("%"))
        except ValueError:
            percent = -1.0
        if not 0 <= percent <= 100:
            self.fail(f"{value!r} is not between 0% and 100%", param, ctx)
        return percent / 100


DURATION: Final = DurationType()
DURATION_OR_ZERO: Final = DurationType(zero=True)
MOMENT: Final = MomentType()
PERCENT: Final = PercentType()
