"""Actions carried out at the API server; what it refuses is an answer, not an error.

An action is safe to repeat: a Job of ours that is already there is as good as one just made, and a
workload that was replaced is left alone.
"""

import logging
from typing import Final

from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.holding import hold_patch, is_queued
from lowtide.trainingjob.workload_kinds import kind_of
from lowtide_operator.app import App
from lowtide_operator.cluster.errors import (
    AlreadyExistsError,
    ConflictError,
    RefusedError,
)
from lowtide_operator.cluster.freeing import free_workload, resized
from lowtide_operator.decision.actions import (
    Action,
    CreateJob,
    DeleteTrainingJob,
    EnterQueue,
    FreeWorkload,
    HoldWorkload,
    ResizeWorkload,
    ResumeJob,
    SuspendJob,
)
from lowtide_operator.decision.observation import StartRefusal
from lowtide_operator.objects.job_manifest import Manifest, job_manifest
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.queueing import may_wait_outside, outside_of_queue
from lowtide_operator.objects.views import child_view, template_of
from lowtide_operator.objects.workloads import workload_view

LOG: Final = logging.getLogger(__name__)


async def carry_out(action: Action, app: App) -> StartRefusal | None:
    """Carry out an action; return why the API server refused it, if it did."""
    match action:
        case CreateJob():
            return await _create(action, app)
        case ResumeJob(replicas=int() as replicas):
            return await _resume_at_size(action, replicas, app)
        case SuspendJob() | ResumeJob():
            suspended = isinstance(action, SuspendJob)
            body = await app.cluster.set_suspended(
                action.namespace, action.name, action.uid, suspended=suspended
            )
            if body is not None:
                app.cache.remember_child(body)
            return None
        case EnterQueue():
            body = await app.cluster.enter_queue(
                action.namespace, action.name, action.uid, action.queue
            )
            if body is not None:
                app.cache.remember_child(body)
            return None
        case HoldWorkload() | FreeWorkload() | ResizeWorkload():
            return await _switch_workload(action, app)
        case DeleteTrainingJob():
            await app.cluster.delete_training_job(action.key, action.uid)
            return None


async def _resume_at_size(action: ResumeJob, replicas: int, app: App) -> StartRefusal | None:
    """Resume a Job at another size, or at its own where the API server refuses the change."""
    place = action.namespace, action.name, action.uid
    refusal = None
    try:
        body = await app.cluster.set_suspended(*place, suspended=False, replicas=replicas)
    except RefusedError as error:
        LOG.warning("Job %s keeps its size: %s", action.name, error)
        body = await app.cluster.set_suspended(*place, suspended=False)
        refusal = _kept_size(replicas, str(error))
    if body is not None:
        app.cache.remember_child(body)
    return refusal


def _kept_size(replicas: int, why: str) -> StartRefusal:
    message = f"the Job keeps its size, because {replicas} replicas were refused: {why}"
    return StartRefusal(Reason.RESIZE_REFUSED, message, lasting=False)


async def _switch_workload(
    action: HoldWorkload | FreeWorkload | ResizeWorkload, app: App
) -> StartRefusal | None:
    """Hold, free or resize a workload; one that was replaced or has ended is left alone.

    Raises:
        ConflictError: it changed in between, or the operator does not know its kind any more.
    """
    ref = action.target
    kind = kind_of(app.kinds, ref.api_version, ref.kind)
    if kind is None:
        raise ConflictError(f"kind {ref.kind} is not in the settings any more")
    body = await app.cluster.get_workload(kind, ref.namespace, ref.name)
    if body is None or body["metadata"]["uid"] != ref.uid:
        raise ConflictError(f"{ref} was replaced meanwhile")
    view = workload_view(kind, body, Key(ref.namespace, ref.name), "")
    if view.child.ending is not None:
        return None
    if isinstance(action, FreeWorkload):
        if app.checks is not None:
            app.checks.forget(ref.namespace, view.parked_in_queue)
        refused = await free_workload(app.cluster, kind, body, app.clock(), action.replicas)
        return _kept_size(action.replicas or view.size.replicas, refused) if refused else None
    if isinstance(action, ResizeWorkload):
        _, refused = await resized(app.cluster, kind, body, action.replicas)
        return _kept_size(action.replicas, refused) if refused else None
    patch = hold_patch(kind, body, action.until, action.queued_as, action.check)
    await app.cluster.patch_workload(kind, ref.namespace, ref.name, patch)
    if action.check and app.checks is not None:
        await app.checks.rest(ref.namespace, action.queued_as, action.rests_until)
    elif action.queued_as:
        # After the mark that names it: what is not active without our mark is another's.
        await app.cluster.set_active(ref.namespace, action.queued_as, active=False)
    return None


async def _create(action: CreateJob, app: App) -> StartRefusal | None:
    """Create the Job of an attempt; one of ours that is already there is as good."""
    body = await app.cluster.get_training_job(action.key)
    if body is None or body["metadata"]["uid"] != action.uid:
        raise ConflictError(f"TrainingJob {action.key} was replaced meanwhile")
    if body["metadata"].get("generation") != action.generation:
        app.cache.remember(body)
        raise ConflictError(f"the spec of TrainingJob {action.key} was changed meanwhile")
    manifest = job_manifest(
        action.key,
        action.uid,
        template_of(body),
        attempt=action.attempt,
        settle_seconds=app.settings.measurement.settle_seconds,
    )
    try:
        if is_queued(manifest):
            manifest = await _held(manifest, app)
        job = await app.cluster.create_job(manifest)
        app.tally.jobs_created += 1
    except AlreadyExistsError:
        name = manifest["metadata"]["name"]
        found = await app.cluster.get_job(action.key.namespace, name)
        if found is None:
            raise ConflictError(f"Job {name} came and went") from None
        child = child_view(found)
        if child is None or child.owner_uid != action.uid:
            message = (
                f"Job {name} exists and is not this TrainingJob's: delete it, or give this "
                "TrainingJob another name"
            )
            return StartRefusal(Reason.NAME_TAKEN, message, lasting=False)
        job = found
    except RefusedError as error:
        return StartRefusal(Reason.CREATE_REFUSED, str(error), lasting=False)
    app.cache.remember_child(job)
    return None


async def _held(manifest: Manifest, app: App) -> Manifest:
    """Return the manifest of a queued Job, outside of its queue where it can enter that later."""
    outside = outside_of_queue(manifest)
    tried = [await app.cluster.create_job(one, dry_run=True) for one in (manifest, outside)]
    return outside if may_wait_outside(*tried) else manifest
