"""`lowtide calc predict` and the explorer: the interval of the status, for typed numbers."""

import random

import pytest

from lowtide.metrics.result import Caution, MetricError, Undefined
from lowtide.metrics.scaling import predict_total
from lowtide.prediction.whole_run import predicted_total


def test_alike_epochs_add_up() -> None:
    """Five of 10 J, eight planned: 80 J."""
    found = predicted_total([10.0] * 5, planned=8, unit="J")

    assert found.value == pytest.approx(80)
    assert found.warnings == (Caution.EXTRAPOLATED,)
    assert found.uncertainty is not None
    assert found.uncertainty.basis.startswith("90 %")


def test_a_finished_run_needs_no_prediction() -> None:
    """All planned epochs are there: their sum, without width."""
    found = predicted_total([1.0, 2, 3, 4, 5], planned=5, unit="J")

    assert found.value == pytest.approx(15)
    assert found.warnings == ()
    assert found.uncertainty is not None
    assert (found.uncertainty.low, found.uncertainty.high) == pytest.approx((15, 15))


def test_a_drift_is_carried_on_where_the_textbook_misses_it() -> None:
    """Epoch n takes 100 + 2n J: twenty add up to 2,380 after 10; the plain mean says 2,180."""
    source = random.Random(1)
    steps = [100 + 2 * n + source.gauss(0, 0.3) for n in range(20)]
    total = sum(steps)

    ours = predicted_total(steps[:10], planned=20, unit="J").uncertainty
    plain = predict_total(steps[:10], planned=20, unit="J").uncertainty

    assert ours is not None
    assert plain is not None
    assert ours.low <= total <= ours.high
    assert not plain.low <= total <= plain.high


@pytest.mark.parametrize(
    ("finished", "sentence"),
    [
        ([10.0] * 4, "4 epochs are finished: predicted from 5 on"),
        ([1.0, 90.0, 2.0, 70.0, 1.0], "amount"),
    ],
)
def test_what_cannot_be_predicted_says_why(finished: list[float], sentence: str) -> None:
    """No number is better than one whose interval says nothing."""
    found = predicted_total(finished, planned=200, unit="J")

    assert (found.value, found.reason) == (None, Undefined.TOO_FEW_SAMPLES)
    assert sentence in (found.sentence or "")


def test_impossible_amounts_are_refused() -> None:
    """One sentence with the value seen."""
    with pytest.raises(MetricError, match="fewer than the 6 epochs"):
        predicted_total([1.0] * 6, planned=5, unit="J")
    with pytest.raises(MetricError, match="finished is -1"):
        predicted_total([-1.0] * 6, planned=9, unit="J")
