"""Plans out of decisions: figures, wake-up time and sentence, all derived in one place.

Nothing is decided here. Figures compare the plan with a run from the start under one forecast.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final, Protocol

from lowtide.grid.forecast import Forecast, Source
from lowtide.planning.explanation import explain
from lowtide.planning.guard import latest_start, resume_seconds
from lowtide.planning.horizon import TICK_SECONDS, Array
from lowtide.planning.outlook import Sight
from lowtide.planning.types import Plan, PlanReason, Request, Segment

LONGEST_SLEEP: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """Decision about a job, before figures and words.

    `wake` is a further time at which the decision must be made again.
    """

    run: bool
    reason: PlanReason
    segments: tuple[Segment, ...]
    wake: datetime | None = None


def publish(now: datetime, request: Request, sight: Sight, decision: Commitment) -> Plan:
    """Return the plan with its figures and its sentence."""
    segments, forecast, prices = decision.segments, sight.forecast, sight.prices
    spans = _spans(now, request, segments)
    grams = money = costs = None
    if forecast is not None:
        grams = _means(forecast, forecast.grams_per_kwh, spans)
    if prices is not None:
        money = _means(prices, prices.price_per_kwh, spans)
    if not request.objective.needs_prices:
        costs = grams
    elif sight.costs is not None:
        costs = _means(sight.costs, sight.costs.costs, spans)
    plan = Plan(
        run=decision.run,
        reason=decision.reason,
        segments=segments,
        latest_start=latest_start(request),
        look_again_at=_look_again(now, request, forecast, segments, decision.wake),
        planned_grams_per_kwh=None if grams is None else grams.planned,
        run_now_grams_per_kwh=None if grams is None else grams.at_once,
        saving_ratio=None if grams is None else (grams.saving_ratio or 0.0),
        sources=() if grams is None or forecast is None else _sources(forecast, spans),
        provider=None if forecast is None else forecast.provider,
        forecast_generated_at=None if forecast is None else forecast.generated_at,
        explanation="",
        planned_price_per_kwh=None if money is None else money.planned,
        run_now_price_per_kwh=None if money is None else money.at_once,
        currency=None if prices is None else prices.currency,
        money_saving_ratio=None if money is None else money.saving_ratio,
        objective_saving_ratio=None if costs is None else costs.saving_ratio,
        replicas=_replicas(request, decision),
        scaling=None if request.elastic is None else request.elastic.scaling,
    )
    return explain(now, request, plan)


def one_segment(
    request: Request, start: datetime, replicas: int | None = None
) -> tuple[Segment, ...]:
    """Return the uninterrupted run from `start` on, empty where no work is left.

    An elastic job keeps its size, or starts at its base, unless `replicas` says otherwise.
    """
    length, elastic = request.remaining_seconds, request.elastic
    burnt = resume_seconds(request)
    if elastic is not None:
        present = request.replicas if request.running else elastic.base
        present = present if present in elastic.sizes else elastic.base
        replicas = replicas or present
        length /= elastic.speed(replicas)
        burnt += elastic.resize_cost_seconds * (request.running and replicas != request.replicas)
    length += burnt
    return (Segment(start, start + timedelta(seconds=length), replicas),) if length > 0 else ()


def _replicas(request: Request, decision: Commitment) -> int | None:
    """Return the replicas to run with now, `None` for a job of fixed size."""
    if request.elastic is None:
        return None
    if not decision.run:
        return 0
    return decision.segments[0].replicas if decision.segments else request.replicas


@dataclass(frozen=True, slots=True)
class _Means:
    """Mean values over the planned running time, by power, and over a run at once."""

    planned: float
    at_once: float
    saving_ratio: float | None
    """Of the totals; `None` where a run at once costs nothing or less."""


@dataclass(frozen=True, slots=True)
class _Spans:
    """The moments that figures compare: the plan's stretches, and the run at once."""

    stretches: tuple[tuple[datetime, datetime], ...]
    powers: tuple[float, ...]
    """Of the stretches, where that of the run at once is 1."""
    at_once: tuple[datetime, datetime]


class _Slots(Protocol):
    """Values on equal slots."""

    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...
    @property
    def slot_seconds(self) -> float: ...


def _spans(now: datetime, request: Request, segments: Sequence[Segment]) -> _Spans | None:
    """Return the stretches to compare, `None` where nothing runs."""
    if not segments:
        return None
    begin = min(max(now, request.earliest), segments[0].start)
    length = request.remaining_seconds + resume_seconds(request)
    elastic = request.elastic
    return _Spans(
        tuple((segment.start, segment.end) for segment in segments),
        tuple(
            1.0 if elastic is None or one.replicas is None else elastic.power(one.replicas)
            for one in segments
        ),
        (begin, begin + timedelta(seconds=length)),
    )


def _means(slots: _Slots, values: Sequence[float] | Array, spans: _Spans | None) -> _Means | None:
    """Return both means, `None` where the values do not cover plan and run at once."""
    if spans is None:
        return None
    begin, end = spans.at_once[0], max(spans.at_once[1], spans.stretches[-1][1])
    if begin < slots.start or not begin < end <= slots.end:
        return None
    total = running = 0.0
    for stretch, power in zip(spans.stretches, spans.powers, strict=True):
        start, stop = (_offset(slots, moment) for moment in stretch)
        total += power * _integral(slots, values, start, stop)
        running += power * (stop - start)
    start, stop = (_offset(slots, moment) for moment in spans.at_once)
    alternative = _integral(slots, values, start, stop)
    saving = 1 - total / alternative if alternative > 0 else None
    return _Means(total / running, alternative / (stop - start), saving)


def _offset(slots: _Slots, moment: datetime) -> float:
    """Return the seconds from the start of the slots to a moment."""
    return (moment - slots.start).total_seconds()


def _integral(slots: _Slots, values: Sequence[float] | Array, start: float, end: float) -> float:
    """Return the values summed over a stretch inside the slots, in their unit times seconds.

    The stretch is given in seconds after the start of the slots.
    """
    step = slots.slot_seconds
    first, last = int(start // step), min(int(end // step), len(values) - 1)
    if first == last:
        return (end - start) * float(values[first])
    inside = step * float(sum(values[first + 1 : last]))
    head, tail = (first + 1) * step - start, end - last * step
    return head * float(values[first]) + inside + tail * float(values[last])


def _sources(forecast: Forecast, spans: _Spans | None) -> tuple[Source, ...]:
    """Return the distinct sources under all stretches, in order of appearance."""
    step, sources = forecast.slot_seconds, forecast.sources
    used: dict[Source, None] = {}
    for stretch in () if spans is None else spans.stretches:
        start, end = (_offset(forecast, moment) for moment in stretch)
        used |= dict.fromkeys(sources[int(start // step) : ceil(end / step)])
    return tuple(used)


def _look_again(
    now: datetime,
    request: Request,
    forecast: Forecast | None,
    segments: Sequence[Segment],
    wake: datetime | None,
) -> datetime:
    """Return the next slot boundary, turn of the plan or latest start, whichever comes first.

    At most every 15 min and at least hourly, but never past a turn of the plan; a replay faster
    than the clock looks at every slot.
    """
    times = [now + LONGEST_SLEEP, latest_start(request)]
    if forecast is None:
        times.append(now + timedelta(seconds=TICK_SECONDS))
    else:
        slot = forecast.slot_seconds
        stride = slot if forecast.hours_per_slot else slot * max(1, ceil(TICK_SECONDS / slot))
        passed = (now - forecast.start).total_seconds() // stride
        times.append(forecast.start + timedelta(seconds=(passed + 1) * stride))
    times += [edge for segment in segments for edge in (segment.start, segment.end)]
    times += [] if wake is None else [wake]
    times += [request.earliest]
    return min(time for time in times if time > now)
