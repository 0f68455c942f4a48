"""Clocks of nodes in the operator's own store, and counters that are older than a job."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from lowtide.accounts.samples import PodSamples
from lowtide.energy.node_clock import NodeClocks
from lowtide.energy.samples import Series, StoredSample
from lowtide.names import METRIC_POD_END
from lowtide_operator.samples.exporter_page import CLOCK, parse_page
from lowtide_operator.samples.lives import Lives, NamedPod
from lowtide_operator.samples.source import Selector
from lowtide_operator.samples.store import SampleStore

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
COUNT = "SELECT count(*) FROM sample JOIN series ON series.id = series WHERE metric = ?"
NODE = frozenset({("instance", "node-1")})


@pytest.fixture
def store() -> Iterator[SampleStore]:
    """A store in memory."""
    made = SampleStore(None, keep_seconds=86_400, maximum_samples=1000)
    yield made
    made.close()


def scrape(store: SampleStore, after_seconds: float, ahead: float) -> None:
    """Store the page of a node whose clock is ahead, with an ended pod whose uid is not known."""
    at = NOON.timestamp() + after_seconds
    ended = f'{METRIC_POD_END}{{namespace="ml",pod="web-0",pod_uid=""}} {NOON.timestamp()}'
    page = parse_page(f'lowtide_build_info{{version="1"}} 1\n{ended}\n{CLOCK} {at + ahead}\n')
    store.add(page, instance="node-1", at_seconds=at)


def ahead_at(store: SampleStore, after_seconds: float) -> tuple[float, float]:
    """Return the bounds that the stored looks at the clock give for a time after noon."""
    start = NOON.timestamp()
    clocks = NodeClocks()
    clocks.take(store.read(Selector(CLOCK), start - 3600, start + 86_400))
    least, most = clocks.ahead(NODE, start + after_seconds)
    return round(least, 3), round(most, 3)


def test_a_clock_that_goes_with_the_store_costs_one_sample(store: SampleStore) -> None:
    """A day of scrapes every 15 seconds would else be 5,760 samples of each node."""
    for number in range(400):
        scrape(store, 15.0 * number, ahead=7.0)

    assert store._database.execute(COUNT, (CLOCK,)).fetchone()[0] == 1
    assert ahead_at(store, 15.0 * 200) == (7.0, 7.0)


def test_a_clock_that_was_set_is_known_on_both_sides(store: SampleStore) -> None:
    """Set back by seven seconds between two scrapes, an hour after noon."""
    for number in range(240):
        scrape(store, 15.0 * number, ahead=7.0)
    for number in range(240, 400):
        scrape(store, 15.0 * number, ahead=0.0)

    assert store._database.execute(COUNT, (CLOCK,)).fetchone()[0] == 3
    assert ahead_at(store, 15.0 * 200) == (7.0, 7.0)
    assert ahead_at(store, 15.0 * 239 + 5) == (0.0, 7.0)  # either may hold
    assert ahead_at(store, 15.0 * 300) == (0.0, 0.0)


@pytest.mark.parametrize("ahead", [0.0, -40.0, 40.0])
def test_counters_that_began_before_the_job_was_made_are_not_its_own(ahead: float) -> None:
    """An exporter without uids shows an earlier pod of the name, which no marker ended.

    It was killed, so that pod's counters only stopped. The node's clock may be wrong meanwhile.
    """
    noon = NOON.timestamp()
    labels = {"instance": "node-1", "namespace": "ml", "pod": "web-0", "pod_uid": ""}
    energy = Series(
        labels, tuple(StoredSample(noon + at, joules) for at, joules in ((0, 5.0), (60, 9.0)))
    )
    starts = Series(
        labels,
        (StoredSample(noon, noon - 30 + ahead), StoredSample(noon + 60, noon + 52 + ahead)),
    )
    looks = tuple(StoredSample(noon + at, noon + at + ahead) for at in (-15, 0, 15, 60, 75))
    clock = Series({"instance": "node-1"}, looks)
    lives = Lives()
    lives.take(PodSamples(segment_start=(starts,), clocks=(clock,)))
    pod = NamedPod(
        "second",
        NOON + timedelta(seconds=51 + ahead),
        NOON + timedelta(seconds=90 + ahead),
        made=NOON + timedelta(seconds=50),
    )

    assert [sample.value for sample in lives.part_of(pod, energy).samples] == [9.0]
