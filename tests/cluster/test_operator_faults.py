"""The operator against a real API server, controllers and kubelet: faults and kills.

The operator runs as a process of this machine and serves one fresh namespace, so that it can be
killed at a chosen moment and other operators on the cluster are not in its way.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from clients import Kubectl, RunningCluster
from operator_process import Operator, until
from singlenode.layout import PROMETHEUS_URL
from standins.ports import free_port

pytestmark = [pytest.mark.cluster, pytest.mark.own_namespace]

CRD = Path(__file__).parents[2] / "crds" / "trainingjobs.lowtide.dev.yaml"
AT_ONCE = {"policy": "Immediate"}
UNTIL_TOLD = """
import pathlib, time
while not pathlib.Path("/tmp/end").exists():
    time.sleep(0.05)
"""
"""A training that ends when the test says so, however slow the machine is."""


@pytest.fixture
def operator(
    cluster: RunningCluster, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> Iterator[Operator]:
    """An operator for the test's namespace that is not started yet; it ends with the test."""
    kubectl("apply", "--server-side", "-f", str(CRD))
    port = free_port()
    settings = {
        "cluster": {"namespaces": [namespace], "podPollSeconds": 1, "runningLookSeconds": 5},
        "schedule": {"startLatencySeconds": 1, "marginSeconds": 1},
        "measurement": {"pollSeconds": 1, "settleSeconds": 8},
        "prometheus": {"url": PROMETHEUS_URL, "scrapeIntervalSeconds": 2},
        "queue": {"workers": 4},
        "server": {"metricsPort": port, "healthPort": 0},
    }
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(settings))
    process = Operator(cluster.kubeconfig, file, port)
    yield process
    assert process.stop() == 0
    log = file.with_suffix(".log").read_text()
    assert "Traceback" not in log, log[-4000:]


@pytest.fixture
def here(kubectl: Kubectl, namespace: str) -> Kubectl:
    """The cluster's client in the test's namespace."""
    return kubectl.within(namespace)


@pytest.fixture
def train(here: Kubectl, image: str) -> Callable[..., None]:
    """Return a function that creates the TrainingJob `net` with a Python script to run."""

    def create(script: str, *, image: str = image, **spec: Any) -> None:
        container = {
            "name": "train",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "-c", script],
        }
        pod = {"terminationGracePeriodSeconds": 1, "containers": [container]}
        job = {
            "apiVersion": "lowtide.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": "net"},
            "spec": {"template": {"spec": {"template": {"spec": pod}}}, **spec},
        }
        here("create", "-f", "-", text=json.dumps(job))

    return create


def status(here: Kubectl) -> dict[str, Any]:
    """Return the status of the job `net`."""
    found: dict[str, Any] = here.json("get", "trainingjob", "net").get("status") or {}
    return found


def condition(here: Kubectl, kind: str) -> dict[str, Any]:
    """Return a condition of the job `net`, or an empty one."""
    return next((c for c in status(here).get("conditions") or [] if c["type"] == kind), {})


def is_true(here: Kubectl, kind: str) -> bool:
    """Return whether a condition of the job `net` holds."""
    return condition(here, kind).get("status") == "True"


def names(here: Kubectl, plural: str) -> list[str]:
    """Return the names of all objects of a kind in the namespace."""
    return [item["metadata"]["name"] for item in here.json("get", plural)["items"]]


def tell_to_end(here: Kubectl, *, other_than: str = "") -> None:
    """Let the training come to its end, in its next pod if one is named that is not meant."""

    def running() -> str | None:
        pods = here.json("get", "pods")["items"]
        ready = [
            pod["metadata"]["name"]
            for pod in pods
            if pod["metadata"]["name"] != other_than
            and "deletionTimestamp" not in pod["metadata"]
            and pod["status"]["phase"] == "Running"
        ]
        return ready[0] if ready else None

    here("exec", until(running, "its pod runs"), "--", "touch", "/tmp/end")


def reasons(here: Kubectl) -> list[str]:
    """Return the reasons of the job's Events, in order."""
    items = here.json("get", "events.events.k8s.io")["items"]
    ours = [item for item in items if item["regarding"]["kind"] == "TrainingJob"]
    return [item["reason"] for item in sorted(ours, key=lambda item: item["eventTime"])]


def is_part_of(told: list[str], story: list[str]) -> bool:
    """Return whether what was told is the story, in order and nothing twice, with gaps or not."""
    rest = iter(story)
    return all(reason in rest for reason in told)


def test_a_life_with_a_kill_in_every_state_has_one_job_and_one_story(
    operator: Operator, here: Kubectl, train: Callable[..., None]
) -> None:
    """Waiting, just started, running and ended: killed in each, the next one goes on."""
    train(UNTIL_TOLD, schedule={"startNoEarlierThan": "2999-01-01T00:00:00Z"})
    operator.start()
    until(lambda: is_true(here, "Planned") and reasons(here) == ["Planned"], "planned and told")
    plan = status(here)["plan"]
    operator.kill()
    operator.start()
    assert status(here)["plan"] == plan
    assert names(here, "jobs") == []

    patch = {"spec": {"schedule": {"startNoEarlierThan": None, "policy": "Immediate"}}}
    here("patch", "tj", "net", "--type=merge", "-p", json.dumps(patch))
    until(lambda: names(here, "jobs") == ["net-1"], "its Job exists")
    operator.kill()
    uid = here.json("get", "job", "net-1")["metadata"]["uid"]
    operator.start()
    until(lambda: is_true(here, "Running"), "running")
    operator.kill()
    tell_to_end(here)
    until(
        lambda: here.json("get", "job", "net-1")["status"].get("completionTime"),
        "the Job ended while no operator looked",
    )
    operator.start()
    until(lambda: is_true(here, "Complete") and "Complete" in reasons(here), "complete and told")
    operator.kill()
    operator.start()
    until(lambda: condition(here, "Measured").get("status") == "False", "accounted for")
    until(lambda: "NotMeasured" in reasons(here), "it is told")

    assert here.json("get", "job", "net-1")["metadata"]["uid"] == uid
    assert names(here, "jobs") == ["net-1"]
    attempts = status(here)["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["Complete"]
    assert len(attempts[0]["pods"]) == 1
    assert condition(here, "Measured")["reason"] == "NoExporter"
    # Events are sent beside the status: one may die with an operator that is killed meanwhile.
    story = ["Planned", "Planned", "Started", "Complete", "NotMeasured"]
    assert is_part_of(reasons(here), story), reasons(here)


def test_an_image_that_cannot_be_pulled_shows_and_the_job_can_be_deleted(
    operator: Operator, here: Kubectl, train: Callable[..., None]
) -> None:
    """The kubelet's reason is the state in `kubectl get tj`; deleting takes everything away."""
    train("pass", image="127.0.0.1:9/no-such-image:1", schedule=AT_ONCE)
    operator.start()
    until(lambda: condition(here, "Running").get("reason") == "ImagePullBackOff", "shown")
    assert "ImagePullBackOff" in here("get", "tj", "net")
    assert "no-such-image" in condition(here, "Running")["message"]
    here("delete", "tj", "net", "--wait=true")
    until(lambda: names(here, "jobs") == [] and names(here, "pods") == [], "all is gone")


def test_a_training_that_exits_1_is_failed_and_measured_all_the_same(
    operator: Operator, here: Kubectl, train: Callable[..., None]
) -> None:
    """It is repeated once, both pods are on record, and the reason is the Job controller's."""
    train("raise SystemExit(1)", schedule=AT_ONCE)
    operator.start()
    until(lambda: is_true(here, "Failed"), "failed")
    until(lambda: condition(here, "Measured").get("status") == "False", "accounted for")
    assert condition(here, "Failed")["reason"] == "BackoffLimitExceeded"
    assert status(here)["attempts"][0]["outcome"] == "Failed"
    assert len(status(here)["attempts"][0]["pods"]) == 2
    assert condition(here, "Measured")["reason"] == "NoExporter"


def test_a_pod_deleted_by_hand_is_replaced_and_both_count(
    operator: Operator, here: Kubectl, train: Callable[..., None]
) -> None:
    """The Job goes on with a new pod; the uid of the old one is kept for its energy."""
    train(UNTIL_TOLD, schedule=AT_ONCE)
    operator.start()
    until(lambda: is_true(here, "Running"), "running")
    (first,) = names(here, "pods")
    here("delete", "pod", first, "--wait=false")
    tell_to_end(here, other_than=first)
    until(lambda: is_true(here, "Complete"), "complete")
    pods = status(here)["attempts"][0]["pods"]
    assert len({pod["uid"] for pod in pods}) == 2


def test_deleting_a_running_job_takes_its_job_and_pods_away(
    operator: Operator, here: Kubectl, train: Callable[..., None]
) -> None:
    """No finalizer holds anything up, and the operator creates nothing anew."""
    train("import time; time.sleep(600)", schedule=AT_ONCE)
    operator.start()
    until(lambda: is_true(here, "Running"), "running")
    here("delete", "tj", "net", "--wait=true")
    until(lambda: names(here, "jobs") == [] and names(here, "pods") == [], "all is gone")


def test_edits_are_followed_while_waiting_and_refused_while_running(
    operator: Operator, here: Kubectl, train: Callable[..., None]
) -> None:
    """A waiting job is planned again; a running one keeps its template, with a clear message."""
    train("import time; time.sleep(600)", schedule={"startNoEarlierThan": "2999-01-01T00:00:00Z"})
    operator.start()
    until(lambda: is_true(here, "Planned"), "planned")
    patch = {"spec": {"schedule": {"startNoEarlierThan": None, "policy": "Immediate"}}}
    here("patch", "tj", "net", "--type=merge", "-p", json.dumps(patch))
    until(lambda: is_true(here, "Running"), "running")
    backoff = {"spec": {"template": {"spec": {"backoffLimit": 3}}}}
    with pytest.raises(Exception, match="cannot be changed once the job has started"):
        here("patch", "tj", "net", "--type=merge", "-p", json.dumps(backoff))


def test_a_template_with_an_unknown_field_is_refused_with_the_servers_words(
    operator: Operator, here: Kubectl, train: Callable[..., None], image: str
) -> None:
    """The dry run finds what the CRD cannot know."""
    pod = {"containers": [{"name": "c", "image": image, "comand": ["x"]}]}
    train("pass", template={"spec": {"template": {"spec": pod}}})
    operator.start()
    until(lambda: condition(here, "Valid").get("status") == "False", "refused")
    assert condition(here, "Valid")["reason"] == "InvalidTemplate"
    assert (
        'unknown field "spec.template.spec.containers[0].comand"'
        in (condition(here, "Valid")["message"])
    )


def test_suspending_a_running_job_pauses_it_until_it_may_go_on(
    operator: Operator, here: Kubectl, train: Callable[..., None]
) -> None:
    """The pods are gone while it rests, and the second attempt ends the job."""
    train(UNTIL_TOLD, schedule=AT_ONCE)
    operator.start()
    until(lambda: is_true(here, "Running"), "running")
    here("patch", "tj", "net", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    until(lambda: is_true(here, "Paused"), "paused")
    until(lambda: names(here, "pods") == [], "no pods")
    until(lambda: status(here)["attempts"][0].get("outcome") == "Paused", "attempt ended")
    here("patch", "tj", "net", "--type=merge", "-p", '{"spec":{"suspend":false}}')
    tell_to_end(here)
    until(lambda: is_true(here, "Complete"), "complete")
    assert [a["outcome"] for a in status(here)["attempts"]] == ["Paused", "Complete"]
    until(lambda: "Complete" in reasons(here), "its end is told")
    told = [reason for reason in reasons(here) if reason != "SpecChanged"]
    assert told[:5] == ["Planned", "Started", "Paused", "Resumed", "Complete"]
