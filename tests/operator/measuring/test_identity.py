"""A pod's energy belongs to a job by uid or owner, whatever pods are called."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lowtide import names
from lowtide.accounts.figures import Measurement
from lowtide.energy.samples import Series, StoredSample
from lowtide.trainingjob.conditions import Condition, ConditionType, Reason
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import Attempt, AttemptPod, TrainingJobStatus
from lowtide_operator.measuring.measure import Measurer
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.views import JobView
from lowtide_operator.samples.source import Selector, TooManySamplesError
from lowtide_operator.schedule.overheads import Overheads
from lowtide_operator.settings import OperatorSettings

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SETTINGS = OperatorSettings.model_validate({"prometheus": {"url": "http://prometheus:9090"}})


@dataclass
class Store:
    """Samples every 30 s of pods at constant power, kept for five minutes after their end."""

    pods: list[dict[str, Any]] = field(default_factory=list)
    most_samples: int = 10**9
    asked: list[tuple[Selector, datetime, datetime]] = field(default_factory=list)

    def add(
        self,
        uid: str,
        joules: float,
        *,
        start: datetime = NOON,
        end: datetime = NOON + HOUR,
        owner: str = "",
        **labels: str,
    ) -> None:
        """Store a pod's series."""
        own = {"namespace": "ml", "pod": f"net-1-{uid}", "pod_uid": uid, "instance": "e", **labels}
        pod = {"labels": own, "joules": joules, "start": start, "end": end, "owner": owner}
        self.pods.append(pod)

    async def samples(
        self, selector: Selector, start: datetime, end: datetime
    ) -> tuple[Series, ...]:
        """Return what is stored, or refuse it where it is too much."""
        self.asked.append((selector, start, end))
        matches, found = selector.matcher(), []
        for pod in self.pods:
            for more, values in self._series(pod, selector.metric, start, end):
                inside = tuple(
                    StoredSample(at.timestamp(), value) for at, value in values if start < at <= end
                )
                labels = {**pod["labels"], **more}
                if matches(labels) and inside:
                    found.append(Series({"__name__": selector.metric, **labels}, inside))
        if sum(len(series.samples) for series in found) > self.most_samples:
            raise TooManySamplesError("too many samples")
        return tuple(found)

    def _series(
        self, pod: Mapping[str, Any], metric: str, after: datetime, until: datetime
    ) -> Iterable[tuple[dict[str, str], list[tuple[datetime, float]]]]:
        start, end, joules = pod["start"], pod["end"], pod["joules"]
        scrape = timedelta(seconds=30)
        first = max(1, (after - start) // scrape)
        last = (min(until, end + 5 * MINUTE) - start) // scrape
        times = [start + scrape * k for k in range(first, last + 1)]
        counter = {"container": "c", "component": "gpu", "part": "active"}
        counter |= {"method": "exclusive", "quality": "counter"}
        share = {"container": "c", "uuid": f"GPU-{pod['labels']['pod_uid']}"}
        rising = [(t, joules * min(1.0, (t - start) / (end - start))) for t in times]
        held = [(t, min(1.0, (t - start) / (end - start)) * 3600) for t in times]
        yield from {
            names.METRIC_POD_ENERGY: [(counter, rising)],
            names.METRIC_POD_SEGMENT_START: [({}, [(t, start.timestamp()) for t in times])],
            names.METRIC_POD_END: [({}, [(t, end.timestamp()) for t in times if t > end])],
            names.METRIC_POD_GPU_HELD_SECONDS: [({"container": "c", "model": "A100"}, held)],
            names.METRIC_POD_GPU_SHARE: [(share, [(t, 1.0) for t in times if t <= end])],
            names.METRIC_GPU_INFO: [
                ({**share, "source": pod["labels"].get("source", "nvml")}, [(t, 1) for t in times])
            ],
            names.METRIC_POD_OWNER: [({"trainingjob_uid": pod["owner"]}, [(t, 1) for t in times])]
            if pod["owner"]
            else [],
        }.get(metric, [])

    async def started_at(self) -> None:
        """Return that it is not known."""

    async def pod_joules(self, at: datetime) -> Mapping[tuple[str, str], float]:
        """Return nothing."""
        return {}


class NoGrid:
    """No intensity."""

    async def seen_between(self, *_: Any) -> None:
        """Return none."""


def pod(uid: str, start: datetime | None = NOON, end: datetime | None = NOON + HOUR) -> AttemptPod:
    """Return a pod of the status."""
    return AttemptPod(name=f"net-1-{uid}", uid=uid, node="n", start=start, end=end)


def attempt(*pods: AttemptPod, number: int = 1, end: datetime = NOON + HOUR) -> Attempt:
    """Return an attempt that began with its first pod."""
    starts = [one.start for one in pods if one.start is not None]
    start = min(starts, default=None)
    return Attempt(number=number, name="net-1", start=start, end=end, outcome="Complete", pods=pods)


def measured(
    store: Store,
    *attempts: Attempt,
    created: datetime = NOON - MINUTE,
    now: datetime | None = None,
    conditions: tuple[Condition, ...] = (),
) -> Measurement:
    """Return the figures of the TrainingJob `net` in namespace `ml`, by default a day later."""
    job = JobView(
        key=Key("ml", "net"),
        uid="uid-of-net",
        generation=1,
        resource_version="1",
        created=created,
        deleting=False,
        run_now=False,
        gpus=0,
        spec=parse_spec({"template": {}}),
        status=TrainingJobStatus(attempts=attempts, conditions=conditions),
    )
    now = now or max(a.end or NOON for a in attempts) + 24 * HOUR
    return asyncio.run(Measurer(store, NoGrid(), Overheads()).measure(job, now, SETTINGS))


def joules(found: Measurement) -> int | None:
    """Return the job's energy."""
    return None if found.energy is None else found.energy.total_joules


@pytest.mark.parametrize("name", ["net-1-abcde", "net-1-1-abcde", "net-1-a"])
def test_a_look_alike_is_never_billed(name: str) -> None:
    """An earlier job of the same name, an index of another Job, the very same pod name."""
    store = Store()
    store.add("a", 100_000)
    store.add("foreign", 5_000_000, start=NOON - HOUR, end=NOON - MINUTE, pod=name)
    store.add("other", 9_000_000, pod=name, owner="uid-of-another-job")
    assert joules(measured(store, attempt(pod("a")))) == 100_000


@pytest.mark.parametrize("name", ["net-1-abcde", "net-1-0-abcde", "any"])
def test_pods_that_the_operator_never_saw_are_found_by_their_owner(name: str) -> None:
    """Crashed before a look, indexed or not; they count with their own time and attempt."""
    store = Store()
    store.add("lost", 3_000_000, end=NOON + 30 * MINUTE, owner="uid-of-net", pod=name)
    store.add("a", 1_000_000, start=NOON + 31 * MINUTE, owner="uid-of-net")
    found = measured(store, attempt(pod("a", start=NOON + 31 * MINUTE)))
    assert joules(found) == 4_000_000
    assert found.attempts[1][0] == 4_000_000
    assert found.energy is not None
    assert found.energy.energy_coverage == "1.0000"
    assert found.energy.run_seconds == "3540.000"


def test_a_job_none_of_whose_pods_was_seen_is_measured() -> None:
    """The operator was away from its creation until its Job was deleted."""
    store = Store()
    lost = Attempt(number=1, name="net-1", end=NOON + HOUR, outcome="Deleted")
    assert measured(store, lost).reason == "NeverRan"
    store.add("lost", 3_000_000, owner="uid-of-net")
    assert joules(measured(store, lost)) == 3_000_000


def test_a_series_of_another_namespace_is_not_taken() -> None:
    """A tenant's own target that claims the uid or the job of a pod of `ml`."""
    store = Store()
    store.add("a", 9e9, namespace="tenant", owner="uid-of-net")
    found = measured(store, attempt(pod("a")))
    assert (found.status, found.reason) == ("False", "NoExporter")
    for selector, _, _ in store.asked:
        assert selector.equal.get("namespace") == "ml"


def test_a_target_whose_own_labels_won_is_not_an_exporter() -> None:
    """Its namespace is where it was scraped; what it claims has another name."""
    store = Store()
    store.add("a", 9e9, exported_namespace="other")
    assert measured(store, attempt(pod("a"))).reason == "NoExporter"


def test_a_gpu_is_described_by_the_exporter_that_shares_it() -> None:
    """Another target cannot call it a stand-in."""
    store = Store()
    store.add("a", 1000)
    store.add("forged", 0, instance="tenant", uuid="GPU-a", source="mock")
    found = measured(store, attempt(pod("a")))
    assert found.energy is not None
    assert (found.energy.mock, found.energy.gpu_count) == (False, 1)


@pytest.mark.slow
def test_hundred_pods_and_forty_attempts_all_count() -> None:
    """None is lost above a limit of the status or of a query."""
    store = Store()
    for number in range(100):
        store.add(f"p{number:03d}", 1000)
    assert joules(measured(store, attempt(*(pod(f"p{n:03d}") for n in range(100))))) == 100_000
    store, attempts = Store(), []
    for number in range(40):
        start = NOON + number * HOUR
        end = start + 30 * MINUTE
        store.add(f"a{number}", 1_000_000, start=start, end=end)
        attempts.append(attempt(pod(f"a{number}", start, end), number=number + 1, end=end))
    found = measured(store, *attempts)
    assert joules(found) == 40_000_000
    assert {value for value, _ in found.attempts.values()} == {1_000_000}


def test_an_exporter_without_uids_is_believed_on_the_whole_name_of_a_pod_that_was_seen() -> None:
    """It may not ask the API server; the name is the one that the API server gave."""
    store = Store()
    store.add("", 100_000, pod="net-1-a")
    store.add("", 5_000_000, pod="net-1-b")
    store.add("2", 5_000_000, pod="net-1-a")
    assert joules(measured(store, attempt(pod("a")))) == 100_000


def test_a_name_that_came_back_is_no_other_pods_energy() -> None:
    """Three pods of one name follow one another, and their series have the same labels."""
    early, late = NOON - 30 * MINUTE, NOON + HOUR + 10 * MINUTE
    store = Store()
    store.add("", 5_000_000, pod="net-1-a", start=early, end=early + 20 * MINUTE)
    store.add("", 7_000_000, pod="net-1-a", start=late, end=late + 20 * MINUTE)
    without = measured(store, attempt(pod("a")))
    assert without.energy is None
    store.add("", 100_000, pod="net-1-a")
    assert joules(measured(store, attempt(pod("a")))) == 100_000


def test_a_store_that_refuses_large_answers_is_asked_for_shorter_pieces() -> None:
    """No sample is lost by it."""
    store = Store(most_samples=40)
    store.add("a", 3_600_000, owner="uid-of-net")
    assert joules(measured(store, attempt(pod("a")))) == 3_600_000


@pytest.mark.slow
def test_nine_days_are_read_in_pieces_of_a_bounded_number_of_samples() -> None:
    """The store would refuse a piece of more than twice what one should hold."""
    store = Store(most_samples=50_000)
    end = NOON + timedelta(days=30)
    store.add("a", 1e9, end=end)
    found = measured(store, attempt(pod("a", NOON, end), end=end))
    assert joules(found) == 1_000_000_000
    assert found.energy is not None
    assert found.energy.time_coverage == "1.0000"
    assert 5 * 4 < len(store.asked) < 150


def test_energy_used_while_the_image_was_pulled_counts_and_is_no_running_time() -> None:
    """Half an hour of holding GPUs, half an hour of training: 1 kW over the running time."""
    store = Store()
    store.add("a", 3_600_000, owner="uid-of-net")
    found = measured(store, attempt(pod("a", start=NOON + 30 * MINUTE)))
    assert found.energy is not None
    assert (found.energy.total_joules, found.energy.run_seconds) == (3_600_000, "1800.000")


def test_a_rejected_pod_changes_no_figure() -> None:
    """It has an end and no start, and nothing is known of its energy."""
    store = Store()
    store.add("a", 3_600_000)
    rejected = pod("r", None, NOON)
    found, control = (
        measured(store, attempt(*pods)) for pods in ((rejected, pod("a")), (pod("a"),))
    )
    assert found.energy == control.energy
    assert found.reason == control.reason


def test_a_pod_that_was_gone_before_its_end_was_seen_ran_as_long_as_its_exporter_says() -> None:
    """A pause by an operator whose clock is 270 s behind: the pod before it ran an hour."""
    store = Store()
    store.add("a", 3_600_000)
    late = NOON + 2 * HOUR
    store.add("b", 1_800_000, start=late, end=late + 30 * MINUTE)
    unseen = attempt(pod("a", end=None), end=NOON + HOUR - timedelta(seconds=270))
    last = attempt(pod("b", late, late + 30 * MINUTE), number=2, end=late + 30 * MINUTE)
    found = measured(store, unseen, last)
    assert found.energy is not None
    assert (found.energy.total_joules, found.energy.run_seconds) == (5_400_000, "5400.000")


@pytest.mark.parametrize("ahead_minutes", [-4, 0, 15, 50])
def test_a_job_that_was_stopped_at_rest_ran_as_long_as_its_exporter_says(
    ahead_minutes: int,
) -> None:
    """The operator's clock was wrong when it paused, and the pod's end was not seen."""
    store = Store()
    store.add("a", 3_600_000)
    paused = attempt(pod("a", end=None), end=NOON + HOUR + ahead_minutes * MINUTE)
    found = measured(store, paused)
    assert found.energy is not None
    assert (found.energy.total_joules, found.energy.run_seconds) == (3_600_000, "3600.000")
    assert found.energy.final is True


def test_the_figures_of_a_job_that_was_stopped_at_rest_wait_for_nothing() -> None:
    """Its pod has been gone for two hours; its marker was stored before its end was noted."""
    store = Store()
    store.add("a", 3_600_000)
    paused = attempt(pod("a", end=None), end=NOON + HOUR + 15 * MINUTE)
    now = NOON + 3 * HOUR
    stopped = Condition(
        type=ConditionType.FAILED,
        status="True",
        reason=Reason.BUDGET_EXCEEDED,
        last_transition_time=now,
    )
    found = measured(store, paused, now=now, conditions=(stopped,))
    assert (found.status, joules(found)) == ("True", 3_600_000)
