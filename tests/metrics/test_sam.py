"""SAM is defined where the logarithm is, and nowhere else."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.metrics.result import Caution, MetricError, Refusal
from lowtide.metrics.sam import EnergyUnit, energy_in, sam

Vectors = Callable[[str], dict[str, Any]]
WH, KWH = EnergyUnit.WH, EnergyUnit.KWH


def test_reproduces_the_whole_sweep(vectors: Vectors) -> None:
    """sam.json, sweep: 196 rows computed from the definition."""
    rows = vectors("sam")["sweep"]

    assert len(rows) == 196
    for row in rows:
        result = sam(
            accuracy=row["acc"], energy=row["E"], unit=WH, alpha=row["alpha"], beta=row["beta"]
        )
        assert result.value == pytest.approx(row["sam"], rel=1e-12), row


def test_reproduces_measured_training_runs(vectors: Vectors) -> None:
    """Inputs from the logs of Fischer et al. 2022, in kWh and in Wh."""
    for row in vectors("sam")["measured_training"]:
        joules = row["E_kWh"] * 3.6e6
        for unit, key in ((KWH, "sam5_kWh"), (WH, "sam5_Wh")):
            result = sam(accuracy=row["acc"], energy=energy_in(unit, joules), unit=unit)
            assert result.value == pytest.approx(row[key], rel=1e-12), row


def test_undefined_energies_and_refused_accuracies(vectors: Vectors) -> None:
    """sam.json, undefined: the raw formula is negative or infinite there."""
    for row in vectors("sam")["undefined"]:
        if row["expect"] == "error":
            with pytest.raises(MetricError) as refused:
                sam(accuracy=row["acc"], energy=row["E"], unit=WH)
            assert refused.value.reason == row["reason"]
        else:
            result = sam(accuracy=row["acc"], energy=row["E"], unit=WH)
            assert (result.value, result.reason) == (None, row["reason"])


def test_rankings_flip_with_the_unit(vectors: Vectors) -> None:
    """A (0.70, 2 kWh) beats B (0.80, 20 kWh) in kWh and loses in Wh."""
    (row,) = vectors("sam")["unit_flip"]
    for unit, factor, key in ((KWH, 1, "sam5_kWh"), (WH, 1000, "sam5_Wh")):
        values = [
            sam(accuracy=m["acc"], energy=m["E_kWh"] * factor, unit=unit).value
            for m in (row["A"], row["B"])
        ]
        assert values == pytest.approx(row[key], rel=1e-12)
    assert row["sam5_kWh"][0] > row["sam5_kWh"][1]
    assert row["sam5_Wh"][0] < row["sam5_Wh"][1]


@pytest.mark.parametrize(
    ("alpha", "beta", "unit", "name"),
    [(5, 5, WH, "SAM5[Wh]"), (2, 2, KWH, "SAM2[kWh]"), (2, 5, WH, "SAM(2,5)[Wh]")],
)
def test_parameters_and_unit_are_part_of_the_name(
    alpha: float, beta: float, unit: EnergyUnit, name: str
) -> None:
    """Two SAMs of different units cannot be mistaken for each other."""
    assert sam(accuracy=0.8, energy=100, unit=unit, alpha=alpha, beta=beta).name == name


@pytest.mark.parametrize(("energy", "warned"), [(1.001, True), (9.999, True), (10, False)])
def test_warns_where_the_value_changes_steeply(energy: float, warned: bool) -> None:
    """Below ten units: 3774 at 1.001 and 39.6 at 1.1 for accuracy 0.8."""
    result = sam(accuracy=0.8, energy=energy, unit=WH)

    assert (Caution.NEAR_SINGULAR in result.warnings) is warned


@pytest.mark.parametrize(
    ("arguments", "reason", "text"),
    [
        ({"accuracy": 80}, Refusal.ACCURACY_NOT_FRACTION, "write 0.8 for 80 %"),
        ({"accuracy": float("nan")}, Refusal.OUT_OF_DOMAIN, "accuracy is nan"),
        ({"energy": -1}, Refusal.OUT_OF_DOMAIN, "energy is -1"),
        ({"energy": float("inf")}, Refusal.OUT_OF_DOMAIN, "energy is inf"),
        ({"alpha": 0}, Refusal.OUT_OF_DOMAIN, "alpha is 0"),
        ({"beta": -1}, Refusal.OUT_OF_DOMAIN, "beta is -1"),
    ],
)
def test_refuses_inputs_outside_their_domain(
    arguments: dict[str, float], reason: Refusal, text: str
) -> None:
    """One sentence with the value seen and what would be right."""
    with pytest.raises(MetricError) as refused:
        sam(**{"accuracy": 0.8, "energy": 100, "unit": WH, **arguments})  # type: ignore[arg-type]

    assert refused.value.reason is reason
    assert text in str(refused.value)


above_one = st.floats(1.01, 1e9)


@given(st.floats(0.01, 1), st.floats(0.01, 1), above_one, above_one)
def test_more_accuracy_or_less_energy_never_lowers_sam(
    a1: float, a2: float, e1: float, e2: float
) -> None:
    """Monotone in both arguments."""
    worse = sam(accuracy=min(a1, a2), energy=max(e1, e2), unit=WH).value
    better = sam(accuracy=max(a1, a2), energy=min(e1, e2), unit=WH).value

    assert worse is not None
    assert better is not None
    assert better >= worse


@given(st.floats(0.01, 1), above_one, st.floats(0.1, 100))
def test_beta_only_scales(accuracy: float, energy: float, factor: float) -> None:
    """A known criticism: beta changes no ranking."""
    one = sam(accuracy=accuracy, energy=energy, unit=WH, beta=1).value
    scaled = sam(accuracy=accuracy, energy=energy, unit=WH, beta=factor).value

    assert one is not None
    assert scaled == pytest.approx(one * factor, rel=1e-12)
