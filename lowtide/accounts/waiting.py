"""What waiting would have saved a run that nobody scheduled: by a planner, and at best. Pure.

The run is that which was measured, with its length and its power in time, moved as one piece. The
planner decides hour by hour with the forecasts that existed then; the best run knows the intensity
of the whole window. Both start at most `max_delay` after the run really did, and both are priced by
the rule of every TrainingJob (`lowtide.energy.carbon.counterfactual`) on the intensity that was
seen. Not considered: whether the GPUs would have been free then. Source:
docs/explanation/what-the-numbers-do-not-say.md#what-waiting-would-have-saved.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import fsum
from typing import Final

from lowtide.accounts.savings import seen_as_forecast
from lowtide.accounts.usage import TRAINING_JOB, Usage
from lowtide.accounts.zone_past import ForecastAt
from lowtide.energy.bill import electricity_bill
from lowtide.energy.carbon import counterfactual, operational_grams
from lowtide.energy.profile import EnergyProfile, Span
from lowtide.grid.forecast import Forecast
from lowtide.grid.series import IntensitySeries
from lowtide.planning import Request, forecast_for, plan
from lowtide.prices.series import PriceSeries

DECISION: Final = timedelta(hours=1)
"""A waiting run is decided upon again this much later, or at its planned start."""
SHORTEST: Final = timedelta(seconds=60)
"""Two decisions are at least this far apart."""


class NotJudged(StrEnum):
    """Why waiting is not judged for a run."""

    SERVES = "it is to run all the time"
    UNKNOWN_KIND = "it is not known whether its kind could run at another time"
    SCHEDULED = "Lowtide schedules it already"
    BEGAN_BEFORE = "it began before the time of the report"
    RUNNING = "it had not ended by the end of the report"
    RECENT = "the hours in which it could have run are not over"
    NO_INTENSITY = "the intensity of some of its hours is not known"
    NO_ENERGY = "no energy was measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedRun:
    """The run at another time."""

    start: datetime
    """Start."""
    grams: float
    """Emissions on the intensity that was seen."""
    cost: float | None = None
    """Its electricity at the prices of those hours; `None` where one of them is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """One run, and what waiting would have changed."""

    usage: Usage
    """What it used."""
    grams: float | None
    """Emissions of the part whose intensity is known, `None` without any."""
    priced_ratio: float
    """Share of the energy whose intensity is known."""
    not_judged: NotJudged | None
    """Why the rest is not known."""
    at_once: MovedRun | None = None
    """The run in one piece at its own start, which the others are compared with."""
    planned: MovedRun | None = None
    """By the planner with the forecasts of its time; `None` where there was no forecast."""
    best: MovedRun | None = None
    """The least that was possible."""

    @property
    def planned_saving_grams(self) -> float | None:
        """Grams that the planner would have saved; negative where it would have been worse."""
        if self.at_once is None or self.planned is None:
            return None
        return self.at_once.grams - self.planned.grams

    @property
    def planned_saving_cost(self) -> float | None:
        """Money that the planner would have saved, in the currency of the prices; not planned by.

        `None` also where a price is not known.
        """
        if self.at_once is None or self.planned is None:
            return None
        before, after = self.at_once.cost, self.planned.cost
        return None if before is None or after is None else before - after

    @property
    def best_saving_grams(self) -> float | None:
        """Grams that could have been saved at best."""
        if self.at_once is None or self.best is None:
            return None
        return self.at_once.grams - self.best.grams


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What is assumed of every run."""

    window: Span
    """Time of the report."""
    max_delay: timedelta
    """Longest wait for the start."""
    now: datetime
    """Until when the intensity can be known."""


def outcome_of(
    usage: Usage,
    intensity: IntensitySeries | None,
    forecast_at: ForecastAt,
    assumed: Assumptions,
    *,
    is_scheduled: bool = False,
    prices: PriceSeries | None = None,
) -> RunOutcome:
    """Return what waiting would have changed for one run.

    `is_scheduled` says that a TrainingJob stands behind it, whose own figures tell that. `prices`
    tell what the run costs at another time; nothing is planned by them.
    """
    carbon = None if intensity is None else operational_grams(usage.profile, intensity)
    priced = 0.0 if carbon is None else carbon.covered_ratio
    grams = carbon.covered_grams if carbon is not None and priced > 0 else None
    reason = _obstacle(usage, assumed, is_scheduled=is_scheduled)

    def unknown(why: NotJudged) -> RunOutcome:
        return RunOutcome(usage=usage, grams=grams, priced_ratio=priced, not_judged=why)

    if reason is not None:
        return unknown(reason)
    spans = usage.profile.running_spans()
    start, length = spans[0].start, fsum(span.duration_seconds for span in spans)
    deadline = start + assumed.max_delay + timedelta(seconds=length)
    if intensity is None or carbon is None or carbon.grams is None:
        return unknown(NotJudged.NO_INTENSITY)
    if deadline > assumed.now:
        return unknown(NotJudged.RECENT)
    seen = seen_as_forecast(intensity, start, deadline)
    at_once = _moved(usage.profile, start, intensity, prices)
    if seen is None or at_once is None:
        return unknown(NotJudged.NO_INTENSITY)
    best_start = _best_start(start, deadline, length, seen)
    planned_start = _planned_start(start, deadline, length, forecast_at)
    best = _moved(usage.profile, best_start, intensity, prices) or at_once
    planned = None
    if planned_start is not None:
        planned = _moved(usage.profile, planned_start, intensity, prices)
    # The optimum assumes mean power; a run whose power varies can seem to beat it.
    best = min(
        (found for found in (best, at_once, planned) if found is not None),
        key=lambda found: (found.grams, found.start),
    )
    return RunOutcome(
        usage=usage,
        grams=grams,
        priced_ratio=priced,
        not_judged=None,
        at_once=at_once,
        planned=planned,
        best=best,
    )


def _obstacle(usage: Usage, assumed: Assumptions, *, is_scheduled: bool) -> NotJudged | None:
    workload = usage.pods[0].workload
    if is_scheduled or workload.kind == TRAINING_JOB:
        return NotJudged.SCHEDULED
    if workload.runs_to_an_end is not True:
        return NotJudged.UNKNOWN_KIND if workload.runs_to_an_end is None else NotJudged.SERVES
    if usage.span.start < assumed.window.start:
        return NotJudged.BEGAN_BEFORE
    if not usage.is_final:
        return NotJudged.RUNNING
    return NotJudged.NO_ENERGY if usage.profile.total_joules <= 0 else None


def _moved(
    profile: EnergyProfile,
    start: datetime,
    intensity: IntensitySeries,
    prices: PriceSeries | None,
) -> MovedRun | None:
    grams = counterfactual(profile, start=start, series=intensity).grams
    if grams is None:
        return None
    moved = profile.uninterrupted(start)
    cost = None if prices is None else electricity_bill(moved, prices).amount
    return MovedRun(start=start, grams=grams, cost=cost)


def _request(start: datetime, deadline: datetime, length: float) -> Request:
    """Return the run as the planner sees it; its length is taken as known.

    The minimum saving is that of a TrainingJob that names none.
    """
    return Request(
        key="observed",
        earliest=start,
        deadline=deadline,
        remaining_seconds=length,
        remaining_high_seconds=length,
        gpus=0,
        latency_seconds=0.0,
        margin_seconds=0.0,
        created=start,
    )


def _best_start(start: datetime, deadline: datetime, length: float, seen: Forecast) -> datetime:
    """Return the start of the plan that knows everything, however little it saves."""
    request = replace(_request(start, deadline, length), minimum_saving_ratio=0.0)
    return plan(start, request, seen).segments[0].start


def _planned_start(
    start: datetime, deadline: datetime, length: float, forecast_at: ForecastAt
) -> datetime | None:
    """Return when the planner would have started the run; `None` without a first forecast."""
    request = _request(start, deadline, length)
    now = start
    while True:
        forecast = forecast_at(now)
        if forecast is None and now == start:
            return None
        made = plan(now, request, forecast_for(request, forecast))
        if made.run or now >= made.latest_start:
            return now
        intended = made.segments[0].start if made.segments else now + DECISION
        request = replace(request, waited=True)
        now = min(max(min(intended, now + DECISION), now + SHORTEST), made.latest_start)
