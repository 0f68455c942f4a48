"""Handlers that kopf calls: decorators and one line each, without logic.

kopf logs errors in event handlers and never retries them, so handlers only remember and enqueue;
the queue owns every retry. There are no timers, daemons, indexes or delete handlers: kopf would
add finalizers, annotations and two tasks per object for them.
"""

from typing import Any

import kopf

from lowtide import names
from lowtide_operator.app import App
from lowtide_operator.objects.key import Key

DELETED = "DELETED"
LISTED = None
"""Type of the events of a list; one of known objects is read when a watch was broken."""


def register(registry: kopf.OperatorRegistry, app: App) -> None:
    """Tell kopf what to watch and which handler to call."""

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def training_job_changed(event: Any, **_: Any) -> None:
        take_training_job(app, event["type"], event["object"])

    @kopf.on.event("batch", "v1", "jobs", registry=registry)
    async def child_changed(event: Any, **_: Any) -> None:
        take_child(app, event["type"], event["object"])

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> Any:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


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
