"""Lists for kopf in pages of bounded size.

kopf asks for a fixed number of objects and reads the whole answer: one page of TrainingJobs with
large templates could take gigabytes. `fetch_objs` stands in for its function of this name.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterable
from typing import Any

import kopf
from kopf._cogs.clients import api, fetching
from pydantic_core import from_json

from lowtide_operator.bounded_body import bounded_body
from lowtide_operator.cluster.page_size import PAGE_OBJECTS, PageSize


def bound_pages() -> None:
    """Let kopf list in pages of bounded size from now on."""
    fetching.fetch_objs = fetch_objs


async def fetch_objs(
    *, settings: kopf.OperatorSettings, resource: Any, namespace: Any, logger: Any
) -> AsyncIterator[tuple[Collection[Any], str]]:
    """Yield the objects of a resource page by page, each with the version of the list.

    Raises:
        UnreachableError: two objects take more than any API server keeps.
    """
    watching = settings.watching
    query = {
        "labelSelector": _joined(watching.label_selectors.collect(resource)),
        "fieldSelector": _joined(watching.field_selectors.collect(resource)),
    }
    query = {name: text for name, text in query.items() if text}
    size = PageSize(watching.chunk_size or PAGE_OBJECTS)
    while True:
        query["limit"] = str(size.objects)
        url = resource.get_url(namespace=namespace, params=query)
        async with await api.request("get", url, settings=settings, logger=logger) as answer:
            text = await bounded_body(answer, size.bytes_at_most)
        if text is None:
            size.was_exceeded()
            continue
        page, length = parsed(text), len(text)
        del text
        items, metadata = _named(page), page.get("metadata") or {}
        size.was(len(items), length)
        # One page at a time is held.
        del page
        yield items, metadata.get("resourceVersion", "")
        del items
        if not metadata.get("continue"):
            return
        query["continue"] = metadata["continue"]


def parsed(text: bytes) -> Any:
    """Return a document; the quick parser takes no deep nesting and no half of a character."""
    try:
        return from_json(text, cache_strings="keys")
    except ValueError:
        return json.loads(text)


def _named(page: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the items of a page with kind and API version, which items of a list do not say."""
    items: list[dict[str, Any]] = page.get("items") or []
    for item in items:
        item.setdefault("kind", page.get("kind", "").removesuffix("List"))
        item.setdefault("apiVersion", page.get("apiVersion", ""))
    return items


def _joined(selectors: Iterable[str]) -> str:
    return ",".join(sorted(set(selectors)))
