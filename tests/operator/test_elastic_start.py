"""The real operator against a small API server: an Indexed Job starts as wide as it is planned."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

JOBS = ("batch/v1", "jobs")
TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
CONTAINER = {"name": "train", "image": "trainer"}


async def test_a_job_is_released_with_the_replicas_of_its_plan(
    api: Any, operator: Callable[..., Any], tmp_path: Path
) -> None:
    """At most two hours are clean, and four hours of one worker are two of two."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    trace = tmp_path / "hours.csv"
    grams = [50] * 2 + [500] * 20
    trace.write_text(
        "time,g_per_kwh,forecast\n"
        + "".join(
            f"{(hour + timedelta(hours=k)).isoformat()},,{value}\n" for k, value in enumerate(grams)
        )
    )
    zones = {"DE": {"providers": [{"kind": "file", "path": str(trace)}]}}
    schedule = {
        "expectedDurationSeconds": 14400,
        "deadline": (hour + timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "interruption": {"allowed": True, "restartCostSeconds": 60},
        "elastic": {"minReplicas": 1, "maxReplicas": 2, "efficiency": "1"},
    }
    pods = {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}
    job = {"completionMode": "Indexed", "parallelism": 1, "completions": 1, "template": pods}
    api.create(
        TRAININGJOBS,
        {
            "metadata": {"name": "wide"},
            "spec": {"schedule": schedule, "template": {"spec": job}},
        },
    )
    async with operator(zones=zones):

        def released() -> Any:
            found = api.get(JOBS, "wide-1")
            return found if found and not found["spec"]["suspend"] else None

        spec = (await api.until(released))["spec"]
        assert (spec["parallelism"], spec["completions"]) == (2, 2)
        api.run_pod("wide-1")

        def attempt() -> Any:
            held = (api.get(TRAININGJOBS, "wide").get("status") or {}).get("attempts") or [{}]
            return held[0] if "replicas" in held[0] else None

        sized = await api.until(attempt)
    assert (sized["replicas"], sized["baseReplicas"], sized["speed"]) == (2, 1, "2")
    plan = api.get(TRAININGJOBS, "wide")["status"]["plan"]
    assert plan["segments"][0]["replicas"] == 2
    assert "2 replicas" in plan["explanation"]
