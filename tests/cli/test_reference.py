"""`lowtide reference`: a set made of finished jobs, that the other commands and the chart take."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from lowtide.cli.main import main
from lowtide.metrics.reference import parse_reference

PLACE = "A100 x1 - torch 2.9"


def job(number: int, **changes: Any) -> dict[str, Any]:
    """Return a run of `number` kWh in `number` hours that is .9 less number hundredths accurate."""
    return {
        "kind": "JobFigures",
        "name": f"run-{number}",
        "dataset": "digits",
        "environment": PLACE,
        "accuracy": 0.9 - number / 100,
        "energy_joules": 3.6e6 * number,
        "duration_seconds": 3600.0 * number,
        **changes,
    }


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Five runs: 1 to 5 kWh."""
    path = tmp_path / "reports.json"
    path.write_text(json.dumps([job(n) for n in range(1, 6)]))
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["reference", *arguments])


def test_five_runs_make_a_set_whose_boundaries_are_their_quantiles(reports: Path) -> None:
    """Indices 1, 1/2, 1/3, 1/4 and 1/5, interpolated between neighbours."""
    result = run(str(reports), "--name", "team")

    made = parse_reference(yaml.safe_load(result.stdout))
    assert result.exit_code == 0, result.stderr
    assert (made.name, made.dataset, made.environment, made.rows) == ("team", "digits", PLACE, 5)
    assert made.values["training_energy"] == 1.0
    # Position .8 * 4 = 3.2 in .2 .25 .3333 .5 1: .5 + .2 * .5 = .6; then 2.4, 1.6, .8.
    assert made.boundaries["training_energy"] == pytest.approx((0.6, 0.4, 0.3, 0.24))
    assert "parameters" not in made.boundaries


def test_a_named_run_may_be_the_reference(reports: Path) -> None:
    """Its own energy has index 1."""
    result = run(str(reports), "--name", "team", "--model", "run-2", "--output", "json")

    made = parse_reference(json.loads(result.stdout))
    assert (made.reference, made.values["training_energy"]) == ("run-2", 2.0)


def test_a_configmap_holds_the_set_for_the_chart(reports: Path) -> None:
    """One key, which the operator reads as a file."""
    result = run(str(reports), "--name", "Team 2026", "--configmap", "references")

    document = yaml.safe_load(result.stdout)
    assert (document["kind"], document["metadata"]["name"]) == ("ConfigMap", "references")
    assert parse_reference(json.loads(document["data"]["team-2026.json"])).name == "Team 2026"


def test_the_set_rates_what_it_was_made_of(reports: Path, tmp_path: Path) -> None:
    """The first of five runs is the best in everything: A."""
    target, label = tmp_path / "team.yaml", tmp_path / "label.svg"
    weights = ["--weight", "training_time=0"]
    made = run(str(reports), "--name", "team", "--any-framework", *weights, "--file", str(target))
    best = tmp_path / "best.json"
    best.write_text(json.dumps(job(1)))

    drawn = CliRunner().invoke(
        main, ["label", str(best), "--reference", str(target), "-o", str(label)]
    )

    assert (made.exit_code, made.stdout) == (0, "")
    assert yaml.safe_load(target.read_text())["environment"] == "A100 x1"
    assert drawn.exit_code == 0, drawn.stderr
    assert "rated A" in label.read_text()


@pytest.mark.parametrize(
    ("jobs", "sentence"),
    [
        pytest.param([job(1)], "no property has five values among the 1 jobs", id="too few"),
        pytest.param(
            [job(1), job(2, environment=None)],
            "of 2 environments (A100 x1 - torch 2.9; not stated): make one set for each",
            id="environments",
        ),
        pytest.param([job(1), job(2, dataset="CIFAR")], "of 2 data sets", id="data sets"),
        pytest.param([job(n, mock=True) for n in range(1, 6)], "a stand-in replaced", id="mock"),
    ],
)
def test_jobs_that_make_no_set_are_one_sentence(
    tmp_path: Path, jobs: list[dict[str, Any]], sentence: str
) -> None:
    """Exit code 1, nothing on standard output."""
    path = tmp_path / "jobs.json"
    path.write_text(json.dumps(jobs))

    result = run(str(path), "--name", "team")

    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (["--weight", "accuracy=1"], "--weight accuracy=1: give KEY=NUMBER"),
        (["--weight", "accuracy_top1=nan"], "a number of at least 0"),
        (["--model", "run-9"], "none of the 5 jobs has this name"),
        (["--configmap", "Not A Name"], "is not a valid object name"),
    ],
)
def test_wrong_use_is_one_sentence(reports: Path, option: list[str], sentence: str) -> None:
    """Exit code 2."""
    result = run(str(reports), "--name", "team", *option)

    assert result.exit_code == 2
    assert sentence in result.stderr
