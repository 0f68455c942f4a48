"""Next write of our admission check, over states by hand, recorded objects and a small Kueue."""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standins.kubernetes.small_kueue import SmallKueue, text_of

from lowtide.trainingjob.queue_check import CheckEntry, CheckState, QueuedWorkload, queued_workload
from lowtide.trainingjob.queue_writes import (
    AFTER_GRACE_SECONDS,
    GO,
    LONGEST_REST,
    MISSED,
    PARKED,
    RESTS,
    WITHOUT_END,
    ForgetTimer,
    QueueWrite,
    SetCheck,
    applied,
    merged,
    next_write,
    rests,
    without_timer,
)

NOW = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
VERSIONS = ("v1beta1", "v1beta2")
PENDING, READY, RETRY = (
    CheckEntry(state=state, since=NOW)
    for state in (CheckState.PENDING, CheckState.READY, CheckState.RETRY)
)
RECORDED: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "operator/objects/kueue_workloads.json").read_text("utf-8")
)
"""Objects of Kueue 0.17: a situation, then a version, to the object."""


def seen(check: CheckEntry | None = PENDING, **fields: Any) -> QueuedWorkload:
    """A workload of a queue, with the check of this state."""
    return QueuedWorkload(namespace="ml", name="job-bert", version="7", check=check, **fields)


def retry(seconds: int | None, *, ago: timedelta = timedelta()) -> CheckEntry:
    """A Retry with a timer, written some time ago."""
    return CheckEntry(state=CheckState.RETRY, since=NOW - ago, requeue_after_seconds=seconds)


def parked(
    state: CheckState = CheckState.READY, message: str = PARKED, **fields: Any
) -> CheckEntry:
    """The check of a workload that Kueue's timer holds."""
    return CheckEntry(state=state, since=NOW, message=message, **fields)


ENDING = {"reserved": True, "evicted": True, "was_evicted": True}
EVICTED = {"evicted": True, "was_evicted": True, "held_back": True}
ASIDE = {"evicted": True, "was_evicted": True}
FIRST = SetCheck(CheckState.RETRY, RESTS)
SECOND_WRITE = SetCheck(CheckState.RETRY, RESTS, 3601)
THIRD = SetCheck(CheckState.READY, PARKED)
GOES = SetCheck(CheckState.READY, GO)
IN_AN_HOUR = {"requeue_at": NOW + HOUR}


@pytest.mark.parametrize(
    ("workload", "write"),
    [
        # A pause that goes as it should.
        (seen(READY, reserved=True), FIRST),
        (seen(RETRY, reserved=True), None),
        (seen(PENDING, **ENDING), SECOND_WRITE),
        (seen(retry(3601), **ENDING), None),
        (seen(retry(3601), **ENDING, **IN_AN_HOUR), replace(THIRD, requeue_after_seconds=0)),
        (seen(parked(), **ENDING, **IN_AN_HOUR), None),
        (seen(parked(), **EVICTED, **IN_AN_HOUR), None),
        # The second write came too late: it has quota again. Kueue is not asked again at once.
        (seen(PENDING, reserved=True, was_evicted=True), None),
        (seen(replace(PENDING, since=NOW - MISSED), reserved=True, was_evicted=True), FIRST),
        (seen(PENDING, reserved=True), FIRST),
        # The third did: Kueue put it aside at the end of the timer.
        (seen(retry(30, ago=HOUR), **EVICTED), SECOND_WRITE),
        (seen(retry(30, ago=HOUR), **ASIDE), replace(SECOND_WRITE, holds_back=True)),
        (seen(PENDING, **ASIDE), replace(SECOND_WRITE, holds_back=True)),
        # A pause that ends later than it was planned; an earlier end is no write.
        (seen(parked(), **EVICTED, requeue_at=NOW + HOUR / 2), SECOND_WRITE),
        (seen(parked(), **EVICTED, requeue_at=NOW + 2 * HOUR), None),
        # A Kueue that restarted started it early, and its timer would keep it from being evicted.
        (seen(parked(), reserved=True, was_evicted=True, **IN_AN_HOUR), ForgetTimer()),
        # A timer that an earlier pause asked for is taken away with the first write.
        (
            seen(replace(READY, requeue_after_seconds=9), reserved=True),
            replace(FIRST, requeue_after_seconds=0),
        ),
        (seen(retry(9), reserved=True), replace(FIRST, requeue_after_seconds=0)),
        # It only waits for quota.
        (seen(READY), replace(SECOND_WRITE, holds_back=True)),
        (seen(retry(3601), held_back=True), None),
        (seen(retry(3601), held_back=True, **IN_AN_HOUR), replace(THIRD, requeue_after_seconds=0)),
        (seen(parked(), held_back=True, **IN_AN_HOUR), None),
        # Nothing can rest that has ended, is switched off, or is in another queue.
        (seen(READY, reserved=True, finished=True), None),
        (seen(READY, active=False), None),
        (seen(None, reserved=True), None),
        (seen(replace(READY, state=CheckState.REJECTED)), None),
        # A gate holds it: it needs the check when that goes.
        (seen(PENDING, gated=True), GOES),
        (seen(READY, gated=True), None),
    ],
)
def test_a_rest_of_an_hour(workload: QueuedWorkload, write: QueueWrite | None) -> None:
    """Each state has one write that leads on, or none while Kueue has to answer."""
    assert next_write(workload, NOW + HOUR, NOW) == write


@pytest.mark.parametrize("past", [None, NOW, NOW - HOUR], ids=["run", "now", "since an hour"])
@pytest.mark.parametrize(
    ("workload", "write"),
    [
        (seen(PENDING), GOES),
        (seen(PENDING, reserved=True), GOES),
        (seen(READY, reserved=True), None),
        # One that was paused starts when its timer is gone.
        (seen(parked(), **EVICTED, **IN_AN_HOUR), ForgetTimer()),
        (seen(retry(3601), **EVICTED, **IN_AN_HOUR), replace(THIRD, requeue_after_seconds=0)),
        (seen(parked(), reserved=True, **IN_AN_HOUR), ForgetTimer()),
        # What Kueue put aside it takes up again as if it was evicted just now.
        (seen(RETRY, **ASIDE), replace(GOES, holds_back=True)),
        (
            seen(retry(5, ago=HOUR), **ASIDE),
            replace(GOES, requeue_after_seconds=0, holds_back=True),
        ),
        (
            seen(retry(5), **ASIDE, **IN_AN_HOUR),
            replace(THIRD, requeue_after_seconds=0, holds_back=True),
        ),
        (seen(RETRY, **EVICTED), GOES),
        # The timer of others is theirs: of Kueue after a failed start, of another check.
        (seen(READY, **EVICTED, **IN_AN_HOUR), None),
        (seen(PENDING, **EVICTED, **IN_AN_HOUR), GOES),
        (seen(READY, reserved=True, finished=True), None),
        (seen(None), None),
    ],
)
def test_what_is_not_to_rest(
    workload: QueuedWorkload, write: QueueWrite | None, past: datetime | None
) -> None:
    """It is Ready at once; only a timer of ours is taken away."""
    assert next_write(workload, past, NOW) == write


def test_a_timer_outlasts_the_grace_time_of_the_pods() -> None:
    """A PyTorchJob whose old pod is still there would fail for ever."""
    write = next_write(seen(PENDING, **ENDING, grace_seconds=120), NOW + SECOND, NOW)
    assert write == replace(SECOND_WRITE, requeue_after_seconds=120 + AFTER_GRACE_SECONDS)


def test_a_rest_without_an_end_has_a_timer_of_a_month_that_is_renewed_after_half() -> None:
    """Without Lowtide nothing is held for ever, and with it no look writes anything."""
    days = LONGEST_REST.days
    write = next_write(seen(PENDING, **ENDING), WITHOUT_END, NOW)
    assert write == replace(SECOND_WRITE, requeue_after_seconds=days * 86_400 + 1)
    workload = seen(parked(), **EVICTED, requeue_at=NOW + LONGEST_REST)
    assert next_write(workload, WITHOUT_END, NOW + LONGEST_REST / 2) is None
    later = NOW + LONGEST_REST / 2 + SECOND
    assert next_write(workload, WITHOUT_END, later) == write


def test_a_workload_rests_when_only_our_timer_holds_it() -> None:
    """Not while its pods end, and not when the timer is another's or over."""
    assert rests(seen(parked(), **EVICTED, **IN_AN_HOUR), NOW)
    assert not rests(seen(parked(), **ENDING, **IN_AN_HOUR), NOW)
    assert not rests(seen(READY, **EVICTED, **IN_AN_HOUR), NOW)
    assert not rests(seen(parked(), **EVICTED, **IN_AN_HOUR), NOW + HOUR)
    assert not rests(seen(None, **IN_AN_HOUR), NOW)


def with_check(body: dict[str, Any], state: str, **entry: Any) -> dict[str, Any]:
    """A recorded object with checks of ours and of another controller."""
    mine = {"name": "lowtide", "state": state, "message": "m", **entry}
    other = {"name": "provision", "state": "Ready", "message": "there", "retryCount": 2}
    checks = [other, {"lastTransitionTime": "2026-12-01T09:00:00Z", **mine}]
    return {**body, "status": {**body["status"], "admissionChecks": checks}}


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_of_both_versions_are_read(version: str) -> None:
    """The admitted one holds quota and was evicted before; the gated one has a gate."""
    body = with_check(RECORDED["admitted"][version], "Ready", requeueAfterSeconds=9)
    body["status"]["requeueState"] = {"requeueAt": "2026-12-01T11:00:00Z"}
    found = queued_workload(body, "lowtide")
    assert found == QueuedWorkload(
        namespace="default",
        name="job-rests-af135",
        version="967",
        owner_kind="Job",
        owner_name="rests",
        owner_uid="d9e80e68-7a71-4b7d-8776-3242342e44d6",
        reserved=True,
        was_evicted=True,
        requeue_at=NOW + HOUR,
        check=CheckEntry(
            state=CheckState.READY, since=NOW - HOUR, message="m", requeue_after_seconds=9
        ),
        grace_seconds=10,
    )
    body["status"]["conditions"].append({"type": "Requeued", "status": "False"})
    assert queued_workload(body, "carbon") == replace(found, check=None, held_back=True)
    assert queued_workload(RECORDED["gated"][version], "lowtide").gated
    paused = queued_workload(RECORDED["paused"][version], "lowtide")
    assert not paused.active
    assert not paused.reserved


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"admissionChecks": "none", "conditions": 3, "requeueState": []},
        {"admissionChecks": [{"name": "lowtide", "state": "Later"}, None]},
        {"requeueState": {"requeueAt": "soon"}},
    ],
)
def test_what_another_program_wrote_into_a_status_is_no_check(status: dict[str, Any]) -> None:
    """It counts as absent, and nothing is written."""
    body = {**RECORDED["admitted"]["v1beta2"], "status": status}
    found = queued_workload(body, "lowtide")
    assert (found.check, found.requeue_at, found.reserved) == (None, None, False)
    assert next_write(found, NOW + HOUR, NOW) is None


def test_a_write_names_the_version_and_nothing_of_others() -> None:
    """An apply has our entry only; a merge has all of them, with ours changed."""
    body = with_check(RECORDED["admitted"]["v1beta2"], "Ready")
    found = queued_workload(body, "lowtide")
    mine = {
        "name": "lowtide",
        "state": "Retry",
        "message": RESTS,
        "lastTransitionTime": "2026-12-01T10:00:00Z",
        "requeueAfterSeconds": 3601,
    }
    assert applied(SECOND_WRITE, found, "v1beta1", "lowtide", NOW) == {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "Workload",
        "metadata": {
            "namespace": "default",
            "name": "job-rests-af135",
            "resourceVersion": "967",
        },
        "status": {"admissionChecks": [mine]},
    }
    assert merged(SECOND_WRITE, body, found, "lowtide", NOW) == {
        "metadata": {"resourceVersion": "967"},
        "status": {"admissionChecks": [body["status"]["admissionChecks"][0], mine]},
    }
    holding = replace(SECOND_WRITE, holds_back=True)
    (condition,) = applied(holding, found, "v1beta2", "lowtide", NOW)["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Requeued", "False")
    merged_ = merged(holding, body, found, "lowtide", NOW)["status"]["conditions"]
    others = [one for one in body["status"]["conditions"] if one["type"] != "Requeued"]
    assert merged_ == [*others, condition]
    gone = {"metadata": {"resourceVersion": "967"}, "status": {"requeueState": {"requeueAt": None}}}
    assert without_timer(found) == gone
    assert merged(ForgetTimer(), body, found, "lowtide", NOW) == gone


class Operator:
    """An operator that sees an object, perhaps an old one, and makes the next write."""

    def __init__(self, kueue: SmallKueue) -> None:
        self.kueue = kueue
        self.until: datetime | None = None
        self.writes = 0
        self._known = json.dumps(kueue.body)

    def look(self) -> None:
        self._known = json.dumps(self.kueue.body)

    def write(self) -> bool:
        """Make the next write by what it has seen; return whether there was one."""
        found = queued_workload(json.loads(self._known), "lowtide")
        write = next_write(found, self.until, self.kueue.now)
        if write is None:
            return False
        is_timer = isinstance(write, ForgetTimer)
        assert is_timer or write.state is not CheckState.REJECTED
        patch = (
            without_timer(found)
            if isinstance(write, ForgetTimer)
            else applied(write, found, "v1beta2", "lowtide", self.kueue.now)
        )
        self.writes += self.kueue.write(patch, applies=not is_timer)
        return True

    def react(self) -> bool:
        """Write by the newest view; return whether there was anything to write."""
        self.look()
        return self.write()

    def settle(self) -> None:
        """Let Kueue take its steps and answer each, until both have had nothing to do for long."""
        idle = 0
        for _ in range(400):
            if self.react() or self.kueue.step():
                idle = 0
                continue
            self.kueue.now += SECOND
            idle += 1
            if idle > MISSED / SECOND:
                return
        raise AssertionError("they do not come to rest")


def kueue_of(grace_seconds: float = 0.0) -> SmallKueue:
    body = {
        "metadata": {"namespace": "ml", "name": "job-bert"},
        "spec": {"podSets": [{"template": {"spec": {"terminationGracePeriodSeconds": 5}}}]},
    }
    return SmallKueue(body, "lowtide", now=NOW, grace_seconds=grace_seconds)


def test_three_writes_pause_a_running_workload_and_kueue_alone_starts_it_again() -> None:
    """Ready, then Retry, Retry with the time, Ready; nothing is written at the end."""
    kueue = kueue_of(grace_seconds=3)
    operator = Operator(kueue)
    operator.settle()
    assert (kueue.is_running, operator.writes) == (True, 1)
    operator.until = NOW + HOUR
    operator.settle()
    assert (kueue.has_pod, kueue.condition("QuotaReserved"), operator.writes) == (False, False, 4)
    kueue.now = NOW + HOUR
    kueue.settle()
    assert not kueue.has_pod
    kueue.now = NOW + HOUR + SECOND
    kueue.settle()
    assert (kueue.is_running, kueue.starts) == (True, 2)


@pytest.mark.parametrize("after", range(4))
def test_an_operator_that_died_after_any_write_pauses_the_workload_later(after: int) -> None:
    """Whatever Kueue has made of it meanwhile."""
    kueue = kueue_of(grace_seconds=3)
    operator = Operator(kueue)
    operator.settle()
    operator.until = NOW + HOUR
    for _ in range(after):
        operator.look()
        operator.write()
        kueue.step()
        kueue.step()
    for _ in range(20):
        kueue.settle()
        kueue.now += SECOND
    operator.settle()
    assert rests(queued_workload(kueue.body, "lowtide"), kueue.now)
    assert not kueue.has_pod
    operator.until = None
    operator.settle()
    kueue.now += 10 * SECOND
    operator.settle()
    assert kueue.is_running


def test_an_operator_that_is_always_too_late_evicts_seldom_and_nothing_runs_meanwhile() -> None:
    """Kueue gives the quota back faster than the second write comes: once in ten seconds."""
    kueue = kueue_of()
    operator = Operator(kueue)
    operator.settle()
    operator.until = NOW + HOUR
    before = operator.writes
    began = kueue.now
    while kueue.now < began + timedelta(minutes=1):
        operator.look()
        kueue.settle()
        operator.write()
        operator.react()
        kueue.settle()
        kueue.now += SECOND
    assert kueue.starts == 1
    assert not kueue.has_pod
    assert operator.writes - before <= 7


def test_a_timer_that_a_restart_of_kueue_lost_is_noticed_and_it_is_paused_again() -> None:
    """Kueue starts it early then; the old timer does not hold the next eviction up."""
    kueue = kueue_of()
    operator = Operator(kueue)
    operator.settle()
    operator.until = NOW + HOUR
    operator.settle()
    kueue.restart()
    kueue.settle()
    assert kueue.is_running
    operator.settle()
    assert rests(queued_workload(kueue.body, "lowtide"), kueue.now)


@pytest.mark.parametrize("seed", range(150))
def test_any_order_of_events_ends_in_what_is_wanted_and_stays_there(seed: int) -> None:
    """Old views, lost looks, restarts, quota that comes and goes, wishes that change."""
    random_ = random.Random(seed)
    kueue = kueue_of(grace_seconds=random_.choice([0, 2, 5]))
    operator = Operator(kueue)
    acts = [
        kueue.reconcile,
        kueue.reconcile_job,
        kueue.schedule,
        operator.look,
        operator.look,
        operator.write,
        operator.write,
    ]
    for _ in range(random_.randrange(120)):
        match random_.randrange(12):
            case 0:
                operator.until = random_.choice([None, kueue.now + HOUR, WITHOUT_END])
            case 1:
                kueue.now += random_.choice([SECOND, 7 * SECOND, HOUR / 4])
            case 2 if random_.random() < 0.3:
                kueue.restart()
            case 3:
                kueue.room = random_.random() < 0.7
            case _:
                random_.choice(acts)()
    kueue.room = True
    operator.until = random_.choice([None, kueue.now + HOUR])
    until = operator.until
    operator.settle()
    writes, starts = operator.writes, kueue.starts
    if until is None:
        assert kueue.is_running, f"seed {seed}: {kueue.body['status']}"
    else:
        assert rests(queued_workload(kueue.body, "lowtide"), kueue.now), f"seed {seed}"
        assert not kueue.has_pod, f"seed {seed}"
    for _ in range(10):
        kueue.now += timedelta(minutes=4)
        operator.settle()
    assert operator.writes == writes, f"seed {seed}: they fight"
    assert kueue.starts == starts, f"seed {seed}: it was started"
    if until is not None:
        timer = queued_workload(kueue.body, "lowtide").requeue_at
        assert timer is not None
        alone = random_.random() < 0.5
        kueue.now = (timer if alone else until) + 2 * SECOND
        kueue.settle() if alone else operator.settle()
        assert kueue.is_running, f"seed {seed}: {text_of(timer)} has passed"
