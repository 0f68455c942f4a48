"""Decision about one run without a cluster: wait, run or rest. Pure.

As in the operator it follows from what is, never from what happened before: after a kill, a
suspend or a reboot the same question is asked again. Window, request and plan are those of a job in
a cluster; the time and the forecast are arguments.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lowtide.grid.forecast import Forecast
from lowtide.planning import Experience, Plan, PlanningError, plan
from lowtide.trainingjob.requests import (
    NEVER_PAUSED,
    Applicant,
    has_waited,
    request_to_go_on,
    request_to_start,
)
from lowtide.trainingjob.schedule_settings import ScheduleSettings
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import Attempt, PlanStatus
from lowtide.trainingjob.window import Window, window_of
from lowtide.trainingjob.written_plan import is_same_plan, plan_status

LOOK_AGAIN_MAX: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A run as it is."""

    key: str
    """Its uid."""
    spec: TrainingJobSpec
    created: datetime
    plan: PlanStatus | None = None
    """The plan that was written down last."""
    attempts: tuple[Attempt, ...] = ()
    """Times it worked; the last one is open while it works."""

    @property
    def is_running(self) -> bool:
        """Whether it works now."""
        return bool(self.attempts) and self.attempts[-1].end is None


@dataclass(frozen=True, slots=True)
class RunDecision:
    """Whether to run now, the plan behind it, and when to decide again at the latest."""

    run: bool
    plan: PlanStatus
    look_again_at: datetime


def decide_run(
    now: datetime,
    state: RunState,
    forecast: Forecast | None,
    schedule: ScheduleSettings,
    experience: Experience | None = None,
) -> RunDecision:
    """Return whether the run works now.

    Raises:
        RequestError: the schedule is impossible; `run_fault` says so beforehand.
    """
    window = window_of(state.spec, state.created, schedule, experience)
    applicant = Applicant(key=state.key, created=state.created)
    remembered = state.plan
    if not state.attempts:
        request = request_to_start(
            state.spec,
            window,
            schedule,
            applicant,
            at_once=None,
            now=now,
            waited=has_waited(remembered),
        )
    else:
        if not may_be_paused(state):
            return _to_the_end(now, state, window)
        request = request_to_go_on(
            state.spec,
            window,
            schedule,
            applicant,
            attempts=state.attempts,
            now=now,
            running=state.is_running,
        )
        if request.remaining_seconds <= 0:
            return _to_the_end(now, state, window)
        if forecast is None and not state.is_running and _still_rests(now, remembered):
            return RunDecision(False, remembered or PlanStatus(), now + LOOK_AGAIN_MAX)
    try:
        made = plan(now, request, forecast)
    except PlanningError:
        made = plan(now, request, None)
    written = _written(made, window, remembered)
    look = min(now + LOOK_AGAIN_MAX, now + timedelta(seconds=schedule.look_again_seconds))
    if made.look_again_at > now:
        look = min(look, made.look_again_at)
    if not made.run and made.segments:
        look = min(look, max(made.segments[0].start, now))
    return RunDecision(made.run, written, look)


def run_fault(
    state: RunState, schedule: ScheduleSettings, experience: Experience | None = None
) -> str | None:
    """Return why no start inside the window can work, `None` where one can."""
    return window_of(state.spec, state.created, schedule, experience).fault


def may_be_paused(state: RunState) -> bool:
    """Return whether the grid may pause a run that has started."""
    return (
        state.spec.schedule.interruption.allowed
        and state.plan is not None
        and state.plan.reason not in NEVER_PAUSED
    )


def _to_the_end(now: datetime, state: RunState, window: Window) -> RunDecision:
    written = state.plan or PlanStatus(deadline=window.deadline)
    return RunDecision(True, written, now + LOOK_AGAIN_MAX)


def _still_rests(now: datetime, remembered: PlanStatus | None) -> bool:
    """Return whether a paused run without a forecast waits for what was planned."""
    if remembered is None:
        return False
    ahead = [s.start for s in remembered.segments if s.start > now]
    latest = remembered.latest_start
    return bool(ahead) and (latest is None or now < latest)


def _written(made: Plan, window: Window, remembered: PlanStatus | None) -> PlanStatus:
    written = plan_status(
        made,
        window,
        reason=str(made.reason),
        explanation=made.explanation,
        remembered=remembered,
    )
    return remembered if remembered is not None and is_same_plan(remembered, written) else written
