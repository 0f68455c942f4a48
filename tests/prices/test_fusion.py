"""Price forecasts: exact as far as published, the zone's own past beyond."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lowtide.backtest.pricing import price_views, published_slots
from lowtide.backtest.trace import BacktestTrace, Case, fused_views
from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.series import AverageSeries, Point, Signal
from lowtide.prices.forecast import PriceBasis
from lowtide.prices.fusion import IntensityBeside, forecast_prices
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


def test_the_course_of_the_week_is_known():
    """Five equal weeks with cheap Sundays: the next one is expected to be cheaper too."""
    prices = by_hour(lambda t: 0.02 if t.weekday() == 6 else 0.10, 35 * 24)
    now = START + 35 * 24 * HOUR - HOUR

    forecast = forecast_prices(now, prices, horizon_slots=8 * 24)

    sunday, saturday = 6 * 24 + 13, 5 * 24 + 13
    assert forecast.price_per_kwh[sunday] < forecast.price_per_kwh[saturday] - 0.01
    assert forecast.with_week is None


def test_a_week_is_expected_to_repeat_itself_but_for_what_few_weeks_can_tell():
    """By hand: weekends are 0.03 cheaper than other days, whatever the profile of 14 days is.

    Eight of eight weeks beside one that says nothing, so that 8 / 9 of that are expected.
    """
    prices = by_hour(lambda t: 0.07 if t.weekday() >= 5 else 0.10, 77 * 24)

    forecast = forecast_prices(START + 77 * 24 * HOUR - HOUR, prices, horizon_slots=8 * 24)

    friday, saturday = forecast.price_per_kwh[4 * 24 + 13], forecast.price_per_kwh[5 * 24 + 13]
    assert friday - saturday == pytest.approx(8 / 9 * 0.03, rel=0.05)


def test_a_forecast_price_may_be_negative():
    """Noon is paid for every day, so it is expected to be; it is not cut off at zero."""
    prices = by_hour(lambda t: -0.03 if t.hour == 12 else 0.08, 20 * 24)

    forecast = forecast_prices(START + 20 * 24 * HOUR - HOUR, prices, horizon_slots=25)

    assert forecast.price_per_kwh[13] == pytest.approx(-0.03)


def test_the_error_is_that_of_the_past_and_none_where_published():
    """Days that alternate between two levels are uncertain; published hours of them are not."""
    prices = by_hour(lambda t: 0.05 + 0.10 * (t.toordinal() % 2), 44 * 24)

    forecast = forecast_prices(START + 43 * 24 * HOUR + 20 * HOUR, prices, horizon_slots=24)

    assert forecast.spread_per_kwh[:4] == (0,) * 4
    # A day differs from the one before by 0.10, which is sqrt(2) times the error of each; the first
    # days have a shorter mean.
    assert forecast.spread_per_kwh[4:] == pytest.approx([0.10 / 2**0.5] * 20, rel=0.12)


def test_a_level_that_all_days_share_is_no_error_between_them():
    """Prices that rise by 0.001 every day are above a profile of past days by as much every day.

    That is 0.0095 above one that is three days old. Whoever waits for a cheaper day waits in vain,
    so that there is no error to wait for.
    """
    prices = by_hour(lambda t: 0.05 + 0.001 * (t - START).days, 60 * 24)

    forecast = forecast_prices(START + 60 * 24 * HOUR - HOUR, prices, horizon_slots=96)

    assert max(forecast.spread_per_kwh) < 0.02 * 0.0095


def test_waiting_for_chance_is_worth_less_where_all_days_go_up_and_down_together():
    """Two markets of equally large errors, in one of which they last for a week.

    There the known price of today is as good as any, and an error beside other days is small.
    """
    dice = np.random.default_rng(5)
    lasting = np.repeat(dice.normal(0, 0.02, 9), 7)[:60]
    brief = dice.permutation(lasting)
    spreads = []
    for level in (lasting, brief):
        forecast = forecast_prices(
            START + 60 * 24 * HOUR - HOUR, at_hours(0.1 + np.repeat(level, 24)), horizon_slots=96
        )
        spreads.append(np.mean(forecast.spread_per_kwh[1:]))

    assert spreads[0] < 0.7 * spreads[1]


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


def at_hours(values, start=START):
    return by_hour(lambda t: float(values[int((t - start) / HOUR)]), len(values), start=start)


def intensity_of(values, now):
    """The intensity up to `now` as it was seen, and the hours after it as a forecast."""
    t = int((now - START) / HOUR)
    points = tuple(
        Point(START + k * HOUR, START + (k + 1) * HOUR, float(value))
        for k, value in enumerate(values[:t])
    )
    ahead = tuple(float(value) for value in values[t:])
    forecast = Forecast(
        zone="DE",
        signal=Signal.AVERAGE,
        start=now,
        slot_seconds=3600,
        grams_per_kwh=ahead,
        spread_grams_per_kwh=(20.0,) * len(ahead),
        sources=(Source.PROVIDER,) * len(ahead),
    )
    return IntensityBeside(AverageSeries("DE", "grid", points), forecast)


def test_prices_that_are_not_published_follow_the_intensity():
    """A price of 0.0005 a gram: where 100 g less are expected, 0.05 less is.

    It errs with the whole error of the intensity, of which the spread is three quarters.
    """
    noise = np.random.default_rng(7).normal(0, 40, 40 * 24)
    grams = 300 + noise
    now = START + 36 * 24 * HOUR
    grams[37 * 24 :] -= 100
    prices = at_hours(0.0005 * grams[: 37 * 24])

    with_it = forecast_prices(now, prices, intensity=intensity_of(grams, now))
    without = forecast_prices(now, prices, horizon_slots=96)

    truth = 0.0005 * grams[37 * 24 :]
    assert np.abs(np.array(with_it.price_per_kwh[24:]) - truth).mean() < 0.015
    assert np.abs(np.array(without.price_per_kwh[24:]) - truth).mean() > 0.04
    assert with_it.per_gram[:24] == (0,) * 24
    assert with_it.per_gram[24:] == pytest.approx([0.0005 / 0.75] * 72, rel=0.1)
    assert min(with_it.spread_per_kwh[24:]) >= 0.0005 / 0.75 * 20 * 0.9


def test_a_backtest_and_the_product_make_the_same_forecast():
    """One rule: after ten weeks both say the same of every hour, with its error.

    The product looks back over sixty days, of which the first have a profile of fewer days; the
    course of the week still remembers that a little.
    """
    dice = np.random.default_rng(11)
    hours = 76 * 24
    grams = 300 + 100 * np.sin(np.arange(hours) / 24 * 2 * np.pi) + dice.normal(0, 30, hours)
    money = 0.1 + 0.0003 * (grams - 300) + dice.normal(0, 0.02, hours)
    t = 73 * 24 + 10
    trace = BacktestTrace(
        name="DE",
        actual=grams,
        provider=np.full(hours, np.nan),
        slots_per_hour=1,
        price_per_kwh=money,
        start=START,
    )
    views = fused_views(trace, Case.NONE, t, t + 1, 36)
    replayed = price_views(trace, money, views, week=False)

    now = START + t * HOUR
    ahead = Forecast(
        zone="DE",
        signal=Signal.AVERAGE,
        start=now,
        slot_seconds=3600,
        grams_per_kwh=tuple(views.expected[0].tolist()),
        spread_grams_per_kwh=tuple(views.spread[0].tolist()),
        sources=(Source.PROFILE,) * 36,
    )
    seen = intensity_of(grams, now).seen
    published = at_hours(money[: t + published_slots(trace, t)])
    made = forecast_prices(now, published, intensity=IntensityBeside(seen, ahead))

    np.testing.assert_allclose(made.price_per_kwh, replayed.expected[0], atol=2e-3)
    error = np.hypot(replayed.spread[0], replayed.per_gram[0] * views.spread[0])
    np.testing.assert_allclose(made.spread_per_kwh, error, rtol=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_a_market_with_spikes_is_forecast_no_worse_than_by_yesterday(seed):
    """Hours of 2 to 5 in a market of 0.05, a few a week, and a level that drifts."""
    dice = np.random.default_rng(seed)
    hours = 60 * 24
    usual = 0.05 + 0.02 * np.sin(np.arange(hours) / 24 * 2 * np.pi)
    drift = np.cumsum(dice.normal(0, 0.001, hours))
    money = usual + drift + dice.normal(0, 0.004, hours)
    money[dice.random(hours) < 0.01] = dice.uniform(2, 5)
    ours, yesterday = [], []
    for day in range(40, 58):
        t = day * 24
        made = forecast_prices(START + t * HOUR, at_hours(money[: t + 24]), horizon_slots=48)
        truth = money[t + 24 : t + 48]
        ours.append(np.abs(np.array(made.price_per_kwh[24:]) - truth).mean())
        yesterday.append(np.abs(money[t : t + 24] - truth).mean())

    assert np.mean(ours) <= np.mean(yesterday), seed


def test_about_two_of_three_errors_are_smaller_than_the_band():
    """Noise of a steady size: a normal error lies within one deviation in 68 of 100 cases."""
    dice = np.random.default_rng(3)
    money = 0.1 + dice.normal(0, 0.02, 60 * 24)
    inside = []
    for day in range(40, 58):
        t = day * 24
        made = forecast_prices(START + t * HOUR, at_hours(money[: t + 24]), horizon_slots=72)
        error = np.abs(np.array(made.price_per_kwh[24:]) - money[t + 24 : t + 72])
        inside.append((error <= made.spread_per_kwh[24:]).mean())

    assert np.mean(inside) == pytest.approx(0.68, abs=0.06)
