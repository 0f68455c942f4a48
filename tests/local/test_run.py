"""`lowtide run` as a process of its own, on a replayed day."""

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from standins.replays import LOWTIDE, replay

from lowtide.cli.main import main
from lowtide.local.samples_file import SamplesWriter, read_samples

pytestmark = pytest.mark.waits


@pytest.mark.slow
def test_a_dry_run_only_says_when_it_would_run_and_why(runs, tmp_path):
    _, store, lowtide = runs
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
def test_options_that_cannot_be_are_refused_in_one_sentence(runs, options, said):
    _, store, _ = runs
    if "XX" in options:
        (store.folder).mkdir(parents=True)

    done = CliRunner().invoke(main, ["run", *options, "--", "true"])

    assert done.exit_code != 0
    assert said in done.stderr
    assert isinstance(done.exception, SystemExit)
    assert store.names() == []


def await_plan(store, name):
    until = time.monotonic() + 100
    while "plan" not in (store.load(name)["status"] if store.holds(name) else {}):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_a_wait_that_a_signal_ends_is_gone_on_with(runs, tmp_path):
    known, store, lowtide = runs
    options = replay(tmp_path, [400.0] * 3 + [100.0] * 10 + [400.0] * 40, speed=720)
    command = [*LOWTIDE, "run", "--name", "nap", *options, "--expected-duration", "2s"]
    with subprocess.Popen(
        [*command, "--max-delay", "60s", "--", "sh", "-c", "exit 6"], env=known, cwd=tmp_path
    ) as process:
        await_plan(store, "nap")
        process.send_signal(signal.SIGTERM)
        status = process.wait(100)

    if status == 128 + signal.SIGTERM:  # a slow machine may have let the clean hours begin
        assert read_samples(store.samples_path("nap")) == []
        assert lowtide("run", "--resume").returncode == 6
    assert store.load("nap")["status"]["attempts"][-1]["outcome"] == "Failed"


@pytest.mark.slow
def test_no_thread_of_a_library_takes_the_signal_that_ends_a_wait(runs, tmp_path):
    """A thread of numpy would let it end the process while the run is busy."""
    known, store, _ = runs
    options = replay(tmp_path, [400.0] * 3 + [100.0] * 40, speed=60)
    command = [*LOWTIDE, "run", "--name", "nap", *options, "--expected-duration", "2s"]
    with subprocess.Popen(
        [*command, "--max-delay", "1h", "--", "true"],
        env=known,
        cwd=tmp_path,
    ) as process:
        await_plan(store, "nap")
        tasks = Path(f"/proc/{process.pid}/task").iterdir()
        blocked = [_blocked_signals(one) for one in tasks if one.name != str(process.pid)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(100) == 128 + signal.SIGTERM
    if not blocked:
        pytest.skip("numpy has no thread of its own on one core")
    assert all({signal.SIGTERM, signal.SIGINT, signal.SIGHUP} <= one for one in blocked)


def _blocked_signals(task):
    line = next(x for x in (task / "status").read_text().splitlines() if x.startswith("SigBlk"))
    mask = int(line.split()[1], 16)
    return {number for number in signal.valid_signals() if mask >> (number - 1) & 1}


@pytest.mark.slow
def test_a_run_whose_command_outlived_its_measurement_is_not_started_twice(runs, tmp_path):
    _, store, lowtide = runs
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
def test_a_disk_that_takes_nothing_any_more_is_said_and_the_command_goes_on(runs, tmp_path):
    """Its folder goes away while it runs: the document cannot be written, the status comes."""
    _, store, lowtide = runs
    options = replay(tmp_path, [100.0] * 48, speed=1)
    script = f"rm -r {store.folder}; exit 9"

    done = lowtide("run", "--name", "gone", *options, "--max-delay", "0s", "--", "sh", "-c", script)

    assert done.returncode == 9, done.stderr
    assert "is not kept" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_series_teaches_how_long_its_next_run_takes(runs, tmp_path):
    _, _, lowtide = runs
    options = [*replay(tmp_path, [100.0] * 48, speed=1), "--series", "naps", "--max-delay", "0s"]
    for _ in range(5):
        assert lowtide("run", *options, "--", "sleep", "0.3").returncode == 0

    done = lowtide("run", *options, "--dry-run", "--", "sleep", "0.3")

    assert "are assumed" not in done.stdout
