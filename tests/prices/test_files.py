"""Price files: columns that name currency and unit, times, and what is refused."""

import pytest

from lowtide.grid.trace_columns import TraceFileError
from lowtide.prices.files import read_prices

ROWS = ("2026-03-01T00:00Z,80", "2026-03-01T01:00Z,-20")


def read(header, *rows, **more):
    return read_prices([header, *rows], zone="DE", source="test", **more)


@pytest.mark.parametrize(
    ("header", "currency", "first"),
    [
        ("time,usd_per_mwh", "USD", 0.08),
        ("time,eur_per_kwh", "EUR", 80),
        ("Datetime (UTC),Day-ahead Price (EUR/MWh)", "EUR", 0.08),
        ("from,day_ahead_gbp_per_mwh", "GBP", 0.08),
    ],
)
def test_the_column_says_currency_and_unit(header, currency, first):
    """Nothing is assumed about either."""
    prices = read(header, *ROWS)

    assert prices.currency == currency
    assert prices.points[0].per_kwh == pytest.approx(first)
    assert prices.points[1].per_kwh == pytest.approx(-first / 4)


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("time,price", ROWS, "0 columns that name currency"),
        ("time,eur_per_mwh,usd_per_mwh", (), "2 columns that name currency"),
        ("eur_per_mwh,zone", (), "no column 'time'"),
        ("time,eur_per_mwh", ("2026-03-01T00:00,80",), "line 2: time .* has no offset"),
        ("time,eur_per_mwh", ("2026-03-01T00:00Z,cheap",), "line 2: 'cheap' is not a number"),
        ("time,eur_per_mwh", ROWS[::-1], "line 3: .* earlier than the line before"),
        ("time,eur_per_mwh", ROWS[:1], "a single point"),
        ("time,eur_per_mwh", (), "no rows"),
    ],
)
def test_a_file_that_leaves_a_doubt_is_refused(header, rows, message):
    """The sentence says what would be right."""
    with pytest.raises(TraceFileError, match=message):
        read(header, *rows)


def test_a_change_from_hours_to_quarters_keeps_the_hours():
    """As for intensity: a slot lasts as long as the step around it."""
    hours = [f"2026-03-01T{h:02}:00Z,80" for h in range(6)]
    quarters = [f"2026-03-01T06:{m:02}Z,80" for m in (0, 15, 30, 45)]
    quarters += [f"2026-03-01T07:{m:02}Z,80" for m in (0, 15, 30, 45)]

    points = read("time,eur_per_mwh", *hours, *quarters).points

    minutes = [(p.end - p.start).total_seconds() / 60 for p in points]
    assert minutes == [60] * 6 + [15] * 8
