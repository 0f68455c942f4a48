"""Requests to the planner: the one module that turns a job into a planner's `Request`. Pure.

A job asks before its start, while it runs or rests, and once more in hindsight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lowtide.planning import PlanReason, Request
from lowtide.planning.elastic import Elastic
from lowtide.planning.objective import CARBON, Objective
from lowtide.planning.scaling import Scaling, scaling_of
from lowtide.trainingjob.attempts import NO_ROOM, RESIZED, worked_seconds
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.schedule_settings import ScheduleSettings
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import Attempt, PlanStatus
from lowtide.trainingjob.window import Window

NEVER_PAUSED: Final = frozenset(
    {
        PlanReason.SAVING_TOO_SMALL,
        PlanReason.LATEST_START,
        PlanReason.DEADLINE_AT_RISK,
        Reason.POLICY_IMMEDIATE,
        Reason.POLICY_OBSERVE,
        Reason.RUN_NOW_REQUESTED,
        Reason.NOT_SCHEDULED,
    }
)
"""A plan with one of these reasons means: run to the end without a pause."""


def elastic_of(spec: TrainingJobSpec, base: int, scaling: Scaling | None = None) -> Elastic | None:
    """Return the sizes of a job whose template has `base` replicas; `None` for a fixed size.

    The deadline counts on the template's size: nothing promises room for a larger one. Without a
    scaling the one that the spec gives counts, else the assumed one.

    Raises:
        RequestError: the template's size is not among those that the spec allows.
    """
    size = spec.schedule.elastic
    if size is None:
        return None
    return Elastic.scaled(
        size.min_replicas,
        size.max_replicas,
        scaling or scaling_of(given_efficiency(spec)),
        base=base,
        guard=base,
        resize_cost_seconds=float(spec.schedule.interruption.restart_cost_seconds),
    )


def given_efficiency(spec: TrainingJobSpec) -> float | None:
    """Return the efficiency that a spec states, `None` where it is to be learnt."""
    size = spec.schedule.elastic
    return None if size is None or size.efficiency is None else float(size.efficiency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """Identity of the job that asks."""

    key: str
    """Unique within a planning pass."""
    created: datetime
    """Orders jobs of equal latest start."""
    gpus: int = 1
    """GPUs that the job holds while it runs."""
    gpu_resource: str = ""
    """Resource name of these GPUs."""
    elastic: Elastic | None = None
    """Sizes that it may run with."""


def request_to_start(
    spec: TrainingJobSpec,
    window: Window,
    settings: ScheduleSettings,
    job: Applicant,
    *,
    at_once: Reason | None,
    now: datetime,
    waited: bool,
    objective: Objective = CARBON,
) -> Request:
    """Return the job as the planner sees it before its start.

    `at_once` is why it runs as soon as it may, `waited` whether a plan made it wait before.
    """
    interruption = spec.schedule.interruption
    minimum = spec.schedule.minimum_saving_percent / 100
    # What no plan may keep waiting starts as soon as it is seen.
    is_due = at_once in (Reason.RUN_NOW_REQUESTED, Reason.NOT_SCHEDULED)
    runs_anyway = is_due or at_once is Reason.POLICY_IMMEDIATE
    return Request(
        key=job.key,
        earliest=now if is_due else window.earliest,
        deadline=window.deadline,
        remaining_seconds=window.duration_seconds,
        remaining_high_seconds=window.high_seconds,
        interruptible=interruption.allowed and not runs_anyway,
        restart_cost_seconds=float(interruption.restart_cost_seconds),
        # No saving is large enough for a job that is to run at once.
        minimum_saving_ratio=float("1e9") if runs_anyway else minimum,
        gpus=job.gpus,
        gpu_resource=job.gpu_resource,
        latency_seconds=settings.start_latency_seconds,
        margin_seconds=settings.margin_seconds,
        waited=waited and not runs_anyway,
        created=job.created,
        objective=objective,
        # What is to run at once runs at the size that it was written with.
        elastic=None if runs_anyway else job.elastic,
    )


def has_waited(plan_before: PlanStatus | None) -> bool:
    """Return whether an earlier plan made the job wait."""
    return plan_before is not None and plan_before.reason in (
        PlanReason.CLEANEST_WINDOW,
        PlanReason.CAPACITY_SHORT,
    )


def request_to_go_on(
    spec: TrainingJobSpec,
    window: Window,
    settings: ScheduleSettings,
    job: Applicant,
    *,
    attempts: Sequence[Attempt],
    now: datetime,
    running: bool,
    replicas: int = 0,
    objective: Objective = CARBON,
) -> Request:
    """Return the job as the planner sees it after its start; `attempts` holds at least one.

    What was worked is the time it ran, less what every resume cost. A job that only rests to
    change its size goes on as soon as it can.
    """
    cost = float(spec.schedule.interruption.restart_cost_seconds)
    worked = worked_seconds(attempts, now, cost)
    surely = worked_seconds(attempts, now, cost, surely=True)
    last = attempts[-1]
    rested = None if last.outcome in (RESIZED, NO_ROOM) else last.end
    return Request(
        key=job.key,
        earliest=window.earliest,
        deadline=window.deadline,
        remaining_seconds=max(0.0, window.duration_seconds - worked),
        remaining_high_seconds=max(0.0, window.high_seconds - surely),
        interruptible=True,
        restart_cost_seconds=cost,
        started=True,
        running=running,
        minimum_saving_ratio=spec.schedule.minimum_saving_percent / 100,
        gpus=job.gpus,
        gpu_resource=job.gpu_resource,
        latency_seconds=settings.start_latency_seconds,
        margin_seconds=settings.margin_seconds,
        waited=True,
        since=last.start if running else rested,
        created=job.created,
        objective=objective,
        elastic=job.elastic,
        replicas=replicas,
    )


LEAST_LEFT_SECONDS: Final = 60.0
"""Running time of a job that has outrun the one that was expected."""


def request_to_begin(
    window: Window, worked_seconds: float, now: datetime, objective: Objective
) -> Request:
    """Return a job that begins at once, as the planner sees it in one of several places.

    `worked_seconds` is the work of earlier attempts.
    """
    left = max(LEAST_LEFT_SECONDS, window.duration_seconds - worked_seconds)
    high = max(left, window.high_seconds - worked_seconds)
    return Request(
        key="place",
        earliest=now,
        deadline=now + timedelta(seconds=high),
        remaining_seconds=left,
        remaining_high_seconds=high,
        latency_seconds=0.0,
        margin_seconds=0.0,
        objective=objective,
    )


def request_in_hindsight(
    spec: TrainingJobSpec,
    earliest: datetime,
    deadline: datetime,
    seconds: float,
    settings: ScheduleSettings,
) -> Request:
    """Return an ended job as the planner sees it when its hours are known.

    `seconds` is the running time without repeated work.
    """
    interruption = spec.schedule.interruption
    return Request(
        key="hindsight",
        earliest=earliest,
        deadline=deadline,
        remaining_seconds=seconds,
        remaining_high_seconds=seconds,
        interruptible=interruption.allowed,
        restart_cost_seconds=float(interruption.restart_cost_seconds)
        if interruption.allowed
        else 0.0,
        minimum_saving_ratio=0.0,
        gpus=0,
        latency_seconds=settings.start_latency_seconds,
        margin_seconds=settings.margin_seconds,
    )
