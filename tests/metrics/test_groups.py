"""Means over seeds: Welch's test and Fieller's range, against published numbers and simulation."""

from random import Random
from typing import Any

import pytest

from lowtide.metrics.group_comparison import compare_groups
from lowtide.metrics.groups import difference_of_means, ratio_of_means, sample_of
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.quantities import quantity
from lowtide.metrics.result import MetricError

ENERGY, ACCURACY = quantity("energy"), quantity("accuracy")


def runs(model: str, energies: list[float], **changes: Any) -> list[JobFigures]:
    return [
        JobFigures(name=f"{model}-{n}", model=model, energy_joules=value, **changes)
        for n, value in enumerate(energies)
    ]


@pytest.mark.slow
def test_the_test_is_that_of_welch() -> None:
    """SciPy is the independent implementation; whole degrees of freedom widen a little."""
    from scipy import stats  # a second that no other process that collects tests needs

    first, second = [7.2, 6.5, 6.4, 6.9, 6.8], [4.4, 4.3, 4.5, 4.5, 4.1]

    found = difference_of_means(sample_of(first), sample_of(second))
    theirs = stats.ttest_ind(second, first, equal_var=False)

    assert found.degrees == int(theirs.df)
    assert found.value == pytest.approx(sum(second) / 5 - sum(first) / 5)
    ends = theirs.confidence_interval()
    assert found.low is not None
    assert found.high is not None
    assert found.low <= ends.low
    assert ends.high <= found.high
    assert found.probability == pytest.approx(
        2 * stats.t.sf(abs(theirs.statistic), found.degrees), rel=1e-6
    )


def test_the_range_of_the_ratio_holds_the_truth_in_about_95_of_100_cases() -> None:
    """2000 trials of five seeds; the true change is -20 %. Three standard errors are 1.5 %."""
    draw = Random(18)
    held = 0
    for _ in range(2000):
        base = [draw.gauss(10, 1) for _ in range(5)]
        other = [draw.gauss(8, 0.5) for _ in range(5)]
        found = ratio_of_means(sample_of(base), sample_of(other))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= -20 <= found.high

    assert 0.94 <= held / 2000 <= 0.985


def test_one_run_has_a_difference_and_no_range() -> None:
    """Spread is not guessed."""
    found = ratio_of_means(sample_of([10.0]), sample_of([8.0, 8.2]))

    assert found is not None
    assert found.value == pytest.approx(-19)
    assert (found.low, found.high, found.probability) == (None, None, None)


def test_a_baseline_that_may_be_zero_has_no_bounded_range() -> None:
    """The quotient could be anything."""
    found = ratio_of_means(sample_of([-1.0, 1.5]), sample_of([8.0, 8.2]))

    assert found is not None
    assert (found.low, found.high) == (None, None)
    assert ratio_of_means(sample_of([0.0, 0.0]), sample_of([1.0])) is None


def test_groups_differ_by_their_means() -> None:
    """Means 10 and 8, standard deviations 1 and 0.5 by hand."""
    jobs = runs("base", [9, 10, 11]) + runs("amp", [7.5, 8, 8.5])

    found = compare_groups(jobs, "model")
    figure = found.figure(ENERGY, found.groups[1])

    assert figure.sample is not None
    assert (figure.sample.mean, figure.sample.deviation) == (8, 0.5)
    assert figure.difference is not None
    assert figure.difference.value == pytest.approx(-20)


def test_accuracies_of_groups_differ_in_points() -> None:
    """0.91 and 0.90 are one point."""
    jobs = runs("a", [1, 1], accuracy=0.90) + runs("b", [1, 1], accuracy=0.91)

    found = compare_groups(jobs, "model")
    difference = found.figure(ACCURACY, found.groups[1]).difference

    assert difference is not None
    assert difference.value == pytest.approx(1.0)


def test_one_run_made_in_another_way_spoils_its_group() -> None:
    """Mixed data sets have no common mean to compare."""
    jobs = runs("a", [1, 1], dataset="digits") + runs("b", [1], dataset="digits")
    jobs += runs("b", [1], dataset="ImageNet")

    found = compare_groups(jobs, "model")
    figure = found.figure(ENERGY, found.groups[1])

    assert figure.difference is None
    assert [c.key for c in figure.refused] == ["dataset"]


def test_a_run_without_a_figure_is_left_out_of_its_mean_and_said() -> None:
    """Two of three have energy."""
    jobs = [*runs("a", [1, 3]), JobFigures(name="x", model="a", accuracy=0.9), *runs("b", [1])]

    found = compare_groups(jobs, "model")

    assert "a: energy is the mean of 2 of 3 runs" in found.notes


def test_one_group_is_no_comparison() -> None:
    """The message says which value all runs have."""
    with pytest.raises(MetricError, match="all 2 runs have model 'a'"):
        compare_groups(runs("a", [1, 2]), "model")
