"""Manifest of the batch/v1 Job of a TrainingJob, made from the user's template.

Only what Lowtide needs is added, and only where the user has not set it. The same TrainingJob
always gives the same name, so the API server refuses to create it twice.
"""

from collections.abc import Mapping
from typing import Any, Final

from lowtide import names
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.views import API_VERSION

Manifest = dict[str, Any]

KEEP_FINISHED_SECONDS: Final = 3_600
"""Least time a finished Job is kept, so that its end and its report can be read."""

DISRUPTIONS_EXCUSED: Final = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
EXIT_CODE_TERMINATED: Final = 143
"""Exit code of a process ended by SIGTERM (128 + 15): its pod was removed, it did not crash."""
STOPS_EXCUSED: Final = {
    "action": "Ignore",
    "onExitCodes": {
        "operator": "In",
        "values": [names.EXIT_CODE_PAUSED, EXIT_CODE_TERMINATED],
    },
}
DEFAULT_RETRIES: Final = 1
"""One retry: a pod deleted by hand counts as a failure too, but each retry costs energy."""


def job_manifest(
    key: Key, uid: str, template: Mapping[str, Any], *, attempt: int, settle_seconds: float
) -> Manifest:
    """Return the Job to create for one attempt, suspended until its start is recorded.

    Added are labels, the controller reference, environment variables and, where the template
    leaves them open: `restartPolicy: Never`, `backoffLimit: 1` (unless retries are counted per
    index) and a podFailurePolicy that excuses disruptions, pauses and pods that were told to stop
    (unless podReplacementPolicy excludes one). `ttlSecondsAfterFinished` is raised so that the Job
    outlives the last energy reading. A template of the wrong shape is passed on for the API server
    to refuse.
    """
    labels = {
        names.LABEL_MANAGED_BY: names.MANAGED_BY,
        names.LABEL_TRAININGJOB: key.name,
        names.LABEL_TRAININGJOB_UID: uid,
        names.LABEL_ATTEMPT: str(attempt),
    }
    # Only what is changed is copied: a template may hold megabytes.
    copy = dict(template)
    metadata = _mapping(copy, "metadata")
    spec = _mapping(copy, "spec")
    pod_template = _mapping(spec, "template")
    pod_metadata = _mapping(pod_template, "metadata")
    pod_metadata["labels"] = _with_labels(pod_metadata, labels)
    pod = _mapping(pod_template, "spec")
    pod.setdefault("restartPolicy", "Never")
    if "backoffLimitPerIndex" not in spec:
        spec.setdefault("backoffLimit", DEFAULT_RETRIES)
    if pod["restartPolicy"] == "Never" and spec.get("podReplacementPolicy") in (None, "Failed"):
        spec.setdefault("podFailurePolicy", {"rules": [DISRUPTIONS_EXCUSED, STOPS_EXCUSED]})
    if isinstance(spec.get("ttlSecondsAfterFinished"), int):
        least = KEEP_FINISHED_SECONDS + round(settle_seconds)
        spec["ttlSecondsAfterFinished"] = max(spec["ttlSecondsAfterFinished"], least)
    spec["suspend"] = True
    _add_environment(pod, key, attempt)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            **({"annotations": metadata["annotations"]} if metadata.get("annotations") else {}),
            "name": child_name(key, attempt),
            "namespace": key.namespace,
            "labels": _with_labels(metadata, labels),
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": names.KIND,
                    "name": key.name,
                    "uid": uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": spec,
    }


def _with_labels(metadata: Manifest, ours: Mapping[str, str]) -> Any:
    """Return the labels with ours; anything but a mapping is left for the API server to refuse."""
    labels = metadata.get("labels")
    return {**(labels or {}), **ours} if labels is None or isinstance(labels, dict) else labels


def _add_environment(pod: Manifest, key: Key, attempt: int) -> None:
    """Name the job to the first container, unless the user has set the same variable."""
    containers = pod.get("containers")
    if not isinstance(containers, list) or not containers or not isinstance(containers[0], dict):
        return
    variables = containers[0].get("env") or []
    if not isinstance(variables, list):
        return
    known = {variable.get("name") for variable in variables if isinstance(variable, dict)}
    ours = {
        names.ENV_TRAININGJOB: key.name,
        names.ENV_NAMESPACE: key.namespace,
        names.ENV_ATTEMPT: str(attempt),
    }
    added = [{"name": name, "value": value} for name, value in ours.items() if name not in known]
    pod["containers"] = [{**containers[0], "env": [*added, *variables]}, *containers[1:]]


def _mapping(parent: Manifest, field: str) -> Manifest:
    """Return a copy of the mapping under `field` in its place, added if absent.

    Another type under that name is left for the API server to refuse; changes to the returned
    mapping are then lost.
    """
    value = parent.get(field)
    if value is None:
        value = {}
    if isinstance(value, dict):
        value = parent[field] = dict(value)
    return value if isinstance(value, dict) else {}


def child_name(key: Key, attempt: int = 1) -> str:
    """Return the name of the batch Job of an attempt."""
    return f"{key.name}-{attempt}"
