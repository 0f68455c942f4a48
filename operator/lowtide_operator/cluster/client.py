"""Client of the API server: no other module talks to it.

Bodies are plain dicts through `CustomObjectsApi`, because the typed client rejects pod fields that
are newer than itself; pods, which that class does not reach, are listed through the same
`ApiClient`. Every call has a timeout, a content type and the field manager. The queue
retries, this module does not. A 404 means that the object is gone and is not an error; the two
meanings of a 409 (the name exists, or the object has changed) have an exception each.
"""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from lowtide import names
from lowtide.trainingjob.workload_kinds import WorkloadKind
from lowtide_operator.cluster.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    NotLeadingError,
    RefusedError,
    UnreachableError,
    translated,
)
from lowtide_operator.cluster.leadership import Leadership
from lowtide_operator.objects.key import Key

Body = dict[str, Any]

MERGE_PATCH: Final = "application/merge-patch+json"
METADATA_ONLY: Final = (
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)
EVENTS_READ: Final = 50
"""Events of one Job that are read at most."""
WATCH_SECONDS: Final = 300
"""How long one watch of workloads lasts; then they are listed again, so that nothing missed stays
missed."""
LONGEST_LINE: Final = 16_000_000
"""Bytes of one change at most; an object is no larger than 3 MB."""
PAGE_OBJECTS: Final = 500
"""Objects in one answer to a list."""


class ObjectIdentity(NamedTuple):
    """Which object, and which version of it."""

    namespace: str
    name: str
    uid: str
    version: str


class Cluster:
    """Reads and writes of the operator; `api` is open for as long as this object is used."""

    def __init__(
        self, api: client.ApiClient, leadership: Leadership, *, timeout_seconds: float
    ) -> None:
        self._api = api
        self._leadership = leadership
        self._objects = client.CustomObjectsApi(api)
        self._timeout = timeout_seconds

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
            async for item in self._pages(path, *query, accept=METADATA_ONLY)
            for m in (item["metadata"],)
        ]

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

    async def patch_status(self, key: Key, patch: Mapping[str, Any], version: str) -> Body | None:
        """Merge `patch` into the status, if the object still has `version`.

        Returns the object as it is now, or `None` if it is gone.

        Raises:
            ConflictError: the object has changed since `version`.
        """
        body = {"metadata": {"resourceVersion": version}, "status": dict(patch)}
        return await self._absent_if_404(
            self._objects.patch_namespaced_custom_object_status(
                names.GROUP,
                names.VERSION,
                key.namespace,
                names.PLURAL,
                key.name,
                body,
                field_manager=names.FIELD_MANAGER,
                _content_type=MERGE_PATCH,
                _request_timeout=self._write_timeout(),
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
                    _request_timeout=self._write_timeout(),
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

    async def set_suspended(
        self, namespace: str, name: str, uid: str, *, suspended: bool
    ) -> Body | None:
        """Suspend or resume a batch Job; `None` if it is gone.

        Raises:
            ClusterError: the Job of this name is another one, or the API server did not answer.
        """
        return await self._absent_if_404(
            self._objects.patch_namespaced_custom_object(
                "batch",
                "v1",
                namespace,
                "jobs",
                name,
                {"metadata": {"uid": uid}, "spec": {"suspend": suspended}},
                field_manager=names.FIELD_MANAGER,
                _content_type=MERGE_PATCH,
                _request_timeout=self._write_timeout(),
            )
        )

    async def may_read_metrics(self, token: str) -> bool | None:
        """Return whether a token's owner may `get` the path /metrics; `None` where it has none.

        Raises:
            ClusterError: the API server did not answer, or the operator may not ask it.
        """
        review = {"spec": {"token": token}}
        answer = await self._review("authentication.k8s.io", "tokenreviews", review)
        if not answer.get("authenticated"):
            return None
        user = answer.get("user") or {}
        fields = {"user": "username", "uid": "uid", "groups": "groups", "extra": "extra"}
        who = {field: user[name] for field, name in fields.items() if name in user}
        wanted = {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}
        access = {"spec": {**who, **wanted}}
        answer = await self._review("authorization.k8s.io", "subjectaccessreviews", access)
        return bool(answer.get("allowed"))

    async def _review(self, group: str, plural: str, review: Body) -> Body:
        """Return the API server's verdict; asking changes nothing, so a standby may ask too."""
        answer = await self._call(
            self._objects.create_cluster_custom_object(
                group, "v1", plural, review, _request_timeout=self._timeout
            )
        )
        return dict(answer.get("status") or {})

    async def list_pods(self, namespace: str, trainingjob_uid: str) -> list[Body]:
        """Return the pods that carry the label of one TrainingJob."""
        selector = f"{names.LABEL_TRAININGJOB_UID}={trainingjob_uid}"
        answer = await self._call(self._list_core("pods", namespace, selector))
        return list(answer.get("items") or ())

    async def list_pods_selected(self, namespace: str, selector: str) -> list[Body]:
        """Return the pods of a namespace that a label selector finds."""
        return list((await self._call(self._list_core("pods", namespace, selector)))["items"] or ())

    async def get_workload(self, kind: WorkloadKind, namespace: str, name: str) -> Body | None:
        """Return a workload of a kind, or `None` if there is none or its kind is not served."""
        return await self._absent_if_404(
            self._objects.get_namespaced_custom_object(
                kind.group,
                kind.version,
                namespace,
                kind.plural,
                name,
                _request_timeout=self._timeout,
            )
        )

    async def patch_workload(
        self, kind: WorkloadKind, namespace: str, name: str, patch: Mapping[str, Any]
    ) -> Body | None:
        """Merge `patch` into a workload; `None` if it is gone.

        Raises:
            ConflictError: it is not the one, or not the version, that the patch names.
        """
        return await self._absent_if_404(
            self._objects.patch_namespaced_custom_object(
                kind.group,
                kind.version,
                namespace,
                kind.plural,
                name,
                dict(patch),
                field_manager=names.FIELD_MANAGER,
                _content_type=MERGE_PATCH,
                _request_timeout=self._write_timeout(),
            )
        )

    async def list_workloads(
        self, kind: WorkloadKind, namespace: str | None, label: str
    ) -> tuple[list[Body], str]:
        """Return the workloads of a kind with a label, and the version of the list.

        Raises:
            ClusterError: the API server did not answer, or the operator may not list them.
        """
        page: dict[str, Any] = {}
        found: list[Body] = []
        path = _path_of(kind, namespace)
        while True:
            query = [("labelSelector", label), ("limit", str(PAGE_OBJECTS))]
            more = (page.get("metadata") or {}).get("continue")
            query += [("continue", more)] if more else []
            page = await self._call(self._read(path, query_params=query))
            # Items of a list do not say their kind.
            named = {"apiVersion": kind.api_version, "kind": kind.kind}
            found += [{**named, **item} for item in page.get("items") or ()]
            if not (page.get("metadata") or {}).get("continue"):
                return found, (page.get("metadata") or {}).get("resourceVersion", "")

    async def watch_workloads(
        self, kind: WorkloadKind, namespace: str | None, label: str, version: str
    ) -> AsyncIterator[tuple[str, Body]]:
        """Yield the changes of workloads with a label since a version, for some minutes.

        Raises:
            ClusterError: the API server does not answer, or it forgot the version.
        """
        query = [
            ("labelSelector", label),
            ("watch", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", str(WATCH_SECONDS)),
        ]
        method, url, headers, body, post = await self._api.param_serialize(
            method="GET",
            resource_path=_path_of(kind, namespace),
            query_params=query,
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        try:
            answer = await self._api.call_api(
                method, url, headers, body, post, WATCH_SECONDS + self._timeout
            )
            async with answer.response as stream:
                if stream.status >= 300:
                    said = (await stream.read()).decode(errors="replace")
                    raise translated(
                        ApiException(status=stream.status, reason=stream.reason, body=said)
                    )
                async for change in _changes(stream.content):
                    yield change
        except TimeoutError:
            raise UnreachableError("the watch got no answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UnreachableError(f"the watch broke off: {error}") from None

    async def create_training_job(self, manifest: Body) -> Body:
        """Create a TrainingJob; return it as stored.

        Raises:
            AlreadyExistsError: there is one of this name.
            RefusedError: the manifest is not acceptable.
        """
        return await self._create(names.GROUP, names.PLURAL, manifest, version=names.VERSION)

    async def patch_training_job(self, key: Key, patch: Mapping[str, Any]) -> Body | None:
        """Merge `patch` into a TrainingJob; `None` if it is gone."""
        return await self._absent_if_404(
            self._objects.patch_namespaced_custom_object(
                names.GROUP,
                names.VERSION,
                key.namespace,
                names.PLURAL,
                key.name,
                dict(patch),
                field_manager=names.FIELD_MANAGER,
                _content_type=MERGE_PATCH,
                _request_timeout=self._write_timeout(),
            )
        )

    async def namespace_annotations(self, namespace: str) -> Mapping[str, str]:
        """Return the annotations of a namespace; none where the operator may not read it."""
        try:
            found = await self._absent_if_404(self._read(f"/api/v1/namespaces/{namespace}"))
        except RefusedError:
            return {}
        return ((found or {}).get("metadata") or {}).get("annotations") or {}

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
        async for pod in self._pages("/api/v1/pods", ("fieldSelector", on_a_node)):
            yield pod

    async def _list_core(self, plural: str, namespace: str, selector: str) -> Body:
        """Return a list of the core API, which `CustomObjectsApi` does not reach."""
        return await self._read(
            f"/api/v1/namespaces/{{namespace}}/{plural}",
            path_params={"namespace": namespace},
            query_params=[("labelSelector", selector)],
        )

    async def _pages(
        self, path: str, *query: tuple[str, str], accept: str = "application/json"
    ) -> AsyncIterator[Body]:
        """Yield the items of a list, fetched page by page."""
        more = ""
        while True:
            page = [*query, ("limit", str(PAGE_OBJECTS))]
            page += [("continue", more)] if more else []
            answer = await self._call(self._read(path, accept=accept, query_params=page))
            for item in answer.get("items") or ():
                yield item
            more = (answer.get("metadata") or {}).get("continue") or ""
            if not more:
                return

    async def _read(
        self, path: str, *, accept: str = "application/json", **parameters: Any
    ) -> Body:
        """Return what a path of the API answers; the caller translates failures."""
        method, url, headers, body, post = await self._api.param_serialize(
            method="GET",
            resource_path=path,
            **parameters,
            header_params={"Accept": accept},
            auth_settings=["BearerToken"],
        )
        response = await self._api.call_api(method, url, headers, body, post, self._timeout)
        data: bytes = await response.read()  # type: ignore[no-untyped-call]
        if response.status >= 300:
            raise ApiException(status=response.status, reason=response.reason, body=data.decode())
        return dict(json.loads(data))

    async def _create(
        self,
        group: str,
        plural: str,
        manifest: Body,
        *,
        version: str = "v1",
        dry_run: bool = False,
    ) -> Body:
        try:
            return await self._call(
                self._objects.create_namespaced_custom_object(
                    group,
                    version,
                    manifest["metadata"]["namespace"],
                    plural,
                    manifest,
                    field_manager=names.FIELD_MANAGER,
                    field_validation="Strict",
                    dry_run="All" if dry_run else None,
                    _content_type="application/json",
                    _request_timeout=self._write_timeout(),
                )
            )
        except ConflictError as error:
            raise AlreadyExistsError(str(error), status=error.status) from None

    async def _absent_if_404(self, call: Any) -> Body | None:
        try:
            return await self._call(call)
        except NotFoundError:
            return None

    def _write_timeout(self) -> float:
        """Return how long a write may take: no longer than this operator surely leads.

        Raises:
            NotLeadingError: it does not.
        """
        remaining = self._leadership.remaining_seconds
        if remaining <= 0:
            raise NotLeadingError("another operator may hold the Lease: nothing is written")
        return min(self._timeout, remaining)

    async def _call(self, call: Any) -> Body:
        """Await a request and translate its failure."""
        try:
            return dict(await call)
        except ApiException as error:
            raise translated(error) from None
        except TimeoutError:
            raise UnreachableError(
                f"the API server gave no answer within {self._timeout:g} s"
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UnreachableError(f"the API server cannot be reached: {error}") from None


def _path_of(kind: WorkloadKind, namespace: str | None) -> str:
    where = "" if namespace is None else f"/namespaces/{namespace}"
    return f"/apis/{kind.group}/{kind.version}{where}/{kind.plural}"


async def _changes(stream: aiohttp.StreamReader) -> AsyncIterator[tuple[str, Body]]:
    """Yield the changes of a watch, one a line; lines are longer than aiohttp would read them.

    Raises:
        UnreachableError: the API server ended the watch with an error.
    """
    rest = b""
    async for piece in stream.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in filter(None, lines):
            change = json.loads(line)
            if change.get("type") == "ERROR":
                raise UnreachableError(f"the watch ended: {change.get('object')}")
            yield str(change["type"]), dict(change["object"])
        if len(rest) > LONGEST_LINE:
            raise UnreachableError("the watch sent a line that no object is as long as")
