"""Price forecasts: exact as far as published, the zone's own past beyond."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide.prices.forecast import PriceBasis
from lowtide.prices.fusion import forecast_prices
from lowtide.prices.series import PricePoint, PriceSeries
from lowtide.prices.surcharge import Surcharge

START = datetime(2026, 2, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def by_hour(price, hours, *, start=START, step=HOUR):
    """Prices from a function of the slot's start; `None` is a gap."""
    points = [(start + i * step, price(start + i * step)) for i in range(int(hours * HOUR / step))]
    return PriceSeries("DE", "market", tuple(PricePoint(t, t + step, p) for t, p in points), "EUR")


def daily(moment):
    return 0.05 + 0.01 * moment.hour


def test_published_prices_are_exact_and_the_rest_is_the_usual_day():
    """A price that is the same every day is expected again, with no error."""
    prices = by_hour(daily, 20 * 24)
    now = START + 19 * 24 * HOUR + 12 * HOUR

    forecast = forecast_prices(now, prices, horizon_slots=48)

    expected = [daily(now + i * HOUR) for i in range(48)]
    assert forecast.price_per_kwh == pytest.approx(expected)
    assert forecast.bases == (PriceBasis.PUBLISHED,) * 12 + (PriceBasis.PROFILE,) * 36
    assert forecast.published_until == START + 20 * 24 * HOUR
    assert forecast.spread_per_kwh[:12] == (0,) * 12
    assert (forecast.start, forecast.slot_seconds, forecast.currency) == (now, 3600, "EUR")


def test_the_course_of_the_week_is_known_to_those_who_may_use_it():
    """Five equal weeks with cheap Sundays: the forecast with the week is nearer to the next one."""
    prices = by_hour(lambda t: 0.02 if t.weekday() == 6 else 0.10, 35 * 24)
    now = START + 35 * 24 * HOUR - HOUR

    forecast = forecast_prices(now, prices, horizon_slots=8 * 24)

    sunday, wednesday = 6 * 24 + 13, 2 * 24 + 13
    plain, week = forecast.price_per_kwh, forecast.with_week.price_per_kwh
    assert plain[sunday] == pytest.approx(plain[wednesday], abs=0.012)
    assert week[sunday] < week[wednesday] - 0.01
    assert abs(week[sunday] - 0.02) < abs(plain[sunday] - 0.02) - 0.01


def test_a_forecast_price_may_be_negative():
    """Noon is paid for every day, so it is expected to be; it is not cut off at zero."""
    prices = by_hour(lambda t: -0.03 if t.hour == 12 else 0.08, 20 * 24)

    forecast = forecast_prices(START + 20 * 24 * HOUR - HOUR, prices, horizon_slots=25)

    assert forecast.price_per_kwh[13] == pytest.approx(-0.03)


def test_the_error_is_that_of_the_past_and_none_where_published():
    """Days that alternate between two levels are uncertain; published hours of them are not."""
    prices = by_hour(lambda t: 0.05 + 0.10 * (t.toordinal() % 2), 30 * 24)

    forecast = forecast_prices(START + 29 * 24 * HOUR + 20 * HOUR, prices, horizon_slots=24)

    assert forecast.spread_per_kwh[:4] == (0,) * 4
    # Root mean square of +-0.05 times the weight 0.75; the first days have a shorter mean.
    assert forecast.spread_per_kwh[4:] == pytest.approx([0.0375] * 20, rel=0.03)


def test_a_gap_ends_what_is_published_and_later_prices_still_count():
    """The missing hour is filled from the past and says so."""
    now = START + 20 * 24 * HOUR
    gap = now + 2 * HOUR
    prices = by_hour(lambda t: None if t == gap else daily(t), 20 * 24 + 6)

    forecast = forecast_prices(now, prices, horizon_slots=8)

    assert [str(basis) for basis in forecast.bases] == (
        ["published"] * 2 + ["profile"] + ["published"] * 3 + ["profile"] * 2
    )
    assert forecast.published_until == gap
    assert forecast.price_per_kwh[2:6] == pytest.approx([daily(gap + i * HOUR) for i in range(4)])


def test_with_hardly_a_past_the_rest_is_flat():
    """Two days do not make a profile: the mean of the last day stands, and says that it is flat."""
    prices = by_hour(daily, 48)

    forecast = forecast_prices(START + 47 * HOUR, prices, horizon_slots=5)

    assert forecast.bases == (PriceBasis.PUBLISHED,) + (PriceBasis.FLAT,) * 4
    assert forecast.price_per_kwh[1:] == pytest.approx([0.05 + 0.01 * 11.5] * 4)


def test_prices_that_ended_before_now_are_forecast_from_there():
    """An outage of the market's service for a day leaves the usual day, not nothing."""
    prices = by_hour(daily, 20 * 24)
    now = START + 21 * 24 * HOUR + 5 * HOUR

    forecast = forecast_prices(now, prices, horizon_slots=24)

    assert (forecast.source, forecast.published_until) == (None, None)
    assert forecast.price_per_kwh == pytest.approx([daily(now + i * HOUR) for i in range(24)])


def test_without_any_price_there_is_no_forecast():
    """Nothing is made up."""
    assert forecast_prices(START, PriceSeries("DE", "market", (), "EUR")) is None
    assert forecast_prices(START, by_hour(lambda _: None, 24)) is None


def test_quarter_hours_and_hours_meet_on_the_slots_asked_for():
    """A market that changed from hours to quarter-hours keeps the mean of each hour."""
    change = START + 20 * 24 * HOUR
    hours = by_hour(daily, 20 * 24)
    quarters = by_hour(
        lambda t: daily(t) + (0.02 if t.minute >= 30 else -0.02), 12, start=change, step=HOUR / 4
    )
    prices = hours.merged(quarters)

    hourly = forecast_prices(change, prices, horizon_slots=12, slot_seconds=3600)
    fine = forecast_prices(change, prices, horizon_slots=48, slot_seconds=900)

    assert hourly.price_per_kwh == pytest.approx([daily(change + i * HOUR) for i in range(12)])
    assert fine.price_per_kwh[:4] == pytest.approx([0.03, 0.03, 0.07, 0.07])


def test_taxes_widen_the_error_and_fees_do_not():
    """A fifth more, whatever the fee."""
    prices = by_hour(lambda t: 0.05 + 0.10 * (t.toordinal() % 2), 30 * 24)
    forecast = forecast_prices(START + 30 * 24 * HOUR - HOUR, prices, horizon_slots=3)

    paid = Surcharge(per_kwh=0.1, tax_ratio=0.2).on_forecast(forecast)

    assert paid.spread_per_kwh == pytest.approx([1.2 * one for one in forecast.spread_per_kwh])
    assert paid.price_per_kwh[0] == pytest.approx((forecast.price_per_kwh[0] + 0.1) * 1.2)


def test_the_forecast_keeps_its_place_in_a_replay():
    """One hour of the data lasts ten seconds: 24 slots make a day, each stands for an hour."""
    step = timedelta(seconds=10)
    prices = by_hour(lambda t: 0.05, 1, step=step)

    forecast = forecast_prices(START + 100 * step, prices, horizon_slots=24, slots_per_day=24)

    assert forecast.slot_hours == 1.0
    assert forecast.price_per_kwh == pytest.approx([0.05] * 24)
