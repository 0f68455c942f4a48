"""Price series: currencies, gaps, negative prices and days of 23 and 25 hours."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from lowtide.prices.series import MixedCurrenciesError, PricePoint, PriceSeries, SeriesError
from lowtide.prices.surcharge import Surcharge

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")


def hourly(*values, start=START, currency="EUR", zone="DE", step=HOUR):
    points = tuple(
        PricePoint(start + i * step, start + (i + 1) * step, value)
        for i, value in enumerate(values)
    )
    return PriceSeries(zone, "market", points, currency)


def test_a_negative_price_is_a_price():
    """A kilowatt-hour that is paid for being used is neither missing nor zero."""
    assert hourly(0.1, -0.02, 0.0).at(START + HOUR) == -0.02
    assert hourly(0.1, -0.02, 0.0).at(START + 2 * HOUR) == 0.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1001.0, -1001.0])
def test_an_impossible_price_is_refused(value):
    """A price per MWh that is taken for one per kWh must not pass."""
    with pytest.raises(SeriesError, match="per kWh"):
        hourly(value)


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "E1R"])
def test_a_currency_is_an_iso_code(currency):
    """An invalid code would not be recognised as another currency."""
    with pytest.raises(SeriesError, match="ISO 4217"):
        hourly(0.1, currency=currency)


def test_currencies_never_meet():
    """Nothing is converted."""
    with pytest.raises(MixedCurrenciesError, match=r"EUR .* GBP"):
        hourly(0.1).merged(hourly(0.1, currency="GBP"))


def test_prices_are_known_until_the_first_gap():
    """A price behind a gap does not lengthen what is known."""
    prices = hourly(0.1, 0.2, None, 0.3)

    assert prices.known_until(START + HOUR / 2) == START + 2 * HOUR
    assert prices.known_until(START + 2 * HOUR) == START + 2 * HOUR
    assert prices.known_until(START + 3 * HOUR) == START + 4 * HOUR
    assert prices.known_until(START - HOUR) == START - HOUR


@pytest.mark.parametrize(
    ("day", "hours"),
    [(datetime(2026, 3, 29, tzinfo=BERLIN), 23), (datetime(2026, 10, 25, tzinfo=BERLIN), 25)],
)
def test_local_days_of_23_and_25_hours_are_read_hour_by_hour(day, hours):
    """Clock faces repeat or are left out; the moments behind them do not."""
    moments = [(day.astimezone(UTC) + i * HOUR).astimezone(BERLIN) for i in range(hours + 1)]
    points = tuple(PricePoint(a, b, i / 100) for i, (a, b) in enumerate(pairwise(moments)))

    prices = PriceSeries("DE", "market", points, "EUR")

    assert [p.end - p.start for p in prices.points] == [HOUR] * hours
    assert [prices.at(day.astimezone(UTC) + i * HOUR) for i in range(hours)] == [
        i / 100 for i in range(hours)
    ]


def test_fees_and_taxes_come_on_top():
    """(0.10 + 0.12) x 1.19 = 0.2618; the same on a negative price: (-0.20 + 0.12) x 1.19."""
    surcharge = Surcharge(per_kwh=0.12, tax_ratio=0.19)

    paid = surcharge.on_series(hourly(0.10, None, -0.20))

    assert [p.per_kwh for p in paid.points] == [
        pytest.approx(0.2618),
        None,
        pytest.approx(-0.0952),
    ]


@pytest.mark.parametrize("wrong", [{"per_kwh": float("nan")}, {"tax_ratio": -0.1}])
def test_an_impossible_surcharge_is_refused(wrong):
    """The sentence names the value."""
    with pytest.raises(ValueError, match=r"surcharge nan|ratio -0\.1"):
        Surcharge(**wrong)
