"""Workloads of users that change their size on a real cluster: a Job, and two in Kueue queues.

They run with one pod in dirty hours and with two in a clean one, or the other way round on a slow
machine; the queue of the last has no quota for two, so that it goes on with one. They end when the
test has seen that. A JobSet keeps its size, as its webhook says. Run by `make test-kinds`: Kueue
takes long to build.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import host_controllers
import known_controllers
import pytest
from clients import Kubectl, RunningCluster
from demonstration import day, stage
from measured import Installed, truth_of
from singlenode.errors import ClusterError
from sleepers import await_
from test_kueue import QUEUE
from test_two_sizes import (
    LENGTH_SECONDS,
    RESTART_SECONDS,
    SLOT_SECONDS,
    TOLERANCE,
    WAIT_SECONDS,
    WINDOW_SECONDS,
    write_hours,
)
from test_workloads import beside, labelled, measured, pod, state

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.kinds]

MOUNT = "/work"
WORK = """
import pathlib, signal, sys, time
def stop(*_):
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
while not pathlib.Path("{done}").exists(): {meanwhile}
"""
"""Ends well when the test says so, and as paused when it is told to stop."""
SIZES = {"min_replicas": "1", "max_replicas": "2", "efficiency": "0.9"}
QUEUED, PLAIN, SHORT = "queued-wide", "plain-wide", "short-wide"
CPU, CPU_QUOTA = "100m", "150m"
"""What a pod of the Job that finds no room asks for, and the quota of its queue."""
BOTH = pytest.mark.parametrize("name", [QUEUED, PLAIN])


@dataclass(frozen=True, slots=True)
class Ran:
    """Jobs that ran with both sizes, and the one that found no room for the larger."""

    jobs: dict[str, dict[str, Any]]
    """TrainingJobs with final figures, by the name of their Job."""
    bodies: dict[str, dict[str, Any]]
    """Jobs while they ran with two pods, by their name."""
    together: dict[str, list[set[str]]]
    """Sizes of the pods that were there at each look."""


@pytest.fixture(scope="module")
def inside(
    cluster: RunningCluster,
    kubectl: Kubectl,
    installed: Installed,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Kubectl]:
    """The namespace of the workloads, with the chart, Kueue, JobSet, and hours of a grid."""
    with ExitStack() as stack:
        for one in (known_controllers.KUEUE, known_controllers.JOB_SET):
            stack.enter_context(host_controllers.run(one, cluster, kubectl))
        queue = json.loads(json.dumps(QUEUE))
        (resources,) = queue[1]["spec"]["resourceGroups"]
        resources["flavors"][0]["resources"][0]["nominalQuota"] = 2
        kubectl.apply(*queue, *a_short_queue())
        trace, on = tmp_path_factory.mktemp("hours") / "hours.csv", installed.on
        first = write_hours(trace)
        day.begin(on.layout, on.python, trace=trace, start=first, slot_seconds=SLOT_SECONDS)
        day.await_forecast()
        yield kubectl.within(stage.NAMESPACE)
        kubectl.within(stage.NAMESPACE)("delete", "jobs", "--all", "--timeout=60s")


@pytest.fixture(scope="module")
def ran(inside: Kubectl, installed: Installed) -> Ran:
    """Let the Jobs run until two had both sizes and one found no room for its own; end them."""
    folder = installed.on.layout.state / "own-sizes"
    # On a cluster that outlives a run of the tests there is that of the run before.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    inside.apply(
        a_job(installed, folder, QUEUED, gpus=1, queue="ml"),
        a_job(installed, folder, PLAIN),
        a_job(installed, folder, SHORT, queue="short"),
    )
    seen = Ran({}, {}, {QUEUED: [], PLAIN: []})
    for name in (QUEUED, PLAIN):
        await_(
            lambda name=name: saw_both(inside, seen), f"{name} had both sizes", seconds=WAIT_SECONDS
        )
    await_(lambda: went_on_alone(inside), f"{SHORT} goes on with one", seconds=WAIT_SECONDS)
    (folder / "done").touch()
    for name in (QUEUED, PLAIN, SHORT):
        await_(lambda name=name: state(inside, name).startswith("Complete"), f"{name} is over")
        seen.jobs[name] = beside(inside, name)
    seen.jobs[QUEUED] = measured(inside, QUEUED)
    return seen


def saw_both(inside: Kubectl, seen: Ran) -> bool:
    """Note the pods that are there; return whether each Job had pods of both sizes running."""
    ready = []
    for name, together in seen.together.items():
        body = inside.json("get", "job", name)
        pods = inside.json("get", "pods", "-l", f"batch.kubernetes.io/job-name={name}")["items"]
        ended = ("Succeeded", "Failed")
        there = [one for one in pods if one["status"]["phase"] not in ended]
        together.append({one["metadata"]["uid"] for one in there})
        if body["spec"]["parallelism"] == 2 and len(there) == 2:
            seen.bodies[name] = body
        status = beside(inside, name).get("status") or {}
        attempts = [one for one in status.get("attempts", ()) if "start" in one]
        ready.append({one.get("replicas") for one in attempts} == {1, 2})
    return all(ready)


def went_on_alone(inside: Kubectl) -> bool:
    """Return whether a Job runs again after it found no room for two."""
    attempts = (beside(inside, SHORT).get("status") or {}).get("attempts", ())
    outcomes = [one.get("outcome") for one in attempts]
    return "NoRoom" in outcomes and outcomes[-1] is None and "start" in attempts[-1]


def a_short_queue() -> list[dict[str, Any]]:
    """A queue with quota for one pod, which counts cores and no GPUs."""
    _, queue, local = json.loads(json.dumps(QUEUE))
    queue["metadata"]["name"] = local["metadata"]["name"] = local["spec"]["clusterQueue"] = "short"
    (resources,) = queue["spec"]["resourceGroups"]
    resources["coveredResources"] = ["cpu"]
    resources["flavors"][0]["resources"] = [{"name": "cpu", "nominalQuota": CPU_QUOTA}]
    return [queue, local]


def a_job(
    installed: Installed, folder: Path, name: str, *, gpus: int = 0, queue: str = ""
) -> dict[str, Any]:
    """A labelled Job of one pod that may be two, in a queue or in none."""
    # Only what is measured keeps a core busy.
    work = WORK.format(done=f"{MOUNT}/done", meanwhile="pass" if gpus else "time.sleep(0.2)")
    template = pod(installed.built["base"].reference, work, gpus=gpus)
    (container,) = template["spec"]["containers"]
    container["volumeMounts"] = [{"name": "work", "mountPath": MOUNT}]
    if queue == "short":
        container["resources"] = {"requests": {"cpu": CPU}}
    template["spec"]["volumes"] = [{"name": "work", "hostPath": {"path": str(folder)}}]
    deadline = datetime.now(UTC) + timedelta(seconds=WINDOW_SECONDS)
    job = labelled(
        name,
        "Job",
        {"completionMode": "Indexed", "parallelism": 1, "completions": 1, "template": template},
        deadline=f"{deadline:%Y-%m-%dT%H:%M:%SZ}",
        expected_duration=f"{LENGTH_SECONDS}s",
        interruptible="true",
        restart_cost=f"{RESTART_SECONDS}s",
        **SIZES,
    )
    if queue:
        job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = queue
    return job


@BOTH
def test_a_users_job_ran_with_both_sizes_and_says_its_own(ran: Ran, name: str) -> None:
    """Its attempts say how wide each was; its annotation said so while it was not its own size."""
    attempts = [one for one in ran.jobs[name]["status"]["attempts"] if "start" in one]
    assert {one["replicas"] for one in attempts} == {1, 2}
    assert all(len(one["pods"]) == one["replicas"] for one in attempts)
    assert {one["baseReplicas"] for one in attempts} == {1}
    body = ran.bodies[name]
    assert body["metadata"]["annotations"]["lowtide.dev/resized"] == "1->2"
    assert body["spec"]["completions"] == 2


@BOTH
def test_pods_of_two_attempts_were_never_there_together(ran: Ran, name: str) -> None:
    """Whenever the pods were listed, they were those of one attempt."""
    attempts = ran.jobs[name]["status"]["attempts"]
    uids = [{one["uid"] for one in attempt.get("pods", ())} for attempt in attempts]
    for there in ran.together[name]:
        assert sum(bool(there & mine) for mine in uids) <= 1


def test_a_larger_size_without_quota_is_given_up_for_the_jobs_own(
    inside: Kubectl, ran: Ran
) -> None:
    """No pod of two was ever there, and the Job is as it was written."""
    attempts = ran.jobs[SHORT]["status"]["attempts"]
    without = [one for one in attempts if one["outcome"] == "NoRoom"]
    assert {one["replicas"] for one in without} == {2}
    assert not any("start" in one or one.get("pods") for one in without)
    assert {one["replicas"] for one in attempts if "start" in one} == {1}
    body = inside.json("get", "job", SHORT)
    assert (body["spec"]["parallelism"], body["spec"]["completions"]) == (1, 1)
    assert "lowtide.dev/resized" not in body["metadata"]["annotations"]


def test_the_energy_of_the_queued_job_is_that_of_all_pods_of_both_sizes(
    ran: Ran, installed: Installed
) -> None:
    """The closed form of the stand-in."""
    found = ran.jobs[QUEUED]
    truth = truth_of(found, installed.truth)
    assert found["status"]["energy"]["totalJoules"] == pytest.approx(truth, rel=TOLERANCE)


def test_a_job_set_refuses_another_size_and_its_plan_says_why(
    inside: Kubectl, installed: Installed
) -> None:
    """The sentence is the webhook's: also of a JobSet that is suspended."""
    template = pod(installed.built["base"].reference, "pass", gpus=0)
    spec = {"completionMode": "Indexed", "parallelism": 1, "completions": 1, "template": template}
    group = {"name": "w", "replicas": 1, "template": {"spec": spec}}
    notes = {"interruptible": "true", "expected_duration": "60s", **SIZES}
    one = labelled("fixed", "JobSet", {"suspend": True, "replicatedJobs": [group]}, **notes)
    one["metadata"].pop("labels")
    inside.apply(one)
    for path, value in (("replicas", 2), ("template/spec/parallelism", 2)):
        change = [{"op": "replace", "path": f"/spec/replicatedJobs/0/{path}", "value": value}]
        with pytest.raises(ClusterError, match="field is immutable"):
            inside("patch", "jobset", "fixed", "--type=json", "-p", json.dumps(change))
    inside("label", "jobset", "fixed", "lowtide.dev/schedule=true")
    await_(
        lambda: state(inside, "fixed").startswith("Complete"), "fixed has run", seconds=WAIT_SECONDS
    )
    said = beside(inside, "fixed")["status"]["plan"]["explanation"]
    assert "JobSet 0.11 refuses other numbers" in said
