"""One pass over waiting jobs, from questions to plans, and whether a plan differs. Pure.

A job that cannot be planned is left out and harms no other.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from lowtide.planning import Plan, Request, plan_each
from lowtide.planning.alternatives import alternatives_of_all, alternatives_sentence
from lowtide_operator.decision.observation import ZoneOutlook
from lowtide_operator.schedule.bookings import Calendars

LOG: Final = logging.getLogger(__name__)

SAVING_STEP_RATIO: Final = 0.02
"""An expected saving that moved by less is no reason to look at a job again."""

SAME_SECONDS: Final = 1.0
"""Stretches that moved by less are the same."""


def plan_together(
    now: datetime,
    requests: Sequence[Request],
    outlooks: Mapping[str, ZoneOutlook],
    calendars: Calendars,
) -> dict[str, Plan]:
    """Return the plans by key; a job that cannot be planned is left out and harms no other.

    Jobs compete for the GPUs of one resource name, and for none of another.
    """
    forecasts = {key: outlook.forecast for key, outlook in outlooks.items()}
    prices = {key: outlook.prices for key, outlook in outlooks.items()}
    pools: dict[str | None, list[Request]] = {}
    for request in requests:
        pools.setdefault(calendars.pool_of(request.gpu_resource), []).append(request)
    plans: dict[str, Plan] = {}
    for competing in pools.values():
        calendar = calendars.of(competing[0].gpu_resource)
        found = plan_each(now, competing, forecasts, calendar, prices)
        for key, error in found.failures.items():
            LOG.warning("job %s cannot be planned: %r", key, error)
        plans |= found.plans
    weighing = [one for one in requests if one.objective.needs_prices and one.key in plans]
    others = alternatives_of_all(now, weighing, forecasts, prices)
    said = {key: alternatives_sentence(those) for key, those in others.items()}
    return plans | {key: replace(plans[key], alternatives=said[key]) for key in said}


def differs(old: Plan, new: Plan) -> bool:
    """Return whether a job does or intends something else than before."""
    if (old.run, old.reason, len(old.segments)) != (new.run, new.reason, len(new.segments)):
        return True
    for was, now in zip(old.segments, new.segments, strict=True):
        moved = max(abs(was.start - now.start), abs(was.end - now.end))
        if moved.total_seconds() >= SAME_SECONDS or was.replicas != now.replicas:
            return True
    if old.saving_ratio is None or new.saving_ratio is None:
        return old.saving_ratio is not new.saving_ratio
    return abs(old.saving_ratio - new.saving_ratio) >= SAVING_STEP_RATIO
