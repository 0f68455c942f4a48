"""Kueue's object for a workload: found, switched off and on again, and our check of it.

Kueue lets go of a workload whose `spec.active` is false, as it does for a preemption, and takes it
into the queue again when it is true. It is one write, and Kueue stays the one that starts it. What
is written of a check is decided in `lowtide.trainingjob.queue_writes`.
"""

from datetime import datetime
from typing import Any, Final

from lowtide import names
from lowtide.trainingjob.holding import QUEUE_GROUP, QUEUE_PLURAL
from lowtide.trainingjob.queue_check import QueuedWorkload, queued_workload
from lowtide.trainingjob.queue_writes import (
    ForgetTimer,
    QueueWrite,
    applied,
    next_write,
    without_timer,
)
from lowtide_operator.cluster.requests import MERGE_PATCH, Body, Requests

QUEUE_VERSIONS: Final = ("v1beta2", "v1beta1")
"""Versions that are understood, the preferred one first; both have `spec.active` and checks."""
CHECKS_PLURAL: Final = "admissionchecks"
APPLY_PATCH: Final = "application/apply-patch+yaml"
MOST_WRITES: Final = 4
"""Writes that follow one another when a workload is let go."""
JOB_UID_LABEL: Final = f"{QUEUE_GROUP}/job-uid"
MOST_OBJECTS: Final = 50
"""Kueue's objects of one workload that are looked at; those that were replaced are finished."""


class Queues(Requests):
    """Workloads of Kueue, in the version that the API server serves."""

    _queue_version: str = ""

    async def queued_object(self, namespace: str, uid: str) -> Body | None:
        """Return Kueue's object for the workload with this uid; `None` where there is none.

        Of an elastic job of Kueue, whose objects replace one another, it is the last one.

        Raises:
            ClusterError: the API server did not answer, or the operator may not read it.
        """
        version = await self.version_of_queues()
        if not version:
            return None
        path = f"/apis/{QUEUE_GROUP}/{version}/namespaces/{namespace}/{QUEUE_PLURAL}"
        query = [("labelSelector", f"{JOB_UID_LABEL}={uid}"), ("limit", str(MOST_OBJECTS))]
        found = await self._absent_if_404(self._read(path, query_params=query))
        if found is None:
            self.forget_version_of_queues()
            return None
        items = [dict(one) for one in found.get("items") or ()]
        return max(items, key=_newness, default=None)

    async def set_active(self, namespace: str, name: str, *, active: bool) -> Body | None:
        """Let Kueue start a workload again, or make it let go of it; `None` if it is gone.

        Raises:
            ClusterError: the API server did not answer, or the operator may not write it.
        """
        version = await self.version_of_queues()
        if not version:
            return None
        return await self._absent_if_404(
            self._objects.patch_namespaced_custom_object(
                QUEUE_GROUP,
                version,
                namespace,
                QUEUE_PLURAL,
                name,
                {"spec": {"active": active}},
                field_manager=names.FIELD_MANAGER,
                _content_type=MERGE_PATCH,
                _request_timeout=await self._write_timeout(namespace),
            )
        )

    async def queued(self, namespace: str, name: str, check: str) -> QueuedWorkload | None:
        """Return Kueue's object of this name, with our check; `None` where there is none.

        Raises:
            ClusterError: the API server did not answer, or the operator may not read it.
        """
        version = await self.version_of_queues()
        path = f"/apis/{QUEUE_GROUP}/{version}/namespaces/{namespace}/{QUEUE_PLURAL}/{name}"
        found = await self._absent_if_404(self._read(path)) if version else None
        return None if found is None else queued_workload(found, check)

    async def write_check(
        self, seen: QueuedWorkload, write: QueueWrite, check: str, now: datetime
    ) -> Body | None:
        """Make a write of the status of Kueue's object; `None` if it is gone.

        Raises:
            ConflictError: it changed since it was seen.
            ClusterError: the API server did not answer, or the operator may not write it.
        """
        version = await self.version_of_queues()
        if not version:
            return None
        forced: dict[str, Any] = {"_content_type": MERGE_PATCH}
        patch = without_timer(seen)
        if not isinstance(write, ForgetTimer):
            forced = {"_content_type": APPLY_PATCH, "force": True}
            patch = applied(write, seen, version, check, now)
        return await self._absent_if_404(
            self._objects.patch_namespaced_custom_object_status(
                QUEUE_GROUP,
                version,
                seen.namespace,
                QUEUE_PLURAL,
                seen.name,
                patch,
                field_manager=names.FIELD_MANAGER,
                # No claim: a workload of a namespace that another installation serves needs Ready
                # too, and a pause is begun by a look that has the claim.
                _request_timeout=self._leader_timeout(),
                **forced,
            )
        )

    async def let_start(self, namespace: str, name: str, check: str, now: datetime) -> None:
        """Let Kueue start a workload that was paused by our check, as soon as its queue has room.

        Raises:
            ConflictError: it changed in between.
            ClusterError: the API server did not answer, or the operator may not write it.
        """
        for _ in range(MOST_WRITES):
            seen = await self.queued(namespace, name, check)
            write = None if seen is None else next_write(seen, None, now)
            if seen is None or write is None:
                return
            await self.write_check(seen, write, check, now)

    async def get_check(self, check: str) -> Body | None:
        """Return an AdmissionCheck, or `None` if there is none.

        Raises:
            ClusterError: the API server did not answer, or the operator may not read it.
        """
        version = await self.version_of_queues()
        if not version:
            return None
        return await self._absent_if_404(
            self._objects.get_cluster_custom_object(
                QUEUE_GROUP, version, CHECKS_PLURAL, check, _request_timeout=self._timeout
            )
        )

    async def apply_check(self, check: str, status: Body) -> Body | None:
        """Apply the status of an AdmissionCheck; `None` if it is gone.

        Raises:
            ClusterError: the API server did not answer, or the operator may not write it.
        """
        version = await self.version_of_queues()
        if not version:
            return None
        body = {
            "apiVersion": f"{QUEUE_GROUP}/{version}",
            "kind": "AdmissionCheck",
            "metadata": {"name": check},
            "status": status,
        }
        return await self._absent_if_404(
            self._objects.patch_cluster_custom_object_status(
                QUEUE_GROUP,
                version,
                CHECKS_PLURAL,
                check,
                body,
                field_manager=names.FIELD_MANAGER,
                force=True,
                _content_type=APPLY_PATCH,
                _request_timeout=self._leader_timeout(),
            )
        )

    def forget_version_of_queues(self) -> None:
        """Ask again which version is served: Kueue was removed, or serves another one now."""
        self._queue_version = ""

    async def version_of_queues(self) -> str:
        """Return the version of Kueue's API that is served and understood; empty without one."""
        if not self._queue_version:
            group = await self._absent_if_404(self._read(f"/apis/{QUEUE_GROUP}"))
            served = {one.get("version") for one in (group or {}).get("versions") or ()}
            self._queue_version = next((one for one in QUEUE_VERSIONS if one in served), "")
        return self._queue_version


def _newness(body: Body) -> tuple[bool, str]:
    """Return what sorts Kueue's objects of a workload: those that have not finished come last."""
    said = (body.get("status") or {}).get("conditions") or ()
    finished = any(one.get("type") == "Finished" and one.get("status") == "True" for one in said)
    return (not finished, str(body["metadata"].get("creationTimestamp") or ""))
