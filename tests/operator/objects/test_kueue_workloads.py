"""Kueue's own objects as Kueue 0.17 wrote them, in both versions that it serves.

They were read from the test cluster's API server while the demonstration of workloads ran with the
real Kueue; names and uids are as they were, commands and images of the pods are shortened.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from lowtide.trainingjob.holding import GATES, OUR_GATE, QUEUE_GROUP
from lowtide_operator.cluster.queue_calls import JOB_UID_LABEL, QUEUE_VERSIONS
from lowtide_operator.objects.workloads import queue_view

RECORDED: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "kueue_workloads.json").read_text(encoding="utf-8")
)
"""A situation, then a version, to the object."""


@pytest.mark.parametrize("situation", RECORDED)
@pytest.mark.parametrize("version", QUEUE_VERSIONS)
def test_kueues_object_is_found_and_read_in_each_version(situation: str, version: str) -> None:
    """By the uid of the Job that controls it; it is active unless Lowtide switched it off."""
    body = RECORDED[situation][version]
    assert body["apiVersion"] == f"{QUEUE_GROUP}/{version}"
    (owner,) = body["metadata"]["ownerReferences"]
    assert body["metadata"]["labels"][JOB_UID_LABEL] == owner["uid"]
    view = queue_view(body, by_active=True, check="lowtide")
    assert view is not None
    assert view.checked is None
    assert view.name == body["metadata"]["name"]
    assert view.active is (situation != "paused")


def test_a_gated_job_is_told_from_one_that_waits_for_quota_by_kueue_itself() -> None:
    """Kueue copies our gate and gives it as the reason; nothing is reserved."""
    body = RECORDED["gated"][QUEUE_VERSIONS[0]]
    assert body["metadata"]["annotations"][GATES] == OUR_GATE
    (condition,) = body["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("QuotaReserved", "False")
    assert condition["reason"] == "AdmissionGated"
    assert OUR_GATE in condition["message"]


def test_quota_is_short_only_where_kueue_says_so_of_what_it_has_now() -> None:
    """A verdict on an earlier size, or of an eviction before, has an older generation."""
    said = {"type": "QuotaReserved", "status": "False", "reason": "Pending"}
    body: dict[str, Any] = {
        "metadata": {"name": "job-bert", "generation": 3},
        "spec": {"active": True},
        "status": {"conditions": [{**said, "observedGeneration": 3}]},
    }

    def is_short() -> bool:
        view = queue_view(body, by_active=True, check="")
        return view is not None and view.short

    assert is_short()
    body["status"]["conditions"][0]["observedGeneration"] = 2
    assert not is_short()
    body["status"]["conditions"][0] |= {"observedGeneration": 3, "reason": "AdmissionGated"}
    assert not is_short()


@pytest.mark.parametrize("version", QUEUE_VERSIONS)
def test_a_workload_is_paused_by_a_check_only_where_its_queue_asks_for_it(version: str) -> None:
    """And only where the right to write `active` is not given."""
    body = RECORDED["admitted"][version]
    assert queue_view(body, by_active=False, check="lowtide") is None
    checks = [{"name": "lowtide", "state": "Ready"}]
    body = {**body, "status": {**body["status"], "admissionChecks": checks}}
    view = queue_view(body, by_active=False, check="lowtide")
    assert view is not None
    assert (view.check, view.checked is not None) == ("lowtide", True)
