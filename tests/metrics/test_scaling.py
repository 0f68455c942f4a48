"""A full run predicted from its beginning, with an interval."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.metrics.result import Caution, MetricError, Undefined
from lowtide.metrics.scaling import predict_from_shares, predict_total
from lowtide.metrics.student import t_quantile, two_sided_probability

Vectors = Callable[[str], dict[str, Any]]


def test_reproduces_the_predictions_of_the_reference(vectors: Vectors) -> None:
    """2331.0 ± 49.98 s (actual 2280, just outside) and 4629.0 ± 20.40 s (actual 4641, inside)."""
    for row in vectors("comparison_prediction")["prediction"]:
        result = predict_total(row["observed"], planned=row["N"], unit="s")

        parameters, range_ = result.parameters, result.uncertainty
        assert range_ is not None
        assert result.value == pytest.approx(row["predicted_total"], rel=1e-12)
        assert parameters["half_width_95"] == pytest.approx(row["half_width_95"], rel=1e-12)
        assert parameters["stdev_per_epoch"] == pytest.approx(row["stdev"], rel=1e-12)
        assert parameters["t_quantile"] == pytest.approx(row["t_quantile"], rel=1e-12)
        assert (range_.low <= row["actual_total"] <= range_.high) is row["inside"]


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [
        pytest.param(1, 12.7062, id="1"),
        pytest.param(2, 4.3027, id="2"),
        pytest.param(3, 3.1824, id="3"),
        pytest.param(10, 2.2281, id="10"),
        pytest.param(29, 2.0452, id="29"),
        pytest.param(120, 1.9799, id="120"),
    ],
)
def test_quantiles_are_those_of_the_printed_tables(degrees: int, quantile: float) -> None:
    """Student's t, 0.975, as in any textbook's table, to its four decimals."""
    assert t_quantile(0.975, degrees) == pytest.approx(quantile, abs=5e-5)


@given(st.floats(0.51, 0.999), st.integers(1, 60))
def test_a_quantile_inverts_the_probability(probability: float, degrees: int) -> None:
    """P(|T| <= t) of the quantile is twice the probability minus one."""
    t = t_quantile(probability, degrees)

    assert two_sided_probability(t, degrees) == pytest.approx(2 * probability - 1, abs=1e-12)


@pytest.mark.parametrize(("probability", "degrees"), [(0.4, 3), (1.0, 3), (0.9, 0)])
def test_impossible_quantiles_are_refused(probability: float, degrees: int) -> None:
    """There is no t for them."""
    with pytest.raises(ValueError, match="no quantile"):
        t_quantile(probability, degrees)


def test_two_epochs_are_too_few() -> None:
    """No scatter can be learnt from two."""
    assert predict_total([1, 2], planned=10, unit="J").reason is Undefined.TOO_FEW_SAMPLES


def test_a_dropped_first_epoch_stays_in_the_sum() -> None:
    """300 (warm-up) + 100 * 3 + 6 * 100: the warm-up is not extrapolated, but was used."""
    result = predict_total([300, 100, 100, 100], planned=10, unit="J", drop_first=True)

    assert result.value == 1200
    assert result.parameters["learned_from_epochs"] == 3


def test_a_finished_run_is_its_own_sum_and_no_prediction() -> None:
    """With no epoch left there is nothing to extrapolate and no width."""
    result = predict_total([1, 2, 3], planned=3, unit="J")

    assert (result.value, result.warnings) == (6, ())
    assert result.parameters["half_width_95"] == 0
    assert predict_total([1, 2, 3], planned=4, unit="J").warnings == (Caution.EXTRAPOLATED,)


@pytest.mark.parametrize(
    ("finished", "planned"),
    [([1, 2, 3], 2), ([1, -2, 3], 5), ([1, float("nan"), 3], 5)],
)
def test_refuses_impossible_epochs(finished: list[float], planned: int) -> None:
    """Fewer planned than finished, negative or no numbers."""
    with pytest.raises(MetricError):
        predict_total(finished, planned=planned, unit="J")


def test_shares_of_the_data_give_a_line() -> None:
    """Three points on 10 + 90 f give 100 at all data, without scatter and so without width."""
    result = predict_from_shares([0.1, 0.2, 0.5], [19, 28, 55], unit="kWh")

    assert result.value == pytest.approx(100, rel=1e-12)
    assert result.parameters["offset"] == pytest.approx(10, rel=1e-12)
    assert result.parameters["half_width_95"] == pytest.approx(0, abs=1e-9)
    assert result.warnings == (Caution.EXTRAPOLATED,)


def test_the_interval_of_a_line_by_hand() -> None:
    """Hand calculation.

    Shares 0.2, 0.4, 0.6 with 3, 4, 6: mean 0.4 and 13/3, Sxx 0.08, slope 0.6/0.08 = 7.5, offset
    4/3, at 1: 53/6 = 8.8333. Residuals 1/6, -1/3, 1/6: s = sqrt(1/6) = 0.408248 with one degree of
    freedom; width 12.7062047 * 0.408248 * sqrt(1 + 1/3 + 0.36/0.08)
    = 12.7062047 * 0.408248 * 2.415229 = 12.5285.
    """
    result = predict_from_shares([0.2, 0.4, 0.6], [3, 4, 6], unit="kWh")

    assert result.value == pytest.approx(53 / 6, rel=1e-12)
    assert result.parameters["half_width_95"] == pytest.approx(12.5285, abs=1e-4)


def test_no_share_predicts_less_than_was_already_used() -> None:
    """Half of the data took 60 kWh and a run on 0.6 of it 50: the line falls to 10 at all data."""
    falling = predict_from_shares([0.5, 0.6], [60, 50], unit="kWh")
    scattered = predict_from_shares([0.2, 0.4, 0.6], [30, 55, 50], unit="kWh")

    assert (falling.value, falling.reason) == (None, Undefined.BELOW_USED)
    assert scattered.uncertainty is not None
    assert scattered.uncertainty.low == 55


def test_no_interval_of_epochs_begins_below_what_was_used() -> None:
    """Three epochs used 60: with one left and this scatter the t interval alone begins at 15."""
    result = predict_total([10, 20, 30], planned=4, unit="J")

    assert result.uncertainty is not None
    assert result.uncertainty.low == 60


def test_two_shares_have_no_interval_and_one_has_no_line() -> None:
    """Two points always fit."""
    two = predict_from_shares([0.25, 0.5], [30, 55], unit="kWh")

    assert (two.value, two.uncertainty) == (pytest.approx(105, rel=1e-12), None)
    assert predict_from_shares([0.5, 0.5], [1, 2], unit="kWh").reason is Undefined.TOO_FEW_SAMPLES


@pytest.mark.parametrize(
    ("shares", "amounts"),
    [([0, 1], [1, 2]), ([0.5, 1.5], [1, 2]), ([0.5, 1], [1]), ([0.5, 1], [1, -2])],
)
def test_refuses_impossible_shares(shares: list[float], amounts: list[float]) -> None:
    """A share is above 0 and at most 1."""
    with pytest.raises(MetricError):
        predict_from_shares(shares, amounts, unit="kWh")


@given(st.floats(0.1, 1e6), st.integers(3, 20), st.integers(0, 100))
def test_equal_epochs_predict_exactly(value: float, finished: int, left: int) -> None:
    """A run without scatter has no interval."""
    result = predict_total([value] * finished, planned=finished + left, unit="J")

    assert result.value == pytest.approx(value * (finished + left), rel=1e-9)
    assert result.parameters["half_width_95"] == pytest.approx(0, abs=1e-6 * value)


@given(st.lists(st.floats(1, 100), min_size=3, max_size=12), st.integers(1, 50))
def test_more_epochs_left_make_the_interval_wider(finished: list[float], left: int) -> None:
    """Uncertainty grows with what is not known."""
    near = predict_total(finished, planned=len(finished) + left, unit="J")
    far = predict_total(finished, planned=len(finished) + left + 1, unit="J")

    assert far.parameters["half_width_95"] >= near.parameters["half_width_95"]
