"""Budget of a run without a cluster: before it starts, while it works, when it is raised."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from lowtide.cli.main import main
from lowtide.local.budget_watch import BudgetWatch
from lowtide.local.samples_file import SampledAttempt
from lowtide.local.store import RunStore
from lowtide.planning import Experience, PastRun, learn
from lowtide.trainingjob.budget import BudgetAction
from lowtide.trainingjob.models import TrainingJob
from lowtide.trainingjob.report import EpochRecord, TrainingReport, to_message
from lowtide.trainingjob.status import Attempt

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LOWTIDE = str(Path(sys.executable).with_name("lowtide"))
# It works until it is told to stop, saves, and has nothing left to do when it starts again.
TRAINING = """
trap 'echo saved > state; exit 75' TERM
[ -e state ] && exit 0
while :; do sleep 0.05; done
"""


@pytest.fixture
def grid(tmp_path):
    """Options of a grid of 100 g/kWh, in which nothing is worth a delay."""
    rows = [f"{(NOW + timedelta(hours=hour)).isoformat()},100,100" for hour in range(-48, 24)]
    (tmp_path / "XX.csv").write_text("\n".join(["time,g_per_kwh,forecast_g_per_kwh", *rows]))
    trace = str(tmp_path / "XX.csv")
    return ["--trace", trace, "--trace-start", NOW.isoformat(), "--max-delay", "0s"]


@pytest.fixture
def run(stand_in, grid, tmp_path):
    """Run `lowtide run` on a machine that draws 300 W; return what it ended with."""
    _, environment = stand_in

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        options = [] if "--resume" in arguments else grid
        return subprocess.run(
            [LOWTIDE, "run", *options, *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=250,
        )

    return start


def conditions(tmp_path: Path, name: str) -> dict[str, tuple[str, str]]:
    status = RunStore(tmp_path / "data" / "lowtide" / "runs").load(name)["status"]
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}


@pytest.mark.slow
def test_a_run_over_its_budget_saves_and_ends_and_is_not_gone_on_with(run, tmp_path):
    done = run("--name", "net", "--budget", "energy=100J:stop", "--", "sh", "-c", TRAINING)

    assert done.returncode == 75, done.stderr  # the command's own
    assert (tmp_path / "state").read_text() == "saved\n"
    assert "stopped by its budget: energy of" in done.stderr
    found = conditions(tmp_path, "net")
    assert found["Failed"] == ("True", "BudgetExceeded")
    assert found["OverBudget"] == ("True", "BudgetExceeded")
    again = run("--resume", "net")
    assert again.returncode == 1
    assert "run net was stopped by its budget" in again.stderr


@pytest.mark.slow
def test_a_paused_run_rests_until_its_budget_is_raised(run, tmp_path):
    done = run("--name", "net", "--budget", "energy=100J:pause", "--", "sh", "-c", TRAINING)
    assert done.returncode == 75, done.stderr
    assert "paused by its budget" in done.stderr

    resting = run("--resume", "net")
    raised = run("--budget", "energy=1MJ:pause", "--resume", "net")

    assert resting.returncode == 75
    assert "paused by its budget: energy of" in resting.stderr
    assert raised.returncode == 0, raised.stderr
    assert conditions(tmp_path, "net")["OverBudget"] == ("False", "WithinBudget")


@pytest.mark.slow
def test_a_warning_lets_the_run_go_on(run):
    done = run("--budget", "energy=1J", "--output", "json", "--", "sleep", "2.5")

    assert done.returncode == 0
    assert "warning: energy of" in done.stderr
    status = json.loads(done.stdout)["status"]
    over = next(one for one in status["conditions"] if one["type"] == "OverBudget")
    assert over["status"] == "True"


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (["energy=2"], "'energy=2' is not a limit"),
        (["energy=2kWh:halt"], "'halt' is not warn, pause or stop"),
        (["finish=tomorrow"], "'tomorrow' is not a time with an offset"),
        (["money=3"], "needs a price"),
        (["grams=1kg", "grams=2kg"], "limits one quantity twice"),
        (["joy=1"], "'joy=1' is not a limit"),
    ],
)
def test_limits_that_cannot_be_are_refused_in_one_sentence(stand_in, grid, limits, said):
    options = (word for limit in limits for word in ("--budget", limit))
    done = CliRunner().invoke(main, ["run", *grid, *options, "--", "true"])

    assert done.exit_code == 2
    assert said in done.stderr


def job(**limits: dict[str, str]) -> TrainingJob:
    content = {"metadata": {"name": "net", "uid": "u"}, "spec": {"budget": limits, "template": {}}}
    return TrainingJob.model_validate(content)


@pytest.mark.parametrize(("limit", "stops"), [("200000", True), ("400000", False)])
def test_a_training_that_surely_will_be_over_its_budget_is_known_from_its_report(
    tmp_path, limit, stops
):
    """Ten epochs of 10 s at 300 W used 30 kJ; a hundred will use 300 kJ."""
    start = NOW.timestamp()
    samples = [(start + k, {"gpu|active|exclusive|counter": 300_000 * k}, {}) for k in range(101)]
    attempt = SampledAttempt(1, start, gpus={"GPU-1": "X"}, samples=samples)
    epochs = tuple(
        EpochRecord(epoch=k, ended_at=NOW + timedelta(seconds=10 * k), duration_seconds=10.0)
        for k in range(1, 11)
    )
    report = TrainingReport(
        epochs=10, epochs_planned=100, started_at=NOW, training_seconds=100.0, history=epochs
    )
    path = tmp_path / "net.report"
    path.write_text(to_message(report))
    now = NOW + timedelta(seconds=100)
    os.utime(path, (now.timestamp(), now.timestamp()))

    status, verdict = BudgetWatch().during(
        job(energyJoules={"limit": limit, "action": "Stop"}),
        [attempt],
        (Attempt(number=1, name="net", start=NOW),),
        30_000.0,
        path,
        None,
        None,
        now,
    )

    assert status.prediction is not None
    assert status.prediction.energy_joules is not None
    assert float(status.prediction.energy_joules.expected) == pytest.approx(300_000, rel=0.02)
    assert verdict is not None
    assert (verdict.over is not None) == stops
    if verdict.over is not None:
        assert verdict.over.action is BudgetAction.STOP
        assert not verdict.over.is_measured


def five_runs(joules: float) -> Experience | None:
    return learn([PastRun(100.0 + k, joules + k, NOW.timestamp() + k) for k in range(5)])


@pytest.mark.parametrize(("earlier", "starts"), [(5000.0, True), (20_000.0, False)])
def test_a_series_says_before_the_start_whether_the_budget_will_do(earlier, starts):
    limited = job(energyJoules={"limit": "10000", "action": "Pause"})

    _, verdict = BudgetWatch().before(limited, five_runs(earlier), None, NOW)

    assert verdict is not None
    assert (verdict.over is None) == starts
