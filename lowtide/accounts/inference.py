"""Energy of an inference between its marks, and what one sample, token or request used. Pure.

Between two samples energy is spread evenly, so a mark that lies between them shares their joules by
time. How much of the energy is shared that way is said where it is more than a tenth.
"""

from math import fsum
from typing import Final

from lowtide.accounts.epochs import joules_between
from lowtide.energy.job import JobEnergy
from lowtide.energy.profile import Span
from lowtide.trainingjob.base import decimal_text
from lowtide.trainingjob.inference import InferenceStatus
from lowtide.trainingjob.status import TrainingStatus

SHARED_ENOUGH: Final = 0.1
"""Share of the energy in samples that a mark cuts, above which the status says so."""


def with_inference(training: TrainingStatus, energy: JobEnergy) -> TrainingStatus:
    """Return the report with the joules between the marks of an inference, if it is one."""
    if training.inference is None:
        return training
    return training.model_copy(update={"inference": _with_joules(training.inference, energy)})


def _with_joules(inference: InferenceStatus, energy: JobEnergy) -> InferenceStatus:
    joules = joules_between(inference.start, inference.end, energy)
    if joules is None:
        why = "the energy between the marks is not known: samples of it are missing"
        if inference.end <= inference.start:
            why = "no request was answered after the warm-up, so no energy lies between marks"
        return inference.model_copy(update={"message": why})
    shared = _shared_ratio(inference, energy, joules)
    message = None
    if shared > SHARED_ENOUGH:
        message = (
            f"{shared:.0%} of this energy lies in samples that a mark cuts and is shared by time: "
            "answer more requests, or read the meters more often"
        )

    def per(count: int | None) -> str | None:
        return decimal_text(joules / count) if count else None

    return inference.model_copy(
        update={
            "joules": round(joules),
            "joules_per_request": per(inference.requests),
            "joules_per_sample": per(inference.samples),
            "joules_per_token": per(inference.tokens),
            "message": message,
        }
    )


def _shared_ratio(inference: InferenceStatus, energy: JobEnergy, joules: float) -> float:
    """Return which share of the energy between the marks lies in intervals that a mark cuts."""
    if joules <= 0:
        return 0.0
    between = Span(inference.start, inference.end)
    parts = (
        (interval, interval.cut(between.start, between.end))
        for interval in energy.profile.intervals
    )
    cut = (part.energy_joules for whole, part in parts if part is not None and part != whole)
    return fsum(cut) / joules
