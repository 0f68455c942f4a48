"""Durations, moments and percentages on the command line, with their units written out.

A bare number is refused: `--duration 24` would mean a day to one person and 24 s to another.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import click

from lowtide.units import parse_duration, parse_timestamp


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
        try:
            return timedelta(seconds=parse_duration(str(value), zero=self._zero))
        except ValueError as error:
            self.fail(str(error), param, ctx)


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
