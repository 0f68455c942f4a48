"""Rights of the operator: what the chart grants is what a job's whole life needs."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

JOBS = ("batch/v1", "jobs")
TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
HELPERS = Path(__file__).resolve().parents[2] / "charts/lowtide/templates/_helpers.tpl"
LEASE = {"leaseNamespace": "default", "leaseSeconds": 240, "leaseRetrySeconds": 1}
NEVER_ASKED = {("update", "lowtide.dev", "trainingjobs/finalizers")}
"""The API server itself looks for this right when a Job names its TrainingJob as the owner."""
CALLED_WHEN_REPLACED = {("get", "batch", "jobs")}
"""A Job of the same name that is already there is read; tests/operator/test_faults.py does that."""


def granted() -> set[tuple[str, str, str]]:
    """Verb, group and resource of every right that the chart gives the operator."""
    block = re.search(
        r'define "lowtide.operator.rules" -\}\}\n(.*?)\{\{- end', HELPERS.read_text(), re.S
    )
    assert block is not None
    return {
        (verb, group, resource)
        for rule in yaml.safe_load(block.group(1))
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def state(api: Any) -> str | None:
    """Return the state of the job as its columns show it."""
    status: dict[str, Any] = api.get(TRAININGJOBS, "net").get("status") or {}
    return (status.get("display") or {}).get("state")


async def test_the_operator_is_granted_what_it_calls_and_nothing_else(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """A job waits for its pods, is suspended, resumed, ended, measured and deleted."""
    api.create(TRAININGJOBS, training_job(schedule={"policy": "Immediate"}))
    async with operator(cluster=LEASE):
        await api.until(lambda: api.get(JOBS, "net-1"))
        await api.until(lambda: ("list", "events.k8s.io", "events") in api.calls)
        api.run_pod("net-1")
        api.change(TRAININGJOBS, "net", {"spec": {"suspend": True}})
        await api.until(lambda: api.get(JOBS, "net-1")["spec"].get("suspend"))
        api.end_job("net-1")
        await api.until(lambda: state(api) == "Complete")
        api.change(TRAININGJOBS, "net", {"spec": {"ttlSecondsAfterFinished": 0}})
        await api.until(lambda: api.get(TRAININGJOBS, "net") is None)
        await api.until(lambda: ("update", "coordination.k8s.io", "leases") in api.calls)

    used = {call for call in api.calls if call[2] in {right[2] for right in granted()}}
    assert used <= granted()
    assert granted() - used - CALLED_WHEN_REPLACED == NEVER_ASKED
