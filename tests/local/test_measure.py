"""`lowtide measure` as a process of its own, and `with lowtide.measure()`."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from standins.kills import kill_measured_run

import lowtide
from lowtide.cli.local_runs import read_run
from lowtide.local.samples_file import read_samples
from lowtide.local.store import RunStore

pytestmark = pytest.mark.slow

LOWTIDE = [str(Path(sys.executable).with_name("lowtide"))]
STEP_JOULES = 30.0
"""What the stand-in's counter rises by in a step, at 300 W."""
CLOCKS_APART_SECONDS = 0.01
"""A run's times follow the clock as it was at its start."""


@pytest.fixture
def measure(stand_in, tmp_path):
    """Run `lowtide measure` with options and a command; return what it ended with."""
    _, environment = stand_in

    def run(*arguments: str, **kwargs) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*LOWTIDE, "measure", *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=120,
            **kwargs,
        )

    return run


def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "data" / "lowtide" / "runs")


def test_a_command_is_measured_and_its_run_is_kept(measure, tmp_path):
    began = time.monotonic()
    command = "echo out; sleep 0.7; date +%s.%N"
    done = measure("--name", "nap", "--output", "json", "--", "sh", "-c", command)

    assert done.returncode == 0
    own, told_end, said = done.stdout.splitlines()
    assert own == "out"
    energy = json.loads(said)["status"]["energy"]
    assert (energy["kind"], energy["mock"], energy["gpuCount"]) == ("Measured", True, 1)
    document = store(tmp_path).load("nap")
    (attempt,) = document["status"]["attempts"]
    (sampled,) = read_samples(store(tmp_path).samples_path("nap"))
    # 300 W all the time; a busy machine looks at clock and counter at different times, so how exact
    # the joules are is tested where time stands still between looks (test_run_meters).
    assert 0 < attempt["energyJoules"] <= 300 * (time.monotonic() - began) + STEP_JOULES
    assert sampled.started_at < float(told_end) < sampled.ended_at + CLOCKS_APART_SECONDS
    assert document["status"]["display"]["state"] == "Complete"


def test_nothing_is_measured_where_no_meter_is(tmp_path):
    environment = {**os.environ, "LOWTIDE_NVML_LIBRARY": "/nowhere.so"}
    environment |= {"XDG_DATA_HOME": str(tmp_path), "LOWTIDE_SYSFS": str(tmp_path)}
    done = subprocess.run(
        [*LOWTIDE, "measure", "--output", "json", "--", "sh", "-c", "exit 5"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 5
    said = json.loads(done.stdout)
    assert "energy" not in said["status"]
    measured = next(c for c in said["status"]["conditions"] if c["type"] == "Measured")
    assert measured["status"] == "False"
    assert measured["message"].startswith("no meter could be read: GPUs are not measured")


def test_a_command_begins_before_anything_heavy_is_loaded(stand_in, tmp_path):
    """What the figures at the end need (pydantic, numpy) must not delay the command."""
    _, environment = stand_in
    program = """
import sys
from lowtide.cli.main import main
from lowtide.local import command

class Watched(command.RunningCommand):
    def __init__(self, *words):
        heavy = {"numpy", "pydantic", "requests", "rich", "yaml"} & set(sys.modules)
        super().__init__(*words)
        print("loaded:", sorted(heavy), flush=True)

command.RunningCommand = Watched
main(["measure", "--output", "json", "--", "true"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "loaded: []"


def test_a_home_that_takes_no_file_is_said_and_the_command_runs(stand_in, tmp_path):
    _, environment = stand_in
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    done = subprocess.run(
        [*LOWTIDE, "measure", "--", "sh", "-c", "exit 4"],
        env={**os.environ, **environment, "XDG_DATA_HOME": str(blocked)},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 4
    assert "this run is not kept" in done.stderr


def test_a_block_of_code_is_measured_in_two_lines(stand_in, tmp_path):
    began = time.monotonic()
    with lowtide.measure(name="block") as m:
        time.sleep(0.6)
    seconds = time.monotonic() - began

    assert 0.6 <= m.seconds <= seconds
    assert 0 < m.energy_joules <= 300 * seconds + STEP_JOULES
    assert m.is_measured
    assert "gpu" in str(m)
    assert store(tmp_path).load("block")["status"]["display"]["state"] == "Complete"


def test_what_the_block_raises_goes_on_and_its_run_is_kept_as_failed(stand_in, tmp_path):
    with pytest.raises(KeyError), lowtide.measure(name="broken"):
        raise KeyError("mine")

    assert store(tmp_path).load("broken")["status"]["display"]["state"] == "Failed"


@pytest.mark.parametrize("seed", range(2))
def test_a_run_is_never_lost_with_the_program_that_measures_it(stand_in, tmp_path, seed):
    """All of 200 seeds, and how much of a second is lost: benchmarks/local/kills.py."""
    _, environment = stand_in
    runs = RunStore(tmp_path / "lowtide" / "runs")

    killed_at = kill_measured_run(seed, environment, tmp_path, "killed")

    (attempt,) = read_samples(runs.samples_path("killed"))
    assert attempt.ended_at is None
    assert attempt.started_at <= attempt.last_seen <= killed_at
    joules = sum(attempt.samples[-1][1].values()) / 1000 if attempt.samples else 0.0
    assert 0 <= joules <= 300 * (killed_at - attempt.started_at) + 60  # two steps of its counter
    status = read_run(runs, "killed")["status"]
    assert status["attempts"][0]["outcome"] == "Cut"
