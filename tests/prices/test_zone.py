"""A zone's prices: what is asked when, outages, restarts, fees, and settings."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from lowtide.grid.errors import NoData, Unavailable
from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.series import Signal
from lowtide.prices.book import PriceBook
from lowtide.prices.forecast import PriceBasis
from lowtide.prices.fusion import IntensityBeside
from lowtide.prices.series import PricePoint, PriceSeries
from lowtide.prices.settings import ZonePriceSettings
from lowtide.prices.surcharge import Surcharge
from lowtide.prices.zone import PriceSource, ZonePrices, build_prices

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Market:
    """A market that has published prices until a moment, or fails."""

    def __init__(self, until, name="market"):
        self.name = name
        self.until = until
        self.error = None
        self.asked = []

    def published(self, zone, start, end):
        self.asked.append((start, end))
        if self.error is not None:
            raise self.error
        first = start.replace(minute=0)
        count = max(0, int((min(end, self.until) - first) / HOUR))
        starts = [first + i * HOUR for i in range(count)]
        points = tuple(PricePoint(s, s + HOUR, 0.01 * s.hour) for s in starts)
        return PriceSeries(zone, self.name, points, "EUR")


FLAT_DAY = IntensityBeside(
    None,
    Forecast(
        zone="DE",
        signal=Signal.AVERAGE,
        start=NOON,
        slot_seconds=3600,
        grams_per_kwh=(300.0,) * 24,
        spread_grams_per_kwh=(0.0,) * 24,
        sources=(Source.PROVIDER,) * 24,
    ),
)
"""An intensity that is always the same and has no past."""


def zone(*markets, folder=None, **more):
    sources = [PriceSource(one.name, one, HOUR) for one in markets]
    return ZonePrices("DE", "EUR", sources, book=PriceBook(folder), **more)


def test_what_is_published_is_known_and_the_rest_forecast():
    """At noon today's prices are known to midnight; the usual day follows."""
    market = Market(NOON.replace(hour=0) + DAY)

    state = zone(market).refresh(NOON)
    forecast = state.forecast(NOON, intensity=FLAT_DAY)

    assert (state.provider, state.failures) == ("market", ())
    assert forecast.bases == (PriceBasis.PUBLISHED,) * 12 + (PriceBasis.PROFILE,) * 12
    assert forecast.price_per_kwh == pytest.approx([0.01 * ((12 + i) % 24) for i in range(24)])
    assert market.asked[0][0] == NOON - 57 * DAY


def test_a_market_is_asked_once_an_hour_and_then_for_the_last_day_only():
    """Tomorrow's prices are taken up when they appear."""
    market = Market(NOON.replace(hour=0) + DAY)
    prices = zone(market)
    prices.refresh(NOON)
    prices.refresh(NOON + HOUR / 2)
    assert len(market.asked) == 1

    market.until += DAY
    state = prices.refresh(NOON + HOUR)

    assert len(market.asked) == 2
    assert market.asked[1][0] >= NOON - DAY
    assert state.market.known_until(NOON) == NOON.replace(hour=0) + 2 * DAY


def test_an_outage_takes_nothing_away_that_was_published():
    """The prices are final; the failure is named, and the service left alone for a minute."""
    market = Market(NOON.replace(hour=0) + DAY)
    prices = zone(market)
    prices.refresh(NOON)
    market.error = Unavailable("market cannot be reached for zone DE")

    later = prices.refresh(NOON + 2 * HOUR)
    prices.refresh(NOON + 2 * HOUR + timedelta(seconds=30))

    assert later.market.at(NOON + 2 * HOUR) == pytest.approx(0.14)
    assert [failure.reason for failure in later.failures] == ["Unavailable"]
    assert len(market.asked) == 2


def test_the_second_provider_counts_where_the_first_has_no_present_price():
    """Prices of two sources are never joined into one series."""
    first, second = Market(NOON - DAY, "first"), Market(NOON + DAY, "second")

    state = zone(first, second).refresh(NOON)

    assert state.provider == "second"
    assert {state.market.source} == {"second"}


def test_without_any_price_nothing_is_known():
    """No price is made up."""
    market = Market(NOON)
    market.error = NoData("market has no price for zone DE at this time")

    state = zone(market).refresh(NOON)

    assert (state.market, state.provider) == (None, None)
    assert state.forecast(NOON) is None
    assert state.paid_between(NOON, NOON + HOUR) is None


def test_a_restart_remembers_what_was_published(tmp_path):
    """The service is not asked again before its time."""
    market = Market(NOON.replace(hour=0) + DAY)
    before = zone(market, folder=tmp_path).refresh(NOON)

    again = Market(NOON)
    state = zone(again, folder=tmp_path).refresh(NOON + HOUR / 2)

    assert again.asked == []
    assert state.market == before.market


def test_a_damaged_file_begins_anew(tmp_path, caplog):
    """A warning, and the prices are asked for again."""
    market = Market(NOON + DAY)
    zone(market, folder=tmp_path).refresh(NOON)
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text()[:-20])

    state = zone(market, folder=tmp_path).refresh(NOON + HOUR / 2)

    assert state.market is not None
    assert "begin anew" in caplog.text


def test_hours_that_are_published_again_as_quarters_are_replaced():
    """A market that changes its product leaves neither overlap nor gap."""
    book = PriceBook()
    hours = tuple(PricePoint(NOON + i * HOUR, NOON + (i + 1) * HOUR, 0.1) for i in range(4))
    quarters = tuple(
        PricePoint(NOON + HOUR + i * HOUR / 4, NOON + HOUR + (i + 1) * HOUR / 4, 0.2)
        for i in range(8)
    )
    book.add("m", PriceSeries("DE", "m", hours, "EUR"))

    whole = book.add("m", PriceSeries("DE", "m", quarters, "EUR"))

    assert [p.per_kwh for p in whole.points] == [0.1] + [0.2] * 8 + [0.1]
    assert whole.known_until(NOON) == NOON + 4 * HOUR


def test_the_past_is_bounded():
    """Memory does not grow with time."""
    book = PriceBook(slots_max=10)
    points = tuple(PricePoint(NOON + i * HOUR, NOON + (i + 1) * HOUR, 0.1) for i in range(30))

    assert len(book.add("m", PriceSeries("DE", "m", points, "EUR")).points) == 10


def test_fees_and_taxes_are_in_what_is_paid():
    """(0.13 + 0.07) x 1.19 = 0.238 at one o'clock in the afternoon."""
    market = Market(NOON + DAY)
    state = zone(market, surcharge=Surcharge(0.07, 0.19)).refresh(NOON)

    paid = state.paid_between(NOON + HOUR, NOON + 2 * HOUR)

    assert [p.per_kwh for p in paid.points] == pytest.approx([0.238])
    assert state.forecast(NOON).price_per_kwh[1] == pytest.approx(0.238)
    assert state.market.at(NOON + HOUR) == pytest.approx(0.13)


def test_settings_become_prices():
    """A night rate with fees and taxes: (0.10 + 0.05 + 0.02) x 1.2 at three in the morning."""
    settings = ZonePriceSettings.model_validate(
        {
            "currency": "EUR",
            "feesPerKwh": 0.05,
            "taxesPerKwh": 0.02,
            "taxRatio": 0.2,
            "providers": [
                {
                    "kind": "tariff",
                    "perKwh": 0.30,
                    "timeZone": "Europe/Berlin",
                    "periods": [{"perKwh": 0.10, "start": "22:00", "end": "06:00"}],
                }
            ],
        }
    )

    state = build_prices({"DE": settings})["DE"].refresh(NOON)
    forecast = state.forecast(NOON, intensity=FLAT_DAY)

    # NOON is 13:00 in Berlin, so 03:00 is fourteen hours later.
    assert forecast.price_per_kwh[14] == pytest.approx(0.204)
    assert set(forecast.bases) == {PriceBasis.PUBLISHED}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"currency": "euro", "providers": [{"kind": "tariff", "perKwh": 0.3}]}, "currency"),
        ({"currency": "EUR", "providers": []}, "providers"),
        ({"currency": "EUR", "providers": [{"kind": "tariff", "perKwh": 300}]}, "perKwh"),
        (
            {
                "currency": "EUR",
                "providers": [{"kind": "octopus", "zone": "C", "product": "AGILE-24-10-01"}],
            },
            "never converted",
        ),
        (
            {
                "currency": "EUR",
                "providers": [{"kind": "tariff", "perKwh": 0.3, "timeZone": "Berlin"}],
            },
            "not a time zone",
        ),
        (
            {
                "currency": "EUR",
                "providers": [
                    {"kind": "tariff", "perKwh": 0.3, "periods": [{"perKwh": 1, "start": "6:10"}]}
                ],
            },
            "quarter of an hour|valid time",
        ),
        (
            {"currency": "EUR", "providers": [{"kind": "energy-charts", "refreshSeconds": 10}]},
            "too short for a public service",
        ),
    ],
)
def test_wrong_settings_say_what_is_wrong(settings, message):
    """The message names the field or the rule."""
    with pytest.raises(ValidationError, match=message):
        ZonePriceSettings.model_validate(settings)
