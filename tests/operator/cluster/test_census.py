"""The census finds what a broken watch never told."""

import asyncio
from typing import Any

import pytest

from lowtide import names
from lowtide_operator.cluster import census as census_module
from lowtide_operator.cluster.cache import Cache
from lowtide_operator.cluster.census import Census
from lowtide_operator.cluster.errors import ClusterError, RefusedError
from lowtide_operator.cluster.listings import ObjectIdentity
from lowtide_operator.objects.key import Key
from lowtide_operator.tally import Tally


def training_job(name: str, uid: str = "", version: str = "1", namespace: str = "ml") -> Any:
    """Return a TrainingJob."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": uid or f"uid-{name}",
        "creationTimestamp": "2026-11-30T12:00:00Z",
        "resourceVersion": version,
    }
    return {"metadata": metadata, "spec": {"template": {}}}


def child(owner: str, uid: str = "") -> Any:
    """Return the batch Job of a TrainingJob."""
    body = training_job(f"{owner}-1", uid or f"job-{owner}")
    reference = {"kind": names.KIND, "apiVersion": f"{names.GROUP}/v1", "controller": True}
    body["metadata"]["ownerReferences"] = [{**reference, "name": owner, "uid": f"uid-{owner}"}]
    return body


class Stand:
    """A cluster and what the cache holds of it."""

    def __init__(self, *namespaces: str) -> None:
        self.jobs: dict[Key, Any] = {}
        self.children: dict[Key, Any] = {}
        self.reads = 0
        self.refused: set[str | None] = set()
        self.changed: list[str] = []
        self.cache, self.tally = Cache(), Tally()
        self.census = Census(
            self,
            self.cache,
            self.tally,
            namespaces=namespaces,
            period_seconds=300,
            on_change=lambda key: self.changed.append(key.name),
        )

    def put(self, body: Any, *, seen: bool = True) -> Any:
        kind = self.children if "ownerReferences" in body["metadata"] else self.jobs
        kind[Key(body["metadata"]["namespace"], body["metadata"]["name"])] = body
        if seen:
            (self.cache.remember if kind is self.jobs else self.cache.remember_child)(body)
        return body

    def _identities(self, bodies: dict[Key, Any], namespace: str | None) -> list[ObjectIdentity]:
        if namespace in self.refused:
            raise RefusedError(f"trainingjobs is forbidden in {namespace}", status=403)
        return [
            ObjectIdentity(*key, b["metadata"]["uid"], b["metadata"]["resourceVersion"])
            for key, b in bodies.items()
            if namespace in (None, key.namespace)
        ]

    async def list_training_jobs(self, namespace: str | None) -> list[ObjectIdentity]:
        return self._identities(self.jobs, namespace)

    async def list_jobs(self, namespace: str | None, label: str) -> list[ObjectIdentity]:
        assert label == "lowtide.dev/trainingjob"
        return self._identities(self.children, namespace)

    async def get_training_job(self, key: Key) -> Any:
        self.reads += 1
        return self.jobs.get(key)

    async def get_job(self, namespace: str, name: str) -> Any:
        self.reads += 1
        return self.children.get(Key(namespace, name))


async def test_what_was_deleted_unheard_is_dropped_and_looked_at() -> None:
    """A TrainingJob and the Job of another; the third is left in peace and costs no read."""
    stand = Stand()
    for name in ("gone", "bereft", "fine"):
        stand.put(training_job(name))
        stand.put(child(name))
    del stand.jobs[Key("ml", "gone")], stand.children[Key("ml", "gone-1")]
    del stand.children[Key("ml", "bereft-1")]
    await stand.census.take()
    assert sorted(record.key.name for record in stand.cache.records()) == ["bereft", "fine"]
    assert [one.name for one in stand.cache.children()] == ["fine-1"]
    assert sorted(stand.changed) == ["bereft", "gone", "gone"]
    assert stand.reads == 3


async def test_what_changed_or_came_unheard_is_read() -> None:
    """A dropped watch event is made up for."""
    stand = Stand()
    stand.put(training_job("changed"))
    stand.put(training_job("changed", version="2"), seen=False)
    stand.put(training_job("new"), seen=False)
    stand.put(child("new"), seen=False)
    await stand.census.take()
    assert sorted(stand.changed) == ["changed", "new", "new"]
    record = stand.cache.record(Key("ml", "changed"))
    assert record is not None
    assert record.resource_version == "2"
    await stand.census.take()
    assert stand.reads == 3


async def test_a_job_created_again_under_the_same_name_replaces_the_old_one() -> None:
    """Its uid is another."""
    stand = Stand()
    stand.put(training_job("net"))
    stand.put(training_job("net", uid="uid-second"), seen=False)
    await stand.census.take()
    record = stand.cache.record(Key("ml", "net"))
    assert record is not None
    assert record.uid == "uid-second"


async def test_an_event_that_overtakes_the_list_is_believed_more() -> None:
    """The list is older than the job: reading it confirms that it is there."""
    stand = Stand()
    body = stand.put(training_job("young"))
    listed = stand.list_training_jobs

    async def old_list(namespace: str | None) -> list[ObjectIdentity]:
        return [one for one in await listed(namespace) if one.name != "young"]

    stand.list_training_jobs = old_list  # type: ignore[method-assign]
    await stand.census.take()
    assert stand.cache.knows(body)
    assert stand.changed == []


async def test_a_namespace_that_refuses_is_named_and_the_others_are_compared() -> None:
    """Its jobs stay as they were; once it answers again nothing is said any more."""
    stand = Stand("ml", "vision")
    stand.put(training_job("kept"))
    stand.put(training_job("gone", namespace="vision"))
    stand.jobs.clear()
    stand.refused = {"ml"}
    await stand.census.take()
    assert [record.key.name for record in stand.cache.records()] == ["kept"]
    assert list(stand.tally.namespaces_refused) == ["ml"]
    assert "forbidden in ml" in stand.tally.namespaces_refused["ml"]
    stand.refused = set()
    await stand.census.take()
    assert stand.tally.namespaces_refused == {}
    assert list(stand.cache.records()) == []


async def test_one_census_reads_a_bounded_number_of_objects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next one goes on where this one stopped."""
    monkeypatch.setattr(census_module, "MOST_READS", 2)
    stand = Stand()
    for name in "abc":
        stand.put(training_job(name), seen=False)
    await stand.census.take()
    assert stand.reads == 2
    await stand.census.take()
    assert len(list(stand.cache.records())) == 3


async def test_a_list_that_fails_concludes_nothing() -> None:
    """No answer does not mean no jobs."""
    stand = Stand()
    stand.put(training_job("net"))
    stand.jobs.clear()

    async def fails(namespace: str | None) -> list[ObjectIdentity]:
        raise ClusterError("410 Gone")

    stand.list_training_jobs = fails  # type: ignore[method-assign]
    await stand.census.take()
    assert len(list(stand.cache.records())) == 1


async def test_a_census_that_fails_is_taken_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one would come after five minutes, and until then a job that is due is not known."""
    monkeypatch.setattr(census_module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(census_module, "SETTLE_SECONDS", 0)
    stand = Stand()
    stand.put(training_job("new"), seen=False)
    stand.refused = {None}
    stand.census.soon()
    running = asyncio.create_task(stand.census.run())
    try:
        async with asyncio.timeout(240):
            while not stand.tally.namespaces_refused:
                await asyncio.sleep(0)
            stand.refused = set()
            while not stand.changed:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
    assert stand.changed == ["new"]
