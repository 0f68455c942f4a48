"""One workload in a queue of Kueue 0.17, step by step: what it does to its own object.

After its controllers of workloads and of jobs and its scheduler, as far as an admission check, a
timer and a restart concern them. Each step is one change, so that a test may put anything between.
"""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

Body = dict[str, Any]


def text_of(moment: datetime) -> str:
    """Return a time as Kubernetes writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class SmallKueue:
    """Kueue with one workload, whose job has one pod."""

    def __init__(self, body: Body, check: str, *, now: datetime, grace_seconds: float) -> None:
        self.body = copy.deepcopy(body)
        self.now = now
        self.room = True
        """Whether its queue has quota left."""
        self.starts = 0
        """Pods that were ever started."""
        self._check = check
        self._grace = timedelta(seconds=grace_seconds)
        self._pod_runs = False
        self._pod_ends: datetime | None = None
        self._in_heap = True
        """Whether the scheduler looks at it; what is put aside waits for another event."""
        self._has_restarted = False
        self._version = 1
        self.body["metadata"]["resourceVersion"] = "1"

    @property
    def has_pod(self) -> bool:
        """Whether a pod is there, also one that is ending."""
        return self._pod_runs or (self._pod_ends is not None and self._pod_ends > self.now)

    @property
    def is_running(self) -> bool:
        """Whether a pod runs and is not told to end."""
        return self._pod_runs

    @property
    def status(self) -> Body:
        """The status of its object."""
        found: Body = self.body.setdefault("status", {})
        return found

    def condition(self, kind: str) -> bool:
        """Return whether a condition is True."""
        return any(
            one["type"] == kind and one["status"] == "True"
            for one in self.status.get("conditions", ())
        )

    def write(self, patch: Body, *, applies: bool) -> bool:
        """Take a patch of the status, server-side apply or merge; return whether it was taken.

        It is refused where the object has changed since the version that it names.
        """
        if patch["metadata"]["resourceVersion"] != self.body["metadata"]["resourceVersion"]:
            return False
        if applies:
            (entry,) = patch["status"]["admissionChecks"]
            for one in self._entries():
                if one["name"] == entry["name"]:
                    # Kueue owns the fields too: what an apply leaves out stays.
                    one.update(entry)
            for one in patch["status"].get("conditions", ()):
                self._set(one["type"], one["status"] == "True", one["reason"])
        else:
            self._merge(self.status, patch["status"])
        self._changed()
        return True

    def step(self) -> bool:
        """Let one of Kueue's parts change something; return whether any had to."""
        return self.reconcile() or self.reconcile_job() or self.schedule()

    def reconcile(self) -> bool:
        """Let the controller of workloads look once; return whether it changed anything."""
        if self._take_up_timer():
            return True
        timer = self._timer()
        if timer is not None and timer > self.now:
            return False
        if timer is not None and not self.condition("QuotaReserved"):
            self.status["requeueState"].pop("requeueAt")
            return self._changed()
        if self._is_false("Requeued"):
            self.status.get("requeueState", {}).pop("requeueAt", None)
            self._set("Requeued", True, "BackoffFinished")
            self._in_heap = True
            return self._changed()
        if not self._entries():
            entry = {"name": self._check, "state": "Pending", "message": ""}
            self.status["admissionChecks"] = [{**entry, "lastTransitionTime": text_of(self.now)}]
            return self._changed()
        return self._admit() or self._evict()

    def reconcile_job(self) -> bool:
        """Let the controller of jobs look once; return whether it changed anything."""
        if self.condition("Evicted"):
            if self._pod_runs:
                self._pod_runs, self._pod_ends = False, self.now + self._grace
                return True
            if self.condition("QuotaReserved") and not self.has_pod:
                self._set("Requeued", False, "AdmissionCheck")
                self._set("QuotaReserved", False, "Pending")
                self._set("Admitted", False, "NoReservation")
                self._in_heap = False
                return self._changed()
            return False
        if self.condition("Admitted") and not self.has_pod:
            self._pod_runs, self.starts = True, self.starts + 1
            return True
        return False

    def schedule(self) -> bool:
        """Let the scheduler look once; return whether it changed anything."""
        timer = self._timer()
        waits = timer is not None and timer > self.now and not self._has_restarted
        if not self._in_heap or self.condition("QuotaReserved") or not self.room or waits:
            return False
        if any(one["state"] == "Retry" for one in self._entries()):
            self._in_heap = False
            return False
        self._in_heap = self._has_restarted = False
        self._set("QuotaReserved", True, "QuotaReserved")
        if self.condition("Evicted"):
            self._set("Evicted", False, "QuotaReserved")
        self._admit()
        return self._changed()

    def restart(self) -> None:
        """Restart it: everything that has no quota is queued, whatever its timer says."""
        self._in_heap = self._has_restarted = not self.condition("QuotaReserved")

    def settle(self) -> None:
        """Let it work until nothing is left to be done at this time."""
        for _ in range(50):
            if not self.step():
                return
        raise AssertionError("Kueue does not come to rest")

    def _take_up_timer(self) -> bool:
        for one in self._entries():
            seconds = one.get("requeueAfterSeconds")
            if one["state"] != "Retry" or seconds is None:
                continue
            asked = datetime.fromisoformat(one["lastTransitionTime"]) + timedelta(seconds=seconds)
            timer = self._timer()
            if asked > self.now and (timer is None or timer < asked):
                self.status.setdefault("requeueState", {})["requeueAt"] = text_of(asked)
                return self._changed()
        return False

    def _admit(self) -> bool:
        ready = all(one["state"] == "Ready" for one in self._entries())
        reserved = self.condition("QuotaReserved")
        if self.condition("Admitted") or not (self._entries() and ready and reserved):
            return False
        self._set("Admitted", True, "Admitted")
        return self._changed()

    def _evict(self) -> bool:
        retried = [one for one in self._entries() if one["state"] == "Retry"]
        if not retried or self.condition("Evicted") or not self.condition("QuotaReserved"):
            return False
        self._set("Evicted", True, "AdmissionCheck")
        for one in self._entries():
            one["message"] = f"Reset to Pending after eviction. Previously: {one['state']}"
            one["lastTransitionTime"] = text_of(self.now)
            one["state"] = "Pending"
        return self._changed()

    def _entries(self) -> list[Body]:
        found: list[Body] = self.status.get("admissionChecks") or []
        return found

    def _timer(self) -> datetime | None:
        found = (self.status.get("requeueState") or {}).get("requeueAt")
        return None if found is None else datetime.fromisoformat(found)

    def _is_false(self, kind: str) -> bool:
        conditions = self.status.get("conditions", ())
        return any(one["type"] == kind and one["status"] == "False" for one in conditions)

    def _set(self, kind: str, value: bool, reason: str) -> None:
        conditions = self.status.setdefault("conditions", [])
        conditions[:] = [one for one in conditions if one["type"] != kind]
        conditions.append(
            {
                "type": kind,
                "status": str(value),
                "reason": reason,
                "lastTransitionTime": text_of(self.now),
            }
        )

    def _changed(self) -> bool:
        self._version += 1
        self.body["metadata"]["resourceVersion"] = str(self._version)
        return True

    def _merge(self, into: Body, patch: Body) -> None:
        for name, value in patch.items():
            if value is None:
                into.pop(name, None)
            elif isinstance(value, dict):
                self._merge(into.setdefault(name, {}), value)
            else:
                into[name] = value
