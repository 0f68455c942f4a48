"""Workloads of other kinds at the API server: read, watched, held and let go."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aiohttp
from kubernetes.aio.client.exceptions import ApiException

from lowtide import names
from lowtide.trainingjob.workload_kinds import WorkloadKind
from lowtide_operator.cluster.errors import RefusedError, UnreachableError, translated
from lowtide_operator.cluster.requests import MERGE_PATCH, Body, Requests
from lowtide_operator.objects.key import Key

WATCH_SECONDS: Final = 300
"""How long one watch of workloads lasts; then they are listed again, so that nothing missed stays
missed."""
LONGEST_LINE: Final = 16_000_000
"""Bytes of one change at most; an object is no larger than 3 MB."""


class Workloads(Requests):
    """Workloads that others wrote, and the TrainingJobs that are made for them."""

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
                _request_timeout=await self._write_timeout(namespace),
            )
        )

    async def list_workloads(
        self, kind: WorkloadKind, namespace: str | None, label: str
    ) -> AsyncIterator[tuple[list[Body], str]]:
        """Yield the workloads of a kind with a label page by page, and the version of the list.

        Raises:
            ClusterError: the API server did not answer, or the operator may not list them.
        """
        # Items of a list do not say their kind.
        named = {"apiVersion": kind.api_version, "kind": kind.kind}
        async for page in self._pages(_path_of(kind, namespace), ("labelSelector", label)):
            version = (page.get("metadata") or {}).get("resourceVersion", "")
            yield [{**named, **item} for item in page.get("items") or ()], version

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
                _request_timeout=await self._write_timeout(key.namespace),
            )
        )

    async def namespace_annotations(self, namespace: str) -> Mapping[str, str]:
        """Return the annotations of a namespace; none where the operator may not read it."""
        try:
            found = await self._absent_if_404(self._read(f"/api/v1/namespaces/{namespace}"))
        except RefusedError:
            return {}
        return ((found or {}).get("metadata") or {}).get("annotations") or {}


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
