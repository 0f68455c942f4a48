"""Bill of a run: paid and saved against run-now, and the reach of its objective, by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lowtide.accounts.electricity import electricity_status, with_price_hindsight
from lowtide.energy.bill import electricity_bill
from lowtide.energy.profile import EnergyInterval, EnergyProfile
from lowtide.grid.series import AverageSeries, Point
from lowtide.prices.series import PricePoint, PriceSeries
from lowtide.trainingjob.electricity import ElectricityStatus
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.schedule_settings import ScheduleSettings
from lowtide.trainingjob.status import (
    Attempt,
    CarbonStatus,
    CounterfactualStatus,
    EnergyStatus,
    PlanStatus,
    TrainingJobStatus,
)

SUBMITTED = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTINGS = ScheduleSettings(start_latency_seconds=0, margin_seconds=0)
GRAMS = [400.0, 100.0, 300.0, 400.0]
MONEY = [0.3, 0.2, 0.05, 0.3]


def prices(values: list[float | None]) -> PriceSeries:
    """Return hourly prices from submission on."""
    points = tuple(
        PricePoint(SUBMITTED + k * HOUR, SUBMITTED + (k + 1) * HOUR, value)
        for k, value in enumerate(values)
    )
    return PriceSeries("DE", "energy-charts", points, "EUR")


def grid(values: list[float]) -> AverageSeries:
    """Return hourly intensity from submission on."""
    points = tuple(
        Point(SUBMITTED + k * HOUR, SUBMITTED + (k + 1) * HOUR, value)
        for k, value in enumerate(values)
    )
    return AverageSeries("DE", "grid", points)


def run(*spans: tuple[float, float]) -> EnergyProfile:
    """Return a run at 1 kW, in hours after submission."""
    return EnergyProfile(
        tuple(
            EnergyInterval(SUBMITTED + a * HOUR, SUBMITTED + b * HOUR, (b - a) * 3.6e6)
            for a, b in spans
        )
    )


def attempt(number: int, start: float, end: float) -> Attempt:
    """Return an attempt, in hours after submission."""
    return Attempt(
        number=number, name="net-1", start=SUBMITTED + start * HOUR, end=SUBMITTED + end * HOUR
    )


def status(*attempts: Attempt, **plan: Any) -> TrainingJobStatus:
    """Return the status of a job that may take four hours."""
    deadline = SUBMITTED + 4 * HOUR
    return TrainingJobStatus(
        attempts=attempts,
        plan=PlanStatus(**{"deadline": deadline, "reason": "CleanestWindow", **plan}),
    )


BOTH = {"objective": "Both", "price_per_tonne": "100"}


def billed(
    profile: EnergyProfile,
    paid: PriceSeries,
    known: TrainingJobStatus,
    *,
    grams: float | None = None,
    run_now_grams: float | None = None,
    **schedule: Any,
) -> ElectricityStatus:
    """Return the bill of a run."""
    return electricity_status(
        profile,
        paid,
        spec=parse_spec({"template": {}, "schedule": schedule}),
        status=known,
        baseline_start=SUBMITTED,
        grams=grams,
        run_now_grams=run_now_grams,
    )


def test_a_run_in_the_cheap_hour_saves_the_difference() -> None:
    """1 kWh at 0.05 instead of 0.30: a quarter of a euro, or 83.3 %."""
    found = billed(run((2, 3)), prices(list(MONEY)), status(attempt(1, 2, 3), objective="Cost"))

    assert (found.currency, found.source) == ("EUR", "energy-charts")
    assert (found.paid, found.run_now, found.saved) == ("0.05", "0.3", "0.25")
    assert found.saved_percent == "83.3"
    assert found.mean_price_per_kwh == "0.05"
    assert (found.weighed, found.run_now_weighed) == ("0.05", "0.3")


def test_both_weighs_the_grams_of_the_same_run() -> None:
    """300 g at 100 a tonne are 0.03, 400 g are 0.04."""
    found = billed(
        run((2, 3)),
        prices(list(MONEY)),
        status(attempt(1, 2, 3), **BOTH),
        grams=300.0,
        run_now_grams=400.0,
    )

    assert (found.weighed, found.run_now_weighed) == ("0.08", "0.34")
    assert (found.paid, found.run_now) == ("0.05", "0.3")


def test_a_job_by_carbon_has_a_bill_and_no_objective_in_money() -> None:
    """What it cost is of interest; how good a choice it was is told in grams."""
    found = billed(run((1, 2)), prices(list(MONEY)), status(attempt(1, 1, 2), objective="Carbon"))

    assert found.paid == "0.2"
    assert found.weighed is None


def test_whoever_is_paid_to_use_power_pays_less_than_nothing() -> None:
    """2 kWh, one at -0.10 and one at 0.04: -0.06; a share of a free baseline is no number."""
    found = billed(run((0, 2)), prices([-0.1, 0.04, 0.2]), status(attempt(1, 0, 2)))

    assert (found.paid, found.saved, found.saved_percent) == ("-0.06", "0.00", None)


def test_a_resume_is_paid_and_not_part_of_the_baseline() -> None:
    """Two hours and a quarter to resume: 0.30 + 1.25 x 0.05; at submission 0.30 + 0.20."""
    known = status(attempt(1, 0, 1), attempt(2, 2, 3.25))
    found = billed(
        run((0, 1), (2, 3), (3, 3.25)),
        prices([0.3, 0.2, 0.05, 0.05]),
        known,
        interruption={"allowed": True, "restartCostSeconds": 900},
    )

    assert (found.paid, found.run_now) == ("0.3625", "0.5")


@pytest.mark.parametrize(
    ("values", "paid", "message"),
    [
        ([0.3, 0.2], None, "the price is known for 0 % of the energy only"),
        ([None, 0.2, 0.05], "0.05", "the price at submission is known for 0 % of the energy only"),
    ],
    ids=["of the run", "of the baseline"],
)
def test_a_price_that_is_not_known_leaves_its_figure_out(
    values: list[float | None], paid: str | None, message: str
) -> None:
    """Nothing is scaled up and nothing guessed."""
    found = billed(run((2, 3)), prices(values), status(attempt(1, 2, 3), objective="Cost"))

    assert (found.paid, found.saved, found.message) == (paid, None, message)


@pytest.mark.parametrize("cut", [0.25, 0.5, 1.0, 1.75])
def test_a_bill_does_not_depend_on_where_intervals_are_cut(cut: float) -> None:
    """Energy is spread evenly inside an interval, so a cut changes nothing."""
    paid = prices([0.3, -0.2, 0.05])

    whole, parts = (electricity_bill(one, paid) for one in (run((0, 2)), run((0, cut), (cut, 2))))

    assert whole.amount == pytest.approx(0.1)
    assert parts.amount == pytest.approx(whole.amount)


def looked_back(
    known: TrainingJobStatus,
    bill: ElectricityStatus,
    emitted: float,
    paid: PriceSeries | None,
    intensity: AverageSeries | None = None,
) -> ElectricityStatus:
    """Return the bill of a job of 1 kWh after its deadline."""
    measured = known.model_copy(
        update={
            "energy": EnergyStatus(total_joules=3_600_000),
            "carbon": CarbonStatus(operational_grams=f"{emitted:.4f}", zone="DE"),
            "counterfactual": CounterfactualStatus(
                run_now_grams="400.0000", baseline_start=SUBMITTED
            ),
            "electricity": bill,
        }
    )
    spec = parse_spec({"template": {}})
    found = with_price_hindsight(measured, spec, intensity or grid(GRAMS), paid, SETTINGS)
    assert found is not None
    return found


def test_the_reach_is_the_share_of_the_possible_saving_of_the_objective() -> None:
    """Ran in hour 1 for 0.20 and 100 g; hour 2 costs 0.05 and 300 g, submission 0.30 and 400 g.

    At 100 a tonne: 0.21, at best 0.08, at once 0.34: 0.13 of 0.26 were saved.
    """
    known, paid = status(attempt(1, 1, 2), **BOTH), prices(list(MONEY))
    bill = billed(run((1, 2)), paid, known, grams=100.0, run_now_grams=400.0)

    found = looked_back(known, bill, 100.0, paid)

    assert (found.least_weighed, found.reach_percent) == ("0.08", "50.0")


def test_the_best_hour_by_cost_is_reached_in_full() -> None:
    """Hour 2 is the cheapest of four."""
    known, paid = status(attempt(1, 2, 3), objective="Cost"), prices(list(MONEY))

    found = looked_back(known, billed(run((2, 3)), paid, known), 300.0, paid)

    assert (found.least_weighed, found.reach_percent) == ("0.05", "100.0")


def test_prices_that_are_missing_until_the_deadline_leave_the_optimum_open() -> None:
    """The bill itself stands."""
    known, paid = status(attempt(1, 2, 3), objective="Cost"), prices(list(MONEY))
    bill = billed(run((2, 3)), paid, known)

    found = looked_back(known, bill, 300.0, prices(MONEY[:3]))

    assert (found.paid, found.least_weighed, found.reach_percent) == ("0.05", None, None)
    assert "prices until the deadline are not" in (found.message or "")


def test_a_flat_tariff_leaves_nothing_to_reach() -> None:
    """A share of nothing is not a number."""
    known, paid = status(attempt(1, 2, 3), objective="Cost"), prices([0.3] * 4)

    found = looked_back(known, billed(run((2, 3)), paid, known), 300.0, paid)

    assert (found.least_weighed, found.reach_percent) == ("0.3", None)
    assert "no allowed start" in (found.message or "")
