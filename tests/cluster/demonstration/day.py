"""The day that the demo replays, and the stand-in that serves it.

Monday 16 August 2021 in Germany: a night, then a day with sun. For a run of nine hours that is
submitted at 02:00 UTC the cleanest stretch begins six hours later, by the forecast of that time
(19 % less) as by what really happened (33 % less). A machine of half the speed, on which the run
lasts eighteen hours, still saves 15 %. How long one of its hours lasts follows from the machine's
speed (`demonstration.pace`): twelve seconds or more.

The day was chosen because waiting pays on it, also on slow machines. It shows how Lowtide works,
not what it saves on an average day: that is what `lowtide backtest` is for.
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from singlenode import processes
from singlenode.errors import ClusterError
from singlenode.layout import ADDRESS, PROMETHEUS_URL, REPOSITORY, Layout

ZONE = "DE"
TRACE = REPOSITORY / "examples" / "traces" / "DE.csv"
TRACE_START = "2021-08-16T02:00Z"
PORT = 8100
TOKEN = "demo"


@dataclass(frozen=True, slots=True)
class ReplayedDay:
    """The stand-in, running."""

    url: str
    begun: datetime
    """When the first slot of the replay began."""
    slot_seconds: int

    @property
    def note(self) -> str:
        """The parts that are not real, for the foot of every view."""
        return (
            "grid: stand-in that replays 16 August 2021 in Germany, chosen because waiting pays on"
            f" it, 1 h = {self.slot_seconds} s · GPUs: mock, power follows CPU"
        )

    @property
    def window(self) -> tuple[datetime, datetime]:
        """The stretch of time that the live view shows: two slots before, twenty-four after."""
        slot = timedelta(seconds=self.slot_seconds)
        return self.begun - 2 * slot, self.begun + 24 * slot


def begin(
    layout: Layout,
    python: Path,
    *,
    trace: Path = TRACE,
    start: str = TRACE_START,
    slot_seconds: int,
) -> ReplayedDay:
    """Start the replay of `trace` from `start` on, now, and return when it answers.

    Raises:
        ClusterError: it did not answer; the end of its log is in the message.
    """
    epoch = time.time() // slot_seconds * slot_seconds
    log = layout.logs / "grid.log"
    processes.start(
        [
            python, REPOSITORY / "tests" / "standins" / "grid" / "server.py",
            "--trace", trace, "--zone", ZONE, "--start", start,
            "--slot-seconds", str(slot_seconds), "--epoch", str(epoch),
            "--token", TOKEN, "--bind", ADDRESS, "--port", str(PORT),
        ],
        pid_file=layout.pids / "grid.pid",
        log_file=log,
    )  # fmt: skip
    url = f"http://{ADDRESS}:{PORT}"
    deadline = time.monotonic() + 120
    while not _answers(url):
        if time.monotonic() > deadline:
            said = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise ClusterError(f"the grid stand-in does not answer at {url}:\n{said}")
        time.sleep(0.05)
    return ReplayedDay(url, datetime.fromtimestamp(epoch, UTC), slot_seconds)


def end(layout: Layout) -> None:
    """Stop the replay, if there is one."""
    processes.stop(layout.pids / "grid.pid")


def await_forecast() -> None:
    """Return when the operator has the forecast of the replayed day.

    The operator starts before the replay does, and a job that it sees without any forecast runs
    at once, as it should.

    Raises:
        ClusterError: there was none within four minutes.
    """
    question = urllib.parse.urlencode(
        {"query": f'lowtide_operator_forecast_age_seconds{{zone="{ZONE}"}}'}
    )
    deadline = time.monotonic() + 240
    while not _result(f"{PROMETHEUS_URL}/api/v1/query?{question}"):
        if time.monotonic() > deadline:
            raise ClusterError("the operator got no forecast of the replayed day within 240 s")
        time.sleep(0.2)


def _result(url: str) -> bool:
    """Return whether a query of Prometheus finds anything."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(json.load(answer)["data"]["result"])
    except (urllib.error.URLError, OSError, ValueError, KeyError):
        return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return bool(json.load(answer)["status"] == "ok")
    except (urllib.error.URLError, OSError, ValueError):
        return False
