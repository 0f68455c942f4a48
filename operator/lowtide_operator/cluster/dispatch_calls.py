"""Objects of Kueue's MultiKueue at the API server: read, and a Workload's nomination applied."""

from collections.abc import Sequence

from lowtide.trainingjob.holding import QUEUE_GROUP
from lowtide_operator.cluster.queue_calls import APPLY_PATCH
from lowtide_operator.cluster.requests import Body, Requests
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.multikueue import ADMISSION_MANAGER, QUEUED_WORKLOAD


class Dispatching(Requests):
    """What the dispatcher reads and writes."""

    async def multikueue_objects(self, plural: str) -> Sequence[Body]:
        """Return all objects of a cluster-wide resource of Kueue, such as `multikueueclusters`.

        Raises:
            ClusterError: the API server did not answer, or the operator may not list them.
        """
        path = f"/apis/{QUEUE_GROUP}/{QUEUED_WORKLOAD.version}/{plural}"
        return [one async for page in self._pages(path) for one in page.get("items") or ()]

    async def nominate(self, key: Key, patch: Body) -> Body | None:
        """Apply a nomination to a Workload's status; `None` if the Workload is gone.

        Raises:
            ConflictError: it has changed since it was read.
            ClusterError: the API server did not answer, or the operator may not write it.
        """
        return await self._absent_if_404(
            self._objects.patch_namespaced_custom_object_status(
                QUEUE_GROUP,
                QUEUED_WORKLOAD.version,
                key.namespace,
                QUEUED_WORKLOAD.plural,
                key.name,
                patch,
                field_manager=ADMISSION_MANAGER,
                force=True,
                _content_type=APPLY_PATCH,
                # Kueue has one dispatcher for all namespaces, whoever runs the jobs of one.
                _request_timeout=self._leader_timeout(),
            )
        )
