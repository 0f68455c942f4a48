"""Pauses and kills at random moments; see the stand-in for the promises that are checked."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "standins" / "pauses.py"


def trials(kind, first_seed, number):
    """Run trials in one process, which imports torch once."""
    return subprocess.run(
        [sys.executable, str(PROGRAM), kind, str(first_seed), str(number)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "seeds"), [("plain", 60), ("ddp", 40), ("hugging-face", 12), ("lightning", 12)]
)
def test_no_moment_of_a_pause_or_a_kill_loses_work_or_changes_a_weight(kind, seeds):
    """Each seed interrupts one training up to five times, by SIGTERM or by SIGKILL.

    Two ranks hear SIGTERM both or one of them only, and still stop at one step. transformers
    restores its own generators and its place in the data; Lightning does with a loader that has a
    state.
    """
    for framework in {"hugging-face": ["transformers"], "lightning": ["lightning"]}.get(kind, []):
        pytest.importorskip(framework)

    result = trials(kind, 0, seeds)

    assert result.returncode == 0, result.stdout + result.stderr
