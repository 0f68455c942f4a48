"""Workloads that a user wrote, in the world of an episode, and the API that serves them.

A Job keeps no owner here. Suspended, it loses its pods some time after it said so, as real ones do
while their pods save; it is an error of the operator to let it go on before.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from standins.episodes.api import Api
from standins.episodes.world import NAMESPACE, Body, Work, World, merge

from lowtide import names
from lowtide.trainingjob.workload_kinds import JOB, WorkloadKind
from lowtide_operator.cluster.errors import AlreadyExistsError, ConflictError
from lowtide_operator.objects.key import Key

OWNER_LABEL = "batch.kubernetes.io/controller-uid"


class WorkloadWorld(World):
    """A world whose Jobs were written by users."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.too_early: list[str] = []
        """Pods that were there when their Job was let go on."""

    def create_workload(
        self, name: str, *, held: bool, seconds: float, spec: Body | None = None, **notes: str
    ) -> Body:
        """Create a labelled Job; `held` as an admission policy does it, with more in its spec."""
        uid = f"job-{next(self._uids)}"
        labels = {names.LABEL_SCHEDULE: "true"}
        if held:
            labels[names.LABEL_HELD] = "true"
        # Pods of TrainingJobs of their own would carry these two as well.
        of_pods = {OWNER_LABEL: uid, names.LABEL_TRAININGJOB: "", names.LABEL_TRAININGJOB_UID: ""}
        body: Body = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "uid": uid,
                "creationTimestamp": self.text(),
                "labels": labels,
                "annotations": {
                    f"lowtide.dev/{key.replace('_', '-')}": text for key, text in notes.items()
                },
            },
            "spec": {
                "suspend": held,
                "template": {"metadata": {"labels": of_pods}, "spec": {"containers": []}},
                **(spec or {}),
            },
        }
        self.children[name] = body
        self.work[uid] = Work(total_seconds=seconds, saves=True)
        self.after(0.5, 30, self._add_pod, uid)
        return self.store("ADDED", "children", body)

    def patch_workload(self, name: str, patch: Body) -> Body | None:
        """Merge a patch into a Job, as the API server and the Job controller answer to it."""
        body = self.children.get(name)
        if body is None:
            return None
        metadata = patch.get("metadata") or {}
        version = metadata.get("resourceVersion", body["metadata"]["resourceVersion"])
        if metadata.get("uid") != body["metadata"]["uid"]:
            raise ConflictError("metadata.uid: another object", status=409)
        if version != body["metadata"]["resourceVersion"]:
            raise ConflictError("the object has been modified", status=409)
        merged = merge(body, patch)
        was, now = bool(body["spec"].get("suspend")), bool(merged["spec"].get("suspend"))
        if was and not now:
            self.too_early += [pod.name for pod in self.living(body["metadata"]["uid"])]
        if merged == body:
            return body
        self.children[name] = merged
        if was != now and not self._has_ended(merged):
            action = self._rest if now else self._add_pod
            self.after(0.5, 20, action, merged["metadata"]["uid"])
        if not now:
            self.work[merged["metadata"]["uid"]].has_started = True
        return self.store("MODIFIED", "children", merged)

    def living(self, uid: str) -> list[Any]:
        """Return the pods of a workload that are there and have not ended."""
        mine = (pod for pod in self.pods.values() if pod.job == uid and not pod.is_gone)
        return [pod for pod in mine if pod.phase in ("Pending", "Running")]

    def put_training_job(self, manifest: Body) -> Body:
        """Create a TrainingJob with its labels and annotations."""
        made = self.create_job(manifest["metadata"]["name"], manifest["spec"])
        for part in ("labels", "annotations"):
            made["metadata"][part] = dict(manifest["metadata"].get(part) or {})
        made["spec"]["schedule"] = {"policy": "CarbonOptimal", **made["spec"].get("schedule", {})}
        return self.store("MODIFIED", "jobs", made)

    def joules_of_workload(self, uid: str) -> float:
        """Return what the pods of a workload have really used."""
        return sum(pod.joules(self.now) for pod in self.pods.values() if pod.job == uid)


class WorkloadApi(Api):
    """The API server with workloads."""

    def __init__(self, world: WorkloadWorld) -> None:
        super().__init__(world)
        self._workloads = world

    async def get_workload(self, kind: WorkloadKind, namespace: str, name: str) -> Body | None:
        found: Body | None = await self._call(lambda: self._workloads.children.get(name))
        return found

    async def patch_workload(
        self, kind: WorkloadKind, namespace: str, name: str, patch: Mapping[str, Any]
    ) -> Body | None:
        found: Body | None = await self._call(
            lambda: self._workloads.patch_workload(name, dict(patch)), write=True
        )
        return found

    async def list_workloads(
        self, kind: WorkloadKind, namespace: str | None, label: str
    ) -> AsyncIterator[tuple[list[Body], str]]:
        name, _, value = label.partition("=")

        def effect() -> list[Body]:
            bodies = self._workloads.children.values()
            return [b for b in bodies if b["metadata"]["labels"].get(name) == value]

        yield await self._call(effect), "1"

    async def watch_workloads(
        self, kind: WorkloadKind, namespace: str | None, label: str, version: str
    ) -> AsyncIterator[tuple[str, Body]]:
        for nothing in ():
            yield nothing

    async def list_pods_selected(self, namespace: str, selector: str) -> list[Body]:
        name, _, value = selector.partition("=")

        def effect() -> list[Body]:
            pods = self._workloads.pods.values()
            mine = [pod for pod in pods if not pod.is_gone and pod.labels.get(name) == value]
            return [self._workloads._pod_body(pod) for pod in mine]

        found: list[Body] = await self._call(effect)
        return found

    async def create_training_job(self, manifest: Body) -> Body:
        def effect() -> Body:
            if manifest["metadata"]["name"] in self._workloads.jobs:
                raise AlreadyExistsError("the TrainingJob exists", status=409)
            return self._workloads.put_training_job(manifest)

        made: Body = await self._call(effect, write=True)
        return made

    async def patch_training_job(self, key: Key, patch: Mapping[str, Any]) -> Body | None:
        def effect() -> Body | None:
            body = self._workloads.jobs.get(key.name)
            if body is not None:
                self._workloads.jobs[key.name] = merge(body, dict(patch))
                self._workloads.store("MODIFIED", "jobs", self._workloads.jobs[key.name])
            return self._workloads.jobs.get(key.name)

        found: Body | None = await self._call(effect, write=True)
        return found

    async def namespace_annotations(self, namespace: str) -> Mapping[str, str]:
        found: Mapping[str, str] = await self._call(dict)
        return found


KINDS = (JOB,)
