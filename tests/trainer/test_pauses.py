"""Pauses and kills at random moments; see the stand-in for the promises that are checked."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_SECONDS = 1200
"""Far more than a quiet machine needs: each attempt starts a process that imports its framework."""
PROGRAM = Path(__file__).parents[1] / "standins" / "pauses"


def trials(kind, first_seed, number):
    """Run trials in one process, which imports torch once."""
    return subprocess.run(
        [sys.executable, str(PROGRAM), kind, str(first_seed), str(number)],
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def can_make_pods():
    """Return whether this user may make the namespaces of a pod."""
    unshare = shutil.which("unshare")
    if os.geteuid() != 0 or unshare is None:
        return False
    command = [unshare, "--pid", "--mount", "--ipc", "--uts", "--fork", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.timeout(LIMIT_SECONDS + 20)
@pytest.mark.parametrize(
    ("kind", "seeds"),
    [
        ("plain", 40),
        ("ddp", 15),
        pytest.param(
            "pods",
            10,
            marks=pytest.mark.skipif(
                not can_make_pods(), reason="namespaces of its own for a pod need root"
            ),
        ),
        ("hugging-face", 4),
        ("hugging-face-ddp", 2),
        ("lightning", 4),
    ],
)
def test_no_moment_of_a_pause_or_a_kill_loses_work_or_changes_a_weight(kind, seeds):
    """Each seed interrupts one training up to five times, by SIGTERM, SIGKILL or a lost rank.

    Two ranks, in one pod or in two, hear SIGTERM both or one of them only, and still stop at one
    step. benchmarks/trainer/pauses.py plays more seeds, and the frameworks alone.
    """
    if kind in ("hugging-face", "hugging-face-ddp", "lightning"):
        pytest.importorskip("lightning" if kind == "lightning" else "transformers")
    result = trials(kind, 0, seeds)

    assert result.returncode == 0, result.stdout + result.stderr
