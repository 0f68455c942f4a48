"""API server of an episode: the operator's client, with every fault that a network can have."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from standins.copies import copied
from standins.episodes.world import NAMESPACE, Body, World

from lowtide_operator.cluster.errors import (
    AlreadyExistsError,
    ConflictError,
    RefusedError,
    UnreachableError,
)
from lowtide_operator.cluster.listings import ObjectIdentity
from lowtide_operator.objects.key import Key


async def _go_on(count: int, moment: str) -> None:
    """Hold nothing up."""


class Api:
    """What `lowtide_operator.cluster.client.Cluster` offers, done to a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.noise = 0.0
        """Share of the requests that fail."""
        self.is_down = False
        self.events_down = False
        self.calls = 0
        self.hold: Callable[[int, str], Awaitable[None]] = _go_on
        """Awaited before and after each request has its effect, with the request's number."""
        self.writes = 0
        self.events: set[str] = set()

    async def _call(self, effect: Callable[[], Any], *, write: bool = False) -> Any:
        """Do something after a delay, unless a fault prevents it or hides that it was done."""
        dice = self._world.dice
        self.calls += 1
        number = self.calls
        self.writes += write
        slow = self.noise > 0 and dice.random() < 0.01
        await asyncio.sleep(dice.uniform(0.01, 8.0 if slow else 0.2))
        if self.is_down:
            raise UnreachableError("the API server cannot be reached", status=0)
        if dice.random() < self.noise:
            code = dice.choice((429, 500, 503))
            wait = 5.0 if code == 429 else 0.0
            raise UnreachableError(f"answered {code}", status=code, retry_after_seconds=wait)
        if write and dice.random() < self.noise / 2:
            raise ConflictError("the object has been modified", status=409)
        await self.hold(number, "before")
        result = copied(effect())
        await self.hold(number, "after")
        if dice.random() < self.noise / 2:
            raise UnreachableError("the answer was cut off", status=0)
        await asyncio.sleep(dice.uniform(0, 0.1))
        return result

    async def get_training_job(self, key: Key) -> Body | None:
        found: Body | None = await self._call(lambda: self._world.jobs.get(key.name))
        return found

    async def get_job(self, namespace: str, name: str) -> Body | None:
        found: Body | None = await self._call(lambda: self._world.children.get(name))
        return found

    async def write_status(self, key: Key, status: Any, version: str) -> Body | None:
        def effect() -> Body | None:
            body = self._world.jobs.get(key.name)
            if body is None:
                return None
            if body["metadata"]["resourceVersion"] != version:
                raise ConflictError("the object has been modified", status=409)
            return self._world.write_status(key.name, dict(status))

        found: Body | None = await self._call(effect, write=True)
        return found

    async def create_job(self, manifest: Body, *, dry_run: bool = False) -> Body:
        def effect() -> Body:
            if manifest["metadata"]["name"] in self._world.children:
                raise AlreadyExistsError("the Job exists", status=409)
            return manifest if dry_run else self._world.create_child(manifest)

        try:
            made: Body = await self._call(effect, write=not dry_run)
        except ConflictError as error:
            raise AlreadyExistsError(str(error), status=409) from None
        return made

    async def create_event(self, manifest: Body) -> None:
        if self.events_down:
            await asyncio.sleep(10)
            raise UnreachableError("etcdserver: request timed out", status=500)
        await self._call(lambda: self.events.add(manifest["metadata"]["name"]))

    async def set_suspended(
        self, namespace: str, name: str, uid: str, *, suspended: bool, replicas: int | None = None
    ) -> Body | None:
        def effect() -> Body | None:
            child = self._world.children.get(name)
            if child is not None and child["metadata"]["uid"] != uid:
                raise RefusedError("metadata.uid: field is immutable", status=422)
            return self._world.suspend_child(name, suspended, replicas)

        found: Body | None = await self._call(effect, write=True)
        return found

    async def enter_queue(self, namespace: str, name: str, uid: str, queue: str) -> Body | None:
        def effect() -> Body | None:
            child = self._world.children.get(name)
            if child is None or child["metadata"]["uid"] != uid:
                return None
            return self._world.enter_queue(child, queue)

        found: Body | None = await self._call(effect, write=True)
        return found

    async def list_pods(self, namespace: str, trainingjob_uid: str) -> list[Body]:
        found: list[Body] = await self._call(lambda: self._world.pod_bodies(trainingjob_uid))
        return found

    async def creation_failures(self, namespace: str, job_uid: str) -> list[Body]:
        found: list[Body] = await self._call(list)
        return found

    async def delete_training_job(self, key: Key, uid: str) -> None:
        def effect() -> None:
            body = self._world.jobs.get(key.name)
            if body is not None and body["metadata"]["uid"] == uid:
                self._world.delete_job(key.name)

        await self._call(effect, write=True)

    async def list_training_jobs(self, namespace: str | None) -> list[ObjectIdentity]:
        return await self._identities(lambda: self._world.jobs)

    async def list_jobs(self, namespace: str | None, label: str) -> list[ObjectIdentity]:
        return await self._identities(lambda: self._world.children)

    async def _identities(self, bodies: Callable[[], dict[str, Body]]) -> list[ObjectIdentity]:
        found: list[ObjectIdentity] = await self._call(
            lambda: [
                ObjectIdentity(
                    NAMESPACE, name, b["metadata"]["uid"], b["metadata"]["resourceVersion"]
                )
                for name, b in bodies().items()
            ]
        )
        return found
