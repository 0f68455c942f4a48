"""`lowtide release`: what it asks kubectl for, and what it writes."""

import json
from collections.abc import Callable
from typing import Any

from click.testing import Result

Run = Callable[..., Result]

HELD = {
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
    "status": {"target": {"uid": "u-1"}},
}


def patches(kubectl: Any) -> list[tuple[str, Any]]:
    """Resource and body of every patch."""
    return [
        (call[1], json.loads(part.removeprefix("--patch=")))
        for call in kubectl.calls
        if call[0] == "patch"
        for part in call
        if part.startswith("--patch=")
    ]


def test_all_held_workloads_are_found_by_the_mark_and_let_go(lowtide: Run, kubectl: Any) -> None:
    """The operator is told first; then the flag, our gate and our mark go in one write."""
    kubectl.answers({**HELD, "items": [HELD]})
    result = lowtide("release", "--all")
    assert result.exit_code == 0, result.output
    assert (kubectl.calls[0][:4]) == [
        "get",
        "jobs.v1.batch",
        "--all-namespaces",
        "--selector=lowtide.dev/held=true",
    ]
    resource, told = patches(kubectl)[0]
    assert resource == "trainingjobs.lowtide.dev"
    assert told == {"metadata": {"annotations": {"lowtide.dev/run-now": "true"}}}
    assert (
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
    ) in patches(kubectl)


def test_what_is_paused_in_a_queue_is_given_back_to_kueue_first(lowtide: Run, kubectl: Any) -> None:
    """Its flag is Kueue's and stays as it is; our mark goes last."""
    labels = {"lowtide.dev/held": "true", "kueue.x-k8s.io/queue-name": "ml"}
    notes = {"lowtide.dev/paused-in-queue": "job-bert-12345"}
    body = {**HELD, "metadata": {**HELD["metadata"], "labels": labels, "annotations": notes}}
    kubectl.answers({**body, "items": [body]})
    result = lowtide("release", "--all")
    assert result.exit_code == 0, result.output
    first, then = [one for one in patches(kubectl) if not one[0].startswith("trainingjobs")][:2]
    assert first == ("workloads.kueue.x-k8s.io", {"spec": {"active": True}})
    assert then[0] == "jobs.v1.batch"
    assert "spec" not in then[1]
    assert then[1]["metadata"]["annotations"] == {
        "lowtide.dev/latest-start": None,
        "lowtide.dev/paused-in-queue": None,
    }


def test_a_name_that_nothing_held_has_is_an_error(lowtide: Run, kubectl: Any) -> None:
    """The other names are let go all the same."""
    kubectl.answers({**HELD, "items": [HELD]})
    result = lowtide("release", "bert", "gpt")
    assert result.exit_code == 1
    assert "no held workload is called gpt" in result.output
    assert patches(kubectl)


def test_kinds_that_the_cluster_does_not_know_are_passed_over(lowtide: Run, kubectl: Any) -> None:
    """Most clusters have one or two of them."""
    kubectl.fails('error: the server doesn\'t have a resource type "jobsets"')
    result = lowtide("release", "--all")
    assert (result.exit_code, result.output) == (0, "nothing is held\n")


def test_names_or_all_but_not_both(lowtide: Run) -> None:
    """A bare `lowtide release` frees nothing by accident."""
    assert lowtide("release").exit_code == 2
    assert lowtide("release", "--all", "bert").exit_code == 2
