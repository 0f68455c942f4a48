"""`lowtide export` as it is typed."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.export import FORMS
from lowtide.cli.main import main

JOB: dict[str, Any] = {
    "apiVersion": "lowtide.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "densenet121", "namespace": "ml"},
    "spec": {"template": {}},
    "status": {
        "attempts": [
            {"start": "2026-12-01T01:30:00Z", "end": "2026-12-01T02:30:00Z",
             "energyJoules": 3600000, "operationalGrams": "400"},
            {"start": "2026-12-01T04:00:00Z", "end": "2026-12-01T05:00:00Z",
             "energyJoules": 3600000, "operationalGrams": "200"},
        ],
        "energy": {"totalJoules": 7200000, "kind": "Measured"},
        "carbon": {"operationalGrams": "600", "signal": "Average", "zone": "DE"},
    },
}  # fmt: skip


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", *arguments])


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(JOB), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_written_to_standard_output(source: str, form: str) -> None:
    """Nothing but data there, and an end of line."""
    result = run(source, "--to", form)

    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith("\n")
    assert result.stderr == ""


def test_hours_come_from_the_attempts(source: str, tmp_path: Path) -> None:
    """The pause between them has no row."""
    target = tmp_path / "hours.csv"

    result = run(source, "--to", "csv-hourly", "-o", str(target))

    assert (result.exit_code, result.stdout) == (0, "")
    hours = [line.split(",")[0][11:16] for line in target.read_text().splitlines()[1:]]
    assert hours == ["01:00", "02:00", "04:00"]


@pytest.mark.parametrize(
    ("content", "arguments", "code", "message"),
    [
        pytest.param(JOB, [], 2, "Missing option '--to'", id="no form"),
        pytest.param(JOB, ["--to", "excel"], 2, "is not one of", id="no such form"),
        pytest.param(
            [JOB, JOB],
            ["--to", "mlflow"],
            2,
            "holds 2 jobs, but one is exported at a time",
            id="two jobs",
        ),
        pytest.param({**JOB, "status": {}}, ["--to", "spdx"], 1, "no measured energy", id="new"),
        pytest.param(
            {**JOB, "status": {}}, ["--to", "huggingface"], 1, "no operational", id="card"
        ),
        pytest.param({"kind": "Pod"}, ["--to", "github"], 1, "is of kind", id="no job"),
        pytest.param(
            JOB, ["--to", "github", "-o", "/no/such/x"], 1, "cannot be written", id="file"
        ),
    ],
)
def test_wrong_use_is_one_sentence(
    tmp_path: Path, content: object, arguments: list[str], code: int, message: str
) -> None:
    """Exit code 2 for wrong use, 1 for what cannot be done."""
    path = tmp_path / "job.json"
    path.write_text(json.dumps(content), encoding="utf-8")

    result = run(str(path), *arguments)

    assert result.exit_code == code
    assert message in result.stderr
