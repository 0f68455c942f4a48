"""Energy from power samples and counters, and the chain from joules of a log to kWh of a run."""

from collections.abc import Callable
from typing import Any

import pytest

from lowtide.energy.power import Rule, counter_energy, integrate_power
from lowtide.metrics.properties import training_values
from lowtide.units import joules_to_kwh

Vectors = Callable[[str], dict[str, Any]]


def test_reproduces_the_rules_for_power_samples(vectors: Vectors) -> None:
    """The trapezoid, and the right rectangle of Fischer et al. 2022."""
    for row in vectors("energy_integration")["power_samples"]:
        seconds = [milliseconds / 1000 for milliseconds in row["time_ms"]]
        default = integrate_power(seconds, row["W"])
        right = integrate_power(seconds, row["W"], rule=Rule.RIGHT_RECTANGLE)

        assert default.energy_joules == pytest.approx(row["trapezoid_J"], rel=1e-12)
        assert right.energy_joules == pytest.approx(row["right_rectangle_J"], rel=1e-12)


def test_reproduces_the_counters(vectors: Vectors) -> None:
    """Microjoules, with and without a wrap."""
    for row in vectors("energy_integration")["counters"]:
        micro = counter_energy(row["start_uJ"], row["end_uJ"], max_range=row["max_range_uJ"])

        assert micro / 1e6 == pytest.approx(row["E_J"], rel=1e-12), row["kind"]


def test_reproduces_the_chain_from_a_log_to_a_full_training(vectors: Vectors) -> None:
    """Energy of the measured epochs over their number, times the published number."""
    for row in vectors("energy_integration")["unit_chain"]:
        values = training_values(
            energy_kwh=joules_to_kwh(row["energy_J"]),
            hours=None,
            epochs=row["epochs_measured"],
            accuracy=None,
            known={},
        )
        each = values["training_energy_per_epoch"]

        assert each == pytest.approx(row["kWh_per_epoch"], rel=1e-12)
        assert each is not None
        assert each * row["published_epochs"] == pytest.approx(row["kWh_full"], rel=1e-12)
