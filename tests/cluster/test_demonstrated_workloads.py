"""Workloads of `tests/cluster/demo.py --workloads`, as the operator reads them; no cluster."""

from typing import Any

import pytest
from demonstration import stage, workloads

from lowtide import names
from lowtide.trainingjob.workload_kinds import KINDS
from lowtide_operator.objects.opt_in import wanted_trainingjob
from lowtide_operator.objects.workloads import gpus_of

OURS = workloads.manifests("image:1")


@pytest.mark.parametrize("manifest", OURS, ids=lambda one: one["kind"])
def test_a_demonstrated_workload_asks_for_what_the_operator_understands(manifest) -> None:
    """30 s of work within 180 s, by one label and two annotations; none is a TrainingJob."""
    kind = next(kind for kind in KINDS if kind.kind == manifest["kind"])
    stored = {**manifest, "metadata": {**manifest["metadata"], "uid": "u-1"}}

    wanted = wanted_trainingjob(kind, stored, {})

    assert names.ANNOTATION_FAULT not in wanted["metadata"]["annotations"]
    assert wanted["spec"]["schedule"]["expectedDurationSeconds"] == 30
    assert wanted["spec"]["schedule"]["maxDelaySeconds"] == 180
    assert wanted["spec"]["targetRef"]["kind"] == manifest["kind"]


def test_only_the_job_is_queued_and_its_queue_has_the_node_s_gpus() -> None:
    """Kueue does not manage what names no queue."""
    queued = [
        one["kind"] for one in OURS if "kueue.x-k8s.io/queue-name" in one["metadata"]["labels"]
    ]
    (groups,) = [
        one["spec"]["resourceGroups"]
        for one in workloads.queue_of(stage.GPUS)
        if one["kind"] == "ClusterQueue"
    ]

    assert queued == ["Job"]
    assert groups[0]["flavors"][0]["resources"][0]["nominalQuota"] == stage.GPUS == 2


def test_the_workloads_need_more_gpus_than_there_are_and_their_turns_are_told() -> None:
    """4 of 2: each with its GPUs, its planned start and the start of its last pod."""

    def job(kind: str, gpus: int, start: str, *pods: str) -> dict[str, Any]:
        day = "2026-11-30T"
        return {
            "status": {
                "target": {"kind": kind, "name": kind.lower(), "gpus": gpus},
                "plan": {"start": f"{day}{start}"},
                "attempts": [{"pods": [{"start": f"{day}{pod}"} for pod in pods]}],
            }
        }

    needed = [
        gpus_of(kind, manifest).total
        for manifest in OURS
        for kind in KINDS
        if kind.kind == manifest["kind"]
    ]
    told = workloads.turns(
        [
            job("PyTorchJob", 2, "10:01:00Z", "10:01:02Z", "10:01:03Z"),
            job("JobSet", 1, "10:00:00Z", "10:00:01Z"),
        ]
    )

    assert sum(needed) == 4 > stage.GPUS
    assert told.splitlines() == [
        "3 GPUs are wanted and the node has 2, so they took turns:",
        "JobSet jobset: 1 GPUs, planned for 10:00:00Z, ran from 10:00:01Z",
        "PyTorchJob pytorchjob: 2 GPUs, planned for 10:01:00Z, ran from 10:01:03Z",
    ]
