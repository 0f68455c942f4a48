"""`lowtide measure` as a process of its own, and `with lowtide.measure()`."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lowtide
from lowtide.local.samples_file import read_samples
from lowtide.local.store import RunStore

LOWTIDE = [str(Path(sys.executable).with_name("lowtide"))]


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
    done = measure("--name", "nap", "--output", "json", "--", "sh", "-c", "echo out; sleep 0.7")

    assert done.returncode == 0
    own, said = done.stdout.splitlines()
    assert own == "out"
    energy = json.loads(said)["status"]["energy"]
    assert (energy["kind"], energy["mock"], energy["gpuCount"]) == ("Measured", True, 1)
    document = store(tmp_path).load("nap")
    (attempt,) = document["status"]["attempts"]
    (sampled,) = read_samples(store(tmp_path).samples_path("nap"))
    # 300 W all the time; the machine that tests may look late at the counter.
    seconds = sampled.ended_at - sampled.started_at
    assert attempt["energyJoules"] == pytest.approx(300 * seconds, rel=0.1)
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
    with lowtide.measure(name="block") as m:
        time.sleep(0.6)

    assert m.seconds >= 0.6
    assert m.energy_joules == pytest.approx(300 * m.seconds, rel=0.2)
    assert m.is_measured
    assert "gpu" in str(m)
    assert store(tmp_path).load("block")["status"]["display"]["state"] == "Complete"


def test_what_the_block_raises_goes_on_and_its_run_is_kept_as_failed(stand_in, tmp_path):
    with pytest.raises(KeyError), lowtide.measure(name="broken"):
        raise KeyError("mine")

    assert store(tmp_path).load("broken")["status"]["display"]["state"] == "Failed"


def kill_at_a_random_moment(seed: int, environment: dict[str, str], folder: Path) -> None:
    """Kill a measured run without warning; at most a second of it may be missing."""
    chosen = random.Random(seed)
    runs = RunStore(folder / "lowtide" / "runs")
    name = f"killed-{seed}"
    with subprocess.Popen(
        [*LOWTIDE, "measure", "--name", name, "--interval", "0.1", "--", "sleep", "20"],
        env={**os.environ, **environment, "XDG_DATA_HOME": str(folder)},
        start_new_session=True,
    ) as process:
        until = time.monotonic() + 60
        while not runs.samples_path(name).exists() or not read_samples(runs.samples_path(name)):
            assert time.monotonic() < until, f"seed {seed}: the run did not begin"
            time.sleep(0.01)
        time.sleep(chosen.uniform(0, 1.0))
        process.kill()
        killed_at = time.time()
        process.wait(30)
        os.killpg(process.pid, signal.SIGKILL)
    (attempt,) = read_samples(runs.samples_path(name))
    document = runs.load(name)
    assert document["metadata"]["name"] == name, f"seed {seed}"
    lost = killed_at - attempt.last_seen
    # An interval of 0.1 s; the allowance of a second covers a machine that is busy with tests.
    assert lost <= 1.1, f"seed {seed}: {lost} s are missing"
    joules = sum(attempt.samples[-1][1].values()) / 1000
    assert joules == pytest.approx(
        300 * (attempt.samples[-1][0] - attempt.started_at), rel=0.2, abs=30
    ), f"seed {seed}"


def test_a_killed_run_loses_a_second_at_most(stand_in, tmp_path):
    _, environment = stand_in
    for seed in range(2):
        kill_at_a_random_moment(seed, environment, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_killed_runs_lose_a_second_at_most(stand_in, tmp_path):
    _, environment = stand_in
    for seed in range(2, 202):
        kill_at_a_random_moment(seed, environment, tmp_path)
