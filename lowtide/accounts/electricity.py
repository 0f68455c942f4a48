"""Electricity bill of an ended job in its status: paid, saved, and the reach of its objective.

Pure. The bill is that of the measured energy at the zone's prices in time; the baseline is the same
run at submission, as for emissions (`lowtide.accounts.savings`). The reach compares the objective
that the job was planned by with the best run that was possible. Nothing of it enters emissions or
the SCI.
"""

from datetime import datetime
from typing import Final

import numpy as np

from lowtide.accounts.run_at_submission import run_at_submission
from lowtide.accounts.savings import WITHOUT_CHOICE, best_run, seen_as_forecast
from lowtide.energy.bill import electricity_bill
from lowtide.energy.profile import EnergyProfile
from lowtide.grid.forecast import Forecast
from lowtide.grid.series import IntensitySeries
from lowtide.grid.slots import slot_index, values_on_slots
from lowtide.planning.objective import Objective, ObjectiveKind
from lowtide.prices.forecast import PriceBasis, PriceForecast
from lowtide.prices.series import PriceSeries
from lowtide.trainingjob.base import decimal_text, difference_text, tenths_text
from lowtide.trainingjob.conditions import shortened
from lowtide.trainingjob.electricity import ElectricityStatus
from lowtide.trainingjob.schedule_settings import ScheduleSettings
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import CounterfactualStatus, PlanStatus, TrainingJobStatus
from lowtide.units import format_coverage

_NOTHING_TO_SAVE: Final = 1e-6
"""Below this share of the run-now objective a possible saving is a rounding error."""


def electricity_status(
    profile: EnergyProfile,
    prices: PriceSeries,
    *,
    spec: TrainingJobSpec,
    status: TrainingJobStatus,
    baseline_start: datetime,
    grams: float | None,
    run_now_grams: float | None,
) -> ElectricityStatus:
    """Return what the run cost, what it would have cost at `baseline_start`, and the difference.

    `grams` and `run_now_grams` are the emissions of both without the data centre's overhead, as the
    bill is: an objective of money and carbon weighs them.
    """
    paid = electricity_bill(profile, prices)
    moved = run_at_submission(profile, spec, status.attempts, baseline_start)
    at_once = electricity_bill(moved, prices)
    objective = planned_objective(status.plan)
    message = None
    if paid.amount is None:
        message = f"the price is known for {format_coverage(paid.covered_ratio)} of the energy only"
    elif at_once.amount is None:
        message = (
            f"the price at submission is known for {format_coverage(at_once.covered_ratio)} of the "
            "energy only"
        )
    paid_text, at_once_text = decimal_text(paid.amount), decimal_text(at_once.amount)
    saved = difference_text(at_once_text, paid_text)
    percent = None
    if saved is not None and at_once.amount is not None and at_once.amount > 0:
        percent = 100 * float(saved) / at_once.amount
    return ElectricityStatus(
        currency=paid.currency,
        source=shortened(paid.source, 256),
        paid=paid_text,
        mean_price_per_kwh=decimal_text(paid.mean_per_kwh),
        run_now=at_once_text,
        saved=saved,
        saved_percent=tenths_text(percent),
        objective=None if objective is None else objective.kind,
        price_per_tonne=None if objective is None else decimal_text(objective.price_per_tonne),
        weighed=decimal_text(_weighed(objective, paid.amount, grams)),
        run_now_weighed=decimal_text(_weighed(objective, at_once.amount, run_now_grams)),
        message=message,
    )


def planned_objective(plan: PlanStatus | None) -> Objective | None:
    """Return the objective that a plan minimised, `None` where it does not say."""
    if plan is None or plan.objective not in list(ObjectiveKind):
        return None
    kind, price = ObjectiveKind(plan.objective), plan.price_per_tonne
    if kind is ObjectiveKind.BOTH and price is None:
        return None
    return Objective(kind, None if price is None else float(price))


def _weighed(objective: Objective | None, money: float | None, grams: float | None) -> float | None:
    """Return the objective in money, `None` where prices do not count or a part is not known."""
    if objective is None or not objective.needs_prices or money is None:
        return None
    if objective.per_gram == 0:
        return money
    return None if grams is None else money + objective.per_gram * grams


def with_price_hindsight(
    status: TrainingJobStatus,
    spec: TrainingJobSpec,
    intensity: IntensitySeries | None,
    prices: PriceSeries | None,
    settings: ScheduleSettings,
) -> ElectricityStatus | None:
    """Return the bill with the least that was possible of the objective, once that is known.

    As for emissions: the job's own length, mean power and constraints, and perfect knowledge until
    the deadline. Unchanged where prices did not count.
    """
    bill, known, planned = status.electricity, status.counterfactual, status.plan
    objective = planned_objective(planned)
    if bill is None or known is None or planned is None or objective is None:
        return bill
    if bill.weighed is None or bill.run_now_weighed is None or planned.deadline is None:
        return bill
    actual = seen_as_forecast(intensity, known.baseline_start, planned.deadline)
    if actual is None or planned.reason in WITHOUT_CHOICE:
        return bill
    exact = _paid_as_forecast(prices, actual)
    if exact is None:
        message = "the best possible run by price is not known: prices until the deadline are not"
        return bill.model_copy(update={"message": message})
    least = _least(status, spec, known, actual, exact, objective, settings)
    if least is None:
        return bill
    at_once, mine = float(bill.run_now_weighed), float(bill.weighed)
    # The optimum assumes mean power; a run whose power varies can seem to beat it.
    least_text = decimal_text(min(least, at_once, mine)) or "0"
    possible = at_once - float(least_text)  # the reach follows from what is stated
    if possible <= _NOTHING_TO_SAVE * abs(at_once):
        message = "no allowed start would have been better than running at once"
        return bill.model_copy(update={"least_weighed": least_text, "message": message})
    return bill.model_copy(
        update={
            "least_weighed": least_text,
            "reach_percent": tenths_text(100 * (at_once - mine) / possible),
        }
    )


def _least(
    status: TrainingJobStatus,
    spec: TrainingJobSpec,
    known: CounterfactualStatus,
    actual: Forecast,
    prices: PriceForecast,
    objective: Objective,
    settings: ScheduleSettings,
) -> float | None:
    """Return the objective of the best run inside the job's window, in money."""
    best = best_run(status, spec, known, actual, settings, objective=objective, prices=prices)
    if best is None:
        return None
    kwh, plan = best
    if plan.planned_price_per_kwh is None or plan.planned_grams_per_kwh is None:
        return None
    return kwh * (plan.planned_price_per_kwh + objective.per_gram * plan.planned_grams_per_kwh)


def _paid_as_forecast(prices: PriceSeries | None, actual: Forecast) -> PriceForecast | None:
    """Return published prices as a forecast without error; `None` if one is missing."""
    if prices is None:
        return None
    count = len(actual.grams_per_kwh)
    first = slot_index(actual.start, actual.slot_seconds)
    values = values_on_slots(prices, first, count, actual.slot_seconds)
    if not np.isfinite(values).all():
        return None
    return PriceForecast(
        zone=prices.zone,
        currency=prices.currency,
        start=actual.start,
        slot_seconds=actual.slot_seconds,
        price_per_kwh=tuple(values.tolist()),
        spread_per_kwh=(0.0,) * count,
        bases=(PriceBasis.PUBLISHED,) * count,
    )
