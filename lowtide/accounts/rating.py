"""Letter of a completed job, or the sentence that says why it has none. Pure.

A job is only rated with a set for its data set and environment. The values behind every letter are
written beside it, so that it can be checked without the set.
"""

from dataclasses import dataclass
from typing import Any

from lowtide.accounts.references import Shelf
from lowtide.accounts.settings import RatingSettings
from lowtide.metrics.environment import environment_name, reference_for
from lowtide.metrics.properties import PROPERTIES, Task, inference_values, training_values
from lowtide.metrics.rating import PropertyRating, Rating, rate
from lowtide.metrics.result import SENTENCES, MetricError
from lowtide.trainingjob.base import decimal_text
from lowtide.trainingjob.conditions import shortened
from lowtide.trainingjob.status import EnergyStatus, RatedProperty, TrainingStatus
from lowtide.units import joules_to_kwh

MESSAGE_LENGTH = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """Facts of a job that a rating needs: its energy, its run time and its end."""

    energy: EnergyStatus
    energy_joules: float
    duration_seconds: float | None
    complete: bool


def rating_fields(
    job: Rated, training: TrainingStatus | None, shelf: Shelf, settings: RatingSettings
) -> dict[str, Any]:
    """Return the fields of the efficiency section that come from the rating."""
    if not job.complete:
        return _unrated("only completed jobs are rated")
    if training is None:
        return _unrated("the training wrote no report, so there is no accuracy to rate")
    framework = training.framework
    found = reference_for(
        shelf.sets,
        task=Task.TRAINING if training.inference is None else Task.INFERENCE,
        dataset=training.dataset,
        environment=environment_name(job.energy.gpu_model, job.energy.gpu_count, framework),
    )
    if isinstance(found, str):
        return _unrated(found, *shelf.faults)
    try:
        values = _values(job, training)
        rating = rate(values, found, compound=settings.compound, missing=settings.missing)
    except MetricError as error:
        return _unrated(str(error))
    return {
        "label": None if rating.letter is None else rating.letter.name,
        "reference": shortened(found.name, 256),
        "reference_rows": found.rows,
        "compound": str(rating.compound),
        "ratings": tuple(_property(one, rating) for one in rating.properties),
        "message": _why(rating),
    }


def _values(job: Rated, training: TrainingStatus) -> dict[str, float | None]:
    parameters, top5 = training.parameters, training.accuracy_top5
    accuracy = None if training.accuracy is None else float(training.accuracy)
    known = {
        "parameters": None if parameters is None else parameters / 1e6,
        "accuracy_top5": None if top5 is None else float(top5),
    }
    answered = training.inference
    if answered is not None:
        each = answered.joules_per_sample
        return inference_values(
            joules_per_sample=None if each is None else float(each),
            seconds_per_sample=answered.seconds / answered.samples if answered.samples else None,
            accuracy=accuracy,
            known=known,
        )
    return training_values(
        energy_kwh=joules_to_kwh(job.energy_joules),
        hours=None if job.duration_seconds is None else job.duration_seconds / 3600,
        epochs=training.epochs,
        accuracy=accuracy,
        known=known,
    )


def _property(one: PropertyRating, rating: Rating) -> RatedProperty:
    reference = rating.reference
    return RatedProperty(
        property=one.key,
        unit=PROPERTIES[one.key].unit,
        value=decimal_text(one.value),
        reference=decimal_text(reference.values.get(one.key)),
        index=decimal_text(one.index),
        boundaries=tuple(decimal_text(b) or "0" for b in reference.boundaries[one.key]),
        letter=None if one.letter is None else one.letter.name,
        weight=format(one.weight, "f"),
        reason=None if one.reason is None else str(one.reason),
    )


def _why(rating: Rating) -> str | None:
    """Return why there is no compound letter, or `None` if there is one."""
    if rating.reason is None:
        return None
    lacking = [
        PROPERTIES[one.key].label
        for one in rating.properties
        if one.letter is None and one.weight > 0
    ]
    names = f" ({', '.join(lacking)})" if lacking else ""
    return shortened(f"no letter{names}: {SENTENCES[str(rating.reason)]}", MESSAGE_LENGTH)


def _unrated(reason: str, *faults: str) -> dict[str, Any]:
    return {"message": shortened("; ".join([reason, *faults]), MESSAGE_LENGTH)}
