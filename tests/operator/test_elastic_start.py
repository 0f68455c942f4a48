"""The real operator against a small API server: an Indexed Job starts as wide as it is planned."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

JOBS = ("batch/v1", "jobs")
TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
CONTAINER = {"name": "train", "image": "trainer"}


def elastic_job(api: Any, trace: Path) -> dict[str, Any]:
    """Create a job of one worker that may be two, with two clean hours; return the zones.

    Four hours of one worker are two of two.
    """
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    grams = [50] * 2 + [500] * 20
    trace.write_text(
        "time,g_per_kwh,forecast\n"
        + "".join(
            f"{(hour + timedelta(hours=k)).isoformat()},,{value}\n" for k, value in enumerate(grams)
        )
    )
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
    return {"DE": {"providers": [{"kind": "file", "path": str(trace)}]}}


def released(api: Any) -> Any:
    """Return the Job once it was let go."""
    found = api.get(JOBS, "wide-1")
    return found if found and not found["spec"]["suspend"] else None


def sized_attempt(api: Any) -> Any:
    """Return the first attempt once its size is known."""
    held = (api.get(TRAININGJOBS, "wide").get("status") or {}).get("attempts") or [{}]
    return held[0] if "replicas" in held[0] else None


async def test_a_job_is_released_with_the_replicas_of_its_plan(
    api: Any, operator: Callable[..., Any], tmp_path: Path
) -> None:
    """At most two hours are clean, and four hours of one worker are two of two."""
    async with operator(zones=elastic_job(api, tmp_path / "hours.csv")):
        spec = (await api.until(lambda: released(api)))["spec"]
        assert (spec["parallelism"], spec["completions"]) == (2, 2)
        api.run_pod("wide-1")
        sized = await api.until(lambda: sized_attempt(api))
    assert (sized["replicas"], sized["baseReplicas"], sized["speed"]) == (2, 1, "2")
    plan = api.get(TRAININGJOBS, "wide")["status"]["plan"]
    assert plan["segments"][0]["replicas"] == 2
    assert "2 replicas" in plan["explanation"]
    assert plan["scaling"]["source"] == "Given"
    assert "efficiency of a doubling 1.00, given" in plan["explanation"]


async def test_a_size_that_a_webhook_refuses_is_quoted_and_the_job_runs_at_its_own(
    api: Any, operator: Callable[..., Any], tmp_path: Path
) -> None:
    """The first change of the Job is its release at two replicas; it is not suspended for more."""

    def refuse(method: str, path: str) -> int | None:
        return 403 if method == "PATCH" and path.endswith("/jobs/wide-1") else None

    api.fail_next.append(refuse)
    async with operator(zones=elastic_job(api, tmp_path / "hours.csv")):
        spec = (await api.until(lambda: released(api)))["spec"]
        assert spec["parallelism"] == 1

        def said() -> Any:
            found = api.get(TRAININGJOBS, "wide")["status"]["conditions"]
            return next((one for one in found if one["type"] == "Resizable"), None)

        condition = await api.until(said)
        api.run_pod("wide-1")
        sized = await api.until(lambda: sized_attempt(api))
    assert (condition["status"], condition["reason"]) == ("False", "ResizeRefused")
    assert "2 replicas were refused" in condition["message"]
    assert "failure 403 on request" in condition["message"]
    assert sized["replicas"] == 1
    assert not api.get(JOBS, "wide-1")["spec"]["suspend"]
