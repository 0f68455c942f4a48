"""Hours of reserved hardware and their price: every pod reserves its own, at every width. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from lowtide.trainingjob.attempts import ran_seconds, worked_seconds
from lowtide.trainingjob.spec import Price, TrainingJobSpec
from lowtide.trainingjob.status import Attempt


def hardware_money(price: Price, pod_seconds: float) -> float | None:
    """Return what the hardware of pods costs that ran so long in all, `None` without a price."""
    return None if price.per_hour is None else float(price.per_hour) * pod_seconds / 3600


def pod_seconds_so_far(attempts: Iterable[Attempt], pods: int, now: datetime) -> float:
    """Return how long pods ran in all; an attempt of unknown width had `pods` of them."""
    return sum(ran_seconds([one], now) * (one.replicas or pods) for one in attempts)


def pod_seconds_at_base(spec: TrainingJobSpec, attempts: Sequence[Attempt]) -> float | None:
    """Return how long the pods would have run for the same work at the template's size.

    `None` for a job of fixed size, and while an attempt has no end.
    """
    base = next((one.base_replicas for one in attempts if one.base_replicas), None)
    ends = [one.end for one in attempts if one.end is not None]
    if base is None or len(ends) < len(attempts):
        return None
    cost = spec.schedule.interruption.restart_cost_seconds
    return base * worked_seconds(attempts, max(ends), cost)
