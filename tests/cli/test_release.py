"""`lowtide release`: what it asks kubectl for, and what it writes."""

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from standins.kubernetes import small_kubectl

from lowtide.cli import jobs, release

Run = Callable[..., Result]

HELD: dict[str, Any] = {
    "kind": "Job",
    "metadata": {
        "name": "bert",
        "namespace": "ml",
        "uid": "u-1",
        "resourceVersion": "7",
        "labels": {"lowtide.dev/held": "true"},
        "annotations": {
            "kueue.x-k8s.io/admission-gated-by": "example.com/budget,lowtide.dev/carbon"
        },
    },
    "spec": {"suspend": True},
}
TRAININGJOB = {
    "metadata": {"name": "bert-1", "namespace": "ml"},
    "status": {"target": {"uid": "u-1"}},
}


class Objects:
    """Objects of a cluster that the command's kubectl reads and writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.put({"jobs.v1.batch": [HELD], "trainingjobs.lowtide.dev": [TRAININGJOB], "pods": []})
        self.refuse({})

    def put(self, objects: dict[str, list[dict[str, Any]]]) -> None:
        """Let the cluster have these objects, by resource."""
        (self._folder / "objects.json").write_text(json.dumps(objects))

    def refuse(self, calls: dict[str, str]) -> None:
        """Let the API server refuse these calls, verb and resource, with these words."""
        (self._folder / "refused.json").write_text(json.dumps(calls))

    def one(self, resource: str, place: int = 0) -> dict[str, Any]:
        """Return an object as it is now."""
        found = json.loads((self._folder / "objects.json").read_text())[resource][place]
        return dict(found)

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every call."""
        lines = (self._folder / "calls.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    @property
    def patches(self) -> list[tuple[str, Any]]:
        """Resource and body of every patch."""
        return [
            (call[1], json.loads(part.removeprefix("--patch=")))
            for call in self.calls
            if call[0] == "patch"
            for part in call
            if part.startswith("--patch=")
        ]


@pytest.fixture
def objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """A kubectl with one held Job; nothing waits between two looks."""

    def answer(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        try:
            said = small_kubectl.main(tmp_path, command[1:])
        except SystemExit as error:
            return subprocess.CompletedProcess(command, 1, "", str(error))
        return subprocess.CompletedProcess(command, 0, said, "")

    program = tmp_path / "kubectl"
    program.touch()
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(jobs.subprocess, "run", answer)
    monkeypatch.setattr(release, "APART_SECONDS", 0.0)
    return Objects(tmp_path)


def test_all_held_workloads_are_found_by_the_mark_and_let_go(
    lowtide: Run, objects: Objects
) -> None:
    """The operator is told first; then the flag, our gate and our mark go in one write."""
    result = lowtide("release", "--all")
    assert (result.exit_code, result.output) == (0, "Job ml/bert is free\n")
    assert (objects.calls[0][:4]) == [
        "get",
        "jobs.v1.batch",
        "--all-namespaces",
        "--selector=lowtide.dev/held=true",
    ]
    assert objects.patches == [
        (
            "trainingjobs.lowtide.dev",
            {"metadata": {"annotations": {"lowtide.dev/run-now": "true"}}},
        ),
        (
            "jobs.v1.batch",
            {
                "metadata": {
                    "uid": "u-1",
                    "resourceVersion": "7",
                    "labels": {"lowtide.dev/held": None},
                    "annotations": {
                        "lowtide.dev/latest-start": None,
                        "kueue.x-k8s.io/admission-gated-by": "example.com/budget",
                    },
                },
                "spec": {"suspend": False},
            },
        ),
    ]
    assert lowtide("release", "--all").output == "nothing is held\n"


def paused_in_queue() -> dict[str, Any]:
    """A Job that was paused in a queue."""
    body = copy.deepcopy(HELD)
    body["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "ml"
    body["metadata"]["annotations"] = {"lowtide.dev/paused-in-queue": "job-bert-12345"}
    return body


def test_what_is_paused_in_a_queue_is_given_back_to_kueue_first(
    lowtide: Run, objects: Objects
) -> None:
    """Its flag is Kueue's and stays as it is; our mark goes last."""
    active = {"metadata": {"name": "job-bert-12345"}, "spec": {"active": False}}
    queue = {"workloads.kueue.x-k8s.io": [active], "trainingjobs.lowtide.dev": [], "pods": []}
    objects.put({"jobs.v1.batch": [paused_in_queue()], **queue})
    result = lowtide("release", "--all")
    assert result.exit_code == 0, result.output
    first, then = objects.patches
    assert first == ("workloads.kueue.x-k8s.io", {"spec": {"active": True}})
    assert then[0] == "jobs.v1.batch"
    assert "spec" not in then[1]
    assert then[1]["metadata"]["annotations"] == {
        "lowtide.dev/latest-start": None,
        "lowtide.dev/paused-in-queue": None,
    }


def parked_in_queue() -> dict[str, Any]:
    """A Job that was paused in a queue by an admission check."""
    body = paused_in_queue()
    body["metadata"]["annotations"] = {"lowtide.dev/parked-in-queue": "job-bert-12345/lowtide"}
    return body


def test_what_a_check_paused_in_a_queue_starts_without_its_timer(
    lowtide: Run, objects: Objects
) -> None:
    """The check becomes Ready, Kueue's timer goes, and what other checks say stays."""
    other = {"name": "provision", "state": "Ready", "message": "there"}
    mine = {"name": "lowtide", "state": "Retry", "message": "m", "requeueAfterSeconds": 9}
    queued = {
        "metadata": {"name": "job-bert-12345", "namespace": "ml", "resourceVersion": "3"},
        "spec": {},
        "status": {
            "admissionChecks": [other, mine],
            "conditions": [{"type": "Requeued", "status": "False"}],
            "requeueState": {"requeueAt": "2100-01-01T00:00:00Z", "count": 1},
        },
    }
    queue = {"workloads.kueue.x-k8s.io": [queued], "trainingjobs.lowtide.dev": [], "pods": []}
    objects.put({"jobs.v1.batch": [parked_in_queue()], **queue})
    result = lowtide("release", "--all")
    assert result.exit_code == 0, result.output
    (ready, timer), last = objects.patches[:2], objects.patches[-1]
    assert [ready[0], timer[0], last[0]] == ["workloads.kueue.x-k8s.io"] * 2 + ["jobs.v1.batch"]
    assert all(one[1]["metadata"]["resourceVersion"] == "3" for one in (ready, timer))
    status = objects.one("workloads.kueue.x-k8s.io")["status"]
    assert status["requeueState"] == {"count": 1}
    assert [one["state"] for one in status["admissionChecks"]] == ["Ready", "Ready"]
    assert status["admissionChecks"][0] == other
    assert any("--subresource=status" in call for call in objects.calls)
    notes = objects.one("jobs.v1.batch")["metadata"]["annotations"]
    assert "lowtide.dev/parked-in-queue" not in notes


@pytest.mark.parametrize("known", [True, False], ids=["its object is gone", "kueue is gone"])
@pytest.mark.parametrize("paused", [paused_in_queue, parked_in_queue])
def test_a_pause_of_a_queue_that_is_gone_leaves_no_mark(
    lowtide: Run, objects: Objects, known: bool, paused: Callable[[], dict[str, Any]]
) -> None:
    """Nothing is left that could be started."""
    queue: dict[str, Any] = {"workloads.kueue.x-k8s.io": []} if known else {}
    objects.put({"jobs.v1.batch": [paused()], "pods": [], **queue})
    assert lowtide("release", "--all").exit_code == 0
    assert "lowtide.dev/held" not in objects.one("jobs.v1.batch")["metadata"]["labels"]


def resting(lists_left: int) -> dict[str, list[dict[str, Any]]]:
    """A paused Job with a pod that is there for so many looks, and another that is held."""
    other = copy.deepcopy(HELD)
    other["metadata"] |= {"name": "gpt", "uid": "u-2"}
    labels = {"batch.kubernetes.io/controller-uid": "u-1"}
    metadata = {"name": "bert-x", "uid": "p-1", "labels": labels}
    pod = {"metadata": metadata, "status": {"phase": "Running"}, "listsLeft": lists_left}
    return {"jobs.v1.batch": [HELD, other], "trainingjobs.lowtide.dev": [], "pods": [pod]}


def test_a_paused_workload_is_let_go_when_its_last_pod_is_gone_and_the_command_waits(
    lowtide: Run, objects: Objects
) -> None:
    """Two pods would write one checkpoint; each workload is told of when it is seen to be free."""
    objects.put(resting(lists_left=6))
    result = lowtide("release", "--all")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "Job ml/bert waits: pod bert-x of it is still there",
        "Job ml/gpt is free",
        "Job ml/bert is free",
    ]
    assert objects.one("jobs.v1.batch")["spec"]["suspend"] is False


def test_what_is_still_held_at_the_end_of_the_time_is_named(lowtide: Run, objects: Objects) -> None:
    """The exit code says it too, and the others are free; a user may still insist."""
    objects.put(resting(lists_left=1000))
    result = lowtide("release", "--all", "--timeout", "0")
    assert result.exit_code == 1
    assert "Error: Job ml/bert is still held: pod bert-x of it is still there\n" in result.output
    assert objects.one("jobs.v1.batch")["spec"]["suspend"] is True
    assert objects.one("jobs.v1.batch", 1)["spec"]["suspend"] is False
    assert lowtide("release", "bert", "--at-once").exit_code == 0
    assert objects.one("jobs.v1.batch")["spec"]["suspend"] is False


def test_what_may_not_be_written_or_listed_is_named_and_the_others_are_let_go(
    lowtide: Run, objects: Objects
) -> None:
    """One refusal costs no other workload its release."""
    group = copy.deepcopy(HELD)
    group["metadata"]["uid"] = "u-2"
    kinds = {"jobs.v1.batch": [HELD], "jobsets.v1alpha2.jobset.x-k8s.io": [group]}
    objects.put({**kinds, "trainingjobs.lowtide.dev": [], "pods": []})
    objects.refuse(
        {
            "patch jobs.v1.batch": "Error from server (Forbidden): no patch",
            "get rayjobs.v1.ray.io": "Error from server (Forbidden): no list",
        }
    )
    result = lowtide("release", "--all", "--timeout", "0")
    assert result.exit_code == 1
    assert "Job ml/bert is still held: Error from server (Forbidden): no patch" in result.output
    assert "RayJobs could not be listed: Error from server (Forbidden): no list" in result.output
    assert "JobSet ml/bert is free" in result.output


def test_a_name_that_nothing_held_has_is_an_error(lowtide: Run, objects: Objects) -> None:
    """The other names are let go all the same."""
    result = lowtide("release", "bert", "gpt")
    assert result.exit_code == 1
    assert "no held workload is called gpt" in result.output
    assert objects.one("jobs.v1.batch")["spec"]["suspend"] is False


def test_kinds_that_the_cluster_does_not_know_are_passed_over(lowtide: Run, kubectl: Any) -> None:
    """Most clusters have one or two of them."""
    kubectl.fails('error: the server doesn\'t have a resource type "jobsets"')
    result = lowtide("release", "--all")
    assert (result.exit_code, result.output) == (0, "nothing is held\n")


def test_names_or_all_but_not_both(lowtide: Run) -> None:
    """A bare `lowtide release` frees nothing by accident."""
    assert lowtide("release").exit_code == 2
    assert lowtide("release", "--all", "bert").exit_code == 2
