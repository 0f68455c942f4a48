"""The real operator against a small API server: an Indexed Job starts as wide as it is planned."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

JOBS = ("batch/v1", "jobs")
TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
SERIES = "nets"
CONTAINER = {"name": "train", "image": "trainer"}
PODS = {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}
INDEXED = {"completionMode": "Indexed", "parallelism": 1, "completions": 1, "template": PODS}


def zones_of(trace: Path) -> dict[str, Any]:
    """Return a zone with at most two clean hours, then dirty ones."""
    grams = [50] * 2 + [500] * 20
    trace.write_text(
        "time,g_per_kwh,forecast\n"
        + "".join(
            f"{(this_hour() + timedelta(hours=k)).isoformat()},,{value}\n"
            for k, value in enumerate(grams)
        )
    )
    return {"DE": {"providers": [{"kind": "file", "path": str(trace)}]}}


def this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def elastic_spec(**efficiency: str) -> dict[str, Any]:
    """Return the spec of a job of one worker that may be two, without what it runs.

    Four hours of one worker are two of two.
    """
    schedule = {
        "expectedDurationSeconds": 14400,
        "deadline": (this_hour() + timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "interruption": {"allowed": True, "restartCostSeconds": 60},
        "elastic": {"minReplicas": 1, "maxReplicas": 2, **efficiency},
    }
    return {"schedule": schedule, "metrics": {"series": SERIES}}


def create(api: Any, **efficiency: str) -> None:
    """Create a TrainingJob of its own Job."""
    spec = {**elastic_spec(**efficiency), "template": {"spec": INDEXED}}
    api.create(TRAININGJOBS, {"metadata": {"name": "wide"}, "spec": spec})


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
    create(api, efficiency="1")
    async with operator(zones=zones_of(tmp_path / "hours.csv")):
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
    create(api, efficiency="1")
    async with operator(zones=zones_of(tmp_path / "hours.csv")):
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


def finished(api: Any, name: str) -> None:
    """Create a finished job of the series: an attempt at one worker, and one at two."""
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)

    def attempt(number: int, samples: int) -> dict[str, Any]:
        start = began + number * timedelta(hours=1)
        return {
            "number": number,
            "name": f"{name}-1",
            "start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{start + timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}",
            "outcome": "Complete" if number == 2 else "Resized",
            "replicas": number,
            "baseReplicas": 1,
            "trained": [{"unit": "Samples", "count": samples, "seconds": "1000"}],
        }

    complete = {
        "type": "Complete",
        "status": "True",
        "reason": "JobComplete",
        "lastTransitionTime": f"{began:%Y-%m-%dT%H:%M:%SZ}",
    }
    status = {"conditions": [complete], "attempts": [attempt(1, 5000), attempt(2, 7000)]}
    spec = {"template": {"spec": {}}, "metrics": {"series": SERIES}}
    api.create(TRAININGJOBS, {"metadata": {"name": name}, "spec": spec, "status": status})


@pytest.mark.parametrize("whose", ["template", "workload"])
async def test_a_new_job_is_planned_with_what_its_series_learnt(
    api: Any, operator: Callable[..., Any], tmp_path: Path, whose: str
) -> None:
    """Two finished jobs: twice the workers were 1.4 times as fast."""
    names = ("first", "second")
    for name in names:
        finished(api, name)

    def are_known() -> bool:
        found = [api.get(TRAININGJOBS, name)["status"]["conditions"] for name in names]
        return all(any(one["type"] == "Measured" for one in conditions) for conditions in found)

    def planned() -> Any:
        return (api.get(TRAININGJOBS, "wide").get("status") or {}).get("plan")

    sections = {"zones": zones_of(tmp_path / "hours.csv"), "workloads": {"kinds": ["Job"]}}
    async with operator(**sections):
        await api.until(are_known)
        if whose == "template":
            create(api)
        else:
            api.create(JOBS, {"metadata": {"name": "mine"}, "spec": {**INDEXED, "suspend": True}})
            target = {"apiVersion": "batch/v1", "kind": "Job", "name": "mine"}
            spec = {**elastic_spec(), "targetRef": target}
            api.create(TRAININGJOBS, {"metadata": {"name": "wide"}, "spec": spec})
        plan = await api.until(planned)
    assert (plan["scaling"]["source"], plan["scaling"]["attempts"]) == ("Learnt", 4)
    assert float(plan["scaling"]["efficiency"]) == 0.7
    assert "efficiency of a doubling 0.70, learnt from 4 attempts" in plan["explanation"]
