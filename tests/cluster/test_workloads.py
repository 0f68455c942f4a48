"""Unchanged Jobs and JobSets on a real cluster, with the real controllers of both.

The chart's admission policy holds them, the operator lets them go when the replayed grid is clean,
pauses and resumes one, follows another through its own death, and measures their pods against the
closed form of the stand-in. An uninstall leaves nothing held.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import host_controllers
import known_controllers
import pytest
import waves
from clients import Kubectl, RunningCluster
from demonstration import stage
from measured import Installed, pods_of, seconds_of, truth_of
from singlenode.commands import run
from sleepers import await_

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SLOT_SECONDS = 12
"""An hour of the replay; it begins with three dirty ones."""
WORK_SECONDS = 20
STRETCH_SECONDS = 20
"""How long the paused job runs before and after its pause: edges of its pods are a part of that."""
TOLERANCE = 0.005
BUSY = "import time\nend = time.time() + {seconds}\nwhile time.time() < end: pass"
SAVES = """
import signal, sys, time
def stop(*_):
    time.sleep(3)
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
while True: pass
"""
ENDS = ("Complete", "Failed")


@pytest.fixture(scope="module")
def inside(
    cluster: RunningCluster,
    kubectl: Kubectl,
    installed: Installed,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Kubectl]:
    """The namespace of the workloads, with the chart, the JobSet controller and waves of a grid."""
    with host_controllers.run(known_controllers.JOB_SET, cluster, kubectl):
        waves.begin(installed, tmp_path_factory.mktemp("waves"), slot_seconds=SLOT_SECONDS)
        yield kubectl.within(stage.NAMESPACE)
        kubectl.within(stage.NAMESPACE)("delete", "jobs", "--all")


def pod(image: str, code: str, *, gpus: int = 1) -> dict[str, Any]:
    """The template of a pod as a user writes it."""
    container: dict[str, Any] = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", code],
    }
    if gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": gpus}}
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 10}
    return {"spec": {**spec, "containers": [container]}}


def labelled(name: str, kind: str, spec: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """A workload with our label; keywords are annotations."""
    api = "jobset.x-k8s.io/v1alpha2" if kind == "JobSet" else "batch/v1"
    notes = {f"lowtide.dev/{key.replace('_', '-')}": text for key, text in annotations.items()}
    labels = {"lowtide.dev/schedule": "true"}
    metadata = {"name": name, "labels": labels, "annotations": notes}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def job(installed: Installed, name: str, code: str, **annotations: str) -> dict[str, Any]:
    template = pod(installed.built["base"].reference, code)
    return labelled(name, "Job", {"backoffLimit": 0, "template": template}, **annotations)


def beside(inside: Kubectl, name: str) -> dict[str, Any]:
    """Return the one TrainingJob that names a workload, or an empty one."""
    items = inside.json("get", "trainingjobs")["items"]
    mine = [i for i in items if (i["spec"].get("targetRef") or {}).get("name") == name]
    assert len(mine) <= 1, f"{name} has {len(mine)} TrainingJobs"
    return mine[0] if mine else {}


def state(inside: Kubectl, name: str) -> str:
    return str((beside(inside, name).get("status") or {}).get("display", {}).get("state", ""))


def measured(inside: Kubectl, name: str) -> dict[str, Any]:
    """Return the TrainingJob of a workload once its figures are final."""

    def done() -> bool:
        status = beside(inside, name).get("status") or {}
        conditions = {c["type"]: c for c in status.get("conditions", ())}
        return conditions.get("Measured", {}).get("status") == "True"

    await_(done, f"{name} is measured")
    return beside(inside, name)


def is_held(inside: Kubectl, resource: str, name: str) -> bool:
    body = inside.json("get", resource, name)
    return (
        bool(body["spec"].get("suspend"))
        and body["metadata"]["labels"].get("lowtide.dev/held") == "true"
    )


def pods(inside: Kubectl, selector: str) -> list[dict[str, Any]]:
    return list(inside.json("get", "pods", "-l", selector)["items"])


def kill_operator(kubectl: Kubectl, *, wait: bool = True) -> None:
    """Let the operator die at once; its Deployment starts another, which is awaited or not."""
    there = kubectl.within(stage.RELEASE_NAMESPACE)
    selector = "app.kubernetes.io/component=operator"
    there("delete", "pods", "-l", selector, "--grace-period=0", "--force", "--wait=false")
    if wait:
        there("rollout", "status", "deployment/lowtide-operator", "--timeout=240s", timeout=270)


def test_an_unchanged_job_set_waits_for_clean_power_runs_and_is_measured(
    inside: Kubectl, kubectl: Kubectl, installed: Installed
) -> None:
    """Held from its creation on, through two deaths of the operator; two pods, one figure."""
    template = pod(installed.built["base"].reference, BUSY.format(seconds=WORK_SECONDS))
    group = {"name": "w", "replicas": 2, "template": {"spec": {"template": template}}}
    group["template"]["spec"]["backoffLimit"] = 0
    notes = {"expected_duration": f"{WORK_SECONDS}s", "max_delay": f"{6 * SLOT_SECONDS}s"}
    inside.apply(labelled("gpt", "JobSet", {"replicatedJobs": [group]}, **notes))
    created = inside.json("get", "jobset", "gpt")
    # By the policy, before the operator has seen it.
    assert created["spec"]["suspend"] is True
    assert created["metadata"]["labels"]["lowtide.dev/held"] == "true"
    await_(lambda: state(inside, "gpt") == "Waiting", "the TrainingJob of gpt waits")
    plan = beside(inside, "gpt")["status"]["plan"]
    assert plan["reason"] == "CleanestWindow"
    kill_operator(kubectl)
    selector = f"jobset.sigs.k8s.io/jobset-uid={created['metadata']['uid']}"
    waits = is_held(inside, "jobset", "gpt") and pods(inside, selector) == []
    # On a busy machine the clean hour may have come by now.
    assert waits or time.time() >= seconds_of(plan["start"])
    await_(lambda: state(inside, "gpt") == "Running", "gpt runs")
    kill_operator(kubectl)
    found = measured(inside, "gpt")
    status = found["status"]
    assert status["display"]["state"] == "Complete"
    assert status["target"]["gpus"] == 2
    assert len(pods_of(found)) == 2
    assert [one["outcome"] for one in status["attempts"]] == ["Complete"]
    assert status["attempts"][0]["start"] >= plan["start"]
    truth = truth_of(found, installed.truth)
    assert status["energy"]["totalJoules"] == pytest.approx(truth, rel=TOLERANCE)
    inside("delete", "jobset", "gpt")
    assert beside(inside, "gpt")["status"]["energy"] == status["energy"]


def test_a_job_is_paused_goes_on_when_its_pod_is_gone_and_is_measured(
    inside: Kubectl, installed: Installed
) -> None:
    """Pods are seen to end and to begin; the energy is that of both."""
    inside.apply(job(installed, "bert", SAVES, policy="Immediate", interruptible="true"))
    uid = inside.json("get", "job", "bert")["metadata"]["uid"]
    selector = f"batch.kubernetes.io/controller-uid={uid}"
    await_(lambda: state(inside, "bert") == "Running", "bert runs")
    (first,) = pods(inside, selector)
    name = beside(inside, "bert")["metadata"]["name"]
    time.sleep(STRETCH_SECONDS)
    patch(inside, name, '{"spec":{"suspend":true}}')
    await_(lambda: is_held(inside, "job", "bert"), "bert is suspended")
    patch(inside, name, '{"spec":{"suspend":false}}')
    seen = []

    def second() -> bool:
        now = [one["metadata"]["uid"] for one in pods(inside, selector)]
        seen.append(now)
        return bool(now) and first["metadata"]["uid"] not in now

    await_(second, "a second pod of bert")
    assert all(len(one) <= 1 for one in seen), "two pods were there at a time"
    await_(lambda: state(inside, "bert") == "Running", "bert runs again")
    attempts = beside(inside, "bert")["status"]["attempts"]
    assert [one.get("outcome") for one in attempts] == ["Paused", None]
    time.sleep(STRETCH_SECONDS)
    inside("delete", "pods", "-l", selector, "--wait=false")
    await_(lambda: state(inside, "bert") in ENDS, "bert has ended")
    found = measured(inside, "bert")
    assert found["status"]["display"]["state"] == "Failed"
    truth = truth_of(found, installed.truth)
    assert found["status"]["energy"]["totalJoules"] == pytest.approx(truth, rel=TOLERANCE)
    assert len(pods_of(found)) == 2


def test_a_written_trainingjob_holds_a_job_and_frees_it_when_it_is_deleted(
    inside: Kubectl, installed: Installed
) -> None:
    """The Job has no label: the operator suspends it right after its creation, and owns nothing."""
    target = {"apiVersion": "batch/v1", "kind": "Job", "name": "plain"}
    spec = {"targetRef": target, "schedule": {"maxDelaySeconds": 3600}}
    metadata = {"name": "mine"}
    written = {"apiVersion": "lowtide.dev/v1alpha1", "kind": "TrainingJob"}
    inside.apply({**written, "metadata": metadata, "spec": {**spec, "suspend": True}})
    await_(lambda: state(inside, "plain") == "TargetMissing", "it says that there is no such Job")
    manifest = job(installed, "plain", BUSY.format(seconds=3))
    manifest["metadata"] = {"name": "plain"}
    manifest["spec"]["suspend"] = True
    inside.apply(manifest)
    await_(lambda: is_held(inside, "job", "plain"), "plain is held")
    inside("delete", "trainingjob", "mine")
    await_(lambda: not is_held_or_suspended(inside, "plain"), "plain is free")
    assert inside.json("get", "job", "plain")["metadata"].get("ownerReferences") is None


def test_release_frees_what_is_held_and_the_operator_lets_it_be(
    inside: Kubectl, cluster: RunningCluster, installed: Installed
) -> None:
    """`lowtide release --all`, with a living operator."""
    keep_for_hours(inside, installed, "later")
    lowtide = Path(sys.executable).with_name("lowtide")
    environment = {"PATH": f"{cluster.programs.clients}:/usr/bin:/bin"}
    run(
        [lowtide, "release", "--all", f"--kubeconfig={cluster.kubeconfig}"], environment=environment
    )
    await_(lambda: state(inside, "later") == "Complete", "later has run")


def test_an_uninstall_leaves_nothing_held(
    inside: Kubectl, cluster: RunningCluster, installed: Installed
) -> None:
    """The chart's own Job lets go what the operator held, what was paused after its last pod."""
    keep_for_hours(inside, installed, "last")
    image = installed.built["base"].reference
    job_set = {"spec": {"backoffLimit": 0, "template": pod(image, BUSY.format(seconds=1))}}
    groups = {"replicatedJobs": [{"name": "w", "replicas": 1, "template": job_set}]}
    inside.apply(labelled("waits", "JobSet", groups, max_delay="10h", expected_duration="1m"))
    selector, first = pause_a_job(inside, installed, "rests")
    helm = [str(cluster.programs.clients / "helm"), f"--kubeconfig={cluster.kubeconfig}"]
    where = ["--namespace", stage.RELEASE_NAMESPACE, "--timeout", "240s"]
    run([*helm, "uninstall", "lowtide", *where, "--wait"], timeout_seconds=270)
    everything = "jobs.batch,jobsets.jobset.x-k8s.io"
    assert inside("get", everything, "-l", "lowtide.dev/held=true", "-o", "name") == ""
    assert not is_held_or_suspended(inside, "last")
    inside("wait", "--for=condition=Complete", "job/last", "--timeout=240s", timeout=270)
    inside("wait", "--for=condition=Completed", "jobset/waits", "--timeout=240s", timeout=270)
    assert not is_held_or_suspended(inside, "rests")
    seen: list[set[str]] = []

    def second() -> bool:
        seen.append({one["metadata"]["uid"] for one in pods(inside, selector)})
        return bool(seen[-1] - first)

    await_(second, "a second pod of rests")
    assert all(not now & first for now in seen), "it went on beside its old pod"


def pause_a_job(inside: Kubectl, installed: Installed, name: str) -> tuple[str, set[str]]:
    """Pause a running Job; return the selector of its pods, and the uids of those that end."""
    inside.apply(job(installed, name, SAVES, policy="Immediate", interruptible="true"))
    uid = inside.json("get", "job", name)["metadata"]["uid"]
    selector = f"batch.kubernetes.io/controller-uid={uid}"
    await_(lambda: state(inside, name) == "Running", f"{name} runs")
    first = {one["metadata"]["uid"] for one in pods(inside, selector)}
    patch(inside, beside(inside, name)["metadata"]["name"], '{"spec":{"suspend":true}}')
    await_(lambda: is_held(inside, "job", name), f"{name} is paused")
    return selector, first


def is_held_or_suspended(inside: Kubectl, name: str) -> bool:
    body = inside.json("get", "job", name)
    labels = body["metadata"].get("labels") or {}
    return bool(body["spec"].get("suspend")) or "lowtide.dev/held" in labels


def patch(inside: Kubectl, name: str, body: str) -> None:
    inside("patch", "trainingjob", name, "--type=merge", "-p", body)


def keep_for_hours(inside: Kubectl, installed: Installed, name: str) -> None:
    """Create a Job that a TrainingJob keeps back for hours; return when it is held."""
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6 * 3600))
    target = {"apiVersion": "batch/v1", "kind": "Job", "name": name}
    spec = {"targetRef": target, "schedule": {"startNoEarlierThan": start}}
    written = {"apiVersion": "lowtide.dev/v1alpha1", "kind": "TrainingJob"}
    manifest = job(installed, name, BUSY.format(seconds=1))
    manifest["metadata"] = {"name": name}
    manifest["spec"]["suspend"] = True
    inside.apply(manifest, {**written, "metadata": {"name": f"{name}-plan"}, "spec": spec})
    await_(lambda: is_held(inside, "job", name), f"{name} is held")
