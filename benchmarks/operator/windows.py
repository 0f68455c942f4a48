"""Windows that open in the same minute: how soon every job has its batch Job.

    python benchmarks/operator/windows.py --jobs 1000

The jobs are created ahead of time and may start from one moment on, spread over a minute. The
operator runs as a process of this machine against a real API server (as for scale.py, which says
which cluster that is). Printed is how late the batch Jobs were created, by the times that the API
server wrote into them; the exit code is 1 where the last one is over the budget.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import scale
from kubernetes.aio import client

from lowtide import names
from lowtide_operator.cluster.connection import connect

sys.path.insert(0, str(scale.ROOT / "tests" / "cluster"))

from singlenode.errors import ClusterError

BUDGET_SECONDS = 30.0
MINUTE_SECONDS = 60
LEAD_SECONDS_PER_JOB = 0.1
"""Time for a job to be created, planned and written down before the windows open."""
LEAST_LEAD_SECONDS = 60.0


def manifest(number: int, opens: datetime) -> dict[str, Any]:
    """Return a job whose window opens at a moment; its image is pulled by no node."""
    body = scale.manifest(number)
    schedule = {"policy": "Immediate", "startNoEarlierThan": f"{opens:%Y-%m-%dT%H:%M:%SZ}"}
    body["spec"]["schedule"] = {**schedule, "expectedDurationSeconds": 3600}
    pod = body["spec"]["template"]["spec"]["template"]["spec"]
    pod["nodeSelector"] = {"lowtide.dev/none": "none"}
    return body


async def created_seconds_late(openings: dict[str, datetime]) -> list[float]:
    """Return how late each batch Job was created, soonest first, once all are there."""
    api = await connect(workers=1)
    objects = client.CustomObjectsApi(api)
    try:
        while True:
            page = await objects.list_namespaced_custom_object(
                "batch", "v1", scale.NAMESPACE, "jobs"
            )
            made = {
                job["metadata"]["labels"][names.LABEL_TRAININGJOB]: job["metadata"]
                for job in page["items"]
            }
            if len(made) >= len(openings):
                return sorted(
                    (
                        datetime.fromisoformat(made[name]["creationTimestamp"]) - opens
                    ).total_seconds()
                    for name, opens in openings.items()
                )
            await asyncio.sleep(scale.POLL_SECONDS)
    finally:
        await api.close()  # type: ignore[no-untyped-call]


def measure(count: int, folder: Path) -> int:
    """Print how late the Jobs came; return 1 where one is over the budget."""
    lead = max(LEAST_LEAD_SECONDS, LEAD_SECONDS_PER_JOB * count)
    first = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=lead)
    bodies = [
        manifest(n, first + timedelta(seconds=MINUTE_SECONDS * n // count)) for n in range(count)
    ]
    openings = {
        body["metadata"]["name"]: datetime.fromisoformat(
            body["spec"]["schedule"]["startNoEarlierThan"]
        )
        for body in bodies
    }
    grid = folder / "grid.csv"
    scale.write_grid(grid)
    asyncio.run(scale.create(bodies))
    run = scale.Run(folder, grid)
    try:
        run.until(lambda now: now["looks"] >= count and now["queue_length"] == 0)
        if datetime.now(UTC) > first:
            print("error: the jobs were not planned before their windows; give more time")
            return 1
        late = asyncio.run(
            asyncio.wait_for(created_seconds_late(openings), lead + scale.LIMIT_SECONDS)
        )
        cost = run.report("windows", run.figures())
    finally:
        run.stop()
    kept = late[-1] <= BUDGET_SECONDS
    figures = {
        "jobs": count,
        "median_seconds_late": late[len(late) // 2],
        "last_seconds_late": late[-1],
        "cpu_seconds": cost["cpu_seconds"],
        "server_cpu_seconds": cost["server_cpu_seconds"],
    }
    print(json.dumps(figures))
    verdict = "kept" if kept else "NOT kept"
    print(f"all have their Job {late[-1]:.0f} s after it may be ({verdict}: {BUDGET_SECONDS:g})")
    return 0 if kept else 1


def main() -> int:
    """Run the benchmark in a namespace that it creates and removes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000)
    count = parser.parse_args().jobs
    try:
        with scale.reachable_cluster():
            began = time.monotonic()
            with scale.own_namespace(), tempfile.TemporaryDirectory() as folder:
                code = measure(count, Path(folder))
            print(f"in {time.monotonic() - began:.0f} s", file=sys.stderr)
            return code
    except (ClusterError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
