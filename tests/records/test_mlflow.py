"""Runs exported from MLflow are read like any other report."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from lowtide.cli.main import main
from lowtide.records.jobs import ReportError, read_path

EXPORT = """run_id,experiment_id,status,artifact_uri,start_time,end_time,metrics.val_accuracy,\
metrics.energy_kwh,metrics.loss,params.model,params.dataset,tags.mlflow.runName
a1,0,FINISHED,f:a,2026-11-30 12:00:00+00:00,2026-11-30 13:30:00+00:00,0.91,2.5,0.2,ViT,digits,first
b2,0,FINISHED,f:b,2026-11-30 12:00:00+00:00,2026-11-30 13:00:00+00:00,0.9,2,0.3,ViT,digits,
c3,0,FAILED,f:c,2026-11-30 12:00:00+00:00,2026-11-30 12:01:00+00:00,,,,ViT,digits,third
"""


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "runs.csv"
    path.write_text(EXPORT, encoding="utf-8")
    return path


def test_finished_runs_become_figures(export: Path) -> None:
    """2.5 kWh are 9 MJ, half past one less twelve is 5400 s; a run without a name keeps its id."""
    first, second = read_path(export)

    assert (first.name, first.uid, first.model, first.dataset) == ("first", "a1", "ViT", "digits")
    assert (first.accuracy, first.energy_joules, first.duration_seconds) == (0.91, 9e6, 5400)
    assert second.name == "b2"


def test_exported_runs_are_compared(export: Path) -> None:
    """From 2.5 to 2 kWh are -20 %."""
    result = CliRunner().invoke(main, ["compare", str(export)])

    assert result.exit_code == 0, result.stderr
    assert "-20.0 %" in result.stdout


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(("0.91", "91"), "line 2: accuracy is 91", id="percent"),
        pytest.param(("2.5,", "much,"), "energy_kwh: .much. is not a number", id="no number"),
        pytest.param(("FINISHED", "RUNNING"), "without a finished run", id="nothing finished"),
    ],
)
def test_an_export_that_cannot_be_used_is_one_sentence(
    export: Path, change: tuple[str, str], sentence: str
) -> None:
    """The sentence has the run's id where one is to blame."""
    export.write_text(EXPORT.replace(*change), encoding="utf-8")

    with pytest.raises(ReportError, match=sentence):
        read_path(export)
