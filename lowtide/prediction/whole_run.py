"""Amount of a whole run from that of its finished epochs, as a result with a 90 % interval.

It is the method of a running job's status, for numbers that a person types and for the page of
`lowtide explore`. Source: docs/explanation/prediction.md#the-sum-of-what-is-to-come.
"""

from collections.abc import Sequence
from math import fsum
from typing import Final

from lowtide.metrics.domain import require_at_least
from lowtide.metrics.result import Caution, MetricError, Refusal, Result, Uncertainty, Undefined
from lowtide.prediction.extrapolation import FEWEST_STEPS
from lowtide.prediction.progress import (
    NotPredicted,
    Progress,
    Step,
    Unit,
    peculiarities,
    seconds_to_come,
)

METHOD: Final = "sum of finished epochs + mixture of models of those to come, if all epochs run"
NAME: Final = "predicted total"


def predicted_total(finished: Sequence[float], *, planned: int, unit: str) -> Result:
    """Return the total over `planned` epochs from the amounts of the finished ones.

    It works for any amount per epoch; `unit` is the unit of the amounts. Undefined as
    `too_few_samples` with fewer than five epochs, or where the interval is too wide to say
    anything; the result's sentence tells which.

    Raises:
        MetricError: out_of_domain for negative or non-finite amounts, or fewer planned than
            finished epochs.
    """
    for value in finished:
        require_at_least("finished", value)
    count = len(finished)
    if planned < count:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "planned",
            f"planned is {planned}, fewer than the {count} epochs that are finished",
        )
    parameters: dict[str, object] = {"finished_epochs": count, "planned_epochs": planned}
    if count < FEWEST_STEPS:
        return _undefined(
            unit, parameters, f"{count} epochs are finished: predicted from {FEWEST_STEPS} on"
        )
    used = fsum(finished)
    steps = tuple(Step(1, amount) for amount in finished)
    ahead = seconds_to_come(Progress(unit=Unit.EPOCHS, done=count, planned=planned, steps=steps))
    if isinstance(ahead, NotPredicted):
        return _undefined(unit, parameters, ahead.sentence.replace("running time", "amount"))
    found = peculiarities(ahead)
    basis = "; ".join(["90 % of a mixture of models", *found])
    return Result(
        name=NAME,
        value=used + min(max(ahead.expected, ahead.low), ahead.high),
        unit=unit,
        warnings=(Caution.EXTRAPOLATED,) if planned > count else (),
        parameters=parameters,
        method=METHOD,
        uncertainty=Uncertainty(low=used + ahead.low, high=used + ahead.high, basis=basis),
    )


def _undefined(unit: str, parameters: dict[str, object], sentence: str) -> Result:
    return Result(
        name=NAME,
        value=None,
        unit=unit,
        reason=Undefined.TOO_FEW_SAMPLES,
        parameters={**parameters, "message": sentence},
        method=METHOD,
    )
