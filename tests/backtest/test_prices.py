"""Backtests in money: settlement by hand, no look ahead, negative prices."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.backtest import rolling
from lowtide.backtest.files import read_trace
from lowtide.backtest.policies import CARBON_ONLY, CLAIRVOYANT, LOWTIDE, PRICE_ONLY, RUN_NOW
from lowtide.backtest.price_files import read_prices, with_prices
from lowtide.backtest.pricing import price_views, published_slots
from lowtide.backtest.trace import BacktestTrace, Case, Views, fused_views
from lowtide.backtest.trial import JobClass, run_backtest, schedule_emissions
from lowtide.planning import BacktestError, Objective, ObjectiveKind
from lowtide.prices.model import without_spikes

SHIPPED = Path(__file__).parents[2] / "examples" / "traces" / "DE.csv"
FOUR_HOURS = JobClass(length_hours=4, slack_hours=24, interruptible=False)
BOTH = Objective(ObjectiveKind.BOTH, 100.0)


@pytest.fixture(scope="module")
def priced() -> BacktestTrace:
    """Eight weeks of Germany with prices that follow the intensity, noise and a cheap night."""
    trace = read_trace(SHIPPED).trace
    noise = np.random.default_rng(1).normal(0.0, 0.01, len(trace.actual))
    night = np.where(np.arange(len(trace.actual)) % 24 < 5, -0.04, 0.0)
    prices = 0.0003 * trace.actual + noise + night
    return replace(trace, price_per_kwh=prices, currency="EUR")


@pytest.mark.parametrize(("hour", "known"), [(0, 24), (11, 13), (12, 36), (23, 25)])
def test_the_prices_of_tomorrow_are_known_from_noon_on(priced, hour, known):
    """Before noon until midnight, then until the midnight after."""
    assert published_slots(priced, 24 * 40 + hour) == known


def test_price_forecasts_know_what_is_published_and_nothing_later(priced):
    """Other prices after the last published slot change nothing."""
    t = 24 * 40 + 10
    views = fused_views(priced, Case.STRICT, t, t + 1, 100)
    changed = priced.price_per_kwh.copy()
    changed[t + 14 :] = 9.0

    before = price_views(priced, priced.price_per_kwh, views, week=True)
    after = price_views(priced, changed, views, week=True)

    np.testing.assert_array_equal(before.expected[0], after.expected[0])
    np.testing.assert_array_equal(before.expected[0, :14], priced.price_per_kwh[t : t + 14])
    assert not before.spread[0, :14].any()


def test_a_cleaner_forecast_lowers_the_price_that_is_not_published_yet(priced):
    """Prices here rise by 0.0003 with each gram; 100 g less the day after are about 0.03 less."""
    t = 24 * 40 + 10
    views = fused_views(priced, Case.STRICT, t, t + 1, 60)
    cleaner = replace(views, expected=views.expected - np.where(np.arange(60) >= 36, 100.0, 0.0))

    usual = price_views(priced, priced.price_per_kwh, views, week=False)
    lower = price_views(priced, priced.price_per_kwh, cleaner, week=False)

    assert (usual.expected - lower.expected)[0, 36:] == pytest.approx(0.03, abs=0.006)
    np.testing.assert_array_equal(usual.expected[0, :36], lower.expected[0, :36])


def test_a_spike_is_cut_before_it_is_taken_for_a_habit():
    """One hour of 50 among hours of 1 and 3 leaves nothing of the sort behind."""
    prices = np.tile([1.0, 3.0], 300)
    prices[500] = 50.0

    cut = without_spikes(prices, 24)

    assert cut[500] < 5
    np.testing.assert_array_equal(cut[:500][48:], prices[:500][48:])


def test_savings_are_settled_in_grams_money_and_both(priced):
    """Grams and money add up to the objective: 100 / 10^6 a gram, and the price."""
    result = run_backtest(priced, FOUR_HOURS, Case.STRICT, objective=BOTH)
    submissions = priced.submissions(28)
    at_once = submissions[:, None] + np.arange(4)
    grams, money = (float(x[at_once].sum()) for x in (priced.actual, priced.price_per_kwh))

    for score in result.policies.values():
        left = grams * (1 - score.saving_percent / 100) * 1e-4
        left += money * (1 - score.money_saving_percent / 100)
        total = (grams * 1e-4 + money) * (1 - score.objective_saving_percent / 100)
        assert left == pytest.approx(total)
        assert score.missed_deadlines == 0
        assert score.reach_percent <= 100 + 1e-9
    assert result.policies[RUN_NOW].objective_saving_percent == 0
    assert (result.objective, result.currency) == (BOTH, "EUR")


def test_rivals_of_both_minimise_one_part_alone(priced):
    """They are the planner itself with the other objective."""
    both = run_backtest(priced, FOUR_HOURS, Case.STRICT, objective=BOTH).policies
    carbon = run_backtest(priced, FOUR_HOURS, Case.STRICT).policies
    cost = run_backtest(
        priced, FOUR_HOURS, Case.STRICT, objective=Objective(ObjectiveKind.COST)
    ).policies

    assert both[CARBON_ONLY].saving_percent == carbon[LOWTIDE].saving_percent
    assert both[PRICE_ONLY].money_saving_percent == cost[LOWTIDE].money_saving_percent


def test_prices_change_nothing_where_carbon_counts(priced):
    """The table of grams is the same with and without them."""
    without = replace(priced, price_per_kwh=None, currency=None)

    with_them = run_backtest(priced, FOUR_HOURS, Case.STRICT).policies[LOWTIDE]

    alone = run_backtest(without, FOUR_HOURS, Case.STRICT).policies[LOWTIDE]
    assert alone.money_saving_percent is None
    assert replace(with_them, money_saving_percent=None) == alone


@given(
    values=st.lists(st.floats(-500, 900), min_size=30, max_size=30),
    length=st.integers(1, 5),
    interruptible=st.booleans(),
)
def test_negative_prices_are_planned_as_they_are(values, length, interruptible):
    """With the future known the replayed planner is optimal below zero too."""
    actual, slack = np.array(values), 8
    submissions = np.arange(0, len(actual) - length - slack, 3)
    padded = np.concatenate((actual, np.full(length + slack, np.nan)))
    rows = np.array([padded[t : t + length + slack] for t in range(len(actual))])
    views = Views(first=0, expected=rows, spread=np.zeros_like(rows), floored=False)
    jobs = submissions, length, slack

    if interruptible:
        ours = rolling.interruptible(views, *jobs, 1.0, resume_slots=0.25)
        best = rolling.optimum(actual, *jobs, resume_slots=0.25)
    else:
        ours = rolling.contiguous(views, *jobs, 1.0)
        windows = np.convolve(actual, np.ones(length), "valid")
        least = sum(windows[s : s + slack + 1].min() for s in submissions)
        assert schedule_emissions(actual, submissions, ours, 0.0) == pytest.approx(
            least, rel=1e-9, abs=1e-9
        )
        return

    assert schedule_emissions(actual, submissions, ours, 0.25) == pytest.approx(
        schedule_emissions(actual, submissions, best, 0.25), rel=1e-9, abs=1e-9
    )


def test_an_objective_in_money_needs_prices():
    """The message says what is missing."""
    with pytest.raises(BacktestError, match="objective Cost needs prices"):
        run_backtest(
            read_trace(SHIPPED).trace,
            FOUR_HOURS,
            Case.NONE,
            objective=Objective(ObjectiveKind.COST),
        )


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_reads_prices_of_any_unit_and_says_the_currency(tmp_path):
    """40 per MWh are 0.04 per kWh; a negative price is real, an empty cell is missing."""
    path = write(
        tmp_path / "p.csv",
        "time,usd_per_mwh",
        "2021-07-01T00:00Z,40",
        "2021-07-01T01:00Z,-5",
        "2021-07-01T02:00Z,",
    )

    prices = read_prices(path)

    assert prices.currency == "USD"
    assert [point.per_kwh for point in prices.points] == [0.04, -0.005, None]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(["time,price", "2021-07-01T00:00Z,1", "x,1"], "usd_per_mwh", id="no unit"),
        pytest.param(["eur_per_mwh;time"], "write a column time and one such as", id="no time"),
        pytest.param(["time,eur_per_kwh", "2021-07-01T00:00Z,1", "soon,1"], "line 3", id="time"),
        pytest.param(
            ["time,eur_per_kwh", "2021-07-01T01:00Z,1", "2021-07-01T00:00Z,1"],
            "line 3: .* earlier than the line before",
            id="order",
        ),
        pytest.param(["time,eur_per_kwh", "2021-07-01T01:00Z,1"], "a single point", id="short"),
    ],
)
def test_a_price_file_that_cannot_be_read_is_refused(tmp_path, rows, message):
    """The message names the row or the column."""
    with pytest.raises(BacktestError, match=message):
        read_prices(write(tmp_path / "p.csv", *rows))


def hourly(*, hours=1344, price=lambda _: 40, left_out=()):
    """Return the lines of prices for the shipped trace."""
    start = datetime(2021, 7, 28, tzinfo=UTC)
    rows = [
        f"{start + n * timedelta(hours=1):%Y-%m-%dT%H:%MZ},{price(n)}"
        for n in range(hours)
        if n not in left_out
    ]
    return "time,eur_per_mwh", *rows


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param(
            hourly(hours=1300),
            r"no price for 44 h of DE from 2021-09-20T04:00:00\+00:00 on.* with 0 of 1300",
            id="ends early",
        ),
        pytest.param(
            hourly(left_out=range(100, 125)),
            r"no price for 25 h of DE from 2021-08-01T04:00:00\+00:00 on",
            id="gap of more than a day",
        ),
        pytest.param(hourly(price=lambda _: "null"), "1344 of 1344 prices missing", id="nulls"),
        pytest.param(hourly(price=lambda _: 1e9), "1344 of 1344 prices missing", id="too large"),
    ],
)
def test_prices_must_cover_the_trace(tmp_path, lines, message):
    """The sentence says where the first price is missing, and what the file holds."""
    path = write(tmp_path / "p.csv", *lines)

    with pytest.raises(BacktestError, match=message):
        with_prices(read_trace(SHIPPED).trace, read_prices(path))


def test_prices_of_local_days_of_23_and_25_hours_count_by_their_offset(tmp_path):
    """In Berlin 28 March 2021 has 23 hours and 31 October 25: two hours have the same clock."""
    offsets = {
        "2021-10-31": ["02:00+02:00", "02:00+01:00"],
        "2021-03-28": ["01:00+01:00", "03:00+02:00"],
    }
    for day, times in offsets.items():
        rows = [f"{day}T{time},{price}" for time, price in zip(times, (10, 20), strict=True)]

        points = read_prices(write(tmp_path / "p.csv", "time,eur_per_mwh", *rows)).points

        assert [point.per_kwh for point in points] == [0.01, 0.02]
        assert points[1].start - points[0].start == timedelta(hours=1)


def test_a_short_gap_is_filled_and_quarters_are_averaged(tmp_path):
    """20 hours between 40 and 61 rise by one each; 10, 20, 30 and 40 make 25."""
    trace = read_trace(SHIPPED).trace
    gap = hourly(price=lambda n: 40 if n < 120 else 61, left_out=range(100, 120))
    start = datetime(2021, 7, 28, tzinfo=UTC)
    quarters = [
        f"{start + n * timedelta(minutes=15):%Y-%m-%dT%H:%MZ},{10 * (n % 4 + 1)}"
        for n in range(4 * 1344)
    ]

    filled = with_prices(trace, read_prices(write(tmp_path / "gap.csv", *gap)))
    meant = with_prices(
        trace, read_prices(write(tmp_path / "fine.csv", "time,eur_per_mwh", *quarters))
    )

    assert filled.price_per_kwh[99:121] * 1e3 == pytest.approx(range(40, 62))
    assert meant.price_per_kwh == pytest.approx([0.025] * 1344)


def test_what_is_paid_for_at_once_has_no_saving_in_percent(priced):
    """A saving is a share of what running at once costs; unknown is not zero."""
    paid = replace(priced, price_per_kwh=priced.price_per_kwh - 1.0)

    scores = run_backtest(paid, FOUR_HOURS, Case.NONE, objective=BOTH).policies

    for score in scores.values():
        assert score.money_saving_percent is None
        assert score.objective_saving_percent is None
        assert score.reach_percent is None
    assert scores[CLAIRVOYANT].saving_percent != 0


def test_times_without_an_offset_are_utc_where_that_is_said(tmp_path):
    """The option that the sentence names works for prices too."""
    rows = "time,eur_per_mwh", "2021-08-01T00:00,40", "2021-08-01T01:00,50"
    path = write(tmp_path / "p.csv", *rows)

    with pytest.raises(BacktestError, match="line 2: time '2021-08-01T00:00' has no offset"):
        read_prices(path)

    assert read_prices(path, times_are_utc=True).points[0].start == datetime(2021, 8, 1, tzinfo=UTC)


def test_a_file_that_is_no_text_is_refused_in_words(tmp_path):
    """Byte 0xff is no UTF-8."""
    path = tmp_path / "p.csv"
    path.write_bytes(b"\xfftime")

    with pytest.raises(BacktestError, match=r"p.csv: it is not UTF-8 text: byte 0 cannot be read"):
        read_prices(path)


def test_clairvoyant_is_the_best_in_the_objective(priced):
    """No policy saves more of the minimised quantity."""
    policies = run_backtest(priced, FOUR_HOURS, Case.ROLLING, objective=BOTH).policies

    best = policies[CLAIRVOYANT].objective_saving_percent
    assert all(score.objective_saving_percent <= best + 1e-9 for score in policies.values())
