"""All efficiency metrics of a job, each with a value or a reason."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.metrics.efficiency import EpochMeasure, Measures, Parameters, efficiency
from lowtide.metrics.result import Result
from lowtide.metrics.sam import EnergyUnit

JOB = Measures(accuracy=0.9056, energy_joules=10.4 * 3600 * 2, duration_seconds=7200)
"""Two hours at 10.4 W: the published consumption of VGG-19 on a Jetson TX2, in Wh per hour."""


def by_name(results: tuple[Result, ...]) -> dict[str, Result]:
    return {result.name: result for result in results}


def test_a_job_has_sam_in_its_unit_and_apc_of_its_mean_power() -> None:
    """SAM5[Wh] of 20.8 Wh by hand: 5 * .9056^5 / log10(20.8) = 2.3107; APC as published."""
    results = by_name(efficiency(JOB))

    assert set(results) == {"SAM5[Wh]", "APC"}
    assert results["SAM5[Wh]"].value == pytest.approx(2.3107, abs=5e-4)
    assert results["APC"].value == pytest.approx(0.7595031829356005, rel=1e-12)


def test_a_price_adds_apec_in_cents_per_hour() -> None:
    """0.305 EUR/kWh is .0305 cent/Wh, the household price of the reference: .2302."""
    job = Measures(
        accuracy=0.9056,
        energy_joules=10.4 * 3600,
        duration_seconds=3600,
        price_per_kwh=0.305,
        currency="EUR",
    )

    apec = by_name(efficiency(job))["APEC"]

    assert apec.value == pytest.approx(0.23022954617932845, rel=1e-12)
    assert apec.parameters["currency"] == "cent EUR"


def test_epochs_add_the_time_to_closest() -> None:
    """The trace of the reference: constant 8.9 W, TTCAPC(.83348) is 360 s."""
    accuracies = [0.52, 0.71, 0.83, 0.90, 0.93, 0.944, 0.9454, 0.9451]
    job = Measures(
        accuracy=0.9451,
        energy_joules=8.9 * 480,
        duration_seconds=480,
        price_per_kwh=0.3,
        currency="EUR",
        epochs=tuple(
            EpochMeasure(60.0 * k, accuracy, 8.9 * 60 * k)
            for k, accuracy in enumerate(accuracies, start=1)
        ),
    )

    results = by_name(efficiency(job))

    assert results["TTCAPC"].value == 360
    assert results["TTCAPEC"].unit == "s"


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(Measures(accuracy=None, energy_joules=1, duration_seconds=1), id="no report"),
        pytest.param(
            Measures(accuracy=0.5, energy_joules=None, duration_seconds=1), id="no energy"
        ),
    ],
)
def test_a_job_without_report_or_energy_says_so(job: Measures) -> None:
    """Never a silent number."""
    assert {result.reason for result in efficiency(job)} == {"value_missing"}


def test_a_refused_input_stops_only_its_own_metric() -> None:
    """An accuracy of 80 leaves results with the sentence that says what was wrong."""
    job = Measures(accuracy=80, energy_joules=36000, duration_seconds=10)

    results = efficiency(job)

    assert [result.reason for result in results] == ["accuracy_not_fraction"] * 2
    assert results[0].sentence is not None
    assert "write 0.8 for 80 %" in results[0].sentence


def test_parameters_change_the_name() -> None:
    """SAM2[kWh] is another metric than SAM5[Wh]."""
    chosen = Parameters(sam_alpha=2, sam_beta=2, sam_unit=EnergyUnit.KWH)

    names = [result.name for result in efficiency(JOB, chosen)]

    assert names[0] == "SAM2[kWh]"


TRACE = Measures(
    accuracy=0.9451,
    energy_joules=8.9 * 480,
    duration_seconds=480,
    epochs=tuple(
        EpochMeasure(60.0 * k, accuracy, 8.9 * 60 * k)
        for k, accuracy in enumerate([0.52, 0.71, 0.83, 0.9, 0.93, 0.944, 0.9454, 0.9451], 1)
    ),
)
"""The trace of the reference, at a constant 8.9 W."""


@pytest.mark.parametrize(
    ("target", "seconds"),
    [
        pytest.param(0.83, 180, id="met at the third epoch"),
        pytest.param(0.8399, 180, id="the same cell"),
        pytest.param(0.84, 240, id="the next cell"),
        pytest.param(0.95, None, id="never"),
    ],
)
def test_a_target_accuracy_is_reached_with_its_cell(target: float, seconds: float | None) -> None:
    """At constant power the closest APC rises with the row of the accuracy, .01 wide."""
    result = by_name(efficiency(replace(TRACE, target_accuracy=target)))["TTCAPC"]

    assert result.value == seconds
    assert (result.reason == "target_not_reached") is (seconds is None)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_target_is_never_reached_earlier(one: float, other: float) -> None:
    """A target never reached counts as later than all."""
    low, high = sorted((one, other))
    times = [
        by_name(efficiency(replace(TRACE, target_accuracy=target)))["TTCAPC"].value
        for target in (low, high)
    ]

    early, late = (float("inf") if time is None else time for time in times)
    assert early <= late


def test_missing_epochs_are_a_sentence_of_the_caller() -> None:
    """The times carry the reason that the caller gave."""
    result = by_name(efficiency(replace(JOB, no_epochs="they were not written down")))["TTCAPC"]

    assert (result.reason, result.sentence) == ("too_few_samples", "they were not written down")
