"""Due dates of what an ended job still owes: its figures, their final price, its hindsight."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from lowtide.accounts.savings import WITHOUT_CHOICE
from lowtide.trainingjob.conditions import ConditionType, Reason, find, has_end
from lowtide.trainingjob.status import Attempt, TrainingJobStatus
from lowtide_operator.settings import OperatorSettings

LONGEST_WAIT: Final = timedelta(hours=1)
"""Samples are read until this long after the end; the exporter keeps them for minutes."""
SHOWN_AFTER_END: Final = timedelta(minutes=5)
"""Exporters show a pod at least this long after its end."""
WITHOUT_SERIES: Final = frozenset({Reason.NO_EXPORTER, Reason.NEVER_RAN})
"""Reasons of a job of whose pods the store holds not one sample of energy."""


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
        or may_yet_be_stored(measured.reason, status.attempts, now)
    )


def is_unfinished(status: TrainingJobStatus, now: datetime, settings: OperatorSettings) -> bool:
    """Return whether energy that was read before all end markers were there may still grow."""
    energy = status.energy
    return energy is not None and energy.final is False and _is_recent(status, now, settings)


def may_yet_be_stored(reason: str, attempts: Sequence[Attempt], now: datetime) -> bool:
    """Return whether samples of a job without any may still appear in the store.

    A job that ran between two scrapes is stored later: exporters show its pods for some minutes.
    """
    end = _last_end(attempts)
    return reason in WITHOUT_SERIES and end is not None and now < end + LONGEST_WAIT


def all_stored_at(attempts: Sequence[Attempt], settings: OperatorSettings) -> datetime | None:
    """Return when everything that exporters showed of a job's pods is stored.

    `None` where no end is known.
    """
    end = _last_end(attempts)
    if end is None:
        return None
    return end + SHOWN_AFTER_END + timedelta(seconds=settings.measurement.settle_seconds)


def may_be_repriced(status: TrainingJobStatus, now: datetime, settings: OperatorSettings) -> bool:
    """Return whether estimated grid values of an ended job may still be replaced."""
    measured = find(status.conditions, ConditionType.MEASURED)
    if measured is None or measured.reason != Reason.PROVISIONAL:
        return False
    return _is_recent(status, now, settings)


def _is_recent(status: TrainingJobStatus, now: datetime, settings: OperatorSettings) -> bool:
    end = _last_end(status.attempts)
    last = timedelta(seconds=settings.measurement.reprice_until_seconds)
    return end is not None and now < end + last


def _last_end(attempts: Sequence[Attempt]) -> datetime | None:
    return max((one.end for one in attempts if one.end is not None), default=None)


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
