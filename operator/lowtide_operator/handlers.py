"""Events of TrainingJobs and their Jobs: what kopf watches, and what an event changes.

An event is only remembered and the job enqueued; the queue owns every retry. There are no timers,
daemons, indexes or delete handlers: kopf would add finalizers, annotations and two tasks per object
for them.
"""

from functools import partial
from typing import Any

import kopf

from lowtide import names
from lowtide_operator.app import App
from lowtide_operator.cluster.stream import Takers
from lowtide_operator.objects.key import Key

DELETED = "DELETED"
LISTED = None
"""Type of the events of a list; one of known objects is read when a watch was broken."""


def register(registry: kopf.OperatorRegistry) -> None:
    """Tell kopf what to watch; it calls no handler, because `takers` get the events before it."""

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    @kopf.on.event("batch", "v1", "jobs", registry=registry)
    async def watched(**_: Any) -> None: ...

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> Any:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def takers(app: App) -> Takers:
    """Return what takes in the events of each kind that kopf watches."""
    return {
        names.PLURAL: partial(take_training_job, app),
        "jobs": partial(take_child, app),
    }


def take_training_job(app: App, change: str | None, body: Any) -> None:
    """Take an event about a TrainingJob in."""
    if change is LISTED and app.cache.knows(body):
        app.census.soon()
    if change == DELETED:
        metadata = body["metadata"]
        record = app.cache.record(Key(metadata["namespace"], metadata["name"]))
        if record is not None and record.target is not None:
            app.adoption.job_deleted(record.target, record.key.namespace)
    seen = app.cache.forget if change == DELETED else app.cache.remember
    if key := seen(body):
        app.queue.add(key)


def take_child(app: App, change: str | None, body: Any) -> None:
    """Take an event about a batch Job in."""
    if change is LISTED and app.cache.knows_child(body):
        app.census.soon()
    seen = app.cache.forget_child if change == DELETED else app.cache.remember_child
    if owner := seen(body):
        app.queue.add(owner)
