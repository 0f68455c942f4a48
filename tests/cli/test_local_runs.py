"""Runs of this machine, read by the commands that read jobs."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.main import main
from lowtide.cli.run_grid import GridChoice
from lowtide.local.finishing import finished
from lowtide.local.samples_file import SamplesWriter
from lowtide.local.store import ANNOTATION_GRID, RunStore, new_document

AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC).timestamp()


def write_run(store: RunStore, name: str, watts: float, *, has_ended: bool = True) -> None:
    """Keep a run of 60 s on one GPU; one that has not ended was killed."""
    document = new_document(["python", "train.py"], {"schedule": {"policy": "Immediate"}}, AT, {})
    store.create(document, name, ["train.py"])
    writer = SamplesWriter(store.samples_path(name))
    begin = {"kind": "begin", "attempt": 1, "at": AT, "gpus": {"GPU-1": "NVIDIA H100"}}
    writer.write({**begin, "mock": False})
    for second in range(61):
        millijoules = {"gpu|active|exclusive|counter": round(1000 * watts * second)}
        held = {"NVIDIA H100": float(second)}
        writer.write({"kind": "sample", "at": AT + second, "mj": millijoules, "held": held})
    if has_ended:
        writer.write({"kind": "end", "at": AT + 60, "status": 0, "notes": []})
    writer.close()
    if has_ended:
        store.save(name, finished(store, name))


@pytest.fixture
def store(tmp_path, monkeypatch) -> RunStore:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))  # no kubectl
    return RunStore.of()


def lowtide(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_two_runs_are_compared_by_name(store):
    write_run(store, "first", 400)
    write_run(store, "second", 300)

    done = lowtide("compare", "first", "second", "--output", "json")

    assert done.exit_code == 0, done.output
    assert shutil.which("kubectl") is None
    rows = json.dumps(json.loads(done.output))
    # 400 W and 300 W for a minute: 24 kJ and 18 kJ.
    assert "24000" in rows
    assert "18000" in rows


def test_a_run_is_explained_and_every_figure_follows_from_its_inputs(store):
    write_run(store, "first", 400)

    done = lowtide("explain", "first")

    assert done.exit_code == 0, done.output
    assert "6.67 Wh" in done.output


@pytest.mark.parametrize(
    "command",
    [
        ["export", "first", "--to", "openmetrics"],
        ["export", "first", "--to", "csv-hourly"],
        ["disclose", "first", "--output", "report"],
        ["explore", "--from", "runs", "-o", "page.html"],
    ],
)
def test_the_other_commands_read_runs_too(store, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    write_run(store, "first", 400)

    done = lowtide(*command)

    # A form may want a figure that this run has not; it never fails to find the run.
    assert "no file" not in done.output
    assert "kubectl" not in done.output
    assert done.exit_code == 0 or "grid" in done.output or "intensity" in done.output, done.output


def test_status_lists_the_runs_where_no_kubectl_is(store):
    write_run(store, "first", 400)

    done = lowtide("status")

    assert done.exit_code == 0, done.output
    assert "first" in done.output
    assert "Complete" in done.output


def test_a_run_whose_program_was_killed_shows_what_its_samples_know(store):
    write_run(store, "killed", 400, has_ended=False)

    done = lowtide("status", "--runs", "--output", "json")

    (run,) = json.loads(done.output)
    assert run["status"]["energy"]["totalJoules"] == 24_000
    assert run["status"]["attempts"][0]["outcome"] == "Cut"
    assert run["status"]["display"]["state"] == "Paused"


def keep_grid(store: RunStore, trace: Path) -> None:
    """Let the run `killed` be one that drew from the grid of a trace."""
    document = store.load("killed")
    start = datetime.fromtimestamp(AT, UTC)
    drawn = {"wallStart": start.isoformat(), "grid": GridChoice("XX", trace, start).as_json()}
    document["metadata"]["annotations"][ANNOTATION_GRID] = json.dumps(drawn)
    store.save("killed", document)


def test_a_killed_run_is_priced_where_its_figures_are_asked_for(store, tmp_path):
    """24 kJ at 540 g/kWh are 3.6 g."""
    hours = [datetime.fromtimestamp(AT, UTC) + timedelta(hours=hour) for hour in range(-48, 48)]
    rows = [f"{hour.isoformat()},540,540" for hour in hours]
    (tmp_path / "XX.csv").write_text("\n".join(["time,g_per_kwh,forecast_g_per_kwh", *rows]))
    write_run(store, "killed", 400, has_ended=False)
    keep_grid(store, tmp_path / "XX.csv")

    done = lowtide("export", "killed", "--to", "openmetrics")

    assert done.exit_code == 0, done.output
    (grams,) = re.findall(r"lowtide_run_operational_grams{.*} (.*)", done.output)
    assert float(grams) == pytest.approx(3.6, rel=0.01)


def test_a_killed_run_whose_trace_is_gone_says_why_it_has_no_carbon(store, tmp_path):
    write_run(store, "killed", 400, has_ended=False)
    keep_grid(store, tmp_path / "gone.csv")

    done = lowtide("export", "killed", "--to", "openmetrics")

    assert done.exit_code == 0, done.output
    assert "the carbon of a killed run is not known: gone.csv" in done.output


def test_a_document_that_is_none_does_not_lose_the_other_runs(store):
    write_run(store, "first", 400)
    store.document_path("broken").write_text("{")

    done = lowtide("status", "--runs")

    assert done.exit_code == 0
    assert "first" in done.output


def test_an_option_that_names_the_cluster_asks_the_cluster_only(store):
    write_run(store, "first", 400)

    done = lowtide("compare", "first", "first", "--namespace", "ml")

    assert done.exit_code == 1
    assert "kubectl is not installed" in done.output


def test_without_any_run_that_is_said(store):
    assert "no runs on this machine" in lowtide("status", "--runs").output
