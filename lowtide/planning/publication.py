"""Plans out of decisions: figures, wake-up time and sentence, all derived in one place.

Nothing is decided here. Figures compare the plan with a run from the start under one forecast.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from lowtide.grid.forecast import Forecast, Source
from lowtide.planning.explanation import explain
from lowtide.planning.guard import latest_start, resume_seconds
from lowtide.planning.horizon import TICK_SECONDS, check_forecast
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


def publish(
    now: datetime, request: Request, forecast: Forecast | None, decision: Commitment
) -> Plan:
    """Return the plan with its figures and its sentence."""
    segments = decision.segments
    planned, at_once, saving, sources = _figures(now, request, forecast, segments)
    plan = Plan(
        run=decision.run,
        reason=decision.reason,
        segments=segments,
        latest_start=latest_start(request),
        look_again_at=_look_again(now, request, forecast, segments, decision.wake),
        planned_grams_per_kwh=planned,
        run_now_grams_per_kwh=at_once,
        saving_ratio=saving,
        sources=sources,
        provider=None if forecast is None else forecast.provider,
        forecast_generated_at=None if forecast is None else forecast.generated_at,
        explanation="",
    )
    return explain(now, request, plan)


def one_segment(request: Request, start: datetime) -> tuple[Segment, ...]:
    """Return the uninterrupted run from `start` on, empty where no work is left."""
    length = request.remaining_seconds + resume_seconds(request)
    return (Segment(start, start + timedelta(seconds=length)),) if length > 0 else ()


def _figures(
    now: datetime, request: Request, forecast: Forecast | None, segments: Sequence[Segment]
) -> tuple[float | None, float | None, float | None, tuple[Source, ...]]:
    """Return mean intensity as planned and at once, the saving, and the sources used."""
    nothing = None, None, None, ()
    if forecast is None or not segments:
        return nothing
    begin = min(max(now, request.earliest), segments[0].start)
    length = request.remaining_seconds + resume_seconds(request)
    end = max(segments[-1].end, begin + timedelta(seconds=length))
    check_forecast(forecast)
    if begin < forecast.start or not begin < end <= forecast.end:
        return nothing
    spans = [(_offset(forecast, s.start), _offset(forecast, s.end)) for s in segments]
    total = sum(_integral(forecast, *span) for span in spans)
    start = _offset(forecast, begin)
    alternative = _integral(forecast, start, start + length)
    saving = 1 - total / alternative if alternative > 0 else 0.0
    running = sum(end - start for start, end in spans)
    return total / running, alternative / length, saving, _sources(forecast, spans)


def _offset(forecast: Forecast, moment: datetime) -> float:
    """Return the seconds from the forecast's start to a moment."""
    return (moment - forecast.start).total_seconds()


def _integral(forecast: Forecast, start: float, end: float) -> float:
    """Return the intensity summed over a stretch inside the forecast, in g/kWh times seconds.

    The stretch is given in seconds after the forecast's start.
    """
    step, values = forecast.slot_seconds, forecast.grams_per_kwh
    first, last = int(start // step), min(int(end // step), len(values) - 1)
    if first == last:
        return (end - start) * values[first]
    between = step * sum(values[first + 1 : last])
    return (
        ((first + 1) * step - start) * values[first] + between + (end - last * step) * values[last]
    )


def _sources(forecast: Forecast, spans: Sequence[tuple[float, float]]) -> tuple[Source, ...]:
    """Return the distinct sources under all stretches, in order of appearance."""
    step, sources = forecast.slot_seconds, forecast.sources
    used: dict[Source, None] = {}
    for start, end in spans:
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
