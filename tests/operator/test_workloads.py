"""Workloads that somebody else wrote, taken up by the real operator against a small API server."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standins.kubernetes.fake_api import JOB_SETS, JOBS, PODS, QUEUED, TRAIN_JOBS, now_text
from standins.kubernetes.workloads import (
    POD,
    TRAININGJOBS,
    a_job,
    add_pod,
    beside,
    condition,
    queued,
    state,
)

pytestmark = pytest.mark.slow  # the whole operator, in real time

EVENTS = ("events.k8s.io/v1", "events")
KINDS = {"kinds": ["Job", "JobSet"]}
GRANTED = {
    *(("batch", "jobs", verb) for verb in ("get", "list", "watch", "create", "patch")),
    *(("lowtide.dev", "trainingjobs", v) for v in ("get", "list", "watch", "create", "patch")),
    ("", "namespaces", "get"),
}
"""What tests/chart finds in the role: group, resource and verb."""


def a_job_set(name: str = "gpt", **annotations: str) -> dict[str, Any]:
    """A JobSet of two Jobs with one GPU pod each."""
    body = a_job(name, **annotations)
    group = {"name": "w", "replicas": 2, "template": {"spec": {"template": POD}}}
    body["spec"] = {"suspend": True, "replicatedJobs": [group]}
    return body


def plan(api: Any, name: str) -> dict[str, Any]:
    return (beside(api, name).get("status") or {}).get("plan") or {}


def held(api: Any, kind: Any, name: str) -> bool:
    body = api.get(kind, name)
    marked = (body["metadata"].get("labels") or {}).get("lowtide.dev/held") == "true"
    return bool(body["spec"].get("suspend")) and marked


def runs(api: Any, kind: Any, name: str) -> bool:
    """Whether a workload is let go, and nothing of our mark is left on it."""
    body = api.get(kind, name)
    metadata = body["metadata"]
    left = "lowtide.dev/held" in (metadata.get("labels") or {})
    left = left or "lowtide.dev/latest-start" in (metadata.get("annotations") or {})
    return not body["spec"].get("suspend") and not left


def end(api: Any, kind: Any, name: str, condition_type: str) -> None:
    """End a workload as its controller says it."""
    one = {"type": condition_type, "status": "True", "lastTransitionTime": now_text()}
    one |= {"reason": "Done", "message": ""}
    api.change(kind, name, {"status": {"conditions": [one]}})


async def test_a_labelled_job_is_held_until_the_clean_window_and_followed_to_its_end(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any]
) -> None:
    """One TrainingJob stands beside it, neither owns the other, and the mark goes at the start."""
    job = api.create(JOBS, a_job(expected_duration="2s", max_delay="250s"))
    async with operator(zones=zones(120), workloads=KINDS):
        await api.until(lambda: held(api, JOBS, "bert") and plan(api, "bert").get("start"))
        assert state(api, "bert") == "Waiting"
        held_until = api.get(JOBS, "bert")["metadata"]["annotations"]["lowtide.dev/latest-start"]
        assert held_until == plan(api, "bert")["latestStart"]
        zones(0)
        await api.until(lambda: runs(api, JOBS, "bert"))
        add_pod(api, JOBS, "bert", "bert-x")
        await api.until(lambda: state(api, "bert") == "Running")
        api.change(PODS, "bert-x", {"status": {"phase": "Succeeded"}})
        end(api, JOBS, "bert", "Complete")
        await api.until(lambda: state(api, "bert") == "Complete")
    made = beside(api, "bert")
    assert "ownerReferences" not in made["metadata"]
    assert "ownerReferences" not in api.get(JOBS, "bert")["metadata"]
    target = made["status"]["target"]
    assert (target["kind"], target["uid"], target["gpus"]) == ("Job", job["metadata"]["uid"], 2)
    assert target["gpuResource"] == "nvidia.com/gpu"
    assert made["status"]["plan"]["valueSources"] == [
        "maxDelaySeconds: annotation of Job bert",
        "expectedDurationSeconds: annotation of Job bert",
    ]
    assert [one["outcome"] for one in made["status"]["attempts"]] == ["Complete"]
    assert len(api.all(JOBS)) == 1
    rights = {
        (group, resource, verb)
        for verb, group, resource in api.calls
        if resource in ("jobs", "trainingjobs", "namespaces")
    }
    assert rights <= GRANTED
    about_job = {e["reason"] for e in api.all(EVENTS) if e["regarding"]["kind"] == "Job"}
    assert about_job >= {"Planned", "Started", "Complete"}


async def test_a_job_set_is_held_with_the_gpus_of_all_its_jobs(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any]
) -> None:
    """Two Jobs with one pod of two GPUs each: four; its end is a condition called Completed."""
    api.create(JOB_SETS, a_job_set(expected_duration="2s", max_delay="250s"))
    async with operator(zones=zones(120), workloads=KINDS):
        await api.until(lambda: held(api, JOB_SETS, "gpt") and state(api, "gpt") == "Waiting")
        zones(0)
        await api.until(lambda: runs(api, JOB_SETS, "gpt"))
        for pod in ("gpt-w-0", "gpt-w-1"):
            add_pod(api, JOB_SETS, "gpt", pod)
        await api.until(lambda: state(api, "gpt") == "Running")
        end(api, JOB_SETS, "gpt", "Completed")
        await api.until(lambda: state(api, "gpt") == "Complete")
    status = beside(api, "gpt")["status"]
    assert status["target"]["gpus"] == 4
    assert [pod["name"] for pod in status["attempts"][0]["pods"]] == ["gpt-w-0", "gpt-w-1"]


async def test_workloads_that_others_wrote_do_not_plan_for_the_same_gpus(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any]
) -> None:
    """Two GPUs and four of four: the clean time is long enough for one after the other."""
    notes = {"expected_duration": "20s", "max_delay": "250s"}
    async with operator(zones=zones(120), workloads=KINDS, capacityGpus=4):
        api.create(JOBS, a_job(**notes))
        api.create(JOB_SETS, a_job_set(**notes))
        await api.until(lambda: plan(api, "bert").get("start") and plan(api, "gpt").get("start"))
        await api.until(lambda: not _meet(plan(api, "bert"), plan(api, "gpt")))
    assert held(api, JOBS, "bert")
    assert held(api, JOB_SETS, "gpt")
    reasons = [plan(api, name)["reason"] for name in ("bert", "gpt")]
    assert reasons == ["CleanestWindow", "CleanestWindow"]


def _meet(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two plans run at the same time; their times are texts of one form."""
    return any(
        a["start"] < b["end"] and b["start"] < a["end"]
        for a in one["segments"]
        for b in other["segments"]
    )


async def test_a_paused_workload_goes_on_only_when_its_last_pod_is_gone(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """Two pods would write one checkpoint; in some kinds the job would fail for ever."""
    api.create(JOBS, a_job(policy="Immediate", interruptible="true"))
    async with operator(workloads=KINDS):
        await api.until(lambda: runs(api, JOBS, "bert"))
        add_pod(api, JOBS, "bert", "bert-x")
        await api.until(lambda: state(api, "bert") == "Running")
        name = beside(api, "bert")["metadata"]["name"]
        api.change(TRAININGJOBS, name, {"spec": {"suspend": True}})
        await api.until(lambda: held(api, JOBS, "bert"))
        api.change(PODS, "bert-x", {"metadata": {"deletionTimestamp": now_text()}})
        api.change(TRAININGJOBS, name, {"spec": {"suspend": False}})
        await api.until(lambda: condition(api, "bert", "Paused").get("reason") == "PodLeft")
        assert held(api, JOBS, "bert")
        assert "end" not in beside(api, "bert")["status"]["attempts"][0]
        api.delete(PODS, "bert-x")
        await api.until(lambda: runs(api, JOBS, "bert"))
        add_pod(api, JOBS, "bert", "bert-y")
        await api.until(lambda: len(beside(api, "bert")["status"]["attempts"]) == 2)
    outcomes = [one.get("outcome") for one in beside(api, "bert")["status"]["attempts"]]
    assert outcomes == ["Paused", None]


async def test_a_bad_annotation_costs_a_saving_and_never_a_run(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any]
) -> None:
    """The workload runs at once; its Event and its TrainingJob say which text cannot be used."""
    api.create(JOBS, a_job(max_delay="soon"))
    async with operator(zones=zones(300), workloads=KINDS):
        await api.until(lambda: runs(api, JOBS, "bert"))
        await api.until(lambda: plan(api, "bert").get("reason") == "NotScheduled")
        sentence = (
            "runs at once: lowtide.dev/max-delay (annotation of Job bert): 'soon' is not a "
            "duration: write 24h, 90m, 1d12h or 30s"
        )
        assert condition(api, "bert", "Planned")["message"] == sentence
        await api.until(
            lambda: any(
                event["regarding"]["kind"] == "Job" and event["note"] == sentence
                for event in api.all(EVENTS)
            )
        )


async def test_a_namespace_gives_defaults_and_the_workload_overrides_them(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any]
) -> None:
    """The plan says where each value came from; a corrected annotation is taken over."""
    api.namespace_annotations = {
        "lowtide.dev/max-delay": "1h",
        "lowtide.dev/series": "nightly",
    }
    api.create(JOBS, a_job(max_delay="2h", expected_duration="10m"))
    async with operator(zones=zones(300), workloads=KINDS):
        await api.until(lambda: plan(api, "bert").get("valueSources"))
        assert plan(api, "bert")["valueSources"] == [
            "maxDelaySeconds: annotation of Job bert",
            "expectedDurationSeconds: annotation of Job bert",
            "series: namespace default",
        ]
        spec = beside(api, "bert")["spec"]
        assert spec["schedule"]["maxDelaySeconds"] == 7200
        assert spec["metrics"] == {"series": "nightly"}
        notes = {"lowtide.dev/max-delay": "3h"}
        api.change(JOBS, "bert", {"metadata": {"annotations": notes}})
        await api.until(
            lambda: beside(api, "bert")["spec"]["schedule"]["maxDelaySeconds"] == 3 * 3600
        )


async def test_a_job_that_nothing_held_is_suspended_before_work_is_lost(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any]
) -> None:
    """Without an admission policy the operator suspends a Job right after it was created."""
    api.create(JOBS, a_job(suspend=False, expected_duration="2s", max_delay="250s"))
    async with operator(zones=zones(120), workloads=KINDS):
        await api.until(lambda: held(api, JOBS, "bert") and state(api, "bert"))
        assert "attempts" not in beside(api, "bert")["status"]


async def test_a_running_job_that_gets_the_label_later_is_measured_and_not_stopped(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any]
) -> None:
    """Work of more than some seconds is never thrown away."""
    api.create(JOBS, a_job(suspend=False, max_delay="60s"))
    add_pod(api, JOBS, "bert", "bert-x")
    started = {"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "name": "train"}
    api.change(PODS, "bert-x", {"status": {"containerStatuses": [started]}})
    async with operator(zones=zones(300), workloads=KINDS):
        await api.until(lambda: state(api, "bert") == "Running")
        await asyncio.sleep(0.5)
        assert runs(api, JOBS, "bert")


async def test_a_pod_that_ended_before_the_trainingjob_was_made_is_not_counted(
    api: Any, operator: Callable[..., Any]
) -> None:
    """A Job that was restarted before somebody asked for it: one rule, whatever is still kept."""
    api.create(JOBS, a_job(suspend=False))
    for name, phase in (("bert-w", "Failed"), ("bert-x", "Running")):
        add_pod(api, JOBS, "bert", name, phase)
    run = {"startedAt": "2026-01-01T00:00:00Z"}
    ended = {"terminated": {**run, "finishedAt": "2026-01-01T01:00:00Z", "exitCode": 1}}
    for name, state_of in (("bert-w", ended), ("bert-x", {"running": run})):
        status = {"containerStatuses": [{"state": state_of, "name": "train"}]}
        api.change(PODS, name, {"status": status})
    async with operator(workloads=KINDS):
        await api.until(lambda: state(api, "bert") == "Running")
    (attempt,) = beside(api, "bert")["status"]["attempts"]
    assert [pod["name"] for pod in attempt["pods"]] == ["bert-x"]
    assert attempt["start"] == run["startedAt"]


async def test_taking_the_label_off_lets_the_workload_go(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any]
) -> None:
    """The way out is the way in."""
    api.create(JOBS, a_job(expected_duration="2s", max_delay="1h"))
    async with operator(zones=zones(300), workloads=KINDS):
        await api.until(lambda: held(api, JOBS, "bert"))
        api.change(JOBS, "bert", {"metadata": {"labels": {"lowtide.dev/schedule": None}}})
        await api.until(lambda: runs(api, JOBS, "bert"))
        await api.until(lambda: "was taken off Job bert" in plan(api, "bert")["explanation"])


async def test_deleting_a_written_trainingjob_frees_its_workload(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any]
) -> None:
    """A workload without label, named by a TrainingJob of a user: no owner, and nothing left."""
    job = a_job()
    del job["metadata"]["labels"]
    api.create(JOBS, job)
    target = {"apiVersion": "batch/v1", "kind": "Job", "name": "bert"}
    schedule = {"maxDelaySeconds": 3600, "expectedDurationSeconds": 2}
    spec = {"targetRef": target, "schedule": schedule}
    api.create(TRAININGJOBS, {"metadata": {"name": "mine"}, "spec": spec})
    async with operator(zones=zones(300), workloads=KINDS):
        await api.until(lambda: held(api, JOBS, "bert"))
        api.delete(TRAININGJOBS, "mine")
        await api.until(lambda: runs(api, JOBS, "bert"))
    assert api.get(JOBS, "bert") is not None


async def test_deleting_a_trainingjob_frees_a_paused_workload_only_when_its_pods_are_gone(
    api: Any, operator: Callable[..., Any]
) -> None:
    """As any resume: a PyTorchJob would be Failed for ever, and a checkpoint have two writers."""
    job = a_job(suspend=False)
    del job["metadata"]["labels"]
    api.create(JOBS, job)
    target = {"apiVersion": "batch/v1", "kind": "Job", "name": "bert"}
    spec = {"targetRef": target, "schedule": {"policy": "Immediate"}}
    api.create(TRAININGJOBS, {"metadata": {"name": "mine"}, "spec": spec})
    add_pod(api, JOBS, "bert", "bert-x")
    async with operator(workloads=KINDS):
        await api.until(lambda: state(api, "bert") == "Running")
        api.change(TRAININGJOBS, "mine", {"spec": {"suspend": True}})
        await api.until(lambda: held(api, JOBS, "bert"))
        asked = len(api.requests)
        api.delete(TRAININGJOBS, "mine")
        # The operator has looked at the Job and its pods since.
        await api.until(lambda: ("GET", "/api/v1/namespaces/default/pods") in api.requests[asked:])
        assert held(api, JOBS, "bert")
        api.delete(PODS, "bert-x")
        await api.until(lambda: runs(api, JOBS, "bert"))


async def test_a_deleted_workload_leaves_its_trainingjob_and_a_new_one_is_a_new_run(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any]
) -> None:
    """A uid is a run: the same name again gets a TrainingJob of its own."""
    api.create(JOBS, a_job(expected_duration="2s", max_delay="1h"))
    async with operator(zones=zones(300), workloads=KINDS):
        await api.until(lambda: held(api, JOBS, "bert"))
        api.delete(JOBS, "bert")
        await api.until(lambda: state(api, "bert") == "Failed")
        assert condition(api, "bert", "Failed")["reason"] == "JobDeleted"
        assert "attempts" not in beside(api, "bert")["status"]
        api.create(JOBS, a_job(expected_duration="2s", max_delay="1h"))
        await api.until(lambda: held(api, JOBS, "bert") and len(api.all(TRAININGJOBS)) == 2)


async def test_a_trainingjob_waits_for_a_workload_that_does_not_exist_yet(
    api: Any, operator: Callable[..., Any]
) -> None:
    """It says what is missing, and goes on when it is there."""
    target = {"apiVersion": "batch/v1", "kind": "Job", "name": "bert"}
    spec = {"targetRef": target, "schedule": {"policy": "Immediate"}}
    api.create(TRAININGJOBS, {"metadata": {"name": "mine"}, "spec": spec})
    async with operator(workloads=KINDS):
        await api.until(lambda: state(api, "bert") == "TargetMissing")
        message = condition(api, "bert", "Running")["message"]
        assert message.startswith("there is no Job bert in namespace default: create it")
        job = a_job()
        del job["metadata"]["labels"]
        api.create(JOBS, job)
        await api.until(lambda: runs(api, JOBS, "bert"))


async def test_a_kind_that_the_settings_do_not_list_is_named(
    api: Any, operator: Callable[..., Any]
) -> None:
    """A RayJob without the setting is not read, and the TrainingJob says what to change."""
    target = {"apiVersion": "ray.io/v1", "kind": "RayJob", "name": "tune"}
    api.create(TRAININGJOBS, {"metadata": {"name": "mine"}, "spec": {"targetRef": target}})
    async with operator(workloads=KINDS):
        await api.until(lambda: state(api, "tune") == "Invalid")
        found = condition(api, "tune", "Valid")
        assert found["reason"] == "UnknownKind"
        assert "(Job, JobSet): add it to workloads.kinds" in found["message"]


async def test_what_a_train_job_reports_is_told_and_not_written_with_every_second(
    api: Any, operator: Callable[..., Any]
) -> None:
    """Kubeflow's trainer may report each second; a status is worth a write for each percent."""

    def report(percent: int, left: int) -> None:
        told = {"progressPercentage": percent, "estimatedRemainingSeconds": left}
        told["lastUpdatedTime"] = now_text()
        api.change(TRAIN_JOBS, "llama", {"status": {"trainerStatus": told}})

    def target() -> dict[str, Any]:
        return (beside(api, "llama").get("status") or {}).get("target") or {}

    job = a_job("llama", policy="Immediate")
    job["spec"] = {"suspend": True, "runtimeRef": {"name": "torch"}, "trainer": {"numNodes": 1}}
    api.create(TRAIN_JOBS, job)
    async with operator(workloads={"kinds": ["TrainJob"]}):
        report(40, 1200)
        await api.until(lambda: target().get("progressPercent") == 40)
        assert target()["remainingSeconds"] == 1200
        report(40, 1199)
        report(41, 1198)
        await api.until(lambda: target().get("progressPercent") == 41)
    assert target()["remainingSeconds"] == 1198


async def test_a_queued_job_waits_at_our_gate_then_for_quota_and_its_flag_is_never_written(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any]
) -> None:
    """The gates of others stay; waiting for quota has a state of its own."""
    gates = "example.com/budget,lowtide.dev/carbon"
    api.create(JOBS, queued("bert", gates, expected_duration="2s", max_delay="250s"))
    async with operator(zones=zones(120), workloads=KINDS):
        await api.until(lambda: state(api, "bert") == "Waiting")
        zones(0)
        await api.until(lambda: state(api, "bert") == "Queued")
        notes = api.get(JOBS, "bert")["metadata"]["annotations"]
        assert notes["kueue.x-k8s.io/admission-gated-by"] == "example.com/budget"
        assert api.get(JOBS, "bert")["spec"]["suspend"] is True
        message = condition(api, "bert", "Running")["message"]
        assert message == "Kueue holds Job bert until its queue has room"
        api.change(JOBS, "bert", {"spec": {"suspend": False}})
        add_pod(api, JOBS, "bert", "bert-x")
        await api.until(lambda: state(api, "bert") == "Running")


async def test_a_queued_job_without_our_gate_or_with_one_that_kueue_ignores_is_kueues(
    api: Any, operator: Callable[..., Any], zones: Callable[..., Any]
) -> None:
    """The plan says why it does not wait; a gate that holds nothing is taken off."""
    api.create(JOBS, queued("late", "", expected_duration="2s", max_delay="1h"))
    ignored = queued("off", "lowtide.dev/carbon", expected_duration="2s", max_delay="1h")
    ignored["spec"]["suspend"] = False
    api.create(JOBS, ignored)
    async with operator(zones=zones(300), workloads=KINDS):
        await api.until(lambda: state(api, "late") == "Queued")
        await api.until(lambda: plan(api, "off").get("reason") == "NotScheduled")
        assert "created without our admission gate" in plan(api, "late")["explanation"]
        assert "switch on its feature gate AdmissionGatedBy" in plan(api, "off")["explanation"]
        await api.until(
            lambda: "admission-gated-by" not in str(api.get(JOBS, "off")["metadata"]["annotations"])
        )
    assert not api.writes("/jobs/late")
    assert api.get(JOBS, "off")["spec"]["suspend"] is False


def kueue_admits(api: Any, name: str) -> None:
    """Let Kueue make its object for a Job and start it, with one pod."""
    labels = {"kueue.x-k8s.io/job-uid": api.get(JOBS, name)["metadata"]["uid"]}
    metadata = {"name": f"job-{name}-12345", "labels": labels}
    api.create(QUEUED, {"metadata": metadata, "spec": {"active": True, "queueName": "ml"}})
    api.change(JOBS, name, {"spec": {"suspend": False}})
    add_pod(api, JOBS, name, f"{name}-x")


async def run_from_the_queue(api: Any, name: str) -> None:
    """Bring a queued Job to where Kueue has started it and the operator has seen that."""
    await api.until(lambda: state(api, name) == "Queued")
    kueue_admits(api, name)
    await api.until(lambda: state(api, name) == "Running")


def is_active(api: Any, name: str) -> bool:
    return bool(api.get(QUEUED, f"job-{name}-12345")["spec"]["active"])


def kueue_evicts(api: Any, name: str, pod: str) -> None:
    """Let Kueue suspend a Job and remove its pod."""
    api.change(JOBS, name, {"spec": {"suspend": True}})
    api.delete(PODS, pod)


async def test_a_queued_job_is_paused_by_kueues_object_and_then_waits_for_quota(
    api: Any, operator: Callable[..., Any]
) -> None:
    """Its flag stays Kueue's; a pause, and a wait for quota after it, have states of their own."""
    api.create(JOBS, queued("bert", "", policy="Immediate", interruptible="true"))
    async with operator(workloads={**KINDS, "pauseQueued": True}):
        await run_from_the_queue(api, "bert")
        name = beside(api, "bert")["metadata"]["name"]
        api.change(TRAININGJOBS, name, {"spec": {"suspend": True}})
        await api.until(lambda: not is_active(api, "bert"))
        metadata = api.get(JOBS, "bert")["metadata"]
        assert metadata["labels"]["lowtide.dev/held"] == "true"
        assert metadata["annotations"]["lowtide.dev/paused-in-queue"] == "job-bert-12345"
        # Resumed while its pod still ends: Kueue is told only when that is gone.
        api.change(TRAININGJOBS, name, {"spec": {"suspend": False}})
        api.change(JOBS, "bert", {"spec": {"suspend": True}})
        await api.until(lambda: condition(api, "bert", "Paused").get("reason") == "PodLeft")
        assert not is_active(api, "bert")
        api.delete(PODS, "bert-x")
        await api.until(lambda: is_active(api, "bert"))
        await api.until(lambda: state(api, "bert") == "Queued")
        assert "lowtide.dev/held" not in api.get(JOBS, "bert")["metadata"]["labels"]
        api.change(JOBS, "bert", {"spec": {"suspend": False}})
        add_pod(api, JOBS, "bert", "bert-y")
        await api.until(lambda: len(beside(api, "bert")["status"]["attempts"]) == 2)
    outcomes = [one.get("outcome") for one in beside(api, "bert")["status"]["attempts"]]
    assert outcomes == ["Paused", None]
    written = {call for call in api.calls if call[1] == "kueue.x-k8s.io"}
    assert written == {(verb, "kueue.x-k8s.io", "workloads") for verb in ("list", "patch")}


async def test_a_queued_job_without_quota_for_its_planned_size_runs_with_its_own(
    api: Any, operator: Callable[..., Any], tmp_path: Path
) -> None:
    """Two clean hours and four hours of work: two pods are planned, and Kueue has quota for one.

    Of Kueue's objects for it the one that replaced another counts.
    """
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = [
        f"{hour + timedelta(hours=k):%Y-%m-%dT%H:%M:%SZ},,{50 if k < 2 else 500}\n"
        for k in range(22)
    ]
    (tmp_path / "hours.csv").write_text("time,g_per_kwh,forecast\n" + "".join(rows))
    providers = [{"kind": "file", "path": str(tmp_path / "hours.csv")}]
    job = queued(
        "wide",
        "lowtide.dev/carbon",
        deadline=f"{hour + timedelta(hours=8):%Y-%m-%dT%H:%M:%SZ}",
        expected_duration="4h",
        interruptible="true",
        restart_cost="1m",
        min_replicas="1",
        max_replicas="2",
        efficiency="1",
    )
    job["spec"] |= {"completionMode": "Indexed", "parallelism": 1, "completions": 1}
    api.create(JOBS, job)

    def size() -> int:
        return int(api.get(JOBS, "wide")["spec"]["parallelism"])

    async with operator(
        zones={"DE": {"providers": providers}}, workloads={**KINDS, "pauseQueued": True}
    ):
        await api.until(lambda: size() == 2 and state(api, "wide") == "Queued")
        metadata = api.get(JOBS, "wide")["metadata"]
        assert metadata["annotations"]["lowtide.dev/resized"] == "1->2"
        labels = {"kueue.x-k8s.io/job-uid": metadata["uid"]}
        finished = {"type": "Finished", "status": "True"}
        for name, said in (("a-replaced", finished), ("b-present", {})):
            one = {"metadata": {"name": name, "labels": labels}, "spec": {"active": True}}
            made = api.create(QUEUED, one)
            short = {"type": "QuotaReserved", "status": "False", "reason": "Pending"}
            short["observedGeneration"] = made["metadata"].get("generation")
            api.change(QUEUED, name, {"status": {"conditions": [said or short]}})
        await api.until(lambda: size() == 1)
        assert api.get(JOBS, "wide")["spec"]["suspend"] is True
        api.change(JOBS, "wide", {"spec": {"suspend": False}})
        add_pod(api, JOBS, "wide", "wide-x")
        await api.until(lambda: state(api, "wide") == "Running")
        attempts = beside(api, "wide")["status"]["attempts"]
    assert [(one["replicas"], one.get("outcome")) for one in attempts] == [(2, "NoRoom"), (1, None)]
    assert "lowtide.dev/resized" not in api.get(JOBS, "wide")["metadata"]["annotations"]


async def test_a_job_that_kueue_preempts_waits_for_quota_and_is_not_called_paused(
    api: Any, operator: Callable[..., Any]
) -> None:
    """Its attempt has ended, and the reason is Kueue's."""
    api.create(JOBS, queued("bert", "", policy="Immediate", interruptible="true"))
    async with operator(workloads={**KINDS, "pauseQueued": True}):
        await run_from_the_queue(api, "bert")
        kueue_evicts(api, "bert", "bert-x")
        await api.until(lambda: state(api, "bert") == "Queued")
        await api.until(lambda: beside(api, "bert")["status"]["attempts"][0].get("end"))
        assert condition(api, "bert", "Paused")["status"] == "False"
    assert is_active(api, "bert")


async def test_a_queued_job_is_not_paused_without_the_right_for_it(
    api: Any, operator: Callable[..., Any]
) -> None:
    """Nothing of Kueue is read, and the job goes on."""
    api.create(JOBS, queued("bert", "", policy="Immediate", interruptible="true"))
    async with operator(workloads=KINDS):
        await api.until(lambda: state(api, "bert") == "Queued")
        kueue_admits(api, "bert")
        await api.until(lambda: state(api, "bert") == "Running")
        name = beside(api, "bert")["metadata"]["name"]
        changed = api.change(TRAININGJOBS, name, {"spec": {"suspend": True}})
        generation = changed["metadata"]["generation"]
        await api.until(
            lambda: condition(api, "bert", "Running").get("observedGeneration") == generation
        )
    assert is_active(api, "bert")
    assert not [call for call in api.calls if call[1] == "kueue.x-k8s.io"]


async def test_deleting_a_trainingjob_lets_kueue_start_what_it_paused(
    api: Any, operator: Callable[..., Any]
) -> None:
    """Nothing stays held without a TrainingJob, in a queue neither."""
    job = queued("bert", "")
    del job["metadata"]["labels"]["lowtide.dev/schedule"]
    api.create(JOBS, job)
    target = {"apiVersion": "batch/v1", "kind": "Job", "name": "bert"}
    spec = {"targetRef": target, "suspend": True}
    api.create(TRAININGJOBS, {"metadata": {"name": "mine"}, "spec": spec})
    kueue_admits(api, "bert")
    async with operator(workloads={**KINDS, "pauseQueued": True}):
        await api.until(lambda: not is_active(api, "bert"))
        kueue_evicts(api, "bert", "bert-x")
        api.delete(TRAININGJOBS, "mine")
        await api.until(lambda: is_active(api, "bert"))
        await api.until(
            lambda: "lowtide.dev/held" not in api.get(JOBS, "bert")["metadata"]["labels"]
        )
