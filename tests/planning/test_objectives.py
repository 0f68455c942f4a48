"""Plans by carbon, by cost, and by both."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lowtide.planning import ForecastError, Objective, ObjectiveKind, PlanReason, RequestError, plan
from lowtide.prices.forecast import PriceBasis, PriceForecast

HOUR = timedelta(hours=1)
COST = Objective(ObjectiveKind.COST)


def prices(now, values, *, spread=0.0, slot_seconds=3600, start=None) -> PriceForecast:
    """Return published prices, one per slot."""
    return PriceForecast(
        zone="DE",
        currency="EUR",
        start=start or now,
        slot_seconds=slot_seconds,
        price_per_kwh=tuple(values),
        spread_per_kwh=(spread,) * len(values),
        bases=(PriceBasis.PUBLISHED,) * len(values),
    )


def both(price_per_tonne: float) -> Objective:
    return Objective(ObjectiveKind.BOTH, price_per_tonne)


@pytest.mark.parametrize(
    ("objective", "hour"),
    [
        pytest.param(Objective(), 1, id="carbon"),
        pytest.param(COST, 2, id="cost"),
        # 300 g more cost 0.03 at 100 a tonne: 0.09 + 0.03 > 0.10, 0.04 + 0.03 < 0.10.
        pytest.param(both(100), 2, id="both, cheap tonnes"),
        # At 400 a tonne they cost 0.12: 0.04 + 0.12 + ... > 0.10.
        pytest.param(both(400), 1, id="both, dear tonnes"),
    ],
)
def test_each_objective_takes_its_own_hour(now, forecast, job, objective, hour):
    """Hour 1 has 100 g for 0.10, hour 2 has 400 g for 0.04."""
    grams = forecast([400, 100, 400, 400, 400, 400])
    money = prices(now, [0.2, 0.10, 0.04, 0.2, 0.2, 0.2])

    answer = plan(now, job(objective=objective), grams, prices=money)

    assert answer.segments[0].start == now + hour * HOUR


def test_figures_are_given_in_grams_in_money_and_in_the_objective(now, forecast, job):
    """400 g and 0.20 at once; 400 g and 0.04 planned; at 100 a tonne 0.24 and 0.08."""
    answer = plan(
        now, job(objective=both(100)), forecast([400] * 6), prices=prices(now, [0.2, 0.2, 0.04] * 2)
    )

    assert (answer.planned_price_per_kwh, answer.run_now_price_per_kwh) == pytest.approx(
        (0.04, 0.2)
    )
    assert answer.saving_ratio == pytest.approx(0)
    assert answer.money_saving_ratio == pytest.approx(0.8)
    assert answer.objective_saving_ratio == pytest.approx(1 - 0.08 / 0.24)
    assert answer.currency == "EUR"
    assert "0.04 instead of 0.2 EUR/kWh" in answer.explanation


@pytest.mark.parametrize("interruptible", [False, True])
def test_negative_prices_are_real_prices(now, forecast, job, interruptible):
    """The hour that pays most is taken, whatever error is expected."""
    money = prices(now, [0.1, -0.05, -0.2, 0.1, 0.1, 0.1], spread=0.1)

    answer = plan(
        now, job(objective=COST, interruptible=interruptible), forecast([300] * 6), prices=money
    )

    assert answer.segments[0].start == now + 2 * HOUR
    assert answer.planned_price_per_kwh == pytest.approx(-0.2)


def test_a_minimum_saving_holds_where_running_at_once_is_paid_for(now, forecast, job):
    """From -0.100 to -0.101 is one percent: less than two."""
    money = prices(now, [-0.1, -0.101, 0.1, 0.1, 0.1, 0.1])

    answer = plan(
        now, job(objective=COST, minimum_saving_ratio=0.02), forecast([300] * 6), prices=money
    )

    assert answer.reason is PlanReason.SAVING_TOO_SMALL


def test_without_prices_nothing_is_guessed(now, forecast, job):
    """A job that is planned by money runs at once, and says that no price is known."""
    answer = plan(now, job(objective=both(100)), forecast([400, 100, 400, 400, 400, 400]))

    assert answer.run
    assert answer.reason is PlanReason.NO_FORECAST
    assert "no price" in answer.explanation


def test_prices_that_end_early_are_known_as_far_as_they_go(now, forecast, job):
    """Two hours of prices: the third hour is not planned with."""
    answer = plan(now, job(objective=COST), forecast([300] * 6), prices=prices(now, [0.2, 0.1]))

    assert answer.segments[0].start == now + HOUR


def test_quarters_are_averaged_to_the_hours_of_the_intensity(now, forecast, job):
    """0.4, 0, 0, 0 is 0.1 an hour and less than 0.15."""
    quarters = prices(now, [0.15] * 4 + [0.4, 0, 0, 0] + [0.2] * 16, slot_seconds=900)

    answer = plan(now, job(objective=COST), forecast([300] * 6), prices=quarters)

    assert answer.segments[0].start == now + HOUR
    assert answer.planned_price_per_kwh == pytest.approx(0.1)


def test_a_price_forecast_that_does_not_fit_is_refused(now, forecast, job):
    """Two prices and one spread."""
    bad = replace(prices(now, [0.1, 0.2]), spread_per_kwh=(0.0,))

    with pytest.raises(ForecastError, match="2 prices and 1"):
        plan(now, job(objective=COST), forecast([300] * 6), prices=bad)


@pytest.mark.parametrize("price", [None, -1.0, float("nan"), float("inf")])
def test_both_needs_a_price_per_tonne(price):
    """Without one grams and money do not compare."""
    with pytest.raises(RequestError, match="price"):
        Objective(ObjectiveKind.BOTH, price)
