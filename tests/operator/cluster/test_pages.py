"""Pages of lists are bounded in bytes, whatever tenants write into their objects."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kopf._cogs.clients import watching

from lowtide import names
from lowtide.trainingjob.workload_kinds import KINDS
from lowtide_operator.cluster import page_size
from lowtide_operator.cluster.client import Cluster
from lowtide_operator.cluster.connection import connect
from lowtide_operator.cluster.errors import UnreachableError
from lowtide_operator.cluster.leadership import Leadership
from lowtide_operator.cluster.page_size import (
    FEWEST_OBJECTS,
    LARGEST_BYTES,
    PAGE_BYTES,
    PageSize,
)
from lowtide_operator.cluster.pages import bound_pages, fetch_objs, parsed

JOBS = ("batch/v1", "jobs")
TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
LARGE = {"env": [{"name": f"A{n}", "value": "b" * 20} for n in range(400)]}
"""Some 16 kB."""


def test_the_next_page_aims_at_half_of_the_bound() -> None:
    """500 objects of 6 kB fit; of 100 objects of 1 MB, four make half of 8 MB."""
    size = PageSize()
    size.was(500, 3_000_000)
    assert (size.objects, size.bytes_at_most) == (500, PAGE_BYTES)
    size.was(100, 100_000_000)
    assert size.objects == 4
    size.was(4, 4_000)
    assert size.objects == 500


def test_a_page_of_the_fewest_objects_may_be_larger_and_is_never_halved() -> None:
    """Two objects of 3 MB pass; two that no API server keeps are an error and no endless loop."""
    size = PageSize()
    tried = []
    while size.objects > FEWEST_OBJECTS:
        tried.append(size.objects)
        size.was_exceeded()
    assert tried == [500, 62, 7]
    assert size.bytes_at_most == LARGEST_BYTES
    with pytest.raises(UnreachableError, match="2 objects of a list take more than 32000000 bytes"):
        size.was_exceeded()


def test_kopf_lists_through_bounded_pages() -> None:
    """Its watcher asks the module for the function by this name at every list."""
    bound_pages()
    assert watching.fetching.fetch_objs is fetch_objs


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b'{"kind": "TrainingJobList", "items": [{"a": 1.5, "b": null}]}', id="plain"),
        pytest.param(b"[" * 300 + b"]" * 300, id="deeper than the quick parser goes"),
        pytest.param(b'["\\ud800"]', id="half of a character"),
    ],
)
def test_a_page_is_read_whatever_its_objects_hold(text: bytes) -> None:
    """The API server takes all of these, so none of them may cost the other objects of its page."""
    assert parsed(text) == json.loads(text)


@pytest.mark.slow
async def test_large_templates_are_listed_in_small_pages_and_no_other_job_notices(
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """24 of 16 kB where 100 kB are allowed: pages of five at most, and an Immediate job runs."""
    monkeypatch.setattr(page_size, "PAGE_BYTES", 100_000)
    taken: list[tuple[int, int]] = []
    note = PageSize.was

    def was(self: PageSize, objects: int, length_bytes: int) -> None:
        taken.append((objects, length_bytes))
        note(self, objects, length_bytes)

    monkeypatch.setattr(PageSize, "was", was)
    body = training_job()["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
    container = {**body, **LARGE}
    template = {"spec": {"template": {"spec": {"containers": [container]}}}}
    for number in range(24):
        api.create(TRAININGJOBS, training_job(f"large-{number}", template=template, suspend=True))
    api.create(TRAININGJOBS, training_job(schedule={"policy": "Immediate"}))
    async with operator():
        await api.until(lambda: api.get(JOBS, "net-1"))
        await api.until(
            lambda: all(
                (api.get(TRAININGJOBS, f"large-{n}").get("status") or {}).get("conditions")
                for n in range(24)
            )
        )
    assert max(objects for objects, length in taken if length > 10_000) <= 5
    assert max(length for _, length in taken) <= 100_000


async def test_labelled_workloads_are_listed_in_small_pages(
    api: Any, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them comes exactly once."""
    monkeypatch.setattr(page_size, "PAGE_BYTES", 100_000)
    labels = {names.LABEL_SCHEDULE: "true"}
    for number in range(30):
        pod = {"containers": [{"name": "c", "image": "i", **LARGE}]}
        spec = {"suspend": True, "template": {"spec": pod}}
        api.create(JOBS, {"metadata": {"name": f"job-{number}", "labels": labels}, "spec": spec})
    kind = next(kind for kind in KINDS if kind.kind == "Job")
    client = await connect(workers=1)
    try:
        cluster = Cluster(client, Leadership(), timeout_seconds=10)
        label = f"{names.LABEL_SCHEDULE}=true"
        pages = [bodies async for bodies, _ in cluster.list_workloads(kind, None, label)]
    finally:
        await client.close()  # type: ignore[no-untyped-call]
    found = [body["metadata"]["name"] for bodies in pages for body in bodies]
    assert sorted(found) == sorted(f"job-{number}" for number in range(30))
    assert max(map(len, pages)) <= 6
