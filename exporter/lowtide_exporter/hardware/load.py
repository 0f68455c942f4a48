"""Load for the GPU: a program that works in a rhythm, run as a child process.

The exporter itself must not import CUDA libraries. Any program will do that takes `PERIOD_MS DUTY
SHIFT_MS` as arguments, prints `ready` once it works, and on SIGTERM one line of JSON with
`iterations` and `seconds`. benchmarks/exporter/gpu_load.py is one, with PyTorch.
"""

import contextlib
import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from lowtide.meters.errors import SourceError

_END_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A square wave of load; `duty_ratio` 1 is steady load, 0 a context that does nothing."""

    period_milliseconds: int
    duty_ratio: float
    shift_milliseconds: int = 0


@dataclass(slots=True)
class LoadOutcome:
    """What the program did, filled in when it has ended."""

    report: dict[str, Any] = field(default_factory=dict)

    @property
    def iterations_per_second(self) -> float | None:
        """The program's throughput, None where it did not tell."""
        if not self.report.get("seconds"):
            return None
        return float(self.report["iterations"] / self.report["seconds"])


@contextlib.contextmanager
def loading(command: str, rhythm: Rhythm) -> Iterator[LoadOutcome]:
    """Load the GPU while the body runs.

    Raises:
        SourceError: the program did not become ready.
    """
    arguments = [
        *shlex.split(command),
        str(rhythm.period_milliseconds),
        str(rhythm.duty_ratio),
        str(rhythm.shift_milliseconds),
    ]
    outcome = LoadOutcome()
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if process.stdout.readline().strip() != "ready":
            raise SourceError(f"load program {arguments[0]} did not become ready")
        yield outcome
        process.terminate()
        text, _ = process.communicate(timeout=_END_SECONDS)
        with contextlib.suppress(ValueError, IndexError):
            outcome.report = json.loads(text.strip().splitlines()[-1])
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(_END_SECONDS)
