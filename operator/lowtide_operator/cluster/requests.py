"""Requests to the API server: what every call of the operator has in common.

Every call has a timeout, a content type and the field manager. The queue retries, this module does
not. A 404 means that the object is gone and is not an error; the two meanings of a 409 (the name
exists, or the object has changed) have an exception each.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from lowtide import names
from lowtide_operator.bounded_body import bounded_body
from lowtide_operator.cluster.claims import Claims, served_by
from lowtide_operator.cluster.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    NotLeadingError,
    ServedByOtherError,
    UnreachableError,
    translated,
)
from lowtide_operator.cluster.leadership import Leadership
from lowtide_operator.cluster.page_size import PageSize

Body = dict[str, Any]

MERGE_PATCH: Final = "application/merge-patch+json"


class TooLargeError(Exception):
    """An answer is larger than the request allows."""


class Requests:
    """Requests through one `ApiClient`, which is open for as long as this object is used."""

    def __init__(
        self,
        api: client.ApiClient,
        leadership: Leadership,
        *,
        timeout_seconds: float,
        claims: Claims | None = None,
    ) -> None:
        self._api = api
        self._leadership = leadership
        self._claims = claims or Claims()
        self._objects = client.CustomObjectsApi(api)
        self._timeout = timeout_seconds

    async def _pages(
        self, path: str, *query: tuple[str, str], accept: str = "application/json"
    ) -> AsyncIterator[Body]:
        """Yield the pages of a list, each of bounded size, one after another."""
        more, size = "", PageSize()
        while True:
            page = [*query, ("limit", str(size.objects))]
            page += [("continue", more)] if more else []
            try:
                answer = await self._call(
                    self._read(path, accept=accept, size=size, query_params=page)
                )
            except TooLargeError:
                size.was_exceeded()
                continue
            yield answer
            more = (answer.get("metadata") or {}).get("continue") or ""
            if not more:
                return

    async def _read(
        self,
        path: str,
        *,
        accept: str = "application/json",
        size: PageSize | None = None,
        **parameters: Any,
    ) -> Body:
        """Return what a path of the API answers; the caller translates failures.

        Raises:
            TooLargeError: a page of the list would exceed its size.
        """
        method, url, headers, body, post = await self._api.param_serialize(
            method="GET",
            resource_path=path,
            **parameters,
            header_params={"Accept": accept},
            auth_settings=["BearerToken"],
        )
        response = await self._api.call_api(method, url, headers, body, post, self._timeout)
        if response.status >= 300 or size is None:
            data: bytes = await response.read()  # type: ignore[no-untyped-call]
            if response.status >= 300:
                said = data.decode(errors="replace")
                raise ApiException(status=response.status, reason=response.reason, body=said)
            return dict(json.loads(data))
        async with response.response as answer:
            text = await bounded_body(answer, size.bytes_at_most)
        if text is None:
            raise TooLargeError
        page = dict(json.loads(text))
        size.was(len(page.get("items") or ()), len(text))
        return page

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
                    _request_timeout=await self._write_timeout(manifest["metadata"]["namespace"]),
                )
            )
        except ConflictError as error:
            raise AlreadyExistsError(str(error), status=error.status) from None

    async def _absent_if_404(self, call: Any) -> Body | None:
        try:
            return await self._call(call)
        except NotFoundError:
            return None

    async def _write_timeout(self, namespace: str) -> float:
        """Return how long a write may take: no longer than this operator surely may write there.

        Raises:
            NotLeadingError: it does not lead.
            ServedByOtherError: another installation serves the namespace.
            ClusterError: the claim on it could not be asked for.
        """
        self._leader_timeout()
        if not await self._claims.hold(namespace):
            holder = self._claims.of_others.get(namespace, "")
            raise ServedByOtherError(served_by(namespace, holder))
        remaining = self._claims.remaining_seconds(namespace)
        return max(0.001, min(self._leader_timeout(), remaining))

    def _leader_timeout(self) -> float:
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
