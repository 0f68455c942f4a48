"""The real operator against a small API server: one fault concerns one job, one gap one moment."""

from collections.abc import Callable
from typing import Any

import pytest

from lowtide_operator import reconcile
from lowtide_operator.decision.decide import decide
from lowtide_operator.measuring.measure import Measurer

pytestmark = pytest.mark.slow  # the whole operator, in real time

JOBS = ("batch/v1", "jobs")
PODS = ("v1", "pods")
TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
AT_ONCE = {"policy": "Immediate"}


def condition(api: Any, name: str, kind: str) -> dict[str, Any]:
    """Return a condition of a job, or an empty one."""
    status = (api.get(TRAININGJOBS, name) or {}).get("status") or {}
    return next((c for c in status.get("conditions") or [] if c["type"] == kind), {})


def state(api: Any, name: str) -> str | None:
    """Return the state of a job as its column shows it."""
    status = (api.get(TRAININGJOBS, name) or {}).get("status") or {}
    return (status.get("display") or {}).get("state")


def job_beside(api: Any, former: dict[str, Any]) -> dict[str, Any] | None:
    """Return the Job that now bears the name of a former one, None while there is none."""
    job: dict[str, Any] | None = api.get(JOBS, former["metadata"]["name"])
    return job if job and job["metadata"]["uid"] != former["metadata"]["uid"] else None


async def test_a_failing_events_api_holds_up_no_status_and_starts_no_job_twice(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """The user deletes the Job; its start was written down although no Event could be."""
    api.refused = {"events": 500}
    api.create(TRAININGJOBS, training_job(schedule=AT_ONCE))
    async with operator():
        await api.until(lambda: api.get(JOBS, "net-1"))
        api.run_pod("net-1")
        await api.until(lambda: state(api, "net") == "Running")
        api.delete(JOBS, "net-1")
        await api.until(lambda: condition(api, "net", "Failed").get("reason") == "JobDeleted")
    created = [request for request in api.writes("/jobs") if request[0] == "POST"]
    # One of the two was the dry run.
    assert len(created) == 2


async def test_a_job_has_no_pods_before_a_status_holds_its_start(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """Status writes fail for a while, and the user deletes the suspended Job: it is made anew."""
    api.create(TRAININGJOBS, training_job(schedule=AT_ONCE))
    api.fail_next = [lambda method, path: 500 if path.endswith("/status") else None] * 1000
    async with operator():
        first = await api.until(lambda: api.get(JOBS, "net-1"))
        tries = len(api.writes("/status"))
        await api.until(lambda: len(api.writes("/status")) > tries + 1)
        assert api.get(JOBS, "net-1")["spec"]["suspend"] is True
        api.delete(JOBS, "net-1")
        # A look that began before the deletion may record the start of the Job that it still saw.
        anew = await api.until(lambda: job_beside(api, first))
        api.fail_next = []
        await api.until(lambda: api.get(JOBS, "net-1")["spec"]["suspend"] is False)
    status = api.get(TRAININGJOBS, "net")["status"]
    assert [attempt["name"] for attempt in status["attempts"]] == ["net-1"]
    assert api.get(JOBS, "net-1")["metadata"]["uid"] == anew["metadata"]["uid"]


async def test_a_status_that_is_refused_keeps_no_job_from_its_start(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """The API server takes nothing but the record of the start."""

    def refusal(method: str, path: str) -> int | None:
        return 422 if path.endswith("/status") and len(api.writes("/status")) != 2 else None

    api.create(TRAININGJOBS, training_job(schedule=AT_ONCE))
    api.fail_next = [refusal] * 1000
    async with operator():
        await api.until(lambda: api.get(JOBS, "net-1"))
        await api.until(lambda: api.get(JOBS, "net-1")["spec"]["suspend"] is False)
    assert list(api.get(TRAININGJOBS, "net")["status"]) == ["attempts"]


async def test_deletions_during_a_watch_gap_are_noticed(
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
    zones: Callable[..., Any],
) -> None:
    """The API server restarts: a Job and a TrainingJob that held the only GPU are gone with it."""
    gpu = {"name": "c", "image": "x", "resources": {"limits": {"nvidia.com/gpu": 1}}}
    holds = {"spec": {"template": {"spec": {"containers": [gpu]}}}}
    api.create(TRAININGJOBS, training_job("holds", template=holds, schedule=AT_ONCE))
    api.create(TRAININGJOBS, training_job("loses", schedule=AT_ONCE))
    async with operator(zones=zones(300), capacityGpus=1):
        await api.until(lambda: api.get(JOBS, "holds-1") and api.get(JOBS, "loses-1"))
        api.run_pod("holds-1")
        api.run_pod("loses-1")
        await api.until(lambda: {state(api, n) for n in ("holds", "loses")} == {"Running"})
        api.is_deaf = True
        api.delete(TRAININGJOBS, "holds")
        api.delete(JOBS, "loses-1")
        api.is_deaf = False
        api.restart()
        await api.until(lambda: condition(api, "loses", "Failed").get("reason") == "JobDeleted")
        schedule = {"maxDelaySeconds": 1, "expectedDurationSeconds": 3600}
        api.create(TRAININGJOBS, training_job("next", template=holds, schedule=schedule))
        await api.until(lambda: condition(api, "next", "Planned").get("status") == "True")
        assert condition(api, "next", "Planned")["reason"] != "CapacityShort"


async def test_a_job_that_the_operator_fails_at_says_so_and_no_other_notices(
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It starts at its latest start all the same: the guard is reached whatever fails."""

    def fails(seen: Any, settings: Any) -> Any:
        if seen.job.key.name == "poison" and seen.child is None:
            raise OverflowError("int too large to convert")
        return decide(seen, settings)

    monkeypatch.setattr(reconcile, "decide", fails)
    schedule = {"maxDelaySeconds": 3, "expectedDurationSeconds": 60}
    api.create(TRAININGJOBS, training_job("poison", schedule=schedule))
    api.create(TRAININGJOBS, training_job("healthy", schedule=AT_ONCE))
    async with operator():
        await api.until(lambda: api.get(JOBS, "healthy-1"))
        await api.until(lambda: state(api, "poison") == "HandlingFailed")
        assert "int too large" in condition(api, "poison", "Running")["message"]
        await api.until(lambda: api.get(JOBS, "poison-1"))


async def test_a_job_whose_energy_cannot_be_read_says_so_and_no_other_notices(
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever it fails with; the job's end stands."""
    measure = Measurer.measure

    async def fails(self: Measurer, job: Any, *others: Any) -> Any:
        if job.key.name == "poison":
            raise ZeroDivisionError("division by zero")
        return await measure(self, job, *others)

    monkeypatch.setattr(Measurer, "measure", fails)
    async with operator():
        for name in ("poison", "healthy"):
            api.create(TRAININGJOBS, training_job(name, schedule=AT_ONCE))
            await api.until(lambda job=f"{name}-1": api.get(JOBS, job))
            api.end_job(f"{name}-1")
        await api.until(
            lambda: condition(api, "poison", "Measured").get("reason") == "HandlingFailed"
        )
        assert state(api, "poison") == "Complete"
        await api.until(lambda: condition(api, "healthy", "Measured").get("status") == "False")


async def test_a_prometheus_that_hangs_delays_no_start(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """One worker of each kind: the ended jobs keep theirs for ever, and the other one is free."""
    api.prometheus_hangs = True
    prometheus = {"url": f"{api.url}/prometheus", "timeoutSeconds": 120}
    queue = {"workers": 1, "measuringWorkers": 1}
    async with operator(prometheus=prometheus, queue=queue):
        for number in range(3):
            api.create(TRAININGJOBS, training_job(f"done-{number}", schedule=AT_ONCE))
            await api.until(lambda n=number: api.get(JOBS, f"done-{n}-1"))
            api.end_job(f"done-{number}-1")
        await api.until(lambda: api.queries)
        await api.until(lambda: {state(api, f"done-{n}") for n in range(3)} == {"Complete"})
        asked = len(api.queries)
        api.create(TRAININGJOBS, training_job("due", schedule=AT_ONCE))
        await api.until(lambda: api.get(JOBS, "due-1"))
        assert len(api.queries) == asked  # the first of them still waits for its answer


async def test_a_namespace_that_refuses_the_operator_keeps_no_other_waiting(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """The first of two namespaces answers 403 from the beginning."""
    api.refused = {"locked": 403}
    body = training_job(schedule=AT_ONCE)
    body["metadata"]["namespace"] = "open"
    api.create(TRAININGJOBS, body)
    async with operator(cluster={"namespaces": ["locked", "open"]}):
        await api.until(lambda: api.get(JOBS, "net-1", "open"))
