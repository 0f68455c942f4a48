"""Time, energy and accuracy after each epoch, from the report in the status.

The operator computes the times to closest from this and `lowtide explain` computes them again, so
it is written once. A run whose energy is unknown for some epoch has no such figures.
"""

from itertools import accumulate

from lowtide.metrics.efficiency import EpochMeasure
from lowtide.trainingjob.status import TrainingStatus


def epoch_measures(training: TrainingStatus | None) -> tuple[tuple[EpochMeasure, ...], str | None]:
    """Return one measure per epoch, or an empty tuple and the reason why."""
    if training is None or not training.history:
        return (), "the trainer reported no history of epochs"
    unknown = next((entry.epoch for entry in training.history if entry.joules is None), None)
    if unknown is not None:
        return (), f"the energy up to epoch {unknown} is not known"
    seconds = accumulate(float(entry.seconds) for entry in training.history)
    joules = accumulate(entry.joules or 0 for entry in training.history)
    measures = tuple(
        EpochMeasure(passed, float(entry.accuracy), used)
        for entry, passed, used in zip(training.history, seconds, joules, strict=True)
        if entry.accuracy is not None and passed > 0
    )
    return measures, None if measures else "the trainer reported no accuracy per epoch"
