"""Raw values and their times as points: the one place that decides what is missing.

Every source sends values that look clean and are not: null, -1, NaN, zero in a zone that always
burns something, the same hour twice. All of these become `None` here. A missing value never becomes
a number, and times that run backwards make the whole answer unusable, because then nothing says
which value belongs to which hour. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import Final

from lowtide.grid.errors import BadAnswer
from lowtide.grid.series import Point
from lowtide.limits import GRAMS_PER_KWH_MAX

REGULAR_ROW: Final = 4
"""How many equal distances in a row make a step of the data rather than a coincidence of gaps."""


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
    if not 0 <= number <= GRAMS_PER_KWH_MAX or (number == 0 and not zero_possible):
        return None
    return number


@dataclass(frozen=True, slots=True)
class RawSlot:
    """A slot and everything that was sent for its start; several values agree or contradict."""

    start: datetime
    end: datetime
    values: tuple[RawValue, ...]


def points_of(
    readings: Sequence[RawValue],
    *,
    source: str,
    step: timedelta | None = None,
    zero_possible: bool = False,
) -> tuple[Point, ...]:
    """Return one point of intensity per slot, in order; see `slots_of` for `step` and errors.

    A time that occurs more than once becomes one missing point, unless all its values agree.
    """

    def agreed(values: Sequence[RawValue]) -> float | None:
        known = {usable(one.value, zero_possible=zero_possible) for one in values}
        return known.pop() if len(known) == 1 else None

    return tuple(
        Point(slot.start, slot.end, agreed(slot.values), any(one.estimated for one in slot.values))
        for slot in slots_of(readings, source=source, step=step)
    )


def slots_of(
    readings: Sequence[RawValue], *, source: str, step: timedelta | None = None
) -> tuple[RawSlot, ...]:
    """Return the slots that the values begin, in order.

    A slot lasts `step`, or else what its neighbours say (`slot_lengths`), and is cut where the
    next one begins.

    Raises:
        BadAnswer: times run backwards, or a single value comes without a `step`.
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
    lengths = slot_lengths(starts) if step is None else [step] * len(starts)
    if lengths is None:
        raise BadAnswer(f"{source} sent a single point, which does not tell how long it lasts")
    ends = [
        min(start + length, following)
        for (start, following), length in zip(pairwise(starts), lengths, strict=False)
    ]
    ends.append(starts[-1] + lengths[-1])
    return tuple(
        RawSlot(start, end, tuple(same))
        for (start, same), end in zip(grouped.items(), ends, strict=True)
    )


def slot_lengths(starts: Sequence[datetime]) -> list[timedelta] | None:
    """Return how long each slot lasts, where a source may change its step on the way.

    A distance to the next slot that occurs four times in a row is a step of the data, and so is
    the most frequent one. Any other distance is a gap: before it a slot takes the longest step
    that fits between it and its nearer neighbour, so that a missing slot lengthens no other one.
    `None` where there are not two different times.
    """
    usual = usual_step(starts)
    if usual is None:
        return None
    distances = [later - earlier for earlier, later in pairwise(starts)]
    rows = [(distance, len(list(same))) for distance, same in groupby(distances)]
    steps = sorted({usual} | {distance for distance, count in rows if count >= REGULAR_ROW})
    regular = [count >= REGULAR_ROW for _, count in rows for _ in range(count)]
    lengths = []
    before = distances[0]
    for distance, is_step in zip(distances, regular, strict=True):
        fitting = [step for step in steps if step <= min(before, distance)]
        lengths.append(distance if is_step else fitting[-1] if fitting else usual)
        before = distance
    return [*lengths, lengths[-1] if regular[-1] else min(usual, before)]


def usual_step(starts: Iterable[datetime]) -> timedelta | None:
    """Return the most frequent distance between successive times; the shorter one of a tie."""
    distances = Counter(later - earlier for earlier, later in pairwise(starts) if later > earlier)
    if not distances:
        return None
    highest = max(distances.values())
    return min(distance for distance, count in distances.items() if count == highest)
