"""World of an episode: a cluster that runs Jobs, a store of their energy, and a true clock.

The cluster behaves as the controllers do: pods come after their Job, start, lose their node, stop
when the Job is suspended, end; what a deleted object owned goes a moment later. The operator's
clock may differ from the true one. Times are virtual seconds.
"""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from standins.copies import copied

from lowtide import names
from lowtide.energy.samples import Series, StoredSample
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.holding import QUEUE_LABEL
from lowtide_operator.samples.source import SamplesUnavailableError, Selector

EPOCH = datetime(2026, 11, 30, tzinfo=UTC)
NAMESPACE = "ml"
SCRAPE_SECONDS = 60.0
STALE_SECONDS = 300.0
"""After which Prometheus forgets a series for instant queries."""

Body = dict[str, Any]
Tell = Callable[[str, str, Body], None]


@dataclass(slots=True)
class Pod:
    """A pod, and what only the world knows of it."""

    name: str
    uid: str
    job: str
    labels: dict[str, str]
    watts: float
    phase: str = "Pending"
    is_gone: bool = False
    began: float | None = None
    """When its container began to run, true seconds."""
    ended: float | None = None
    exit_code: int = 0
    no_room: bool = False
    size: int = 1
    """Parallelism of its Job when it was made."""

    def joules(self, at: float) -> float:
        """Return what it has used until then."""
        if self.began is None:
            return 0.0
        return self.watts * max(0.0, min(at, self.ended or at) - self.began)


@dataclass(slots=True)
class Work:
    """What a Job still has to do."""

    total_seconds: float
    done_seconds: float = 0.0
    saves: bool = False
    fails: bool = False
    has_started: bool = False


@dataclass
class World:
    """The cluster and everything around the operator."""

    dice: random.Random
    tell: Tell = lambda change, kind, body: None
    clock_offset: float = 0.0
    """How far the operator's clock is ahead of the true one."""
    no_room: bool = False
    jobs: dict[str, Body] = field(default_factory=dict)
    children: dict[str, Body] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    """All pods that ever were, by uid."""
    work: dict[str, Work] = field(default_factory=dict)
    """By uid of the child."""
    started: Counter[str] = field(default_factory=Counter)
    """Jobs that were ever not suspended, by the uid of their TrainingJob."""
    changed_at: dict[str, float] = field(default_factory=dict)
    """When a TrainingJob was last touched by its user, by uid."""

    def __post_init__(self) -> None:
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)
        self._loop = asyncio.get_running_loop()

    @property
    def now(self) -> float:
        """True seconds since the start."""
        return self._loop.time()

    def wall(self) -> datetime:
        """Return the time by the operator's clock."""
        return EPOCH + timedelta(seconds=self.now + self.clock_offset)

    def text(self, at: float | None = None) -> str:
        """Return a true time as the API server writes it."""
        moment = EPOCH + timedelta(seconds=self.now if at is None else at)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def after(self, low: float, high: float, action: Callable[..., None], *args: Any) -> None:
        """Do something after a time between these."""
        self._loop.call_later(self.dice.uniform(low, high), action, *args)

    def store(self, change: str, kind: str, body: Body) -> Body:
        """Give an object its next version and tell of it."""
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        self.tell(change, kind, copied(body))
        return body

    # What users do.

    def create_job(self, name: str, spec: Body) -> Body:
        """Create a TrainingJob."""
        metadata = {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"tj-{next(self._uids)}",
            "creationTimestamp": self.text(),
            "generation": 1,
            "annotations": {},
        }
        self.changed_at[metadata["uid"]] = self.now
        self.jobs[name] = {"metadata": metadata, "spec": spec}
        return self.store("ADDED", "jobs", self.jobs[name])

    def edit_job(self, name: str, change: Callable[[Body], None]) -> None:
        """Change a TrainingJob as its user does."""
        body = self.jobs[name]
        before = copied(body["spec"])
        change(body)
        if body["spec"] != before:
            body["metadata"]["generation"] += 1
        self.changed_at[body["metadata"]["uid"]] = self.now
        self.store("MODIFIED", "jobs", body)

    def delete_job(self, name: str) -> None:
        """Delete a TrainingJob; its Job goes a moment later."""
        body = self.jobs.pop(name)
        self.store("DELETED", "jobs", body)
        for child in list(self.children.values()):
            if child["metadata"]["ownerReferences"][0]["uid"] == body["metadata"]["uid"]:
                self.after(0.1, 20, self._collect, child["metadata"]["uid"])

    def _collect(self, uid: str) -> None:
        for name, child in list(self.children.items()):
            if child["metadata"]["uid"] == uid:
                self.delete_child(name)

    def delete_child(self, name: str) -> None:
        """Delete a Job and its pods."""
        child = self.children.pop(name)
        for pod in self._pods_of(child):
            self._stop(pod, 143)
            pod.is_gone = True
        self.store("DELETED", "children", child)

    # What the API server and the controllers do.

    def create_child(self, manifest: Body) -> Body:
        """Store a Job; its pod comes a moment later."""
        body = copied(manifest)
        body["metadata"] |= {"uid": f"job-{next(self._uids)}", "creationTimestamp": self.text()}
        owner = body["metadata"]["ownerReferences"][0]
        self.children[body["metadata"]["name"]] = body
        owned = self.jobs.get(owner["name"])
        spec = owned["spec"] if owned else {}
        schedule = spec.get("schedule", {})
        expected = schedule.get("expectedDurationSeconds", 600)
        self.work[body["metadata"]["uid"]] = Work(
            total_seconds=expected * self.dice.uniform(0.5, 1.5),
            saves=schedule.get("interruption", {}).get("allowed", False),
            fails=self.dice.random() < 0.1,
        )
        self._note_start(body)
        self._queue(body)
        self.after(0.5, 30, self._add_pod, body["metadata"]["uid"])
        if owned is None or owned["metadata"]["uid"] != owner["uid"]:
            # Its owner was deleted while the request was on its way: it is garbage.
            self.after(0.1, 20, self._collect, body["metadata"]["uid"])
        return self.store("ADDED", "children", body)

    def _note_start(self, child: Body) -> None:
        work = self.work[child["metadata"]["uid"]]
        if not (child["spec"].get("suspend") or work.has_started):
            work.has_started = True
            self.started[child["metadata"]["ownerReferences"][0]["uid"]] += 1

    def enter_queue(self, child: Body, queue: str) -> Body:
        """Put a Job into a Kueue queue."""
        child["metadata"]["labels"][QUEUE_LABEL] = queue
        self._queue(child)
        return self.store("MODIFIED", "children", child)

    def _queue(self, child: Body) -> None:
        """Let Kueue admit a Job of a queue with room: it suspends no Job that runs."""
        uid = child["metadata"]["uid"]
        if QUEUE_LABEL in (child["metadata"].get("labels") or {}):
            self.after(0.0, 2.0, self._admit, uid)

    def _admit(self, uid: str) -> None:
        child = self._child(uid)
        if child is not None:
            self.suspend_child(child["metadata"]["name"], False)

    def suspend_child(self, name: str, suspended: bool, replicas: int | None = None) -> Body | None:
        """Set spec.suspend of a Job, as the API server and the Job controller answer to it."""
        child = self.children.get(name)
        if child is None or self._has_ended(child):
            return child
        if replicas is not None:
            child["spec"] |= {"parallelism": replicas, "completions": replicas}
        if bool(child["spec"].get("suspend")) != suspended:
            child["spec"]["suspend"] = suspended
            self._note_start(child)
            self.store("MODIFIED", "children", child)
            action = self._rest if suspended else self._add_pod
            self.after(0.5, 20, action, child["metadata"]["uid"])
        return child

    def write_status(self, name: str, status: Body) -> Body:
        """Replace a TrainingJob's status."""
        body = self.jobs[name]
        if status != body.get("status"):
            body["status"] = status
            self.store("MODIFIED", "jobs", body)
        return body

    def lose_node(self) -> None:
        """Lose the node of a running pod."""
        running = [pod for pod in self.pods.values() if pod.phase == "Running"]
        if not running:
            return
        pod = self.dice.choice(sorted(running, key=lambda one: one.uid))
        self._stop(pod, 137)
        pod.is_gone = self.dice.random() < 0.7
        child = self._child(pod.job)
        if child is not None:
            self._count(child)
            self.after(1, 60, self._add_pod, pod.job)

    def _child(self, uid: str) -> Body | None:
        found = (c for c in self.children.values() if c["metadata"]["uid"] == uid)
        return next(found, None)

    def _pods_of(self, child: Body) -> list[Pod]:
        uid = child["metadata"]["uid"]
        return [pod for pod in self.pods.values() if pod.job == uid and not pod.is_gone]

    @staticmethod
    def _has_ended(child: Body) -> bool:
        return bool(endings(child))

    def _is_wanted(self, child: Body | None) -> bool:
        return (
            child is not None
            and not child["spec"].get("suspend")
            and not self._has_ended(child)
            and not any(p.phase in ("Pending", "Running") for p in self._pods_of(child))
        )

    def _add_pod(self, uid: str) -> None:
        child = self._child(uid)
        while child is not None and self._is_wanted(child):
            self._make_pod(child)

    def _make_pod(self, child: Body) -> None:
        letters = "".join(self.dice.choices("bcdfghjklmnpqrstvwxz2456789", k=5))
        name = f"{child['metadata']['name']}-{letters}"
        labels = child["spec"]["template"]["metadata"]["labels"]
        uid, size = child["metadata"]["uid"], child["spec"].get("parallelism", 1)
        watts = self.dice.uniform(50, 400)
        pod = Pod(name, f"pod-{next(self._uids)}", uid, labels, watts, size=size)
        self.pods[pod.uid] = pod
        (child.get("status") or {}).pop("conditions", None)
        pod.no_room = self.no_room
        self._count(child)
        self.after(1, 90, self._run, pod)

    def _run(self, pod: Pod) -> None:
        child = self._child(pod.job)
        if child is None or pod.is_gone or pod.phase != "Pending":
            return
        pod.no_room = self.no_room
        if pod.no_room:
            self.after(30, 60, self._run, pod)
            return
        pod.phase, pod.began = "Running", self.now
        self._count(child)
        self._begin(pod)

    def _begin(self, pod: Pod) -> None:
        """Let a pod that runs work until its end."""
        work = self.work[pod.job]
        left = max(1.0, work.total_seconds - work.done_seconds)
        self._loop.call_later(left, self._finish, pod)

    def _finish(self, pod: Pod) -> None:
        child = self._child(pod.job)
        if child is None or pod.phase != "Running":
            return
        failed = self.work[pod.job].fails
        self._stop(pod, 1 if failed else 0)
        kind, reason = ("Failed", "BackoffLimitExceeded") if failed else ("Complete", "Done")
        end = {"type": kind, "status": "True", "reason": reason, "message": ""}
        child["status"] = {"active": 0, "conditions": [{**end, "lastTransitionTime": self.text()}]}
        self.store("MODIFIED", "children", child)

    def _rest(self, uid: str) -> None:
        child = self._child(uid)
        if child is None or not child["spec"].get("suspend") or self._has_ended(child):
            return
        for pod in self._pods_of(child):
            if pod.phase in ("Pending", "Running"):
                self._stop(pod, 75)
                pod.is_gone = True
        rests = {"type": "Suspended", "status": "True", "lastTransitionTime": self.text()}
        child["status"] = {**(child.get("status") or {}), "conditions": [rests]}
        self._count(child)

    def _stop(self, pod: Pod, exit_code: int) -> None:
        if pod.phase not in ("Pending", "Running"):
            return
        if pod.began is not None:
            pod.ended = self.now
            self._save(pod, exit_code)
        pod.phase = "Failed" if exit_code else "Succeeded"
        pod.exit_code = exit_code

    def _save(self, pod: Pod, exit_code: int) -> None:
        """Count the work that a pod has saved."""
        work = self.work[pod.job]
        if work.saves and exit_code == 75 and pod.began is not None:
            work.done_seconds += self.now - pod.began

    def _count(self, child: Body) -> None:
        pods = self._pods_of(child)
        active = sum(pod.phase in ("Pending", "Running") for pod in pods)
        ready = sum(pod.phase == "Running" for pod in pods)
        child["status"] = {**(child.get("status") or {}), "active": active, "ready": ready}
        self.store("MODIFIED", "children", child)

    def pod_bodies(self, trainingjob_uid: str) -> list[Body]:
        """Return the pods of a TrainingJob as the API server lists them."""
        return [
            self._pod_body(pod)
            for pod in self.pods.values()
            if not pod.is_gone and pod.labels[names.LABEL_TRAININGJOB_UID] == trainingjob_uid
        ]

    def _pod_body(self, pod: Pod) -> Body:
        status: Body = {"phase": pod.phase}
        state: Body = {}
        if pod.began is not None:
            state = {"running": {"startedAt": self.text(pod.began)}}
            status["startTime"] = self.text(pod.began)
        if pod.ended is not None and pod.began is not None:
            ended = {"startedAt": self.text(pod.began), "finishedAt": self.text(pod.ended)}
            state = {"terminated": {**ended, "exitCode": pod.exit_code}}
        status["containerStatuses"] = [{"name": "c", "state": state}]
        if pod.no_room:
            words = {"reason": "Unschedulable", "message": "0/1 nodes are available"}
            status["conditions"] = [{"type": "PodScheduled", "status": "False", **words}]
        node = "" if pod.no_room else "node-1"
        metadata = {"name": pod.name, "uid": pod.uid, "namespace": NAMESPACE, "labels": pod.labels}
        return {"metadata": metadata, "spec": {"nodeName": node}, "status": status}

    def joules_of(self, trainingjob_uid: str) -> float:
        """Return what a TrainingJob has really used."""
        return sum(
            pod.joules(self.now)
            for pod in self.pods.values()
            if pod.labels[names.LABEL_TRAININGJOB_UID] == trainingjob_uid
        )

    def bill_of(self, trainingjob_uid: str, price_at: Callable[[float], float]) -> float:
        """Return what the electricity of a TrainingJob really cost."""
        total = 0.0
        for pod in self.pods.values():
            if pod.labels[names.LABEL_TRAININGJOB_UID] != trainingjob_uid or pod.began is None:
                continue
            at, end = pod.began, self.now if pod.ended is None else pod.ended
            while at < end:
                until = min(end, 3600.0 * (at // 3600 + 1))
                total += pod.watts * (until - at) / 3.6e6 * price_at(at)
                at = until
        return total


class StoreUnavailableError(SamplesUnavailableError):
    """The store does not answer."""

    reason = Reason.PROMETHEUS_UNAVAILABLE


class EnergyStore:
    """What a Prometheus would have stored of the pods of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.is_away = False
        self.hangs = False
        self.gaps: tuple[tuple[float, float], ...] = ()
        """Stretches without a scrape, from and to, in seconds."""
        self.tells_of_running = False
        """Whether the energy of running pods is asked for too."""

    async def samples(
        self, selector: Selector, start: datetime, end: datetime
    ) -> tuple[Series, ...]:
        """Return the samples of a selector."""
        await self._answer()
        matches = selector.matcher()
        low, high = (start - EPOCH).total_seconds(), (end - EPOCH).total_seconds()
        found = []
        for labels, points in self._series(selector.metric):
            inside = tuple(
                StoredSample(EPOCH.timestamp() + t, v) for t, v in points if low < t <= high
            )
            if matches(labels) and inside:
                found.append(Series({**labels, "__name__": selector.metric}, inside))
        return tuple(found)

    async def started_at(self) -> datetime | None:
        """Return that the store has always been there."""
        await self._answer()
        return None

    async def pod_joules(self, at: datetime) -> dict[Any, float]:
        """Return the newest samples of pods, where an episode is about running ones."""
        await self._answer()
        return self.newest_joules() if self.tells_of_running else {}

    def newest_joules(self) -> dict[Any, float]:
        """Return the newest sample of every pod that is not stale, by namespace and uid."""
        found = {}
        for pod in self._world.pods.values():
            times = [] if pod.began is None else self._scrapes(pod)
            if times and times[-1] > self._world.now - STALE_SECONDS:
                found[NAMESPACE, pod.uid] = pod.joules(times[-1])
        return found

    async def _answer(self) -> None:
        await asyncio.sleep(10.0 if self.hangs else 0.05)
        if self.is_away or self.hangs:
            raise StoreUnavailableError("the store does not answer")

    def _series(self, metric: str) -> Iterator[tuple[dict[str, str], list[tuple[float, float]]]]:
        for pod in self._world.pods.values():
            if pod.began is None:
                continue
            labels = {"namespace": NAMESPACE, "pod": pod.name, "pod_uid": pod.uid}
            times = self._scrapes(pod)
            match metric:
                case names.METRIC_POD_ENERGY:
                    more = {"container": "c", "component": "gpu", "part": "active"}
                    more |= {"method": "exclusive", "quality": "counter"}
                    yield {**labels, **more}, [(t, pod.joules(t)) for t in times]
                case names.METRIC_POD_SEGMENT_START:
                    began = EPOCH.timestamp() + pod.began
                    yield labels, [(t, began) for t in times]
                case names.METRIC_POD_OWNER:
                    owner = {
                        "trainingjob": pod.labels[names.LABEL_TRAININGJOB],
                        "trainingjob_uid": pod.labels[names.LABEL_TRAININGJOB_UID],
                        "owner_uid": pod.job,
                    }
                    yield {**labels, **owner}, [(t, 1.0) for t in times]
                case names.METRIC_POD_END if pod.ended is not None:
                    # As the kubelet tells it: cut off to whole seconds.
                    ended = EPOCH.timestamp() + max(pod.began, float(int(pod.ended)))
                    yield labels, [(t, ended) for t in times if t >= pod.ended]

    def bill_in_doubt(self, trainingjob_uid: str, price_at: Callable[[float], float]) -> float:
        """Return by how much a bill may differ, because the last second of a pod is not told.

        A pod's end is known as a whole second. Where the price changes between the last sample
        before it and the end, up to one second's energy may be put on the other side.
        """
        doubt = 0.0
        for pod in self._world.pods.values():
            is_mine = pod.labels[names.LABEL_TRAININGJOB_UID] == trainingjob_uid
            if not is_mine or pod.began is None or pod.ended is None:
                continue
            told = float(int(pod.ended))
            # What was used after the told end is put into the second before it.
            before = max((t for t in self._scrapes(pod) if t < told), default=pod.began)
            before = min(before, told - 1.0)
            if before // 3600 != pod.ended // 3600:
                step = abs(price_at(pod.ended) - price_at(before))
                doubt += pod.watts * 1.0 / 3.6e6 * step
        return doubt

    def _scrapes(self, pod: Pod) -> list[float]:
        """Return when the pod's counter was stored: until five minutes after its end."""
        began, now = pod.began or 0.0, self._world.now
        last = now if pod.ended is None else min(now, pod.ended + 300)
        first = SCRAPE_SECONDS * (began // SCRAPE_SECONDS + 1)
        count = max(0, int((last - first) // SCRAPE_SECONDS) + 1)
        times = [first + SCRAPE_SECONDS * number for number in range(count)]
        return [t for t in times if not any(low <= t <= high for low, high in self.gaps)]


def endings(child: Body) -> list[str]:
    """Return by which conditions a Job has ended: one, or none."""
    held = (child.get("status") or {}).get("conditions") or ()
    return [one["type"] for one in held if one["type"] in ("Complete", "Failed")]


def merge(old: Any, patch: Any) -> Any:
    """Return a document with an RFC 7396 merge patch applied."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result
