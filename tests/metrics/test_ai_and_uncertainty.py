"""SCI for AI units, and ranges carried from inputs into SCI."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.metrics.ai import AiUnit, Persona, sci_ai
from lowtide.metrics.result import MetricError, Refusal, Undefined
from lowtide.metrics.uncertainty import Bounds, embodied_bounds, propagate, sci_uncertainty

Vectors = Callable[[str], dict[str, Any]]
UNITS = {
    "training tokens": (Persona.PROVIDER, AiUnit.TRAINING_TOKEN),
    "FLOP": (Persona.PROVIDER, AiUnit.FLOP),
    "inferences": (Persona.CONSUMER, AiUnit.INFERENCE),
    "parameters": (Persona.PROVIDER, AiUnit.PARAMETER),
}


def test_reproduces_the_checks_of_the_draft(vectors: Vectors) -> None:
    """Where the draft printed 0.13 g per 1e6 tokens, 130 g is right."""
    for row in vectors("sci")["sci_for_ai"]:
        persona, unit = UNITS[row["unit"]]
        result = sci_ai(
            persona=persona,
            unit=unit,
            carbon_grams=row["C_kg"] * 1000,
            count=row["count"],
            per=row["per"],
        )
        assert result.value == pytest.approx(row["result_g"], rel=1e-12), row


@pytest.mark.parametrize(
    ("persona", "unit"),
    [(Persona.PROVIDER, AiUnit.INFERENCE), (Persona.CONSUMER, AiUnit.FLOP)],
)
def test_units_belong_to_one_persona(persona: Persona, unit: AiUnit) -> None:
    """Training is not amortised into operation."""
    with pytest.raises(MetricError) as refused:
        sci_ai(persona=persona, unit=unit, carbon_grams=1, count=1)

    assert refused.value.reason is Refusal.UNIT_MISMATCH


def test_a_training_job_is_not_a_provider_unit() -> None:
    """It is not even on the list: such a score is called SCI and not SCI-AI."""
    assert "TrainingJob" not in set(AiUnit)


def test_nothing_counted_has_no_score() -> None:
    """Zero tokens."""
    result = sci_ai(
        persona=Persona.PROVIDER, unit=AiUnit.TRAINING_TOKEN, carbon_grams=1, count=0, per=1e6
    )

    assert result.reason is Undefined.FUNCTIONAL_UNIT_ZERO


def test_independent_errors_join_as_a_root_of_squares() -> None:
    """Hand calculation: O = 100 g, energy ± 5 %, intensity ± 10 %: ± sqrt(5² + 10²) = 11.18 g."""
    range_ = sci_uncertainty(
        operational_grams=100,
        embodied=Bounds(20, 20, 20),
        functional_units=2,
        energy_ratio=0.05,
        intensity_ratio=0.10,
    )

    assert range_.low == pytest.approx((120 - sqrt(125)) / 2, rel=1e-12)
    assert range_.high == pytest.approx((120 + sqrt(125)) / 2, rel=1e-12)


def test_a_factor_of_two_in_embodied_emissions_stays_asymmetric() -> None:
    """M = 20 g between 10 and 40 g: 10 g down and 20 g up."""
    range_ = sci_uncertainty(
        operational_grams=100, embodied=Bounds(20, 10, 40), functional_units=1, energy_ratio=0
    )

    assert (range_.low, range_.high) == (pytest.approx(110), pytest.approx(140))


def test_the_basis_says_what_was_varied() -> None:
    """A range without its reason is worth nothing."""
    range_ = sci_uncertainty(
        operational_grams=1, embodied=Bounds(2, 1, 4), functional_units=1, intensity_ratio=0.1
    )

    assert range_.basis == "energy ± 5 %, intensity ± 10 %, embodied 1 to 4 g"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Bounds(5, 6, 7),
        lambda: Bounds(5, float("nan"), 7),
        lambda: Bounds.relative(5, 1.5),
        lambda: sci_uncertainty(operational_grams=1, embodied=Bounds(1, 1, 1), functional_units=0),
    ],
)
def test_impossible_ranges_are_refused(make: Callable[[], object]) -> None:
    """A value lies inside its own range."""
    with pytest.raises(MetricError):
        make()


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_range_holds_its_value_and_never_falls_below_zero(
    operational: float, embodied: float, energy_ratio: float, intensity_ratio: float
) -> None:
    """Emissions are not negative, even with halves of energy and intensity in doubt."""
    range_ = sci_uncertainty(
        operational_grams=operational,
        embodied=Bounds(embodied, embodied / 2, embodied * 2),
        functional_units=1,
        energy_ratio=energy_ratio,
        intensity_ratio=intensity_ratio,
    )

    value = operational + embodied
    assert 0 <= range_.low <= value <= range_.high


@given(st.floats(1, 100), st.floats(0, 0.5))
def test_a_product_of_one_uncertain_factor_keeps_its_relative_width(
    value: float, ratio: float
) -> None:
    """Doubling an input doubles its range."""
    range_ = propagate(lambda x: 2 * x, {"x": Bounds.relative(value, ratio)}, basis="x")

    assert range_.high - range_.low == pytest.approx(4 * value * ratio, rel=1e-9, abs=1e-9)


def test_an_error_that_is_not_stated_is_not_varied_and_is_named() -> None:
    """100 g ± 5 % alone; the basis names what is not in it."""
    embodied = Bounds(0, 0, 0)
    found = sci_uncertainty(
        operational_grams=100, embodied=embodied, functional_units=1, intensity_ratio=None
    )

    assert (found.low, found.high) == pytest.approx((95, 105))
    assert "intensity's error not stated" in found.basis


@given(st.floats(0, 1e9), st.floats(1, 100))
def test_embodied_bounds_hold_the_figure_and_differ_by_the_factor(
    grams: float, factor: float
) -> None:
    """Down by the factor and up by it."""
    bounds = embodied_bounds(grams, factor)

    assert bounds.low <= grams <= bounds.high
    assert bounds.low * factor == pytest.approx(grams)
    assert bounds.high == pytest.approx(grams * factor)


@pytest.mark.parametrize("factor", [0.5, float("nan"), float("inf")])
def test_a_factor_below_one_is_refused(factor: float) -> None:
    """A range must hold its own value."""
    with pytest.raises(MetricError, match="embodied_factor is"):
        embodied_bounds(1, factor)
