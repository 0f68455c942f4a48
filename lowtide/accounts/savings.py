"""Savings of waiting: against running at once, and against the best possible run.

Pure. The first comparison places the measured run at submission, on the intensity that was really
seen; the cost of pausing (reloads, repeated steps) belongs to the job and not to that baseline. The
second plans the same run with perfect knowledge under the same constraints; it is known only when
the deadline has passed and the intensity of its hours is known. A figure that cannot be computed is
absent, and `message` says why. Source:
docs/explanation/what-the-numbers-do-not-say.md#what-waiting-avoided.
"""

from dataclasses import replace
from datetime import datetime
from math import fsum
from typing import Final

from lowtide.accounts.run_at_submission import restart_work, resumes, run_at_submission
from lowtide.energy.carbon import CarbonResult, counterfactual, operational_grams, saving
from lowtide.energy.profile import EnergyProfile
from lowtide.grid.series import IntensitySeries
from lowtide.planning import Forecast, Plan, Source, plan
from lowtide.planning.objective import CARBON, Objective
from lowtide.prices.forecast import PriceForecast
from lowtide.trainingjob.attempts import ran_seconds, relative_power, worked_seconds
from lowtide.trainingjob.base import difference_text, grams_text, tenths_text
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.requests import elastic_of, request_in_hindsight
from lowtide.trainingjob.scaling import scaling_from
from lowtide.trainingjob.schedule_settings import ScheduleSettings
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import CounterfactualStatus, TrainingJobStatus
from lowtide.trainingjob.times import clock_text
from lowtide.units import format_coverage, joules_to_kwh

WITHOUT_CHOICE: Final = frozenset(
    {Reason.POLICY_IMMEDIATE, Reason.RUN_NOW_REQUESTED, Reason.NOT_SCHEDULED}
)
"""Plans that allowed one start only, so that nothing better was possible."""
_NOTHING_TO_SAVE: Final = 1e-6
"""Below this share of the run-now emissions a possible saving is a rounding error."""


def counterfactual_status(
    profile: EnergyProfile,
    carbon: CarbonResult,
    *,
    spec: TrainingJobSpec,
    status: TrainingJobStatus,
    intensity: IntensitySeries,
    baseline_start: datetime,
) -> CounterfactualStatus:
    """Return the emissions of the same run at `baseline_start`, and what waiting avoided."""
    repeated = resumes(spec, status.attempts)
    moved = run_at_submission(profile, spec, status.attempts, baseline_start)
    run_now = operational_grams(moved, intensity)
    avoided = saving(actual=carbon, run_now=run_now)
    message = None
    if run_now.grams is None:
        message = (
            "the grid's intensity at submission is known for "
            f"{format_coverage(run_now.covered_ratio)} of the energy only"
        )
    restart_joules = fsum(profile.within(span).total_joules for span in repeated)
    return CounterfactualStatus(
        run_now_grams=grams_text(run_now.grams),
        avoided_grams=difference_text(grams_text(run_now.grams), grams_text(carbon.grams)),
        avoided_percent=tenths_text(avoided.percent),
        baseline_start=baseline_start.replace(microsecond=0),
        restart_joules=round(restart_joules) if repeated else None,
        provisional=None if run_now.grams is None else run_now.estimated_ratio > 0,
        observed_plan_grams=grams_text(_observed_plan(profile, status, intensity)),
        message=message,
    )


def _observed_plan(
    profile: EnergyProfile, status: TrainingJobStatus, intensity: IntensitySeries
) -> float | None:
    """Return the emissions of the plan that policy Observe recorded, once they are known."""
    planned = status.plan
    if planned is None or planned.reason != Reason.POLICY_OBSERVE or not planned.segments:
        return None
    return counterfactual(profile, start=planned.segments[0].start, series=intensity).grams


def with_hindsight(
    status: TrainingJobStatus,
    spec: TrainingJobSpec,
    intensity: IntensitySeries | None,
    settings: ScheduleSettings,
) -> CounterfactualStatus | None:
    """Return the counterfactual of a measured job with the best possible run added.

    That run has the job's own length, mean power and constraints, knows the grid's intensity until
    the deadline, and pays the declared cost of every resume. It ignores a shared capacity.
    """
    known, planned = status.counterfactual, status.plan
    if known is None or known.run_now_grams is None:
        return known
    if planned is None or planned.deadline is None or planned.reason in WITHOUT_CHOICE:
        return known.model_copy(update={"message": "the job was allowed to start at once only"})
    deadline = planned.deadline
    actual = seen_as_forecast(intensity, known.baseline_start, deadline)
    if actual is None:
        return known.model_copy(
            update={
                "message": (
                    "the best possible run is known once the intensity until the deadline "
                    f"{clock_text(deadline)} is known"
                )
            }
        )
    best = _least_grams(status, spec, known, actual, settings)
    emitted = status.carbon.operational_grams if status.carbon else None
    if best is None or emitted is None:
        return known
    run_now, mine = float(known.run_now_grams), float(emitted)
    # The optimum assumes mean power; a run whose power varies can seem to beat it.
    best = min(best, run_now, mine)
    possible = run_now - best
    if possible <= _NOTHING_TO_SAVE * run_now:
        message = "no allowed start would have emitted less than running at once"
        return known.model_copy(update={"clairvoyant_grams": grams_text(best), "message": message})
    reach = 100 * (run_now - mine) / possible
    return known.model_copy(
        update={
            "clairvoyant_grams": grams_text(best),
            "reach_percent": tenths_text(reach),
            "message": None,
        }
    )


def seen_as_forecast(
    intensity: IntensitySeries | None, start: datetime | None, end: datetime
) -> Forecast | None:
    """Return the seen intensity as a forecast without error; `None` if it has a gap."""
    if intensity is None or start is None:
        return None
    points = [point for point in intensity.points if point.end > start and point.start < end]
    if not points or points[0].start > start or points[-1].end < end:
        return None
    step = points[0].end - points[0].start
    even = all(point.start == points[0].start + k * step for k, point in enumerate(points))
    even = even and all(point.end - point.start == step for point in points)
    values = [point.grams_per_kwh for point in points if not point.estimated]
    known = [value for value in values if value is not None]
    if not even or len(known) < len(points) or step.total_seconds() % 1:
        return None
    return Forecast(
        zone=intensity.zone,
        signal=intensity.signal,
        start=points[0].start,
        slot_seconds=int(step.total_seconds()),
        grams_per_kwh=tuple(known),
        spread_grams_per_kwh=(0.0,) * len(known),
        sources=(Source.PROVIDER,) * len(known),
    )


def _least_grams(
    status: TrainingJobStatus,
    spec: TrainingJobSpec,
    known: CounterfactualStatus,
    actual: Forecast,
    settings: ScheduleSettings,
) -> float | None:
    """Return the emissions of the best run inside the job's window, in grams."""
    best = best_run(status, spec, known, actual, settings)
    if best is None or best[1].planned_grams_per_kwh is None:
        return None
    return best[0] * best[1].planned_grams_per_kwh


def best_run(
    status: TrainingJobStatus,
    spec: TrainingJobSpec,
    known: CounterfactualStatus,
    actual: Forecast,
    settings: ScheduleSettings,
    *,
    objective: Objective = CARBON,
    prices: PriceForecast | None = None,
) -> tuple[float, Plan] | None:
    """Return energy in kWh and plan of the best run inside a job's window, as it is known since.

    `None` where too little of the job is known.
    """
    total = status.energy.total_joules if status.energy else None
    planned, start = status.plan, known.baseline_start
    if total is None or start is None or planned is None or planned.deadline is None:
        return None
    repeated = fsum(span.duration_seconds for span in restart_work(spec, status.attempts))
    seconds = ran_seconds(status.attempts, planned.deadline) - repeated
    if seconds <= 0:
        return None
    base = next((one.base_replicas for one in status.attempts if one.base_replicas), None)
    scaling = scaling_from(planned.scaling)
    elastic = None if base is None else elastic_of(spec, base, scaling)
    if elastic is not None:
        cost = spec.schedule.interruption.restart_cost_seconds
        seconds = worked_seconds(status.attempts, planned.deadline, cost)
    request = replace(
        request_in_hindsight(spec, start, planned.deadline, seconds, settings),
        objective=objective,
        elastic=elastic,
    )
    best = plan(start, request, actual, prices=prices)
    length = fsum(
        (part.end - part.start).total_seconds()
        * (1.0 if elastic is None or part.replicas is None else elastic.power(part.replicas))
        for part in best.segments
    )
    if elastic is not None:
        held = fsum(
            ran_seconds([one], planned.deadline) * relative_power(one) for one in status.attempts
        )
        return joules_to_kwh(total / held * length), best
    watts = (total - (known.restart_joules or 0)) / seconds
    return joules_to_kwh(watts * length), best
