"""A queued Job waits outside of its queue until its start is recorded."""

from typing import Any

import pytest

from lowtide import names
from lowtide.trainingjob.holding import QUEUE_LABEL
from lowtide_operator.objects.queueing import may_wait_outside, outside_of_queue, queue_to_enter

INSIDE: dict[str, Any] = {
    "metadata": {
        "name": "net-1",
        "labels": {QUEUE_LABEL: "team-a", "team": "a"},
        "annotations": {"note": "x"},
    },
    "spec": {"suspend": True},
}


def test_the_queue_moves_into_an_annotation_and_is_read_from_there() -> None:
    """Everything else stays, and the manifest that was given is not changed."""
    outside = outside_of_queue(INSIDE)
    assert outside["metadata"] == {
        "name": "net-1",
        "labels": {"team": "a"},
        "annotations": {"note": "x", names.ANNOTATION_QUEUE: "team-a"},
    }
    assert outside["spec"] == INSIDE["spec"]
    assert INSIDE["metadata"]["labels"][QUEUE_LABEL] == "team-a"
    assert queue_to_enter(outside) == "team-a"


def test_a_job_in_its_queue_has_none_to_enter() -> None:
    """Once the label is there, the flag is Kueue's."""
    entered = outside_of_queue(INSIDE)
    entered["metadata"]["labels"][QUEUE_LABEL] = "team-a"
    assert queue_to_enter(entered) == ""
    assert queue_to_enter(INSIDE) == ""


@pytest.mark.parametrize(
    ("inside", "outside", "may"),
    [
        pytest.param({}, {}, True, id="an ordinary queue"),
        pytest.param(
            {"managedBy": "kueue.x-k8s.io/multikueue"}, {}, False, id="sent to other clusters"
        ),
        pytest.param({"managedBy": "x"}, {"managedBy": "x"}, True, id="managed by the user's word"),
    ],
)
def test_a_job_that_kueue_sends_to_other_clusters_is_created_in_its_queue(
    inside: dict[str, Any], outside: dict[str, Any], may: bool
) -> None:
    """Kueue writes spec.managedBy at the creation only, and nothing can change it later."""
    queued = {**INSIDE, "spec": {**INSIDE["spec"], **inside}}
    waiting = {**outside_of_queue(INSIDE), "spec": {**INSIDE["spec"], **outside}}
    assert may_wait_outside(queued, waiting) is may


def test_a_namespace_with_a_default_queue_takes_the_job_at_once() -> None:
    """Kueue would put a Job without a queue into its default one, which may be another."""
    waiting = outside_of_queue(INSIDE)
    waiting["metadata"]["labels"][QUEUE_LABEL] = "default"
    assert may_wait_outside(INSIDE, waiting) is False
