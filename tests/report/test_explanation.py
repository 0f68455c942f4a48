"""Every figure of a job follows from its inputs, or is marked."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.main import main
from lowtide.records.jobs import from_trainingjob
from lowtide.report.explanation import explain_figures, plan_lines

Job = dict[str, Any]


def run(tmp_path: Path, job: Any, *arguments: str) -> Result:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    return CliRunner().invoke(main, ["explain", str(path), *arguments])


def test_steps_recompute_what_the_status_states(densenet: Job) -> None:
    """Hand calculation: .48 + .11 = .59 g, 1.19 - .48 = .71 g, 15516 / 212 = 73.19 W."""
    steps = {step.name: step for step in explain_figures(from_trainingjob(densenet))}

    assert steps["C = O + M"].value == pytest.approx(0.59)
    assert steps["avoided"].value == pytest.approx(0.71)
    assert steps["mean power"].value == pytest.approx(73.1887, abs=1e-4)
    assert steps["mean intensity"].value == pytest.approx(111.37, abs=0.01)
    assert [s.name for s in steps.values() if s.agrees is True] == [
        "energy", "SCI = C / R", "avoided", "avoided percent",
    ]  # fmt: skip
    assert steps["SCI = C / R"].formula == "(0.480000 + 0.110000) / 1.00000"


def test_a_job_of_a_joule_follows_from_its_own_status(tmp_path: Path, densenet: Job) -> None:
    """1.4 J in a second at 456 g/kWh, stated in whole joules: nothing differs but by rounding.

    Two parts of 0.7 J are stated as 1 J each, their sum as 1 J; 0.000177 g of 1.4 J are 456 g/kWh.
    """
    status = densenet["status"]
    part = {"part": "active", "method": "exclusive", "quality": "counter", "joules": 1}
    status["energy"] = {
        "totalJoules": 1,
        "meanPowerWatts": "1.4",
        "runSeconds": "1.000",
        "components": [{"component": name} | part for name in ("gpu", "cpu")],
    }
    status["carbon"] = {"operationalGrams": "0.000177333", "meanGramsPerKwh": "456.0"}
    status["counterfactual"] = {
        "runNowGrams": "0.0002606",
        "avoidedGrams": "0.000083267",
        "avoidedPercent": "32.0",
    }
    status.pop("sci", None)
    status.pop("metrics", None)
    status.pop("efficiency", None)

    result = run(tmp_path, densenet)

    assert "DIFFERS" not in result.stdout, result.stdout
    assert result.exit_code == 0


def test_a_wrong_difference_of_a_tiny_job_is_marked(tmp_path: Path, densenet: Job) -> None:
    """Four places would hide it: 0.0003 - 0.0002 is not 0.00005."""
    densenet["status"]["carbon"] |= {"operationalGrams": "0.0002"}
    densenet["status"]["counterfactual"] = {"runNowGrams": "0.0003", "avoidedGrams": "0.00005"}

    result = run(tmp_path, densenet)

    assert "DIFFERS from the stated 0.000050000 gCO2eq" in result.stdout


def test_a_figure_that_does_not_follow_is_marked(tmp_path: Path, densenet: Job) -> None:
    """Exit code 1, the stated number beside the recomputed one, and the figure's name on stderr."""
    densenet["status"]["sci"]["gramsPerUnit"] = "0.95"

    result = run(tmp_path, densenet)

    assert result.exit_code == 1
    assert result.stderr == "does not follow from its inputs: SCI = C / R\n"
    assert "DIFFERS from the stated 0.95000 gCO2eq/job" in result.stdout


def test_a_missing_input_is_named(tmp_path: Path, densenet: Job) -> None:
    """No embodied figure: no C and no SCI, and it is said which input lacks."""
    del densenet["status"]["carbon"]["embodiedGrams"]
    del densenet["status"]["sci"]["gramsPerUnit"]

    result = run(tmp_path, densenet)

    assert result.exit_code == 0
    assert "SCI = C / R      not known: M missing" in result.stdout


def test_a_waiting_job_shows_its_plan_and_its_problems(tmp_path: Path) -> None:
    """Why it waits, until when, how much that should save."""
    job = {
        "kind": "TrainingJob",
        "metadata": {"name": "bert"},
        "status": {
            "plan": {
                "explanation": "waits for the night wind",
                "start": "2026-12-01T23:45:00Z",
                "runNowGramsPerKwh": "297",
                "plannedGramsPerKwh": "112",
                "latestStart": "2026-12-02T12:40:00Z",
            },
            "conditions": [
                {"type": "Valid", "status": "True", "reason": "Valid"},
                {
                    "type": "ForecastAvailable",
                    "status": "False",
                    "reason": "Unauthorized",
                    "message": "answered 401",
                },
            ],
        },
    }

    result = run(tmp_path, job)

    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("bert ")
    assert "planned    112 g/kWh" in result.stdout
    assert "ForecastAvailable=False  Unauthorized  answered 401" in result.stdout
    assert len(plan_lines(job)) == 5


def test_the_plan_says_which_rule_gave_the_duration():
    """Two hours out of the series, although one was declared."""
    note = "1 h are declared, but the latest 5 runs of the series took 2 h: the series counts"
    plan = {"expectedDurationSeconds": 7200, "durationSource": "Learnt", "durationNote": note}

    first, second = plan_lines({"status": {"plan": plan}})

    assert first.split(maxsplit=1) == ["duration", "2 h, from the latest runs of the series"]
    assert second.strip() == note


def test_metrics_and_cost_follow_from_the_spec_s_own_parameters(
    tmp_path: Path, densenet: Job
) -> None:
    """Hand calculation: 5 * .861^5 / log10(4.31) = 3.7288; 1.204 USD/h * 212 s / 3600 = 0.0709."""
    densenet["spec"] |= {
        "price": {"perHour": "1.204", "currency": "USD"},
        "metrics": {"apc": {"alpha": "0.1", "beta": "0.1"}},
    }

    result = run(tmp_path, densenet, "--output", "json")

    steps = {step["name"]: step for step in json.loads(result.stdout)["steps"]}
    assert result.exit_code == 0
    assert steps["SAM5[Wh]"]["value"] == pytest.approx(3.7288, abs=1e-4)
    assert steps["SAM5[Wh]"]["agrees"] is True
    assert steps["cost, hardware"]["value"] == pytest.approx(0.0709, abs=1e-4)
    # .861 / (.1 * 73.1887 * (.9 * .139 + .1) + 1) = .861 / 2.64746 = .32522
    assert steps["APC"]["value"] == pytest.approx(0.32522, abs=1e-5)


def test_a_small_energy_leaves_sam_unexplained_rather_than_negative(
    tmp_path: Path, densenet: Job
) -> None:
    """Below one Wh there is no value."""
    densenet["status"]["energy"] = {"totalJoules": 360}
    densenet["status"]["efficiency"] = {}

    result = run(tmp_path, densenet)

    assert "SAM5[Wh]         not known: energy missing" in result.stdout


def test_json_has_every_step(tmp_path: Path, densenet: Job) -> None:
    """Base units, stated and recomputed."""
    data = json.loads(run(tmp_path, densenet, "--output", "json").stdout)

    sci = next(step for step in data["steps"] if step["name"] == "SCI = C / R")
    assert (sci["stated"], sci["agrees"]) == (0.59, True)
    assert data["mock"] is True


def test_several_jobs_in_a_file_are_wrong_use(tmp_path: Path, densenet: Job) -> None:
    """One at a time."""
    result = run(tmp_path, [densenet, densenet])

    assert result.exit_code == 2
    assert "one is explained at a time" in result.stderr


def test_a_bill_follows_from_its_own_figures(tmp_path: Path, densenet: Job) -> None:
    """1 kWh for 0.05 instead of 0.30; 300 g at 100 a tonne are 0.03; half of 0.26 was reached."""
    densenet["status"]["energy"] = {"totalJoules": 3_600_000}
    densenet["status"]["carbon"] = {"operationalGrams": "300"}
    densenet["status"]["electricity"] = {
        "currency": "EUR", "paid": "0.05", "meanPricePerKwh": "0.05", "runNow": "0.3",
        "saved": "0.25", "objective": "Both", "pricePerTonne": "100", "weighed": "0.08",
        "runNowWeighed": "0.34", "leastWeighed": "0.08", "reachPercent": "50.0",
    }  # fmt: skip

    result = run(tmp_path, densenet, "--output", "json")

    steps = {step["name"]: step for step in json.loads(result.stdout)["steps"]}
    for name in ("electricity, mean price", "electricity, saved", "objective"):
        assert steps[name]["agrees"] is True, name
    assert steps["objective, reach"]["value"] == pytest.approx(100)
    assert steps["objective, reach"]["agrees"] is False
