"""Requests for the Lease by which an installation claims a namespace."""

from typing import Any

from lowtide import names
from lowtide_operator.cluster.errors import NotFoundError
from lowtide_operator.cluster.requests import Body, Requests

LEASES = ("coordination.k8s.io", "v1")


class ClaimCalls(Requests):
    """Reads and writes of claims; a standby writes none."""

    async def get_lease(self, namespace: str) -> Body | None:
        """Return the Lease of a namespace, `None` if there is none.

        Raises:
            ClusterError: the API server did not answer, or the operator may not read it.
        """
        return await self._absent_if_404(
            self._objects.get_namespaced_custom_object(
                *LEASES, namespace, "leases", names.CLAIM, _request_timeout=self._timeout
            )
        )

    async def create_lease(self, namespace: str, spec: dict[str, Any]) -> Body:
        """Create the Lease.

        Raises:
            ConflictError: there is one.
            NotFoundError: there is no such namespace.
        """
        labels = {names.LABEL_MANAGED_BY: names.MANAGED_BY}
        metadata = {"name": names.CLAIM, "namespace": namespace, "labels": labels}
        kind = {"apiVersion": "/".join(LEASES), "kind": "Lease"}
        return await self._call(
            self._objects.create_namespaced_custom_object(
                *LEASES,
                namespace,
                "leases",
                {**kind, "metadata": metadata, "spec": spec},
                field_manager=names.FIELD_MANAGER,
                _request_timeout=self._leader_timeout(),
            )
        )

    async def replace_lease(self, lease: Body) -> Body:
        """Write the Lease, if it is still the version that was read.

        Raises:
            ConflictError: it has changed.
            NotFoundError: it is gone.
        """
        found = await self._absent_if_404(
            self._objects.replace_namespaced_custom_object(
                *LEASES,
                lease["metadata"]["namespace"],
                "leases",
                names.CLAIM,
                lease,
                field_manager=names.FIELD_MANAGER,
                _request_timeout=self._leader_timeout(),
            )
        )
        if found is None:
            raise NotFoundError("the Lease is gone", status=404)
        return found
