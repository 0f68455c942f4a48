"""Client of the API server: no other room talks to it.

Bodies are plain dicts through `CustomObjectsApi`, because the typed client rejects pod fields that
are newer than itself; pods, which that class does not reach, are listed through the same
`ApiClient`. Here are TrainingJobs, their Jobs and Events; the classes below have the rest.
"""

from collections.abc import Mapping
from typing import Any, Final

from kubernetes.aio import client

from lowtide import names
from lowtide.trainingjob.holding import QUEUE_LABEL
from lowtide_operator.cluster.dispatch_calls import Dispatching
from lowtide_operator.cluster.errors import AlreadyExistsError, ConflictError
from lowtide_operator.cluster.listings import Listings
from lowtide_operator.cluster.queue_calls import Queues
from lowtide_operator.cluster.requests import MERGE_PATCH, Body
from lowtide_operator.cluster.reviews import Reviews
from lowtide_operator.cluster.workload_calls import Workloads
from lowtide_operator.objects.key import Key

EVENTS_READ: Final = 50
"""Events of one Job that are read at most."""


class Cluster(Listings, Workloads, Queues, Dispatching, Reviews):
    """Reads and writes of the operator."""

    async def get_training_job(self, key: Key) -> Body | None:
        """Return the whole TrainingJob, or `None` if it is gone."""
        return await self._absent_if_404(
            self._objects.get_namespaced_custom_object(
                names.GROUP,
                names.VERSION,
                key.namespace,
                names.PLURAL,
                key.name,
                _request_timeout=self._timeout,
            )
        )

    async def write_status(self, key: Key, status: Mapping[str, Any], version: str) -> Body | None:
        """Replace the status, if the object still has `version`; nothing else of it changes.

        Returns the object as it is now, or `None` if it is gone.

        Raises:
            ConflictError: the object has changed since `version`.
        """
        body = {
            "apiVersion": f"{names.GROUP}/{names.VERSION}",
            "kind": names.KIND,
            "metadata": {
                "namespace": key.namespace,
                "name": key.name,
                "resourceVersion": version,
            },
            "status": dict(status),
        }
        return await self._absent_if_404(
            self._objects.replace_namespaced_custom_object_status(
                names.GROUP,
                names.VERSION,
                key.namespace,
                names.PLURAL,
                key.name,
                body,
                field_manager=names.FIELD_MANAGER,
                _content_type="application/json",
                _request_timeout=await self._write_timeout(key.namespace),
            )
        )

    async def get_job(self, namespace: str, name: str) -> Body | None:
        """Return a batch Job, or `None` if there is none."""
        return await self._absent_if_404(
            self._objects.get_namespaced_custom_object(
                "batch", "v1", namespace, "jobs", name, _request_timeout=self._timeout
            )
        )

    async def create_job(self, manifest: Body, *, dry_run: bool = False) -> Body:
        """Create a batch Job, or only ask whether it would be accepted; return it as stored.

        Raises:
            AlreadyExistsError: there is a Job of this name.
            RefusedError: the manifest is not acceptable.
        """
        return await self._create("batch", "jobs", manifest, dry_run=dry_run)

    async def create_event(self, manifest: Body) -> None:
        """Record an Event; one of the same name is the same Event and is left alone."""
        try:
            await self._create("events.k8s.io", "events", manifest)
        except AlreadyExistsError:
            return

    async def delete_training_job(self, key: Key, uid: str) -> None:
        """Delete a TrainingJob and what it owns; another one of the same name is left alone."""
        try:
            await self._absent_if_404(
                self._objects.delete_namespaced_custom_object(
                    names.GROUP,
                    names.VERSION,
                    key.namespace,
                    names.PLURAL,
                    key.name,
                    propagation_policy="Background",
                    body=client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=uid)),
                    _request_timeout=await self._write_timeout(key.namespace),
                )
            )
        except ConflictError:
            return

    async def creation_failures(self, namespace: str, job_uid: str) -> list[Body]:
        """Return the Events by which the Job controller says that it cannot create pods."""
        path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
        selector = f"regarding.uid={job_uid},reason=FailedCreate"
        page = [("fieldSelector", selector), ("limit", str(EVENTS_READ))]
        answer = await self._call(self._read(path, query_params=page))
        return [
            event
            for event in answer.get("items") or ()
            if (event.get("regarding") or {}).get("uid") == job_uid
            and event.get("reason") == "FailedCreate"
        ]

    async def enter_queue(self, namespace: str, name: str, uid: str, queue: str) -> Body | None:
        """Let a batch Job into a Kueue queue; `None` if it is gone.

        Raises:
            ClusterError: the Job of this name is another one, or the API server did not answer.
        """
        metadata = {"uid": uid, "labels": {QUEUE_LABEL: queue}}
        return await self._patch_job(namespace, name, {"metadata": metadata})

    async def set_suspended(
        self, namespace: str, name: str, uid: str, *, suspended: bool, replicas: int | None = None
    ) -> Body | None:
        """Suspend or resume a batch Job, perhaps at another size; `None` if it is gone.

        Raises:
            ClusterError: the Job of this name is another one, or the API server did not answer.
        """
        size = {} if replicas is None else {"parallelism": replicas, "completions": replicas}
        patch = {"metadata": {"uid": uid}, "spec": {"suspend": suspended, **size}}
        return await self._patch_job(namespace, name, patch)

    async def _patch_job(self, namespace: str, name: str, patch: Body) -> Body | None:
        return await self._absent_if_404(
            self._objects.patch_namespaced_custom_object(
                "batch",
                "v1",
                namespace,
                "jobs",
                name,
                patch,
                field_manager=names.FIELD_MANAGER,
                _content_type=MERGE_PATCH,
                _request_timeout=await self._write_timeout(namespace),
            )
        )
