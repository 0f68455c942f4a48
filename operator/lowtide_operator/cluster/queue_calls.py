"""Kueue's object for a workload: found, switched off and on again.

Kueue lets go of a workload whose `spec.active` is false, as it does for a preemption, and takes it
into the queue again when it is true. It is one write, and Kueue stays the one that starts it.
"""

from typing import Final

from lowtide import names
from lowtide.trainingjob.holding import QUEUE_GROUP, QUEUE_PLURAL
from lowtide_operator.cluster.requests import MERGE_PATCH, Body, Requests

QUEUE_VERSIONS: Final = ("v1beta2", "v1beta1")
"""Versions that are understood, the preferred one first; both have `spec.active`."""
JOB_UID_LABEL: Final = f"{QUEUE_GROUP}/job-uid"


class Queues(Requests):
    """Workloads of Kueue, in the version that the API server serves."""

    _queue_version: str = ""

    async def queued_object(self, namespace: str, uid: str) -> Body | None:
        """Return Kueue's object for the workload with this uid; `None` where there is none.

        Raises:
            ClusterError: the API server did not answer, or the operator may not read it.
        """
        version = await self._version_of_queues()
        if not version:
            return None
        path = f"/apis/{QUEUE_GROUP}/{version}/namespaces/{namespace}/{QUEUE_PLURAL}"
        query = [("labelSelector", f"{JOB_UID_LABEL}={uid}"), ("limit", "2")]
        found = await self._absent_if_404(self._read(path, query_params=query))
        if found is None:
            self._queue_version = ""  # Kueue was removed, or serves another version now.
            return None
        items = found.get("items") or ()
        return dict(items[0]) if items else None

    async def set_active(self, namespace: str, name: str, *, active: bool) -> Body | None:
        """Let Kueue start a workload again, or make it let go of it; `None` if it is gone.

        Raises:
            ClusterError: the API server did not answer, or the operator may not write it.
        """
        version = await self._version_of_queues()
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
                _request_timeout=self._write_timeout(),
            )
        )

    async def _version_of_queues(self) -> str:
        """Return the version of Kueue's API that is served and understood; empty without one."""
        if not self._queue_version:
            group = await self._absent_if_404(self._read(f"/apis/{QUEUE_GROUP}"))
            served = {one.get("version") for one in (group or {}).get("versions") or ()}
            self._queue_version = next((one for one in QUEUE_VERSIONS if one in served), "")
        return self._queue_version
