"""Reading of one long run: peak memory, and lag of the event loop meanwhile.

Run: `.venv/bin/python benchmarks/operator/long_run.py DAYS PODS`. A stand-in for Prometheus answers
with what exporters store every 30 s of pods of eight GPUs; everything else is the operator's own.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lowtide import names
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import Attempt, AttemptPod, TrainingJobStatus
from lowtide_operator.measuring.measure import Measurer
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.views import JobView
from lowtide_operator.samples.prometheus import Prometheus
from lowtide_operator.schedule.overheads import Overheads
from lowtide_operator.settings import OperatorSettings

START = datetime(2026, 10, 1, tzinfo=UTC)
SCRAPE_SECONDS = 30
WATTS = 300.0
GPUS = 8
COUNTERS = (("gpu", "active"), ("gpu", "idle_held"), ("cpu", "active"), ("dram", "active"))
POD_LABELS = {"namespace": "ml", "method": "exclusive", "quality": "counter", "container": "c"}
SETTINGS = OperatorSettings.model_validate({"prometheus": {"url": "http://prometheus:9090"}})


class StandIn(Prometheus):
    """Answers for pods that ran at constant power from `START` on."""

    def __init__(self, end: datetime, pods: int) -> None:
        super().__init__(None, SETTINGS.prometheus)  # type: ignore[arg-type]
        self._end, self._pods = end.timestamp(), pods
        self.queries = 0

    async def _ask(
        self, method: str, path: str, form: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        self.queries += 1
        if form is None:
            return 200, b"{}"
        query, until = form["query"], float(form["time"])
        after = max(until - int(query.rsplit("[", 1)[1][:-2]), START.timestamp())
        count = int((min(until, self._end + 300) - after) / SCRAPE_SECONDS) + 1
        times = [after + SCRAPE_SECONDS * k for k in range(count)]
        series = self._series(query.split("{")[0], times)
        answer = {"status": "success", "data": {"result": series}}
        return 200, json.dumps(answer).encode()

    def _series(self, metric: str, times: list[float]) -> list[dict[str, Any]]:
        begin = START.timestamp()
        found = []
        for pod in range(self._pods):
            labels = {**POD_LABELS, "pod": f"net-1-{pod}", "pod_uid": f"u{pod}"}
            rows: list[tuple[dict[str, str], list[tuple[float, float]]]] = []
            if metric == names.METRIC_POD_ENERGY:
                rising = [(t, (min(t, self._end) - begin) * WATTS) for t in times]
                rows = [({"component": c, "part": p}, rising) for c, p in COUNTERS]
            elif metric == names.METRIC_POD_SEGMENT_START:
                rows = [({}, [(t, begin) for t in times])]
            elif metric == names.METRIC_POD_END:
                rows = [({}, [(t, self._end) for t in times if t > self._end])]
            elif metric == names.METRIC_POD_GPU_HELD_SECONDS:
                rows = [({"model": "NVIDIA H100"}, [(t, (t - begin) * GPUS) for t in times])]
            elif metric in (names.METRIC_POD_GPU_SHARE, names.METRIC_GPU_INFO):
                rows = [({"uuid": f"GPU-{pod}-{g}"}, [(t, 1.0) for t in times]) for g in range(8)]
            found += [
                {"metric": {**labels, **more}, "values": [[t, str(v)] for t, v in values]}
                for more, values in rows
                if values
            ]
        return found


class NoGrid:
    """No intensity."""

    async def seen_between(self, *_: Any) -> None:
        """Return none."""


def job(end: datetime, pods: int) -> JobView:
    """Return a job that has ended."""
    run = tuple(
        AttemptPod(name=f"net-1-{n}", uid=f"u{n}", node="n", start=START, end=end)
        for n in range(pods)
    )
    attempt = Attempt(number=1, name="net-1", start=START, end=end, outcome="Complete", pods=run)
    return JobView(
        key=Key("ml", "net"),
        uid="u",
        generation=1,
        resource_version="1",
        created=START,
        deleting=False,
        run_now=False,
        gpus=GPUS * pods,
        spec=parse_spec({"template": {}}),
        status=TrainingJobStatus(attempts=(attempt,)),
    )


def peak_mebibytes() -> float:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def main(days: float, pods: int) -> None:
    """Print a line."""
    end = START + timedelta(days=days)
    store, before, worst = StandIn(end, pods), peak_mebibytes(), 0.0

    async def watch() -> None:
        nonlocal worst
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.05)
            worst = max(worst, time.monotonic() - began - 0.05)

    watching = asyncio.create_task(watch())
    began = time.monotonic()
    found = await Measurer(store, NoGrid(), Overheads()).measure(
        job(end, pods), end + timedelta(hours=1), SETTINGS
    )
    took = time.monotonic() - began
    watching.cancel()
    joules = None if found.energy is None else found.energy.total_joules
    assert joules == round(days * 86400 * WATTS * len(COUNTERS) * pods), joules
    memory = f"{before:.0f} → {peak_mebibytes():.0f}"
    print(f"| {days:g} | {pods} | {store.queries} | {took:.1f} | {memory} | {worst:.2f} |")


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), int(sys.argv[2])))
