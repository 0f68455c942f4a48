"""Pauses in a Kueue queue by our AdmissionCheck, with the real operator and small others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from standins.kubernetes.fake_api import CHECKS, JOBS, PODS, QUEUED
from standins.kubernetes.small_kueue import SmallKueue
from standins.kubernetes.workloads import TRAININGJOBS, add_pod, beside, condition, queued, state

from lowtide.trainingjob.holding import OUR_GATE

# The whole operator, in real time.
pytestmark = [pytest.mark.slow, pytest.mark.waits]

CHECK = {"metadata": {"name": "lowtide"}, "spec": {"controllerName": "lowtide.dev/carbon"}}
BY_CHECK = {"kinds": ["Job"], "admissionCheck": "lowtide"}
CHECK_PATH = "/apis/kueue.x-k8s.io/v1beta1/admissionchecks/lowtide"
KUEUES = {("kueue.x-k8s.io", "workloads", verb) for verb in ("get", "list", "watch")} | {
    ("kueue.x-k8s.io", "workloads/status", "patch"),
    ("kueue.x-k8s.io", "admissionchecks", "get"),
    ("kueue.x-k8s.io", "admissionchecks/status", "patch"),
}
"""What tests/chart finds in the role where the check is enabled."""


class Queue:
    """Kueue beside the API server: it makes and changes its object for one Job, and its pods."""

    def __init__(self, api: Any, job: str, *, owner: dict[str, Any] | None = None) -> None:
        self._api = api
        self._job = job
        stored = owner or api.get(JOBS, job)
        uid = stored["metadata"]["uid"]
        reference = {"kind": "Job", "name": job, "uid": uid, "controller": True}
        metadata = {
            "name": f"job-{job}-12345",
            "labels": {"kueue.x-k8s.io/job-uid": uid},
            "ownerReferences": [reference],
        }
        pods = [{"template": {"spec": {"terminationGracePeriodSeconds": 0}}}]
        spec = {"active": True, "queueName": "ml", "podSets": pods}
        body = api.create(QUEUED, {"metadata": metadata, "spec": spec, "status": {}})
        self.small = SmallKueue(body, "lowtide", now=datetime.now(UTC), grace_seconds=0)
        self.stays_dead = False
        self._pods = 0

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = self._api.get(QUEUED, self.small.body["metadata"]["name"])
        return found

    def step(self) -> bool:
        """Let Kueue take one step by the stored object; return whether anything changed."""
        self.small.body, self.small.now = self.body, datetime.now(UTC)
        before, ran = self.body, self.small.is_running
        acted = self.small.step()
        if self.small.body["status"] != before["status"]:
            self._api.replace(QUEUED, self.small.body)
        if self.small.is_running and not ran:
            self._pods += 1
            self._api.change(JOBS, self._job, {"spec": {"suspend": False}})
            add_pod(self._api, JOBS, self._job, f"{self._job}-{self._pods}")
        if ran and not self.small.is_running:
            self._api.change(JOBS, self._job, {"spec": {"suspend": True}})
            self._api.delete(PODS, f"{self._job}-{self._pods}")
        return acted

    async def run(self) -> None:
        """Go on until cancelled; others get their turn after every step."""
        while True:
            acted = not self.stays_dead and self.step()
            await asyncio.sleep(0.02 if acted else 0.1)


@asynccontextmanager
async def kueue(api: Any, job: str) -> AsyncIterator[Queue]:
    """Give Kueue with a Job in its queue."""
    queue = Queue(api, job)
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def entry(queue: Queue) -> dict[str, Any]:
    """Our check of a workload."""
    found = [one for one in queue.body["status"].get("admissionChecks") or () if one]
    return dict(found[0]) if found else {}


def is_active(api: Any) -> bool:
    conditions = (api.get(CHECKS, "lowtide").get("status") or {}).get("conditions") or []
    return any(one["type"] == "Active" and one["status"] == "True" for one in conditions)


def suspend(api: Any, name: str, value: bool) -> None:
    """Let the user pause a workload, or let it go on."""
    api.change(TRAININGJOBS, beside(api, name)["metadata"]["name"], {"spec": {"suspend": value}})


async def test_the_check_is_active_and_ready_for_jobs_that_lowtide_has_nothing_to_do_with(
    api: Any, operator: Callable[..., Any]
) -> None:
    """They start without a pause, and nothing of them is read or written but the check."""
    api.create(CHECKS, CHECK)
    body = queued("other", "")
    del body["metadata"]["labels"]["lowtide.dev/schedule"]
    api.create(JOBS, body)
    async with operator(workloads=BY_CHECK), kueue(api, "other") as queue:
        await api.until(lambda: is_active(api))
        await api.until(lambda: queue.small.is_running)
        assert entry(queue)["state"] == "Ready"
    assert not api.writes("/jobs/other")
    assert not [path for method, path in api.requests if path.endswith("/jobs/other")]


async def test_a_check_of_another_controller_is_left_alone(
    api: Any, operator: Callable[..., Any]
) -> None:
    """An administrator gave its name to something else."""
    api.create(CHECKS, {**CHECK, "spec": {"controllerName": "example.com/budget"}})
    api.create(JOBS, queued("bert", "", policy="Immediate"))
    async with operator(workloads=BY_CHECK), kueue(api, "bert") as queue:
        await api.until(lambda: ("GET", CHECK_PATH) in api.requests)
        await api.until(lambda: entry(queue).get("state") == "Pending")
        await api.until(lambda: state(api, "bert") == "Queued")
    assert not is_active(api)
    assert entry(queue)["state"] == "Pending"
    assert not api.writes("kueue.x-k8s.io")


async def test_a_queued_job_is_paused_by_three_writes_and_goes_on_when_it_may(
    api: Any, operator: Callable[..., Any]
) -> None:
    """Kueue takes its pods and its quota; its flag and `spec.active` are Kueue's all the time."""
    api.create(CHECKS, CHECK)
    api.create(JOBS, queued("bert", "", policy="Immediate", interruptible="true"))
    async with operator(workloads=BY_CHECK), kueue(api, "bert") as queue:
        await api.until(lambda: state(api, "bert") == "Running")
        suspend(api, "bert", True)
        await api.until(lambda: state(api, "bert") == "Paused")
        await api.until(lambda: entry(queue)["state"] == "Ready" and not queue.small.has_pod)
        await api.until(lambda: not queue.small.condition("QuotaReserved"))
        assert queue.body["status"]["requeueState"]["requeueAt"]
        metadata = api.get(JOBS, "bert")["metadata"]
        assert metadata["labels"]["lowtide.dev/held"] == "true"
        parked = metadata["annotations"]["lowtide.dev/parked-in-queue"]
        assert parked == "job-bert-12345/lowtide"
        suspend(api, "bert", False)
        await api.until(lambda: state(api, "bert") == "Running")
        assert "lowtide.dev/held" not in api.get(JOBS, "bert")["metadata"]["labels"]
    assert queue.body["spec"]["active"] is True
    outcomes = [one.get("outcome") for one in beside(api, "bert")["status"]["attempts"]]
    assert outcomes == ["Paused", None]
    assert queue.small.starts == 2
    mine = {call for call in api.calls if call[1] in ("kueue.x-k8s.io",)}
    assert {(group, resource, verb) for verb, group, resource in mine} <= KUEUES


async def test_a_pause_of_the_plan_ends_by_kueues_timer_when_the_plan_says(
    api: Any, operator: Callable[..., Any], zone_of: Callable[..., Any]
) -> None:
    """Not before; and when the clean hours come earlier, the timer is taken away."""
    api.create(CHECKS, CHECK)
    notes = {"expected_duration": "60s", "max_delay": "250s", "restart_cost": "0s"}
    api.create(JOBS, queued("bert", OUR_GATE, interruptible="true", **notes))
    section = zone_of(lambda _: 100)
    schedule = {"lookAgainSeconds": 0.5}
    async with operator(zones=section, schedule=schedule, workloads=BY_CHECK):
        await api.until(lambda: state(api, "bert") == "Queued")
        async with kueue(api, "bert") as queue:
            await api.until(lambda: state(api, "bert") == "Running")
            zone_of(lambda second: 400 if second < 100 else 100)
            await api.until(
                lambda: condition(api, "bert", "Paused").get("reason") == "CleanerLater"
            )

            def late_seconds() -> float:
                timer = queue.body["status"].get("requeueState", {}).get("requeueAt")
                start = beside(api, "bert")["status"]["plan"].get("start")
                if timer is None or start is None:
                    return -1.0
                ends, planned = (datetime.fromisoformat(one) for one in (timer, start))
                return (ends - planned).total_seconds()

            await api.until(lambda: 0 <= late_seconds() <= 2)
            await api.until(lambda: not queue.small.has_pod)
            zone_of(lambda _: 100)
            await api.until(lambda: queue.small.is_running)
            await api.until(lambda: state(api, "bert") == "Running")
    assert queue.small.starts == 2


async def test_a_pause_goes_on_in_the_operator_that_follows_a_dead_one(
    api: Any, operator: Callable[..., Any]
) -> None:
    """It died with the second write due: nothing is Ready before the pause is decided again."""
    api.create(CHECKS, CHECK)
    api.create(JOBS, queued("bert", "", policy="Immediate", interruptible="true"))
    async with kueue(api, "bert") as queue:
        async with operator(workloads=BY_CHECK):
            await api.until(lambda: state(api, "bert") == "Running")
            queue.stays_dead = True
            suspend(api, "bert", True)
            await api.until(lambda: entry(queue)["state"] == "Retry")
        queue.stays_dead = False
        await api.until(lambda: not queue.small.has_pod)
        await api.until(lambda: queue.small.condition("QuotaReserved"))
        assert entry(queue)["state"] == "Pending"
        async with operator(workloads=BY_CHECK):
            await api.until(lambda: "requeueAt" in str(queue.body["status"]))
            await api.until(lambda: entry(queue)["state"] == "Ready")
            await api.until(lambda: state(api, "bert") == "Paused")
    assert queue.small.starts == 1


async def test_deleting_a_trainingjob_lets_kueue_start_what_the_check_paused(
    api: Any, operator: Callable[..., Any]
) -> None:
    """Nothing stays held without a TrainingJob."""
    api.create(CHECKS, CHECK)
    body = queued("bert", "")
    del body["metadata"]["labels"]["lowtide.dev/schedule"]
    api.create(JOBS, body)
    target = {"apiVersion": "batch/v1", "kind": "Job", "name": "bert"}
    async with operator(workloads=BY_CHECK), kueue(api, "bert") as queue:
        await api.until(lambda: queue.small.is_running)
        spec = {"targetRef": target, "suspend": True}
        api.create(TRAININGJOBS, {"metadata": {"name": "mine"}, "spec": spec})
        await api.until(lambda: queue.body["status"].get("requeueState", {}).get("requeueAt"))
        await api.until(lambda: entry(queue)["state"] == "Ready" and not queue.small.has_pod)
        api.delete(TRAININGJOBS, "mine")
        await api.until(lambda: queue.small.is_running)
        await api.until(
            lambda: "lowtide.dev/held" not in api.get(JOBS, "bert")["metadata"]["labels"]
        )
    assert queue.small.starts == 2


async def test_a_job_of_a_queue_without_the_check_is_not_paused(
    api: Any, operator: Callable[..., Any]
) -> None:
    """Its status says that it runs."""
    api.create(CHECKS, CHECK)
    api.create(JOBS, queued("bert", "", policy="Immediate", interruptible="true"))
    async with operator(workloads=BY_CHECK):
        await api.until(lambda: state(api, "bert") == "Queued")
        queue = Queue(api, "bert")
        api.change(JOBS, "bert", {"spec": {"suspend": False}})
        add_pod(api, JOBS, "bert", "bert-1")
        await api.until(lambda: state(api, "bert") == "Running")
        suspend(api, "bert", True)
        generation = beside(api, "bert")["metadata"]["generation"]
        await api.until(
            lambda: condition(api, "bert", "Running").get("observedGeneration") == generation
        )
    assert "admissionChecks" not in queue.body["status"]
    assert "lowtide.dev/held" not in api.get(JOBS, "bert")["metadata"]["labels"]
