"""Limits of a budget: which are exceeded, or surely will be, and what follows. Pure.

A limit is exceeded when what was measured lies above it, and surely will be when the whole 90 %
interval of the prediction does; a prediction that reaches inside the limit never leads to an
action. The answer follows from the budget and the status alone, for a job of a cluster as for a
run without one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lowtide.trainingjob.budget import AmountLimit, Budget, BudgetAction
from lowtide.trainingjob.conditions import Conditions, ConditionType, Reason, Truth, has_end
from lowtide.trainingjob.prediction import PredictedAmount, PredictionStatus
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide.trainingjob.times import clock_text
from lowtide.units import format_energy, format_mass

SEVERITY: Final = (BudgetAction.WARN, BudgetAction.PAUSE, BudgetAction.STOP)


@dataclass(frozen=True, slots=True)
class Exceeded:
    """One limit that is exceeded, or surely will be."""

    action: BudgetAction
    is_measured: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class BudgetVerdict:
    """What a budget says of a status: the condition OverBudget, and what is to be done."""

    status: Truth
    reason: Reason
    message: str = ""
    over: Exceeded | None = None
    """The limit that asks for the most; `None` where no limit is exceeded."""


def budget_verdict(budget: Budget, status: TrainingJobStatus, now: datetime) -> BudgetVerdict:
    """Return what a budget says of a job as its status shows it."""
    found = [*_exceeded(budget, status, now)]
    if found:
        measured = any(one.is_measured for one in found)
        return BudgetVerdict(
            "True",
            Reason.BUDGET_EXCEEDED if measured else Reason.BUDGET_WILL_BE_EXCEEDED,
            "; ".join(one.sentence for one in found),
            max(found, key=lambda one: SEVERITY.index(one.action)),
        )
    known = status.prediction is not None and _has_figures(status.prediction)
    if known or _is_measured(status):
        return BudgetVerdict("False", Reason.WITHIN_BUDGET)
    message = "nothing is measured or predicted yet that the budget limits"
    return BudgetVerdict("Unknown", Reason.NOT_PREDICTED, message)


def with_verdict(
    status: TrainingJobStatus, verdict: BudgetVerdict, now: datetime
) -> TrainingJobStatus:
    """Return a status whose condition OverBudget says what the budget says."""
    conditions = Conditions(status.conditions, now=now.replace(microsecond=0), generation=None)
    for one in status.conditions:
        conditions.set(ConditionType(one.type), one.status, one.reason, one.message)  # type: ignore[arg-type]
    conditions.set(ConditionType.OVER_BUDGET, verdict.status, verdict.reason, verdict.message)
    return status.model_copy(update={"conditions": conditions.build()})


def _has_figures(prediction: PredictionStatus) -> bool:
    return prediction.energy_joules is not None or prediction.finish is not None


def _is_measured(status: TrainingJobStatus) -> bool:
    return has_end(status.conditions) and status.energy is not None


def _exceeded(budget: Budget, status: TrainingJobStatus, now: datetime) -> Iterator[Exceeded]:
    """Yield the limits that are exceeded or surely will be."""
    foreseen = status.prediction or PredictionStatus()
    currency = foreseen.currency or (None if status.cost is None else status.cost.currency) or ""
    quantities = (
        ("energy", budget.energy_joules, _joules(status), foreseen.energy_joules, format_energy),
        ("emissions", budget.grams, _grams(status), foreseen.grams, format_mass),
        (
            "cost",
            budget.money,
            _money(status),
            foreseen.money,
            lambda amount: f"{amount:.2f} {currency}".strip(),
        ),
    )
    for name, limit, used, predicted, words in quantities:
        if limit is not None:
            yield from _of_amount(name, limit, used, predicted, words)
    if budget.finish is None:
        return
    limit_text = clock_text(budget.finish.limit)
    ends = [attempt.end for attempt in status.attempts if attempt.end is not None]
    ended = max(ends) if ends and has_end(status.conditions) else None
    if (ended or now) > budget.finish.limit:
        what = "the job had not ended by" if ended is None else "the job ended after"
        yield Exceeded(budget.finish.action, True, f"{what} {limit_text}, the limit of the budget")
    elif ended is None and foreseen.finish is not None:
        earliest = foreseen.finish.earliest
        if earliest > budget.finish.limit:
            yield Exceeded(
                budget.finish.action,
                False,
                f"the job is expected to end at {clock_text(earliest)} at the earliest, the "
                f"budget allows {limit_text}",
            )


def _of_amount(
    name: str,
    limit: AmountLimit,
    used: float | None,
    predicted: PredictedAmount | None,
    words: Callable[[float], str],
) -> Iterator[Exceeded]:
    allowed = float(limit.limit)
    if used is not None and used > allowed:
        sentence = f"{name} of {words(used)} was measured, the budget allows {words(allowed)}"
        yield Exceeded(limit.action, True, sentence)
    elif predicted is not None and float(predicted.low) > allowed:
        expected, low = float(predicted.expected), float(predicted.low)
        sentence = (
            f"{name} of {words(expected)} is predicted, at least {words(low)}; the budget allows "
            f"{words(allowed)}"
        )
        yield Exceeded(limit.action, False, sentence)


def _joules(status: TrainingJobStatus) -> float | None:
    joules = None if status.energy is None else status.energy.total_joules
    return None if joules is None else float(joules)


def _grams(status: TrainingJobStatus) -> float | None:
    if status.carbon is None:
        return None
    grams = status.carbon.total_grams or status.carbon.operational_grams
    return None if grams is None else float(grams)


def _money(status: TrainingJobStatus) -> float | None:
    if status.cost is None:
        return None
    money = status.cost.instance or status.cost.energy
    return None if money is None else float(money)
