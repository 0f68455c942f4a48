"""Due dates of what an ended job still owes: its figures, their final price, its hindsight."""

from datetime import datetime, timedelta

from lowtide.accounts.savings import WITHOUT_CHOICE
from lowtide.trainingjob.conditions import ConditionType, Reason, find, has_end
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide_operator.settings import OperatorSettings


def needs_measuring(status: TrainingJobStatus, now: datetime, settings: OperatorSettings) -> bool:
    """Return whether the figures of an ended job are still to be read, or to be priced again."""
    if not has_end(status.conditions):
        return False
    measured = find(status.conditions, ConditionType.MEASURED)
    return (
        measured is None
        or measured.status == "Unknown"
        or may_be_repriced(status, now, settings)
        or is_unfinished(status, now, settings)
    )


def is_unfinished(status: TrainingJobStatus, now: datetime, settings: OperatorSettings) -> bool:
    """Return whether energy that was read before all end markers were there may still grow."""
    energy = status.energy
    return energy is not None and energy.final is False and _is_recent(status, now, settings)


def may_be_repriced(status: TrainingJobStatus, now: datetime, settings: OperatorSettings) -> bool:
    """Return whether estimated grid values of an ended job may still be replaced."""
    measured = find(status.conditions, ConditionType.MEASURED)
    if measured is None or measured.reason != Reason.PROVISIONAL:
        return False
    return _is_recent(status, now, settings)


def _is_recent(status: TrainingJobStatus, now: datetime, settings: OperatorSettings) -> bool:
    ends = [attempt.end for attempt in status.attempts if attempt.end is not None]
    last = timedelta(seconds=settings.measurement.reprice_until_seconds)
    return bool(ends) and now < max(ends) + last


def hindsight_due(
    status: TrainingJobStatus, settings: OperatorSettings
) -> tuple[datetime, datetime] | None:
    """Return from when until when the best possible run of a measured job is to be computed.

    `None` where it is known already, or never will be. The time ends some hours after the
    deadline: what the grid's providers have not said by then they will not say.
    """
    known, planned = status.counterfactual, status.plan
    if known is None or planned is None or planned.deadline is None:
        return None
    if planned.reason in WITHOUT_CHOICE:
        return None
    if known.clairvoyant_grams is not None or known.run_now_grams is None:
        return None
    longest = timedelta(seconds=settings.measurement.reprice_until_seconds)
    return planned.deadline, planned.deadline + longest
