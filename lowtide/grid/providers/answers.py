"""Answers of providers: shapes, times, ranges and the origin of values, checked in one place."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from lowtide.grid.errors import BadAnswer
from lowtide.grid.raw_values import RawValue, points_of
from lowtide.grid.series import Factor, IntensitySeries, Signal, series_type

JSON: Final = "application/json"
YEARS: Final = range(1971, 3000)
"""Other years are a fault, and near their ends arithmetic with times overflows."""

ModelT = TypeVar("ModelT", bound=BaseModel)


def parse_time(text: object, *, source: str) -> datetime:
    """Return the UTC time of an ISO 8601 text with an offset.

    Raises:
        BadAnswer: it is not text, not a time, or has no offset.
    """
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        if moment is not None and moment.tzinfo is not None and moment.year in YEARS:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadAnswer(f"{source} sent {str(text)[:40]!r} where a time with an offset was expected")


def parsed(model: type[ModelT], content: object, *, source: str, zone: str) -> ModelT:
    """Return `content` as `model`.

    Raises:
        BadAnswer: it has another shape; the message names the first wrong field, not its value.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        problem = f"{source} sent an unexpected shape for zone {zone}: {where}: {first['msg']}"
    raise BadAnswer(problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is true of every value of one provider."""

    name: str
    """The provider's kind in settings and metrics."""
    signal: Signal
    """Average or marginal."""
    factor: Factor = Factor.UNKNOWN
    """Direct or life-cycle emissions."""
    zero_possible: bool = False
    """Whether 0 g/kWh can be true."""
    remark: str = ""
    """A remark beside the name in every series' source, such as `derived`."""

    @property
    def source(self) -> str:
        """Return what series name as their source."""
        return f"{self.name} ({self.remark})" if self.remark else self.name

    def series(
        self,
        zone: str,
        readings: Sequence[RawValue],
        *,
        step: timedelta | None = None,
        is_stand_in: bool = False,
        fetched_at: datetime | None = None,
        generated_at: datetime | None = None,
    ) -> IntensitySeries:
        """Return the readings as a series; see `points_of` for `step` and errors.

        The series' source says when the project's stand-in gave the data.
        """
        source = f"{self.source} (stand-in)" if is_stand_in else self.source
        points = points_of(readings, source=source, step=step, zero_possible=self.zero_possible)
        return series_type(self.signal)(
            zone=zone,
            source=source,
            points=points,
            factor=self.factor,
            fetched_at=fetched_at,
            generated_at=generated_at,
        )


def spans(start: datetime, end: datetime, longest: timedelta) -> list[tuple[datetime, datetime]]:
    """Return `[start, end)` cut into ranges that a service answers at once."""
    borders = [start]
    while borders[-1] < end:
        borders.append(min(end, borders[-1] + longest))
    return list(pairwise(borders))


def joined(parts: Iterable[Sequence[RawValue]]) -> list[RawValue]:
    """Return the readings of successive ranges without what a later one repeats of the border.

    The order within a part is not touched: `points_of` judges it.
    """
    whole: list[RawValue] = []
    for part in parts:
        last = whole[-1].start if whole else None
        whole += [reading for reading in part if last is None or reading.start > last]
    return whole
