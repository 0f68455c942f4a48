"""Objective of an observed job: `lowtide.trainingjob.objectives` with the prices of its zone."""

from datetime import datetime

from lowtide.trainingjob.objectives import CARBON_ALONE, ObjectiveInForce, asked_objective
from lowtide.trainingjob.schedule_settings import ScheduleSettings
from lowtide_operator.decision.observation import Observation
from lowtide_operator.objects.views import Fault


def objective_fault(seen: Observation, settings: ScheduleSettings) -> str | None:
    """Return why the objective of a job cannot be, whatever is known of its zone."""
    spec = seen.job.spec
    if isinstance(spec, Fault):
        return None
    return asked_objective(spec, seen.job.key.namespace, settings).fault


def objective_of(seen: Observation, settings: ScheduleSettings) -> ObjectiveInForce:
    """Return what a job is planned by with the prices that are known."""
    spec, known = seen.job.spec, seen.forecast
    if isinstance(spec, Fault):
        return CARBON_ALONE
    asked = asked_objective(spec, seen.job.key.namespace, settings)
    return asked.in_force(known.prices, known.price_trouble)


def prices_awaited_until(seen: Observation, settings: ScheduleSettings) -> datetime | None:
    """Return until when a job waits for the first prices of its zone, `None` where it need not."""
    spec, until = seen.job.spec, seen.forecast.prices_pending_until
    if until is None or isinstance(spec, Fault) or seen.now >= until:
        return None
    return until if asked_objective(spec, seen.job.key.namespace, settings).needs_prices else None
