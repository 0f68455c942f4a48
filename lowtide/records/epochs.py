"""What a run had reached after each epoch, out of the report in its status.

The operator computes the times to closest from this and `lowtide explain` computes them again, so
it is written once. A run whose energy is not known for every epoch has no such figures.
"""

from itertools import accumulate

from lowtide.metrics.efficiency import EpochMeasure
from lowtide.trainingjob.status import TrainingStatus


def epoch_measures(training: TrainingStatus | None) -> tuple[tuple[EpochMeasure, ...], str | None]:
    """Return what was reached after each epoch, or no measures and the reason why."""
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
