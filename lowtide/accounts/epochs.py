"""Energy of each epoch that the trainer reported. Pure.

An epoch's energy is the sum of all pods of the job since the previous epoch ended, so restart work
counts where it happened. Between two samples energy is spread evenly: an epoch shorter than their
distance is smoothed, and sums over several epochs stay right.
"""

from datetime import datetime, timedelta
from math import fsum
from typing import Final

from lowtide.energy.job import JobEnergy
from lowtide.energy.profile import Span, union
from lowtide.trainingjob.status import TrainingStatus

COVERED_ENOUGH: Final = 0.95
"""Below this share of covered running time an epoch's energy is not known."""


def with_energy(training: TrainingStatus, energy: JobEnergy) -> TrainingStatus:
    """Return the report with the joules of every epoch that samples cover."""
    if not training.history:
        return training
    first = training.history[0]
    edge = training.started_at or first.end - timedelta(seconds=float(first.seconds))
    entries = []
    for entry in training.history:
        joules = joules_between(edge, entry.end, energy)
        entries.append(
            entry.model_copy(update={"joules": None if joules is None else round(joules)})
        )
        edge = max(edge, entry.end)
    return training.model_copy(update={"history": tuple(entries)})


def joules_between(start: datetime, end: datetime, energy: JobEnergy) -> float | None:
    """Return the job's energy between two moments; `None` where samples do not cover them."""
    if end <= start:
        return None
    ran = union(
        Span(max(start, pod.run.start), min(end, pod.run.end))
        for pod in energy.pods
        if pod.run.start < end and pod.run.end > start
    )
    part = energy.profile.within(Span(start, end))
    running = fsum(span.duration_seconds for span in ran)
    covered = fsum(span.duration_seconds for span in part.running_spans())
    if running == 0 or covered < COVERED_ENOUGH * running:
        return None
    return part.total_joules
