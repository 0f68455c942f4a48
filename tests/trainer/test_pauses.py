"""Pauses and kills at random moments; see the stand-in for the promises that are checked."""

import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_SECONDS = 1200
"""Far more than a quiet machine needs: each attempt starts a process that imports its framework."""
PROGRAM = Path(__file__).parents[1] / "standins" / "pauses.py"


def trials(kind, first_seed, number):
    """Run trials in one process, which imports torch once."""
    return subprocess.run(
        [sys.executable, str(PROGRAM), kind, str(first_seed), str(number)],
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_SECONDS + 20)
@pytest.mark.parametrize(("kind", "seeds"), [("plain", 60), ("ddp", 40)])
def test_no_moment_of_a_pause_or_a_kill_loses_work_or_changes_a_weight(kind, seeds):
    """Each seed interrupts one training up to five times, by SIGTERM or by SIGKILL.

    Two ranks hear SIGTERM both or one of them only, and still stop at one step. The program plays
    `hugging-face` and `lightning` too; docs/how-to/pause-and-resume.md says what it finds there.
    """
    result = trials(kind, 0, seeds)

    assert result.returncode == 0, result.stdout + result.stderr
