"""Figures scaled for people (units, formatting)."""

import pytest

from lowtide.units import format_coverage, format_mass, format_significant


@pytest.mark.parametrize(
    ("grams", "text"),
    [
        pytest.param(0, "0 g", id="nothing"),
        pytest.param(0.71, "0.710 g", id="tenths of a gram stay grams"),
        pytest.param(-0.48, "-0.480 g", id="negative savings too"),
        pytest.param(0.032, "32.0 mg", id="milligrams"),
        pytest.param(812, "812 g", id="grams"),
        pytest.param(1900, "1.90 kg", id="kilograms"),
        pytest.param(2.5e6, "2.50 t", id="tonnes"),
    ],
)
def test_masses_scale_by_thousand(grams: float, text: str) -> None:
    """Three significant digits in the unit that people expect."""
    assert format_mass(grams) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.00127, "0.00127"), (1234567, "1234567"), (4.305, "4.30"), (1e-7, "0.000000100")],
)
def test_numbers_are_never_in_exponent_form(value: float, text: str) -> None:
    """People read digits."""
    assert format_significant(value) == text


def test_a_covered_share_never_reads_as_the_whole() -> None:
    """It is rounded down, to tenths of a percent."""
    said = [format_coverage(ratio) for ratio in (0.775, 0.9998, 1.0)]
    assert said == ["77.5 %", "99.9 %", "100 %"]
