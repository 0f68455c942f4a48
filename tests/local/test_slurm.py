"""A planned, measured and counted job of a real Slurm, by the lines of the documentation."""

import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from standins.nvml.control import Control, gpu_uuid
from standins.slurm import SlurmSite, missing_programs

from lowtide.local.samples_file import read_samples

MISSING = missing_programs()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"Slurm is not installed: no {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="daemons of Slurm start steps as root only"),
]
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "without-a-cluster.md"
DOCUMENTED = Path("/run/lowtide/jobs")
LOWTIDE = Path(sys.executable).with_name("lowtide")
DAY = datetime(2026, 11, 1, tzinfo=UTC)


def documented(title: str, folder: Path) -> str:
    """Return a script of the page, with another folder for the files of the GPUs."""
    (found,) = re.findall(rf"```bash\n# {title}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert str(DOCUMENTED) in found
    return found.replace(str(DOCUMENTED), str(folder))


def awaited(found: Callable[[], Any], what: str, site: SlurmSite) -> Any:
    """Return what a function finds, once it does."""
    pause = threading.Event()
    for _ in range(1200):
        if (value := found()) is not None:
            return value
        pause.wait(0.2)
    return pytest.fail(f"{what} was not seen\n{site.log()}")


@pytest.fixture
def grid(tmp_path) -> list[str]:
    """Options of a day with 100 g/kWh from 02 to 06 UTC and 300 else."""
    rows = ["time,g_per_kwh,forecast_g_per_kwh"]
    for hour in range(-48, 48):
        grams = 100 if 2 <= hour % 24 < 6 else 300
        rows.append(f"{(DAY + timedelta(hours=hour)).isoformat()},{grams},{grams}")
    (tmp_path / "XX.csv").write_text("\n".join(rows))
    return ["--zone", "XX", "--trace", str(tmp_path / "XX.csv")]


@pytest.fixture
def jobs(tmp_path) -> Path:
    """Folder that the prolog and the epilog keep."""
    return tmp_path / "jobs"


@pytest.fixture
def site(tmp_path, jobs, nvml_library, monkeypatch) -> Iterator[SlurmSite]:
    """Slurm on one node with two stand-in GPUs of 300 W each."""
    control = Control.create(tmp_path / "nvml.state", gpus=2)
    for index in range(2):
        gpu = control.gpu(index)
        gpu.high_watts = gpu.mid_watts = gpu.low_watts = 300
        del gpu
    monkeypatch.setenv("LOWTIDE_MOCK_STATE", str(tmp_path / "nvml.state"))
    monkeypatch.setenv("LOWTIDE_NVML_LIBRARY", str(nvml_library))
    monkeypatch.setenv("LOWTIDE_ALLOW_MOCK", "1")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PATH", str(LOWTIDE.parent), prepend=os.pathsep)
    (tmp_path / "slurm").mkdir()
    prolog, epilog = documented("Prolog", jobs), documented("Epilog", jobs)
    with SlurmSite(tmp_path / "slurm", prolog=prolog, epilog=epilog) as started:
        yield started
    control.close()


def planned(grid: list[str], at: datetime, duration: str) -> str:
    """Return the option that `lowtide plan` gives sbatch at a moment of the day."""
    arguments = ["--duration", duration, "--at", at.isoformat(), "--output", "slurm"]
    done = subprocess.run(
        [LOWTIDE, "plan", *grid, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def submitted(site: SlurmSite, *arguments: str) -> str:
    """Return the id of a job that was given to sbatch."""
    return site.run("sbatch", "--parsable", f"--chdir={site.folder}", *arguments).strip()


@pytest.fixture
def exporter(site, jobs, nvml_library) -> Iterator[Callable[[], dict[str, float]]]:
    """A running exporter that reads the folder of jobs; gives joules by job id."""
    jobs.mkdir()
    arguments = ["--job-directory", str(jobs), "--nvml-library", str(nvml_library), "--allow-mock"]
    arguments += ["--listen-address", "127.0.0.1", "--port", "0", "--kubelet-period-seconds", "0.1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "lowtide_exporter.main", *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    port = next(m[1] for line in process.stderr if (m := re.search(r"on port (\d+)", line)))

    def joules() -> dict[str, float]:
        found: dict[str, float] = {}
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                for sample in family.samples:
                    if sample.name == "lowtide_pod_energy_joules_total":
                        pod = sample.labels["pod"]
                        found[pod] = found.get(pod, 0.0) + sample.value
        return found

    yield joules
    process.kill()
    process.communicate()


def test_slurm_holds_a_job_until_its_planned_start(site, grid):
    """From noon to 02:00 are 14 hours: 50,400 s after sbatch read the option."""
    job = submitted(site, planned(grid, DAY + timedelta(hours=12), "4h"), "--wrap=true")

    reason = awaited(
        lambda: site.run("squeue", "-h", "-j", job, "-o", "%r").strip().replace("None", "") or None,
        "a reason of the wait",
        site,
    )
    begin, submit = site.run("squeue", "-h", "-j", job, "-o", "%S %V").split()
    site.run("scancel", job)
    assert reason == "BeginTime"
    held = datetime.fromisoformat(begin) - datetime.fromisoformat(submit)
    assert timedelta(seconds=50_100) < held <= timedelta(seconds=50_400)


def test_a_step_is_measured_and_its_job_counted_by_the_exporter(
    site, grid, jobs, exporter, tmp_path
):
    options = [*grid, "--trace-start", DAY.isoformat(), "--price-per-kwh", "0.36"]
    script = f"""#!/bin/bash
#SBATCH --gres=gpu:1
date +%s > started
srun lowtide measure {" ".join(options)} --name "slurm-$SLURM_JOB_ID" -- \\
    sh -c 'until [ -e stop ]; do sleep 0.1; done'
lowtide export "slurm-$SLURM_JOB_ID" --to openmetrics -o job.prom
touch done
"""
    (site.folder / "job.sh").write_text(script)
    before = int(time.time())
    option = planned(grid, DAY + timedelta(hours=1, minutes=59, seconds=55), "5s")
    job = submitted(site, option, "job.sh")

    counted = awaited(lambda: exporter().get(job) or None, "energy of the job", site)
    assert counted > 0
    assert [path.name for path in jobs.iterdir()] == ["0"]
    (site.folder / "stop").touch()
    awaited(lambda: (site.folder / "done").exists() or None, "the job's end", site)
    awaited(lambda: None if any(jobs.iterdir()) else True, "the epilog", site)

    assert option == "--begin=now+5"
    assert int((site.folder / "started").read_text()) >= before + 4
    (attempt,) = read_samples(tmp_path / "data" / "lowtide" / "runs" / f"slurm-{job}.samples")
    assert attempt.exit_status == 0
    assert list(attempt.gpus) == [gpu_uuid(0)]
    exported = {
        sample.name: sample.value
        for family in text_string_to_metric_families((site.folder / "job.prom").read_text())
        for sample in family.samples
    }
    joules = exported["lowtide_run_energy_joules"]
    grams = exported["lowtide_run_operational_grams"]
    assert joules > 0
    # The run replays the trace from midnight on, which is no clean hour.
    assert grams == pytest.approx(joules / 3.6e6 * 300, rel=0.01)
    assert exported["lowtide_run_cost"] == pytest.approx(joules * 1e-7, rel=0.01)
