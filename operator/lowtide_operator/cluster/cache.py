"""Cache of what the watches have told: one small record per TrainingJob and per child Job.

It answers "what is known", never "what is true": the API server decides what must not happen
twice (a Job's name can exist once). It keeps no bodies and no templates.
"""

from collections import defaultdict
from collections.abc import Iterator

from lowtide.planning.durations import PastRun
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.records import Record
from lowtide_operator.objects.views import Body, ChildView, JobView, child_view


class Cache:
    """Records by key; all methods belong to one event loop."""

    def __init__(self) -> None:
        self._jobs: dict[Key, Record] = {}
        self._running: dict[Key, None] = {}
        self._past: defaultdict[tuple[str, str], dict[Key, PastRun]] = defaultdict(dict)
        self._children: defaultdict[Key, dict[str, ChildView]] = defaultdict(dict)
        self._parsed: dict[Key, tuple[Record, JobView]] = {}
        self._naming: defaultdict[tuple[str, str, str], set[Key]] = defaultdict(set)

    def remember(self, body: Body) -> Key | None:
        """Keep a TrainingJob; return its key, or `None` if nothing new is in it.

        The echo of the operator's own write carries the version that the write returned, so it
        is nothing new.
        """
        metadata = body["metadata"]
        known = self._jobs.get(Key(metadata["namespace"], metadata["name"]))
        if known is not None and known.resource_version == metadata.get("resourceVersion", ""):
            return None
        record = Record.of(body, known)
        if known is not None:
            self._unname(known)
        self._jobs[record.key] = record
        if record.summary.state == "Running":
            self._running[record.key] = None
        else:
            self._running.pop(record.key, None)
        if record.target is not None:
            self._naming[_named(record)].add(record.key)
        if record.series is not None and record.past is not None:
            self._past[record.key.namespace, record.series][record.key] = record.past
        return record.key

    def forget(self, body: Body) -> Key | None:
        """Drop a deleted TrainingJob; return its key, or `None` if a newer one has its name."""
        key = Key(body["metadata"]["namespace"], body["metadata"]["name"])
        return key if self.drop(key, body["metadata"]["uid"]) else None

    def drop(self, key: Key, uid: str) -> bool:
        """Drop a TrainingJob; return whether nothing is known under its name any more."""
        known = self._jobs.get(key)
        if known is not None and known.uid != uid:
            return False
        self._jobs.pop(key, None)
        self._running.pop(key, None)
        if known is not None:
            self._unname(known)
        self._parsed.pop(key, None)
        if known is not None and known.series is not None:
            runs = self._past[key.namespace, known.series]
            runs.pop(key, None)
            if not runs:
                del self._past[key.namespace, known.series]
        return True

    def naming(self, namespace: str, kind: str, name: str) -> tuple[Key, ...]:
        """Return the TrainingJobs that name a workload by its kind and name."""
        return tuple(self._naming.get((namespace, kind, name), ()))

    def workload_uids(self) -> frozenset[str]:
        """Return the uids of the workloads that TrainingJobs name."""
        found = (record.target_uid for record in self._jobs.values())
        return frozenset(uid for uid in found if uid)

    def workload_pods(self) -> frozenset[str]:
        """Return the uids of the pods that those workloads are known to run."""
        return frozenset[str]().union(*(record.workload_pods for record in self._jobs.values()))

    def _unname(self, record: Record) -> None:
        if record.target is None:
            return
        keys = self._naming[_named(record)]
        keys.discard(record.key)
        if not keys:
            del self._naming[_named(record)]

    def knows(self, body: Body) -> bool:
        """Return whether a TrainingJob of this name is kept."""
        return Key(body["metadata"]["namespace"], body["metadata"]["name"]) in self._jobs

    def knows_child(self, body: Body) -> bool:
        """Return whether this batch Job is kept."""
        child = child_view(body)
        return child is not None and child.name in self._children.get(child.owner, {})

    def remember_child(self, body: Body) -> Key | None:
        """Keep a batch Job; return its owner, or `None` if it has none or nothing is new."""
        child = child_view(body)
        if child is None:
            return None
        known = self._children.get(child.owner, {}).get(child.name)
        if known is not None and known.resource_version == child.resource_version:
            return None
        self._children[child.owner][child.name] = child
        return child.owner

    def forget_child(self, body: Body) -> Key | None:
        """Drop a deleted batch Job; return its owner."""
        child = child_view(body)
        if child is None:
            return None
        self.drop_child(child)
        return child.owner

    def drop_child(self, child: ChildView) -> None:
        """Drop a batch Job that is gone."""
        siblings = self._children.get(child.owner, {})
        known = siblings.get(child.name)
        if known is not None and known.uid == child.uid:
            del siblings[child.name]
        if not siblings:
            self._children.pop(child.owner, None)

    def children(self) -> Iterator[ChildView]:
        """Return all batch Jobs, in no particular order."""
        return iter([child for few in self._children.values() for child in few.values()])

    def record(self, key: Key) -> Record | None:
        """Return what is kept of a TrainingJob."""
        return self._jobs.get(key)

    def look(self, key: Key) -> JobView | None:
        """Return the parsed job for a look at it."""
        record = self._jobs.get(key)
        known, job = self._parsed.pop(key, (None, None))
        if record is None:
            return None
        return job if known is record else record.view()

    def look_ahead(self, record: Record) -> JobView:
        """Return the parsed job, and keep it for the look at it that is to come."""
        known, job = self._parsed.get(record.key, (None, None))
        if job is None or known is not record:
            job = record.view()
            self._parsed[record.key] = record, job
        return job

    def child(self, job: JobView) -> ChildView | None:
        """Return the newest batch Job that this very TrainingJob controls."""
        mine = [c for c in self._children.get(job.key, {}).values() if c.owner_uid == job.uid]
        return max(mine, key=lambda child: (child.created, child.name), default=None)

    def past_runs(self, job: JobView) -> tuple[PastRun, ...]:
        """Return the finished jobs of a job's series, itself left out."""
        record = self._jobs.get(job.key)
        if record is None or record.series is None:
            return ()
        runs = self._past.get((job.key.namespace, record.series), {})
        return tuple(run for key, run in runs.items() if key != job.key)

    def running_keys(self) -> tuple[Key, ...]:
        """Return the keys of jobs that run; every pass asks, however many jobs wait."""
        return tuple(self._running)

    def all_keys(self) -> tuple[Key, ...]:
        """Return the keys of all TrainingJobs."""
        return tuple(self._jobs)

    def records(self) -> Iterator[Record]:
        """Return all records, in no particular order."""
        return iter(tuple(self._jobs.values()))


def _named(record: Record) -> tuple[str, str, str]:
    _, kind, name = record.target or ("", "", "")
    return record.key.namespace, kind, name
