"""Jobs of several pods that work together, and whose size changes: the world of elastic episodes.

A Job works while all its pods run, faster the more they are, and saves whatever ends it. It is an
error of the operator to change its size while it may have pods, or to let pods of two sizes meet.
"""

from math import log2
from typing import Any

from standins.episodes.workloads import WorkloadWorld
from standins.episodes.world import Body, Pod, Work, World

from lowtide_operator.cluster.errors import RefusedError

EFFICIENCY = 0.9
INDEXED = {"completionMode": "Indexed"}


class WidePods(World):
    """A world whose Jobs have as many pods as their parallelism says."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.faults: list[str] = []
        """Where pods of two sizes met, or a size changed beside pods."""
        self._together: dict[str, tuple[float, float]] = {}
        """Since when all pods of a Job run, and how fast they are, by the Job's uid."""
        self._bases: dict[str, int] = {}
        self.seconds: float | None = None
        """Work of the Jobs of TrainingJobs, at the size that they are written with; `None`: as
        every world has it, longer and shorter than expected and failing at times."""

    def of(self, uid: str) -> list[Pod]:
        """Return the pods of a Job that are there and have not ended."""
        mine = (pod for pod in self.pods.values() if pod.job == uid and not pod.is_gone)
        return [pod for pod in mine if pod.phase in ("Pending", "Running")]

    def sizes(self, uid: str) -> list[int]:
        """Return the sizes that a Job ran with, one after the other."""
        found: list[int] = []
        ran = [pod for pod in self.pods.values() if pod.job == uid and pod.began is not None]
        for pod in sorted(ran, key=lambda one: one.began or 0.0):
            found += [pod.size] if found[-1:] != [pod.size] else []
        return found

    def check_size(self, before: Body, after: Body) -> None:
        """Refuse a size as the API server does, and note one that is changed too early."""
        if before.get("parallelism") == after.get("parallelism"):
            return
        if after.get("parallelism") != after.get("completions"):
            raise RefusedError("spec.completions: field is immutable", status=422)
        if not before.get("suspend"):
            self.faults.append(f"{self.now:.0f} s: a running Job changes its size")

    def suspend_child(self, name: str, suspended: bool, replicas: int | None = None) -> Body | None:
        """Set spec.suspend of a Job, perhaps with another size."""
        child = self.children.get(name)
        if child is not None and replicas is not None:
            spec = child["spec"]
            self.check_size(spec, {**spec, "parallelism": replicas, "completions": replicas})
        return super().suspend_child(name, suspended, replicas)

    def _is_wanted(self, child: Body | None) -> bool:
        if child is None or child["spec"].get("suspend") or self._has_ended(child):
            return False
        return len(self.of(child["metadata"]["uid"])) < child["spec"].get("parallelism", 1)

    def _make_pod(self, child: Body) -> None:
        size = child["spec"].get("parallelism", 1)
        others = {pod.size for pod in self.of(child["metadata"]["uid"])} - {size}
        if others:
            self.faults.append(f"{self.now:.0f} s: pods of {others} and of {size} are there")
        super()._make_pod(child)

    def base_of(self, uid: str) -> int:
        """Return the size that a Job was created with."""
        if uid not in self._bases:
            child = self._child(uid) or {"spec": {}}
            self._bases[uid] = child["spec"].get("parallelism", 1)
        return self._bases[uid]

    def create_child(self, manifest: Body) -> Body:
        """Store a Job of a TrainingJob."""
        made = super().create_child(manifest)
        uid = made["metadata"]["uid"]
        self.base_of(uid)
        if self.seconds is not None:
            self.work[uid] = Work(total_seconds=self.seconds, saves=True)
        return made

    def _begin(self, pod: Pod) -> None:
        child = self._child(pod.job)
        running = [one for one in self.of(pod.job) if one.phase == "Running"]
        if child is None or len(running) < child["spec"].get("parallelism", 1):
            return
        speed = (len(running) / self.base_of(pod.job)) ** (1 + log2(EFFICIENCY))
        since = self.now, speed
        self._together[pod.job] = since
        work = self.work[pod.job]
        left = max(1.0, (work.total_seconds - work.done_seconds) / speed)
        self._loop.call_later(left, self._finish_together, pod, since)

    def _finish_together(self, pod: Pod, since: tuple[float, float]) -> None:
        if self._together.get(pod.job) != since:
            return
        for one in self.of(pod.job):
            if one is not pod:
                self._stop(one, 1 if self.work[pod.job].fails else 0)
        self._finish(pod)

    def _save(self, pod: Pod, exit_code: int) -> None:
        since, speed = self._together.pop(pod.job, (self.now, 0.0))
        self.work[pod.job].done_seconds += (self.now - since) * speed


class WideWorkloadWorld(WidePods, WorkloadWorld):
    """The same with Jobs that users wrote."""

    def create_workload(self, name: str, **more: Any) -> Body:
        """Create a labelled Job."""
        made = super().create_workload(name, **more)
        self.base_of(made["metadata"]["uid"])
        return made

    def patch_workload(self, name: str, patch: Body) -> Body | None:
        """Merge a patch into a Job."""
        body = self.children.get(name)
        if body is not None:
            self.check_size(body["spec"], {**body["spec"], **(patch.get("spec") or {})})
        return super().patch_workload(name, patch)
