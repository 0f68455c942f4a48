"""`lowtide run` as a process of its own, on a replayed day."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from lowtide.cli.main import main
from lowtide.local.samples_file import SamplesWriter, read_samples
from lowtide.local.store import RunStore

pytestmark = pytest.mark.waits

LOWTIDE = [str(Path(sys.executable).with_name("lowtide"))]
DAY = datetime(2026, 11, 1, tzinfo=UTC)


def write_trace(path: Path, grams: list[float]) -> Path:
    """Write an hourly trace whose forecast is right, with two weeks of history before it."""
    rows = ["time,g_per_kwh,forecast_g_per_kwh"]
    rows += [
        f"{(DAY + timedelta(hours=hour)).isoformat()},{value},{value}"
        for hour, value in enumerate(grams, start=-336)
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def machine(stand_in, tmp_path):
    """Environment, store and a start of `lowtide` on the stand-in."""
    _, environment = stand_in
    known = {**os.environ, **environment}
    store = RunStore(tmp_path / "data" / "lowtide" / "runs")

    def lowtide(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*LOWTIDE, *arguments],
            env=known,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=200,
        )

    return known, store, lowtide


def replay(tmp_path: Path, grams: list[float], speed: float) -> list[str]:
    trace = write_trace(tmp_path / "XX.csv", [300.0] * 336 + grams)
    return ["--trace", str(trace), "--trace-start", DAY.isoformat(), "--speed", f"{speed:g}"]


@pytest.mark.slow
def test_a_dry_run_only_says_when_it_would_run_and_why(machine, tmp_path):
    _, store, lowtide = machine
    options = replay(tmp_path, [400.0] * 4 + [100.0] * 4 + [400.0] * 40, speed=1)

    done = lowtide("run", *options, "--expected-duration", "2h", "--dry-run", "--", "false")

    assert done.returncode == 0
    assert "waits until" in done.stdout
    assert re.search(r"save 7\d %", done.stdout)  # 75 at the beginning of an hour
    assert store.names() == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--zone", "DE", "--deadline", "2021-01-01T00:00Z"], "has passed"),
        (["--deadline", "2099-01-01T00:00Z"], "give --zone"),
        (["--zone", "DE", "--speed", "3"], "describe a --trace"),
        (["--zone", "DE", "--max-delay", "2h", "--deadline", "2099-01-01T00:00Z"], "not both"),
        (["--zone", "XX", "--name", "Not Valid"], "cannot be a run's name"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_sentence(machine, options, said):
    _, store, _ = machine
    if "XX" in options:
        (store.folder).mkdir(parents=True)

    done = CliRunner().invoke(main, ["run", *options, "--", "true"])

    assert done.exit_code != 0
    assert said in done.stderr
    assert isinstance(done.exception, SystemExit)
    assert store.names() == []


@pytest.mark.slow
def test_a_wait_that_a_signal_ends_is_gone_on_with(machine, tmp_path):
    known, store, lowtide = machine
    options = replay(tmp_path, [400.0] * 3 + [100.0] * 10 + [400.0] * 40, speed=720)
    command = [*LOWTIDE, "run", "--name", "nap", *options, "--expected-duration", "2s"]
    with subprocess.Popen(
        [*command, "--max-delay", "60s", "--", "sh", "-c", "exit 6"], env=known, cwd=tmp_path
    ) as process:
        until = time.monotonic() + 100
        while "plan" not in (store.load("nap")["status"] if store.holds("nap") else {}):
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        status = process.wait(100)

    if status == 128 + signal.SIGTERM:  # a slow machine may have let the clean hours begin
        assert read_samples(store.samples_path("nap")) == []
        assert lowtide("run", "--resume").returncode == 6
    assert store.load("nap")["status"]["attempts"][-1]["outcome"] == "Failed"


@pytest.mark.slow
def test_a_run_whose_command_outlived_its_measurement_is_not_started_twice(machine, tmp_path):
    _, store, lowtide = machine
    options = replay(tmp_path, [100.0] * 48, speed=1)
    command = ["run", "--name", "twin", *options, "--max-delay", "0s", "--", "false"]
    assert lowtide(*command).returncode == 1
    with subprocess.Popen(["sleep", "1000"]) as survivor:
        from lowtide.local.samples_file import process_birth

        writer = SamplesWriter(store.samples_path("twin"))
        birth = process_birth(survivor.pid)
        line = {"kind": "begin", "attempt": 2, "at": time.time(), "pid": survivor.pid}
        writer.write({**line, "birth": birth})
        writer.close()

        refused = lowtide("run", "--resume", "twin")

        survivor.kill()
    assert refused.returncode == 1
    assert f"still works as process {survivor.pid}" in refused.stderr


@pytest.mark.slow
def test_a_disk_that_takes_nothing_any_more_is_said_and_the_command_goes_on(machine, tmp_path):
    """Its folder goes away while it runs: the document cannot be written, the status comes."""
    _, store, lowtide = machine
    options = replay(tmp_path, [100.0] * 48, speed=1)
    script = f"rm -r {store.folder}; exit 9"

    done = lowtide("run", "--name", "gone", *options, "--max-delay", "0s", "--", "sh", "-c", script)

    assert done.returncode == 9, done.stderr
    assert "is not kept" in done.stderr
    assert "Traceback" not in done.stderr


TRAINING = """
import json, pathlib, signal, sys, time
state = pathlib.Path("state")
done = int(state.read_text()) if state.exists() else 0
def stop(*_):
    state.write_text(str(done))
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
while done < int(sys.argv[1]):
    time.sleep(0.1)
    done += 1
print("steps", done)
"""


def seconds_of_a_run(lowtide, tmp_path: Path) -> float:
    """Return how long a run of nothing takes on this machine, as busy as it is now."""
    options = [*replay(tmp_path, [100.0] * 48, speed=1), "--max-delay", "0s"]
    began = time.monotonic()
    assert lowtide("run", "--name", "trial", *options, "--", "true").returncode == 0
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("way", ["--interruptible", "--freeze"])
def test_a_run_rests_at_dirty_hours_and_its_energy_is_the_sum_of_its_attempts(
    machine, tmp_path, way
):
    _, _, lowtide = machine
    (tmp_path / "train.py").write_text(TRAINING)
    # An hour is 2.4 s, or longer where a process takes that long to come and go: the run takes four
    # hours, and no clean stretch is as long.
    hour = max(2.4, min(4.8, 2 * seconds_of_a_run(lowtide, tmp_path)))
    grams = [600.0] * 5 + [100.0] * 3 + [600.0] * 4 + [100.0] * 3 + [600.0] * 40
    options = [*replay(tmp_path, grams, speed=3600 / hour), "--restart-cost", "0s", way]
    options += ["--expected-duration", f"{4.2 * hour:.0f}s", "--max-delay", f"{21 * hour:.0f}s"]
    steps = str(round(37.5 * hour))

    done = lowtide(
        *("run", "--name", "net", *options, "--output", "json"),
        *("--", sys.executable, "train.py", steps),
    )

    assert done.returncode == 0, done.stderr
    own, said = done.stdout.splitlines()
    assert own == f"steps {steps}"
    status = json.loads(said)["status"]
    joules = [attempt["energyJoules"] for attempt in status["attempts"]]
    assert sum(joules) == pytest.approx(status["energy"]["totalJoules"], abs=2)
    if way == "--interruptible":
        outcomes = [attempt["outcome"] for attempt in status["attempts"]]
        assert outcomes[:-1] == ["Paused"] * (len(outcomes) - 1)
        assert len(outcomes) >= 2
    else:
        assert "while it was frozen it drew" in done.stderr


@pytest.mark.slow
def test_a_series_teaches_how_long_its_next_run_takes(machine, tmp_path):
    _, _, lowtide = machine
    options = [*replay(tmp_path, [100.0] * 48, speed=1), "--series", "naps", "--max-delay", "0s"]
    for _ in range(5):
        assert lowtide("run", *options, "--", "sleep", "0.3").returncode == 0

    done = lowtide("run", *options, "--dry-run", "--", "sleep", "0.3")

    assert "are assumed" not in done.stdout
