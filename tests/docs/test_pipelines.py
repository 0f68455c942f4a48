"""Lines of the documentation for batch systems and pipelines, run as they stand there."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "without-a-cluster.md"
LOWTIDE = Path(sys.executable).with_name("lowtide")


def line_of(title: str, pattern: str) -> str:
    """Return the command in the one line of a pipeline."""
    (line,) = (
        row for row in PAGE.read_text("utf-8").splitlines() if row.startswith(f"**{title}**")
    )
    (command,) = re.findall(pattern, line)
    return command


@pytest.fixture
def shell(tmp_path):
    """Run a line as a pipeline would: a shell, a `train.py`, a zone without network."""
    (tmp_path / "train.py").write_text("print('trained')\n")
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [now + timedelta(hours=hour) for hour in range(-48, 48)]
    rows = [f"{hour.isoformat()},100,100" for hour in hours]
    (tmp_path / "DE.csv").write_text("\n".join(["time,g_per_kwh,forecast_g_per_kwh", *rows]))
    environment = {
        **os.environ,
        "PATH": os.pathsep.join((str(LOWTIDE.parent), os.environ["PATH"])),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", command],
            env=environment,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=250,
        )

    return run


@pytest.mark.slow
def test_the_line_for_airflow_trains(shell):
    """A trace stands for the network; the wait of a constant grid is none."""
    command = line_of("Airflow", r'bash_command="(.*?)"')
    assert command.startswith("lowtide run --zone DE ")

    done = shell(command.replace("--zone DE", "--zone DE --trace DE.csv"))

    assert done.returncode == 0, done.stderr
    assert done.stdout == "trained\n"


@pytest.mark.slow
def test_the_line_for_github_actions_trains_and_writes_its_summary(shell, tmp_path):
    done = shell(line_of("GitHub Actions", r"`run: (.*?)`\."))

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("trained\n")
    assert "train" in (tmp_path / "summary.md").read_text()
