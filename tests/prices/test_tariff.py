"""Tariffs by the clock on the wall, also on days of 23 and 25 hours."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from lowtide.prices.tariff import Tariff, TariffPeriod

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
NIGHT = TariffPeriod(0.10, time(22), time(6))
TWO_RATES = Tariff(base_per_kwh=0.30, currency="EUR", periods=(NIGHT,), clock=BERLIN)


def day(year, month, number):
    """The local day as UTC moments."""
    begin = datetime(year, month, number, tzinfo=BERLIN)
    return begin.astimezone(UTC), (begin + timedelta(days=1)).astimezone(UTC)


@pytest.mark.parametrize(
    ("date", "hours", "cheap"),
    [((2026, 3, 28), 24, 8), ((2026, 3, 29), 23, 7), ((2026, 10, 25), 25, 9)],
)
def test_a_night_rate_follows_the_local_clock(date, hours, cheap):
    """0 to 6 and 22 to 24 o'clock: eight hours, seven or nine where one is left out or doubled."""
    points = TWO_RATES.series("DE", "tariff", *day(*date)).points

    assert len(points) == hours
    assert sum(point.per_kwh == 0.10 for point in points) == cheap


def test_a_period_over_midnight_belongs_to_the_day_it_begins_on():
    """Friday's night ends on Saturday at six, although Saturday has no night rate."""
    friday = TariffPeriod(0.1, time(22), time(6), frozenset({4}))
    tariff = Tariff(base_per_kwh=0.3, currency="EUR", periods=(friday,))
    saturday = datetime(2026, 3, 7, tzinfo=UTC)

    assert tariff.per_kwh(saturday + 5 * HOUR) == 0.1
    assert tariff.per_kwh(saturday + 6 * HOUR) == 0.3
    assert tariff.per_kwh(saturday + 23 * HOUR) == 0.3
    assert tariff.per_kwh(saturday - 2 * HOUR) == 0.1


def test_the_first_period_that_holds_counts():
    """The peak within the day is named before it."""
    periods = (TariffPeriod(0.5, time(17), time(20)), TariffPeriod(0.3, time(8), time(20)))
    tariff = Tariff(base_per_kwh=0.2, currency="EUR", periods=periods)
    noon = datetime(2026, 3, 7, 12, tzinfo=UTC)

    assert [tariff.per_kwh(noon + i * HOUR) for i in (-6, 0, 5, 8)] == [0.2, 0.3, 0.5, 0.2]


def test_a_rate_that_changes_on_the_quarter_has_slots_of_a_quarter():
    """From 06:15 on: the first of four quarters still has the other price."""
    tariff = Tariff(
        base_per_kwh=0.2, currency="EUR", periods=(TariffPeriod(0.4, time(6, 15), time(7)),)
    )
    six = datetime(2026, 3, 7, 6, tzinfo=UTC)

    assert [p.per_kwh for p in tariff.series("X", "t", six, six + HOUR).points] == [0.2] + [0.4] * 3
