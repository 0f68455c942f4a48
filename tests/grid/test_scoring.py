"""Scores by what plans would have saved, and the rule by which a chain is reordered."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide.grid.scoring import ForecastScore, preferred_order, score
from lowtide.grid.series import MixedSignalsError, Signal

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TRUE = [300, 300, 100, 100, 300, 300]


def scored(hourly, expected, true=TRUE):
    vintage = hourly(START, expected, fetched_at=START)
    return score("p", [vintage], hourly(START, true))


def test_a_perfect_forecast_reaches_everything(hourly):
    """Six hours, a run of a quarter of them (2 h): 200 instead of 600, in the right order."""
    (only,) = scored(hourly, TRUE)

    assert (only.band, only.plans, only.days) == ("0-6h", 1, 1)
    assert only.reach == 1.0
    assert only.concordance == 1.0


def test_a_wrong_forecast_reaches_less(hourly):
    """It runs in hours 3 and 4: 400 of 600, so half of the 400 that were possible.

    Pairs with different actual values: 2 clean hours times 4 dirty ones, 8. Hour 3 is right
    against all four dirty ones (100 < 300, and 100 against 100 is half): expected values are
    300, 300, 300, 100, 100, 300. Clean hour 2 (300): ties with hours 0, 1 and 5 (3 * 0.5), wrong
    against hour 4. Clean hour 3 (100): right against 0, 1, 5, a tie with 4 (0.5). 5 of 8.
    """
    (only,) = scored(hourly, [300, 300, 300, 100, 100, 300])

    assert only.reach == pytest.approx(0.5)
    assert only.concordance == pytest.approx(5 / 8)


def test_a_harmful_forecast_is_negative(hourly):
    """Running later in a dirtier hour is counted as the loss that it is."""
    (only,) = scored(hourly, [300, 300, 300, 300, 100, 100], [200, 200, 100, 100, 300, 300])

    assert only.reach == pytest.approx((400 - 600) / (400 - 200))


def test_bands_without_cover_have_no_score(hourly):
    """24 hours cover the first two bands; missing actual values exclude a band."""
    day = [200.0 + i for i in range(24)]
    vintage = hourly(START, day, fetched_at=START)

    bands = [one.band for one in score("p", [vintage], hourly(START, day))]
    short = [one.band for one in score("p", [vintage], hourly(START, day[:20]))]

    assert bands == ["0-6h", "6-24h"]
    assert short == ["0-6h"]


def test_where_nothing_could_be_saved_there_is_no_reach(hourly):
    """A flat grid says nothing about a forecast."""
    (only,) = scored(hourly, TRUE, [300] * 6)

    assert (only.reach, only.concordance) == (None, None)


def test_the_mean_error_of_a_slot_is_told(hourly):
    """Off by 30 g/kWh in one of six hours: 5 g/kWh on average."""
    (only,) = scored(hourly, TRUE, [TRUE[0] + 30, *TRUE[1:]])

    assert only.error_grams_per_kwh == pytest.approx(5)


def test_scores_stay_within_one_signal(hourly):
    """A marginal forecast is not judged on average intensity."""
    vintage = hourly(START, TRUE, fetched_at=START, signal=Signal.MARGINAL)

    with pytest.raises(MixedSignalsError):
        score("p", [vintage], hourly(START, TRUE))


def one(provider, reach, days=14, band="0-6h"):
    return ForecastScore(
        provider=provider, band=band, days=days, plans=days, reach=reach, concordance=None
    )


@pytest.mark.parametrize(
    ("scores", "order"),
    [
        pytest.param([], "abc", id="no evidence"),
        pytest.param([one("a", 0.5), one("b", 0.6)], "bac", id="clearly better"),
        pytest.param([one("a", 0.5), one("b", 0.51)], "abc", id="not clearly"),
        pytest.param([one("a", 0.5), one("b", 0.9, days=13)], "abc", id="13 days"),
        pytest.param([one("a", 0.5), one("b", 0.9, band="48h+")], "abc", id="other band"),
        pytest.param([one("a", 0.5), one("b", None)], "abc", id="unknown"),
        pytest.param([one("a", 0.5), one("b", 0.4), one("c", 0.9)], "cab", id="last first"),
        pytest.param([one("b", 0.5), one("c", 0.9)], "acb", id="unjudged first stays"),
    ],
)
def test_the_order_changes_only_on_long_and_clear_evidence(scores, order):
    """14 days, a band in common, and 0.02 of reach."""
    assert "".join(preferred_order("abc", scores)) == order
