"""A measured run that is killed without warning at a moment that a seed chooses."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lowtide.local.samples_file import read_samples
from lowtide.local.store import RunStore

LOWTIDE: Final = str(Path(sys.executable).with_name("lowtide"))


def kill_measured_run(
    seed: int,
    environment: Mapping[str, str],
    folder: Path,
    name: str,
    *,
    interval: float = 0.1,
    latest: float = 1.0,
) -> float:
    """Start a run below a folder, kill its program, and return the Unix time of the kill.

    The kill comes within `latest` seconds after the first line of the run's samples.
    """
    chosen = random.Random(seed)
    samples = RunStore(folder / "lowtide" / "runs").samples_path(name)
    command = [LOWTIDE, "measure", "--name", name, "--interval", f"{interval:g}", "--zone", "DE"]
    with subprocess.Popen(
        [*command, "--", "sleep", "120"],
        env={**os.environ, **environment, "XDG_DATA_HOME": str(folder)},
        start_new_session=True,
    ) as process:
        until = time.monotonic() + 120
        while not samples.exists() or not read_samples(samples):
            if time.monotonic() > until:
                raise AssertionError(f"seed {seed}: the run did not begin")
            time.sleep(0.01)
        time.sleep(chosen.uniform(0, latest))
        process.kill()
        killed_at = time.time()
        process.wait()
        os.killpg(process.pid, signal.SIGKILL)
    return killed_at
