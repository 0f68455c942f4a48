"""One look at one TrainingJob: observe, decide, act, tell, write.

The order matters. Actions come before the status, so a status never claims what was not asked
for. Events are handed on before the status is written and recorded beside it: they hold nothing
up. The status is written only if it differs, with the version it was decided on, so that a change
in between is never overwritten. A fault in one job becomes a condition of that job.
"""

import asyncio
import json
import logging
import time
from dataclasses import replace
from math import inf
from typing import Final

from lowtide.trainingjob.conditions import Reason, has_end
from lowtide_operator.app import App
from lowtide_operator.carrying_out import carry_out
from lowtide_operator.cluster.errors import (
    ClusterError,
    ConflictError,
    RefusedError,
)
from lowtide_operator.decision.decide import decide, is_managed_elsewhere
from lowtide_operator.decision.draft import Decision
from lowtide_operator.decision.in_spite import decide_in_spite, patience_seconds
from lowtide_operator.decision.observation import Observation
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.views import JobView
from lowtide_operator.observe import observe
from lowtide_operator.status.events import event_manifest, notes_between, workload_event
from lowtide_operator.workqueue import Lane

LOG: Final = logging.getLogger(__name__)


REFUSED_SECONDS: Final = 60.0
"""A due job that the API server refused (a quota, a webhook) is tried again within so long."""


class JobRefusedError(Exception):
    """The API server did not take a Job for now; the status says so, and the queue tries again."""


async def work(app: App, lane: Lane = Lane.JOBS) -> None:
    """Reconcile keys of a lane until the queue is stopped; many of these run side by side.

    A standby waits for its turn to lead; its cache and its forecasts are kept fresh meanwhile.
    """
    await app.leadership.turn()
    while (key := await app.queue.take(lane)) is not None:
        # Looks that need no request would otherwise keep the loop for themselves.
        await asyncio.sleep(0)
        began = time.monotonic()
        try:
            again = await reconcile(key, app)
        except JobRefusedError as error:
            patience = max(REFUSED_SECONDS, _longest_wait(key, app))
            wait = app.queue.failed(key, at_most_seconds=patience)
            app.tally.reconciles["refused"] += 1
            LOG.info("%s: %s; next try in %.0f s", key, error, wait)
        except ConflictError:
            app.tally.reconciles["conflict"] += 1
            app.queue.failed(key, at_most_seconds=_longest_wait(key, app))
        except ClusterError as error:
            wait = app.queue.failed(key, error.retry_after_seconds, _longest_wait(key, app))
            app.tally.reconciles["error"] += 1
            LOG.warning("%s: %s; next try in %.0f s", key, error, wait)
        except Exception:
            # One job that cannot be handled must not stop the others.
            wait = app.queue.failed(key, at_most_seconds=_longest_wait(key, app))
            app.tally.reconciles["error"] += 1
            LOG.exception("%s: reconciling failed; next try in %.0f s", key, wait)
        else:
            app.queue.done(key, _with_resync(again, app))
            app.tally.reconciles["ok"] += 1
        finally:
            app.tally.reconcile_seconds += time.monotonic() - began


def _longest_wait(key: Key, app: App) -> float:
    """Return how long a job whose look failed can wait for the next one.

    A job that is due is tried again soon, whatever the backoff: no failure makes it start late.
    """
    try:
        job = app.cache.look(key)
        return inf if job is None else patience_seconds(job, app.clock())
    except Exception:
        return inf


def _with_resync(again_seconds: float | None, app: App) -> float:
    """Return when to look again: as decided, at the latest within the resync interval.

    The jitter spreads jobs that were first seen together.
    """
    latest = app.settings.queue.resync_seconds * (0.75 + 0.25 * app.random())
    return latest if again_seconds is None else min(again_seconds, latest)


async def reconcile(key: Key, app: App) -> float | None:
    """Bring one TrainingJob to its wanted state; return seconds until the next look.

    Raises:
        JobRefusedError: the Job cannot be created at the moment.
        ClusterError: the API server did not answer, or the object changed meanwhile.
    """
    job = app.cache.look(key)
    if job is None:
        app.queue.forget(key)
        app.tally.jobs_faulty.discard(key)
        _release(key, app)
        return None
    if job.deleting or is_managed_elsewhere(job):
        return None
    if not await app.claims.hold(key.namespace):
        # Another installation serves it; the log and the health page name it.
        return app.claims.look_seconds
    seen, decision = await _decided(job, app)
    _book(seen.job, decision, app)
    refusal = None
    for action in decision.actions:
        refusal = await carry_out(action, app)
        if refusal is not None:
            child = app.cache.child(job) or seen.child
            decision = decide(replace(seen, refusal=refusal, child=child), app.settings)
            break
    await _write(job, decision, app)
    if refusal is not None and refusal.reason is not Reason.RESIZE_REFUSED:
        raise JobRefusedError(refusal.message)
    return decision.look_again_seconds


async def _decided(job: JobView, app: App) -> tuple[Observation, Decision]:
    """Return what is known of a job and what to do; a fault concerns this job only."""
    seen = Observation(now=app.clock(), job=job, child=app.cache.child(job))
    try:
        seen = await observe(job, app)
        decision = decide(seen, app.settings)
    except ClusterError:
        raise
    except Exception as error:
        LOG.exception("%s: cannot be handled; its status says so", job.key)
        app.tally.jobs_faulty.add(job.key)
        return seen, decide_in_spite(seen, error, app.settings)
    app.tally.jobs_faulty.discard(job.key)
    return seen, decision


def _book(job: JobView, decision: Decision, app: App) -> None:
    """Keep the job's reservation in step with its plan, before anything else is decided."""
    if has_end(decision.status.conditions):
        _release(job.key, app)
        return
    if decision.status.attempts:
        app.desk.forget(job.key)
    app.bookings.note(job, decision.status.plan)


def _release(key: Key, app: App) -> None:
    """Give back the room that an ended or deleted job had reserved."""
    app.desk.forget(key)
    if app.bookings.release(key) and app.room().is_limited:
        app.desk.room_changed()


async def _write(job: JobView, decision: Decision, app: App) -> None:
    """Record what happened and write the status, if it differs from the stored one."""
    record = app.cache.record(job.key)
    if record is None or record.uid != job.uid:
        return
    if record.resource_version == job.resource_version and decision.status == job.status:
        # The same without writing both out; true of nearly every look.
        return
    stored, status = json.loads(record.status), decision.status.to_api()
    if status == stored:
        return
    for note in notes_between(job.status, decision.status):
        LOG.info("%s: %s: %s", job.key, note.reason, note.text)
        if not app.events.admits(note.reason):
            continue
        app.events.post(event_manifest(job, note, now=app.clock(), instance=app.instance))
        target = decision.status.target
        if target is not None:
            event = workload_event(job, target, note, now=app.clock(), instance=app.instance)
            app.events.post(event)
    try:
        body = await app.cluster.write_status(job.key, status, job.resource_version)
    except RefusedError:
        app.tally.status_writes["error"] += 1
        starts = status.get("attempts")
        if starts and starts != stored.get("attempts"):
            # No start waits for a status that the API server will not take in another place.
            await app.cluster.write_status(
                job.key, {**stored, "attempts": starts}, job.resource_version
            )
        raise
    except ConflictError:
        app.tally.status_writes["conflict"] += 1
        await _read_again(job.key, app)
        raise
    except ClusterError:
        app.tally.status_writes["error"] += 1
        raise
    app.tally.status_writes["ok"] += 1
    if body is not None:
        app.cache.remember(body)


async def _read_again(key: Key, app: App) -> None:
    body = await app.cluster.get_training_job(key)
    if body is not None:
        app.cache.remember(body)
