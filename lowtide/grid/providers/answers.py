"""From foreign values and times to points: the one place that decides what counts as missing.

Every provider sends something that looks clean and is not: null, -1, NaN, zero in a zone that
always burns something, the same hour twice. All of these become `None` here. A missing value never
becomes a number, and times that run backwards make the whole answer unusable, because then nothing
says which value belongs to which hour.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import isfinite
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from lowtide.grid.errors import BadAnswer
from lowtide.grid.series import Factor, IntensitySeries, Point, Signal, series_type

JSON: Final = "application/json"
YEARS: Final = range(1971, 3000)
"""Other years are a fault, and near their ends arithmetic with times overflows."""

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class RawValue:
    """One foreign value: the start of its slot (aware) and whatever the provider sent."""

    start: datetime
    value: object
    estimated: bool = False


def usable(value: object, *, zero_possible: bool = False) -> float | None:
    """Return the value as a number of g/kWh, or `None` where it says nothing.

    Zero is missing unless `zero_possible`: an average intensity of zero would need a grid without
    any plant and without life-cycle emissions, while services send 0 for "not computed".
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if not isfinite(number) or number < 0 or (number == 0 and not zero_possible):
        return None
    return number


def parse_time(text: object, *, source: str) -> datetime:
    """Return the UTC time of an ISO 8601 text with an offset.

    Raises:
        BadAnswer: it is no text, no time, or has no offset.
    """
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        if moment is not None and moment.tzinfo is not None and moment.year in YEARS:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadAnswer(f"{source} sent {str(text)[:40]!r} where a time with an offset was expected")


def points_of(
    readings: Sequence[RawValue],
    *,
    source: str,
    step: timedelta | None = None,
    zero_possible: bool = False,
) -> tuple[Point, ...]:
    """Return one point per reading, in order.

    A slot lasts `step`, by default the most frequent distance between readings (so it follows the
    data and not their label), and is cut where the next one begins. A time that occurs more than
    once becomes one missing point, unless all its values agree.

    Raises:
        BadAnswer: times run backwards, or a single reading comes without a `step`.
    """
    for earlier, later in pairwise(readings):
        if later.start < earlier.start:
            raise BadAnswer(
                f"{source} sent times out of order: {later.start.isoformat()} follows "
                f"{earlier.start.isoformat()}, so no value can be trusted"
            )
    grouped: dict[datetime, list[RawValue]] = {}
    for reading in readings:
        grouped.setdefault(reading.start.astimezone(UTC), []).append(reading)
    if not grouped:
        return ()
    starts = list(grouped)
    length = step or usual_step(starts)
    if length is None:
        raise BadAnswer(f"{source} sent a single point, which does not tell how long it lasts")
    ends = [min(start + length, following) for start, following in pairwise(starts)]
    ends.append(starts[-1] + length)
    return tuple(
        Point(start, end, _agreed(same, zero_possible), any(reading.estimated for reading in same))
        for (start, same), end in zip(grouped.items(), ends, strict=True)
    )


def usual_step(starts: Iterable[datetime]) -> timedelta | None:
    """Return the most frequent distance between successive times; the shorter one of a tie."""
    distances = Counter(later - earlier for earlier, later in pairwise(starts) if later > earlier)
    if not distances:
        return None
    highest = max(distances.values())
    return min(distance for distance, count in distances.items() if count == highest)


def _agreed(readings: Sequence[RawValue], zero_possible: bool) -> float | None:
    values = {usable(reading.value, zero_possible=zero_possible) for reading in readings}
    return values.pop() if len(values) == 1 else None


def parsed(model: type[ModelT], content: object, *, source: str, zone: str) -> ModelT:
    """Return `content` as `model`.

    Raises:
        BadAnswer: it has not that shape; the message names the first wrong field, not its value.
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
    """What the source of every series says beside the name, such as `derived`."""

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

        Data of the project's stand-in say so in the series' source.
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
