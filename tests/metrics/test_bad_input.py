"""Every kind of bad input, in the library and on the command line: one clear sentence each.

The same list in the status is in the operator's tests, which read what a trainer may report.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.main import main
from lowtide.metrics.apc import ConsumptionUnit, apc
from lowtide.metrics.comparison import compare
from lowtide.metrics.efficiency import Measures, efficiency
from lowtide.metrics.job_figures import JobFigures, MetricFigure
from lowtide.metrics.result import MetricError
from lowtide.metrics.sam import EnergyUnit, sam
from lowtide.metrics.sci import Scope, operational, sci

WH = EnergyUnit.WH

REFUSED: list[tuple[str, Callable[[], object], str, str, str]] = [
    (
        "percent for a fraction",
        lambda: sam(accuracy=80, energy=100, unit=WH, alpha=5, beta=5),
        "accuracy_not_fraction",
        "sam --accuracy 80 --energy 100 --unit Wh",
        "accuracy is 80, but it must be a fraction between 0 and 1; write 0.8 for 80 %",
    ),
    (
        "negative energy",
        lambda: operational(energy_kwh=[-1], intensity_grams_per_kwh=[100]),
        "out_of_domain",
        "sci --energy-kwh -1 --intensity 100 --embodied-grams 1",
        "energy_kwh is -1, but it must be a number of at least 0",
    ),
    (
        "negative energy in SAM",
        lambda: sam(accuracy=0.8, energy=-5, unit=WH, alpha=5, beta=5),
        "out_of_domain",
        "sam --accuracy 0.8 --energy -5 --unit Wh",
        "energy is -5",
    ),
    (
        "not a number",
        lambda: apc(accuracy=0.9, consumption=float("nan"), unit=ConsumptionUnit.WH_PER_HOUR),
        "out_of_domain",
        "apc --accuracy 0.9 --consumption nan --per hour",
        "consumption is nan, but it must be",
    ),
    (
        "infinity",
        lambda: sci(operational_grams=float("inf"), embodied_grams=1, functional_units=1),
        "out_of_domain",
        "sci --operational-grams inf --embodied-grams 1",
        "operational_grams is inf, but it must be",
    ),
    (
        "market-based intensity",
        lambda: operational(energy_kwh=[1], intensity_grams_per_kwh=[0], scope=Scope.MARKET),
        "market_based_refused",
        "sci --energy-kwh 1 --intensity 0 --embodied-grams 1 --scope market-based",
        "certificates, contracts and offsets do not enter SCI",
    ),
]

UNDEFINED: list[tuple[str, Callable[[], Any], str, str]] = [
    (
        "zero units",
        lambda: sci(operational_grams=1, embodied_grams=1, functional_units=0),
        "functional_unit_zero",
        "sci --operational-grams 1 --embodied-grams 1 --functional-units 0",
    ),
    (
        "one unit of energy in SAM",
        lambda: sam(accuracy=0.8, energy=1, unit=WH, alpha=5, beta=5),
        "energy_not_above_one_unit",
        "sam --accuracy 0.8 --energy 1 --unit Wh",
    ),
    (
        "no energy",
        lambda: sam(accuracy=0.8, energy=0, unit=WH, alpha=5, beta=5),
        "no_energy",
        "sam --accuracy 0.8 --energy 0 --unit Wh",
    ),
    (
        "no embodied figure",
        lambda: sci(operational_grams=1, embodied_grams=None, functional_units=1),
        "embodied_missing",
        "sci --operational-grams 1",
    ),
]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize(
    ("call", "reason", "line", "sentence"),
    [pytest.param(*rest, id=name) for name, *rest in REFUSED],
)
def test_a_refused_input_is_named_by_library_and_command(
    call: Callable[[], object], reason: str, line: str, sentence: str
) -> None:
    """The library raises with the reason; the command is wrong use and prints no number."""
    with pytest.raises(MetricError) as error:
        call()
    result = run("calc", *line.split())

    assert error.value.reason == reason
    assert sentence in str(error.value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("call", "reason", "line"), [pytest.param(*rest, id=name) for name, *rest in UNDEFINED]
)
def test_legal_inputs_without_a_value_say_why(
    call: Callable[[], Any], reason: str, line: str
) -> None:
    """Null and a reason, never a zero."""
    found = call()
    result = run("calc", *line.split(), "--output", "json")

    assert (found.value, found.reason) == (None, reason)
    assert found.sentence
    assert result.exit_code == 0
    assert (json.loads(result.stdout)["value"], json.loads(result.stdout)["reason"]) == (
        None,
        reason,
    )


@pytest.mark.parametrize(
    ("first", "second", "quantity", "reason", "sentence"),
    [
        pytest.param(
            {"cost_amount": 1.0, "cost_currency": "EUR"},
            {"cost_amount": 1.0, "cost_currency": "USD"},
            "cost",
            "unit_mismatch",
            "currency: a has EUR, b has USD",
            id="mixed currencies",
        ),
        pytest.param(
            {"sci_grams_per_unit": 1.0, "signal": "Average", "functional_unit": "TrainingJob"},
            {"sci_grams_per_unit": 1.0, "signal": "Marginal", "functional_unit": "TrainingJob"},
            "SCI",
            "method_mismatch",
            "kind of intensity: a has Average, b has Marginal",
            id="mixed intensity kinds",
        ),
        pytest.param(
            {"metrics": (MetricFigure(name="SAM5[Wh]", value=1.0),)},
            {"metrics": (MetricFigure(name="SAM5[kWh]", value=1.0),)},
            "SAM",
            "unit_mismatch",
            "metric and its unit: a has SAM5[Wh], b has SAM5[kWh]",
            id="mixed units of SAM",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_by_library_and_command(
    tmp_path: Path,
    first: dict[str, Any],
    second: dict[str, Any],
    quantity: str,
    reason: str,
    sentence: str,
) -> None:
    """No difference, and the circumstance that differs."""
    found = compare([JobFigures(name="a", **first), JobFigures(name="b", **second)])
    path = tmp_path / "jobs.json"
    plain = [
        {**job, "metrics": [{"name": m.name, "value": m.value} for m in job.get("metrics", ())]}
        for job in (first, second)
    ]
    path.write_text(
        json.dumps(
            [{"kind": "JobFigures", "name": n, **j} for n, j in zip("ab", plain, strict=True)]
        )
    )
    result = run("compare", str(path))

    assert found.row(quantity).differences[0].percent.reason == reason
    assert found.mismatches == (sentence,)
    assert f"not comparable: {sentence}" in result.stdout


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param("accuracy\n0.9\n", "has no column name", id="missing column"),
        pytest.param("name,accuracy\na,80\n", "line 2: accuracy is 80", id="percent"),
        pytest.param("name,energy_joules\na,-1\n", "energy_joules is -1", id="negative"),
        pytest.param(
            "name,energy_joules\na,nan\n", "energy_joules: 'nan' is not a number", id="not a number"
        ),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    """Exit code 1, with the line."""
    path = tmp_path / "runs.csv"
    path.write_text(content)

    result = run("compare", str(path))

    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr


def test_a_job_without_a_report_has_reasons_in_place_of_figures() -> None:
    """This is about the library; the commands show the status."""
    found = efficiency(Measures(accuracy=None, energy_joules=1.0, duration_seconds=1.0))

    assert all(one.value is None and one.sentence for one in found)
