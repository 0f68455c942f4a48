"""Lists of objects, in pages of bounded size."""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from lowtide import names
from lowtide_operator.cluster.requests import Body, Requests

METADATA_ONLY: Final = (
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)


class ObjectIdentity(NamedTuple):
    """Which object, and which version of it."""

    namespace: str
    name: str
    uid: str
    version: str


class Listings(Requests):
    """What the operator lists."""

    async def serves_training_jobs(self, namespace: str | None) -> bool:
        """Return whether the API server knows TrainingJobs, in a namespace or at all.

        Raises:
            ClusterError: it did not answer, or the operator may not list them.
        """
        if namespace is None:
            call = self._objects.list_cluster_custom_object(
                names.GROUP, names.VERSION, names.PLURAL, limit=1, _request_timeout=self._timeout
            )
        else:
            call = self._objects.list_namespaced_custom_object(
                names.GROUP,
                names.VERSION,
                namespace,
                names.PLURAL,
                limit=1,
                _request_timeout=self._timeout,
            )
        return await self._absent_if_404(call) is not None

    async def served_schemas(self) -> Body:
        """Return the OpenAPI document of TrainingJobs; empty where the server has none.

        Raises:
            ClusterError: it did not answer, or the operator may not read it.
        """
        path = f"/openapi/v3/apis/{names.GROUP}/{names.VERSION}"
        return await self._absent_if_404(self._read(path)) or {}

    async def list_training_jobs(self, namespace: str | None) -> list[ObjectIdentity]:
        """Return the identities of the TrainingJobs of a namespace, or of all.

        Raises:
            ClusterError: the API server did not answer, or the operator may not list them.
        """
        return await self._identities(f"{names.GROUP}/{names.VERSION}", names.PLURAL, namespace)

    async def list_jobs(self, namespace: str | None, label: str) -> list[ObjectIdentity]:
        """Return the identities of the batch Jobs with a label.

        Raises:
            ClusterError: the API server did not answer, or the operator may not list them.
        """
        return await self._identities("batch/v1", "jobs", namespace, ("labelSelector", label))

    async def _identities(
        self, api: str, plural: str, namespace: str | None, *query: tuple[str, str]
    ) -> list[ObjectIdentity]:
        where = "" if namespace is None else f"/namespaces/{namespace}"
        path = f"/apis/{api}{where}/{plural}"
        return [
            ObjectIdentity(m["namespace"], m["name"], m["uid"], m.get("resourceVersion", ""))
            async for page in self._pages(path, *query, accept=METADATA_ONLY)
            for item in page.get("items") or ()
            for m in (item["metadata"],)
        ]

    async def list_pods(self, namespace: str, trainingjob_uid: str) -> list[Body]:
        """Return the pods that carry the label of one TrainingJob."""
        selector = f"{names.LABEL_TRAININGJOB_UID}={trainingjob_uid}"
        answer = await self._call(self._list_core("pods", namespace, selector))
        return list(answer.get("items") or ())

    async def list_pods_selected(self, namespace: str, selector: str) -> list[Body]:
        """Return the pods of a namespace that a label selector finds."""
        return list((await self._call(self._list_core("pods", namespace, selector)))["items"] or ())

    async def list_nodes(self) -> list[Body]:
        """Return all nodes.

        Raises:
            ClusterError: the API server did not answer, or the operator may not list nodes.
        """
        answer = await self._call(self._read("/api/v1/nodes"))
        return list(answer.get("items") or ())

    async def scheduled_pods(self) -> AsyncIterator[Body]:
        """Yield the pods of all namespaces that are on a node and have not ended.

        Raises:
            ClusterError: the API server did not answer, or the operator may not list them.
        """
        on_a_node = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"
        async for page in self._pages("/api/v1/pods", ("fieldSelector", on_a_node)):
            for pod in page.get("items") or ():
                yield pod

    async def _list_core(self, plural: str, namespace: str, selector: str) -> Body:
        """Return a list of the core API, which `CustomObjectsApi` does not reach."""
        return await self._read(
            f"/api/v1/namespaces/{{namespace}}/{plural}",
            path_params={"namespace": namespace},
            query_params=[("labelSelector", selector)],
        )
