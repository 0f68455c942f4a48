"""Pace of the replayed day: how long one of its hours lasts on this machine.

The two trainings are tried side by side for some seconds first. On a slow or busy machine the
hours last longer, so that a run takes nine of them whatever the machine's speed.
"""

import math
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from singlenode.errors import ClusterError

HOURS_OF_A_RUN = 9
QUICKEST_SLOT_SECONDS = 12
SLOWEST_SLOT_SECONDS = 90
SPARE = 1.15
"""A run beside operator, exporter and Prometheus is slower than the trial."""
MODELS = ("densenet121", "inceptionv3")
TRIAL = ("--epochs", "1", "--samples", "96", "--validation-samples", "48", "--threads", "1")
RUN_PER_TRIAL = 16.0
"""Three epochs of 512 images and 256 to validate, over one of 96 and 48; validating an image costs
a third of training on it."""
TRIAL_LIMIT_SECONDS = 240
FINISHED = re.compile(r"^finished .* ([0-9.]+) s +weights", re.M)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things last in the demonstration."""

    run_seconds: int
    """One of the two runs beside the other."""
    slot_seconds: int
    """One hour of the replayed day."""

    @property
    def latest_start_seconds(self) -> int:
        """From applying a job to its latest start; the clean stretch begins after 4 to 6 hours."""
        return round(9.2 * self.slot_seconds)

    @property
    def limit_seconds(self) -> float:
        """Longest time until both jobs are measured."""
        return 35.0 * self.slot_seconds


QUICKEST = Pace(run_seconds=110, slot_seconds=QUICKEST_SLOT_SECONDS)


def pace_of(run_seconds: float) -> Pace:
    """Return the pace at which a run of this length takes nine hours of the day."""
    slot = math.ceil(run_seconds / HOURS_OF_A_RUN)
    slot = min(max(slot, QUICKEST_SLOT_SECONDS), SLOWEST_SLOT_SECONDS)
    return Pace(run_seconds=max(math.ceil(run_seconds), QUICKEST.run_seconds), slot_seconds=slot)


def measured_pace(trainer: Path) -> Pace:
    """Try both trainings side by side on this machine; return the pace that suits it.

    Raises:
        ClusterError: a trial failed or was not finished in four minutes.
    """
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        trials = [
            subprocess.Popen(
                [trainer, "train", "--model", model, *TRIAL, "--metrics-port", "0",
                 "--report-path", str(Path(folder) / f"{model}.json")],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            for model in MODELS
        ]  # fmt: skip
        try:
            longest = 0.0
            for trial in trials:
                said, _ = trial.communicate(timeout=TRIAL_LIMIT_SECONDS)
                found = FINISHED.search(said)
                if trial.returncode != 0 or found is None:
                    raise ClusterError(f"the trial of the training failed:\n{said[-2000:]}")
                training = float(found[1])
                starting = max(0.0, time.monotonic() - begun - training)
                longest = max(longest, starting + RUN_PER_TRIAL * training)
        except subprocess.TimeoutExpired:
            raise ClusterError(
                f"a trial of a few images took over {TRIAL_LIMIT_SECONDS} s: this machine is too "
                "busy for the demonstration"
            ) from None
        finally:
            for trial in trials:
                trial.kill()
                trial.wait()
    return pace_of(longest * SPARE)
