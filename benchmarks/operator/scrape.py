"""CPU time of a scrape of the operator's metrics page with ten thousand jobs.

    python benchmarks/operator/scrape.py --jobs 10000

A tenth of the jobs run, a tenth ended within the last hour, a fifth ended long ago, and the others
wait. The page is written as a scrape asks for it, in this process, so no cluster is needed. Counted
is CPU time, which does not depend on what else the machine does; the exit code is 1 where the mean
of a scrape is over the budget.
"""

import argparse
import sys
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from prometheus_client import generate_latest

from lowtide_operator.cluster.cache import Cache
from lowtide_operator.schedule.forecasts import Forecasts
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.tally import Tally
from lowtide_operator.telemetry.metrics import build_registry
from lowtide_operator.workqueue import WorkQueue

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
BUDGET_SECONDS = 0.2
SCRAPES = 10
ENDED = {
    "display": {"state": "Complete"},
    "conditions": [{"type": "Complete", "status": "True"}],
    "energy": {"totalJoules": 3_600_000},
    "carbon": {"zone": "DE", "signal": "Average", "operationalGrams": "100.5"},
    "counterfactual": {"avoidedGrams": "20", "reachPercent": "75.0"},
    "sci": {"gramsPerUnit": "112.25"},
    "cost": {"currency": "EUR", "energy": "0.3"},
    "efficiency": {"metrics": [{"name": "SAM5[Wh]", "value": "1.5"}], "label": "B"},
}


def text(hours_ago: float) -> str:
    """Return a time as the API server writes it."""
    return f"{NOW - timedelta(hours=hours_ago):%Y-%m-%dT%H:%M:%SZ}"


def status_of(number: int) -> dict[str, Any]:
    """Return the status of a job of the mixture."""
    kind = number % 10
    if kind == 0:
        running = {"display": {"state": "Running"}, "energy": {"totalJoules": 1_000}}
        return {**running, "attempts": [{"start": text(1)}]}
    if kind in (1, 2, 3):
        end = 0.5 if kind == 1 else 100.0
        return {**ENDED, "attempts": [{"start": text(end + 1), "end": text(end)}]}
    plan = {"start": text(-3), "latestStart": text(-9), "deadline": text(-12)}
    return {"display": {"state": "Waiting"}, "plan": plan}


def body_of(number: int) -> dict[str, Any]:
    """Return a TrainingJob of the mixture."""
    metadata = {
        "name": f"job-{number:05}",
        "namespace": f"team-{number % 20}",
        "uid": f"uid-{number}",
        "resourceVersion": "1",
        "creationTimestamp": text(200),
    }
    spec = {"template": {}, "metrics": {"series": f"sweep-{number % 40}"}}
    return {"metadata": metadata, "spec": spec, "status": status_of(number)}


def main() -> int:
    """Print the CPU time and the size of a scrape; return 1 where the budget is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    count = parser.parse_args().jobs
    settings, cache = OperatorSettings.model_validate({"zones": {"DE": {}}}), Cache()
    for number in range(count):
        cache.remember(body_of(number))
    app: Any = SimpleNamespace(
        settings=settings,
        leadership=SimpleNamespace(is_held=True),
        cache=cache,
        queue=WorkQueue(clock=time.monotonic, random=lambda: 1.0),
        tally=Tally(),
        forecasts=Forecasts(settings, clock=lambda: NOW),
        exporters=None,
        clock=lambda: NOW,
    )
    registry = build_registry(app)
    page = generate_latest(registry)
    began = time.process_time()
    for _ in range(SCRAPES):
        generate_latest(registry)
    seconds = (time.process_time() - began) / SCRAPES
    app.forecasts.close()
    kept = seconds <= BUDGET_SECONDS
    verdict = "kept" if kept else "NOT kept"
    print(f"{count} jobs: {seconds:.3f} s of CPU a scrape ({verdict}: {BUDGET_SECONDS})")
    print(f"page: {len(page) / 1000:.0f} kB, {page.count(b'lowtide_trainingjob_info{')} jobs shown")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
