"""Elastic jobs of an hourly forecast, and what sizes and plans cost: for exhaustive search."""

from datetime import timedelta
from itertools import product

from lowtide.planning import PlanReason, plan
from lowtide.planning.elastic import Elastic

HOUR = timedelta(hours=1)
TWO = Elastic.per_doubling(1, 2, 1.0)


def elastic_job(job, elastic=TWO, **changes):
    """Return a job of the given sizes that may pause, with no cost of a restart unless given."""
    changes = {"restart_cost_seconds": 0.0, "minimum_saving_ratio": 0.0} | changes
    return job(interruptible=True, elastic=elastic, **changes)


def cost_of(sizes, values, work_hours, elastic, resume_hours, resize_hours):
    """Return what a size in each hour costs in all, `None` where the work is not done."""
    left, total, before, started = work_hours, 0.0, 0, False
    for size, value in zip(sizes, values, strict=True):
        if size and left > 1e-9:
            change = started and size != before
            lost = 0.0 if not change else resume_hours if before == 0 else resize_hours
            hours = min(1.0, lost + left / elastic.speed(size))
            total += value * hours * size / elastic.base
            left -= elastic.speed(size) * (1.0 - lost)
            started = True
        before = size
    return total if left <= 1e-9 else None


def planned_and_least_cost(now, forecast, job, values, work, elastic, most, resume, resize):
    """Return what a job's plan and the best of all sizes hour by hour cost.

    `None` where the deadline decides, which is kept by the choice and not by the values.
    """
    all_sizes = product(range(most + 1), repeat=len(values))
    costs = [cost_of(sizes, values, work, elastic, resume, resize) for sizes in all_sizes]
    request = elastic_job(
        job,
        elastic,
        work_hours=work,
        window_hours=len(values),
        restart_cost_seconds=resume * 3600,
    )
    answer = plan(now, request, forecast(values))
    if answer.reason in (PlanReason.DEADLINE_AT_RISK, PlanReason.LATEST_START):
        return None
    return planned_cost(answer, values, now), min(one for one in costs if one is not None)


def planned_cost(answer, values, now, base=1):
    """Return what the stretches of a plan cost, hour by hour."""
    total = 0.0
    for stretch in answer.segments:
        for hour, value in enumerate(values):
            start = max(stretch.start, now + hour * HOUR)
            end = min(stretch.end, now + (hour + 1) * HOUR)
            total += value * max(0.0, (end - start) / HOUR) * stretch.replicas / base
    return total
