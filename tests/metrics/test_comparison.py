"""Jobs side by side: differences in percent, or the reason why not."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.grid.series import Factor, same_factor
from lowtide.metrics.comparison import compare, percent_difference
from lowtide.metrics.job_figures import JobFigures, MetricFigure
from lowtide.metrics.result import MetricError

Vectors = Callable[[str], dict[str, Any]]


def job(name: str = "a", **changes: Any) -> JobFigures:
    figures: dict[str, Any] = {
        "accuracy": 0.8,
        "energy_joules": 3600.0,
        "duration_seconds": 100.0,
        "cost_amount": 1.0,
        "cost_currency": "USD",
        "cost_kind": "instance",
        "operational_grams": 0.4,
        "embodied_grams": 0.1,
        "sci_grams_per_unit": 0.5,
        "functional_unit": "TrainingJob",
        "energy_kind": "Measured",
        "boundary": ("cpu", "gpu"),
        "signal": "Average",
        "factor": "life-cycle",
        "zone": "DE",
        "metrics": (MetricFigure(name="SAM5[Wh]", value=1.0),),
    }
    return JobFigures(name=name, **{**figures, **changes})


def test_reproduces_every_comparison_of_the_reference(vectors: Vectors) -> None:
    """comparison_prediction.json: percentages, points and mean power."""
    names = {"usd": "cost", "energy": "energy", "time": "time", "sci": "SCI"}
    names["accuracy"] = "accuracy"
    for row in vectors("comparison_prediction")["comparison"]:
        if "baseline" not in row:
            continue  # percentages without their inputs
        result = compare([_figures(row["baseline"]), _figures(row["candidate"])])
        for quantity, percent in row["percent"].items():
            shown = result.row(names[quantity]).differences[0].percent
            if percent is None:
                assert (shown.value, shown.reason) == (None, row["reason"])
            else:
                assert shown.value == pytest.approx(percent, rel=1e-12), (row["what"], quantity)
        if "accuracy_points" in row:
            assert result.accuracy_points[0] == pytest.approx(row["accuracy_points"], rel=1e-12)
            power = result.row("mean power").differences[0].percent.value
            assert power == pytest.approx(row["mean_power_percent"], rel=1e-12)


def _figures(row: dict[str, float]) -> JobFigures:
    hours, kwh = row.get("time_h"), row.get("energy_kWh")
    return JobFigures(
        name="x",
        accuracy=row.get("accuracy"),
        energy_joules=None if kwh is None else kwh * 3.6e6,
        duration_seconds=row.get("time_s") if hours is None else hours * 3600,
        cost_amount=row.get("usd"),
        cost_currency="USD",
        sci_grams_per_unit=row.get("sci_g"),
        functional_unit="TrainingJob",
    )


def test_implied_power_of_the_published_case() -> None:
    """-20.0 % energy at -9.83 % time is 0.8872 of the mean power (GSF GreenAI test case)."""
    result = compare(
        [
            job(energy_joules=100.0, duration_seconds=100.0),
            job(energy_joules=80.0, duration_seconds=90.17),
        ]
    )

    power = result.row("mean power").differences[0].percent.value

    assert power == pytest.approx((0.8872130420317179 - 1) * 100, rel=1e-12)


@pytest.mark.parametrize(
    ("quantity", "change", "verdict"),
    [
        pytest.param("accuracy", {"accuracy": 0.9}, "better", id="more accuracy"),
        pytest.param("accuracy", {"accuracy": 0.7}, "worse", id="less accuracy"),
        pytest.param("energy", {"energy_joules": 3000.0}, "better", id="less energy"),
        pytest.param("SCI", {"sci_grams_per_unit": 0.6}, "worse", id="more carbon per unit"),
        pytest.param("time", {}, "same", id="the same time"),
        pytest.param("mean power", {"energy_joules": 3000.0}, None, id="power is neither"),
    ],
)
def test_says_which_direction_is_better(
    quantity: str, change: dict[str, Any], verdict: str | None
) -> None:
    """The sign is arithmetic, the word is the judgement."""
    result = compare([job("a"), job("b", **change)])

    assert result.row(quantity).differences[0].verdict == verdict


@pytest.mark.parametrize(
    ("change", "refused", "allowed"),
    [
        pytest.param({"signal": "Marginal"}, {"carbon", "SCI"}, {"energy", "time"}, id="signal"),
        pytest.param(
            {"factor": "direct"}, {"operational", "carbon", "SCI"}, {"energy", "cost"}, id="factor"
        ),
        pytest.param(
            {"boundary": ("gpu",)}, {"energy", "carbon", "SCI", "SAM"}, {"time"}, id="boundary"
        ),
        pytest.param({"energy_kind": "Modelled"}, {"energy", "carbon"}, {"accuracy"}, id="method"),
        pytest.param({"mock": True}, {"energy", "SCI"}, {"time"}, id="stand-in GPUs"),
    ],
)
def test_refuses_figures_made_in_different_ways(
    change: dict[str, Any], refused: set[str], allowed: set[str]
) -> None:
    """Only the rows that depend on the circumstance are refused."""
    result = compare([job("a"), job("b", **change)])

    for name in refused:
        difference = result.row(name).differences[0]
        assert (difference.percent.value, difference.verdict) == (None, None)
        assert difference.percent.reason == "method_mismatch"
    for name in allowed:
        assert result.row(name).differences[0].percent.value is not None
    assert len(result.mismatches) == 1


def test_an_override_shows_the_difference_and_says_so() -> None:
    """A user who insists gets the number with a warning."""
    result = compare([job("a"), job("b", boundary=("gpu",))], allow_mismatch=True)

    percent = result.row("energy").differences[0].percent
    assert (percent.value, percent.warnings) == (0, ("method_mismatch",))
    assert result.overridden


@pytest.mark.parametrize("allow_mismatch", [False, True])
@pytest.mark.parametrize(
    ("change", "quantity"),
    [
        pytest.param({"cost_currency": "EUR"}, "cost", id="currencies"),
        pytest.param({"functional_unit": "Epoch"}, "SCI", id="functional units"),
        pytest.param({"metrics": (MetricFigure(name="SAM5[kWh]", value=2.0),)}, "SAM", id="SAM"),
    ],
)
def test_quantities_in_different_units_are_never_divided(
    change: dict[str, Any], quantity: str, allow_mismatch: bool
) -> None:
    """Euros and dollars, SAM in Wh and in kWh: no override makes a ratio of them."""
    result = compare([job("a"), job("b", **change)], allow_mismatch=allow_mismatch)

    percent = result.row(quantity).differences[0].percent
    assert (percent.value, percent.reason) == (None, "unit_mismatch")


@pytest.mark.parametrize(
    ("first", "second", "quantity"),
    [
        pytest.param({}, {"cost_currency": None}, "cost", id="currency of one"),
        pytest.param({"cost_currency": None}, {"cost_currency": None}, "cost", id="of both"),
        pytest.param({}, {"functional_unit": None}, "SCI", id="functional unit of one"),
    ],
)
def test_without_a_stated_unit_there_is_no_ratio(
    first: dict[str, Any], second: dict[str, Any], quantity: str
) -> None:
    """100 of one money and 90 of an unknown one are not 10 % less."""
    percent = compare([job("a", **first), job("b", **second)]).row(quantity).differences[0].percent

    assert (percent.value, percent.reason) == (None, "unit_unknown")


@pytest.mark.parametrize("quantity", ["energy", "time", "cost", "carbon", "SCI", "SAM"])
def test_whatever_a_run_used_is_not_compared_over_data_sets(quantity: str) -> None:
    """A model for ImageNet is not worse than one for digits because it took more."""
    found = compare([job("a", dataset="ImageNet"), job("b", dataset="digits")])

    percent = found.row(quantity).differences[0].percent
    assert (percent.value, percent.reason) == (None, "method_mismatch")


def test_a_data_set_is_the_same_in_other_letters() -> None:
    """The rule is that of reference sets."""
    found = compare([job("a", dataset="ImageNet"), job("b", dataset="imagenet ")])

    assert found.mismatches == ()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"epochs": 9.0}, "epochs: a has 90, b has 9"),
        ({"environment": "T4 x1"}, "environment: a has H100 x8, b has T4 x1"),
    ],
)
@pytest.mark.parametrize("quantity", ["energy", "time", "cost", "SCI"])
def test_another_training_is_named_and_not_called_better(
    quantity: str, change: dict[str, Any], sentence: str
) -> None:
    """9 epochs use less than 90; the number stands, the word does not."""
    both: dict[str, Any] = {"epochs": 90.0, "environment": "H100 x8"}
    less = {"energy_joules": 360.0, "duration_seconds": 10.0, "cost_amount": 0.1}
    found = compare([job("a", **both), job("b", **{**both, **less, **change})])

    difference = found.row(quantity).differences[0]
    assert difference.percent.value is not None
    assert difference.verdict is None
    assert found.conditions == (sentence,)


def test_a_method_known_for_one_run_only_is_said_and_gives_no_verdict() -> None:
    """A table beside a measured job."""
    found = compare([job("a"), job("b", energy_joules=360.0, energy_kind=None)])

    difference = found.row("energy").differences[0]
    assert (difference.percent.value, difference.verdict) == (-90, None)
    assert "how energy was measured of b" in found.unknown


def test_the_score_follows_from_its_parts_where_none_is_stated() -> None:
    """(720 + 20) / 1 and (690 + 20) / 1: -4.05 %."""
    parts = {"sci_grams_per_unit": None, "functional_units": 1.0, "embodied_grams": 20.0}
    found = compare(
        [job("a", operational_grams=720.0, **parts), job("b", operational_grams=690.0, **parts)]
    )

    assert found.row("SCI").values == (740, 710)
    assert found.row("SCI").differences[0].percent.value == pytest.approx(-30 / 740 * 100)


def test_a_named_baseline_is_compared_with_all_others() -> None:
    """By name, or by a model that one run has; else the names are listed."""
    jobs = [job("a"), job("b", energy_joules=1800.0), job("c", model="vit")]

    assert compare(jobs, baseline="b").row("energy").differences[0].percent.value == 100
    assert compare(jobs, baseline="vit").baseline is jobs[2]
    with pytest.raises(MetricError, match="no job is called 'd': use one of a, b, c"):
        compare(jobs, baseline="d")


def test_an_unknown_circumstance_forbids_nothing() -> None:
    """Old reports that do not name their signal can still be compared."""
    result = compare([job("a"), job("b", signal=None)])

    assert result.row("SCI").differences[0].percent.value == 0


@pytest.mark.parametrize("second", [None, *Factor])
@pytest.mark.parametrize("first", [None, *Factor])
def test_runs_meet_where_the_series_of_a_grid_would_meet(
    first: Factor | None, second: Factor | None
) -> None:
    """Direct and life-cycle are refused; what is not stated is compared without better or worse."""
    score = compare([job("a", factor=first), job("b", factor=second)]).row("SCI").differences[0]

    meet = same_factor(first or Factor.UNKNOWN, second or Factor.UNKNOWN)
    assert (score.percent.value is not None) == meet
    silent = {factor for factor in (first, second) if factor in (None, Factor.UNKNOWN)}
    stated = {first, second} - {None, Factor.UNKNOWN}
    assert (score.verdict is None) == (not meet or bool(silent and stated))


def test_an_override_shows_grams_of_two_factors_with_a_warning() -> None:
    """40 g life-cycle and 20 g direct: -50 % only for a user who insists."""
    both = [
        job("a", sci_grams_per_unit=40.0),
        job("b", sci_grams_per_unit=20.0, factor="direct"),
    ]

    assert compare(both).row("SCI").differences[0].percent.value is None
    percent = compare(both, allow_mismatch=True).row("SCI").differences[0].percent
    assert (percent.value, percent.warnings) == (-50, ("method_mismatch",))


def test_a_missing_figure_is_missing_rather_than_zero() -> None:
    """Not measured is not 100 % better."""
    result = compare([job("a"), job("b", energy_joules=None)])

    assert result.row("energy").differences[0].percent.reason == "value_missing"


def test_three_jobs_are_each_compared_with_the_first() -> None:
    """The first job is the baseline of all."""
    result = compare([job("a"), job("b", energy_joules=1800.0), job("c", energy_joules=7200.0)])

    percents = [d.percent.value for d in result.row("energy").differences]
    assert percents == [-50, 100]


def test_notes_tell_partial_and_provisional_energy() -> None:
    """Facts that forbid nothing are still noted."""
    result = compare([job("a"), job("b", coverage_ratio=0.9, final=False, zone="FR")])

    assert result.notes == (
        "b: only 90 % of the run was measured",
        "b: the energy is not final",
        "the jobs ran in different grid zones: DE, FR",
    )


def test_without_a_figure_there_is_nothing_to_compare() -> None:
    """The message says what is lacking, for none, one and several."""
    with pytest.raises(MetricError, match="no job given"):
        compare([])
    with pytest.raises(MetricError, match="a hold no figure that runs are compared by"):
        compare([JobFigures(name="a", epochs=3)])
    several = [JobFigures(name="a", epochs=1), JobFigures(name="b", zone="DE")]
    with pytest.raises(MetricError, match="a, b hold no figure"):
        compare(several)


@pytest.mark.parametrize(
    "figures",
    [
        pytest.param({"accuracy": 80.0}, id="accuracy in percent"),
        pytest.param({"energy_joules": -1.0}, id="negative energy"),
        pytest.param({"sci_grams_per_unit": float("nan")}, id="score not a number"),
        pytest.param({"avoided_grams": float("inf")}, id="infinite saving"),
    ],
)
def test_impossible_figures_are_refused(figures: dict[str, float]) -> None:
    """A job's figures are checked where they enter."""
    with pytest.raises(MetricError):
        job(**figures)


@given(st.floats(1e-6, 1e9), st.floats(1e-6, 1e9), st.floats(1e-3, 1e3))
def test_a_percentage_does_not_depend_on_the_unit(a: float, b: float, factor: float) -> None:
    """Joules or kWh: the ratio is the same."""
    plain = percent_difference("x", a, b).value
    scaled = percent_difference("x", a * factor, b * factor).value

    assert plain is not None
    assert scaled == pytest.approx(plain, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "figure"),
    [
        ({"energy_joules": 1e300, "duration_seconds": 1e-300}, "mean_power_watts"),
        ({"operational_grams": 1.7e308, "embodied_grams": 1.7e308}, "carbon_grams"),
        (
            {"operational_grams": 1e300, "functional_units": 1e-300, "sci_grams_per_unit": None},
            "score_grams_per_unit",
        ),
    ],
)
def test_a_figure_that_no_float_can_hold_is_unknown(changes: dict[str, Any], figure: str) -> None:
    """Each input is a number that somebody may have written; what follows of it is none."""
    huge = job("b", **changes)

    assert getattr(huge, figure) is None
