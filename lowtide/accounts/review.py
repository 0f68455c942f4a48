"""Review of a prediction once the run has ended and is measured: how far off it was. Pure.

The first prediction from the run's own progress is judged, because every later one knows more.
"""

from datetime import datetime

from lowtide.trainingjob.base import decimal_text
from lowtide.trainingjob.prediction import (
    PredictedAmount,
    PredictedFigures,
    PredictedMoment,
    PredictionReview,
)
from lowtide.trainingjob.status import TrainingJobStatus


def reviewed(status: TrainingJobStatus) -> tuple[PredictionReview, ...]:
    """Return the first prediction of every quantity that was measured, set against what came."""
    if status.prediction is None or status.prediction.first is None:
        return ()
    first = status.prediction.first
    found = [
        _amount("energyJoules", first.energy_joules, _joules(status)),
        _amount("grams", first.grams, _grams(status, first)),
        _amount("sciGramsPerUnit", first.sci_grams_per_unit, _sci(status)),
        _amount("money", first.money, _money(status)),
        _run_time(first.finish, status),
    ]
    return tuple(review for review in found if review is not None)


def _joules(status: TrainingJobStatus) -> float | None:
    joules = None if status.energy is None else status.energy.total_joules
    return None if joules is None else float(joules)


def _grams(status: TrainingJobStatus, first: PredictedFigures) -> float | None:
    """Return the emissions with the same parts as the prediction's."""
    if status.carbon is None:
        return None
    # A score is predicted only where embodied emissions were part of the prediction.
    with_embodied = first.sci_grams_per_unit is not None
    return _number(status.carbon.total_grams if with_embodied else status.carbon.operational_grams)


def _sci(status: TrainingJobStatus) -> float | None:
    return None if status.sci is None else _number(status.sci.grams_per_unit)


def _money(status: TrainingJobStatus) -> float | None:
    if status.cost is None:
        return None
    return _number(status.cost.instance or status.cost.energy)


def _run_time(
    predicted: PredictedMoment | None, status: TrainingJobStatus
) -> PredictionReview | None:
    """Return the review of the time from the first start to the end."""
    starts = [attempt.start for attempt in status.attempts if attempt.start is not None]
    end = status.attempts[-1].end if status.attempts else None
    if predicted is None or not starts or end is None:
        return None
    start = min(starts)

    def since(moment: datetime) -> str:
        return f"{max(0.0, (moment - start).total_seconds()):.0f}"

    amount = PredictedAmount(
        expected=since(predicted.expected),
        low=since(predicted.earliest),
        high=since(predicted.latest),
    )
    return _amount("runSeconds", amount, (end - start).total_seconds())


def _amount(
    quantity: str, predicted: PredictedAmount | None, actual: float | None
) -> PredictionReview | None:
    if predicted is None or actual is None or actual <= 0:
        return None
    error = decimal_text(100 * (float(predicted.expected) / actual - 1), 3)
    text = decimal_text(actual)
    if error is None or text is None:
        return None
    return PredictionReview(
        quantity=quantity,
        actual=text,
        error_percent=error,
        held=float(predicted.low) <= actual <= float(predicted.high),
    )


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)
