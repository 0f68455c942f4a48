"""The real operator against a small API server: whole lives of jobs."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

JOBS = ("batch/v1", "jobs")
TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
EVENTS = ("events.k8s.io/v1", "events")


def condition(api: Any, kind: str, name: str = "net") -> dict[str, Any]:
    """Return a condition of a stored TrainingJob, or an empty one."""
    conditions = (api.get(TRAININGJOBS, name).get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), {})


def is_true(api: Any, kind: str, name: str = "net") -> bool:
    """Return whether a condition of a stored TrainingJob holds."""
    return condition(api, kind, name).get("status") == "True"


def reasons(api: Any) -> list[str]:
    """Return the reasons of all Events in the order they happened."""
    events = sorted(api.all(EVENTS), key=lambda event: event["eventTime"])
    return [event["reason"] for event in events]


async def test_an_immediate_job_runs_at_once_and_ends_complete(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """One Job with the right owner is created, followed and reported."""
    created = api.create(TRAININGJOBS, training_job(schedule={"policy": "Immediate"}))
    async with operator():
        job = await api.until(lambda: api.get(JOBS, "net-1"))
        assert job["metadata"]["ownerReferences"][0]["uid"] == created["metadata"]["uid"]
        api.run_pod("net-1")
        await api.until(lambda: is_true(api, "Running"))
        api.end_job("net-1")
        await api.until(lambda: is_true(api, "Complete"))
        await api.until(lambda: condition(api, "Measured").get("reason") == "NoSampleSource")
    status = api.get(TRAININGJOBS, "net")["status"]
    assert status["display"]["state"] == "Complete"
    assert [attempt["outcome"] for attempt in status["attempts"]] == ["Complete"]
    assert [pod["name"] for pod in status["attempts"][0]["pods"]] == ["net-1-abcde"]
    assert reasons(api) == ["Planned", "Started", "Complete", "NotMeasured"]
    assert len(api.all(JOBS)) == 1


async def test_a_job_waits_for_the_clean_window(
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
    zones: Callable[..., Any],
) -> None:
    """The Job is created when the intensity falls, and the plan says so before."""
    api.create(
        TRAININGJOBS,
        training_job(schedule={"expectedDurationSeconds": 2, "maxDelaySeconds": 250}),
    )
    async with operator(zones=zones(120)):
        await api.until(lambda: is_true(api, "Planned"))
        status = api.get(TRAININGJOBS, "net")["status"]
        assert status["display"]["state"] == "Waiting"
        assert status["plan"]["reason"] == "CleanestWindow"
        assert status["plan"]["expectedSavingPercent"] == "66.7"
        assert api.all(JOBS) == []
        zones(0)
        await api.until(lambda: api.get(JOBS, "net-1"))
    assert reasons(api) == ["Planned", "Started"]


@pytest.mark.slow
async def test_a_sweep_of_waiting_jobs_is_tried_once_and_written_once(
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
    zone_of: Callable[..., Any],
) -> None:
    """Forecast after forecast says the same, so nothing is asked or written any more."""
    count = 12
    for number in range(count):
        schedule = {"expectedDurationSeconds": 5, "maxDelaySeconds": 250}
        api.create(TRAININGJOBS, training_job(f"net-{number}", schedule=schedule))
    async with operator(zones=zone_of(lambda second: 300 if second < 120 else 100)):
        await api.until(
            lambda: all(is_true(api, "Planned", f"net-{number}") for number in range(count))
        )
        await api.until(lambda: len(api.writes("/status")) >= count)
        await api.until(lambda: len(api.all(EVENTS)) >= count)
        tried = len(api.writes("/jobs"))
        before = len(api.requests)
        await asyncio.sleep(2.5)
        later = [request for request in api.requests[before:] if request[0] != "GET"]
    # As many as there are workers may meet the template before the first answer is there.
    assert 1 <= tried <= 4
    assert later == []
    assert len(api.writes("/status")) == count
