"""Sums over samples that come piece by piece are those of all samples at once."""

import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.energy.integration import PodSummation, integrate_pod
from lowtide.energy.profile import Span
from lowtide.energy.running_sums import INTERVALS_MAX, ProfileSum, TimeCovered
from lowtide.energy.samples import Series, StoredSample

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BASE = NOON.timestamp()
LABELS = {"pod_uid": "u", "component": "gpu", "part": "active", "method": "exclusive"}


def series(points: list[tuple[float, float]], **labels: str) -> Series:
    """Return a series of (seconds after noon, value)."""
    return Series({**LABELS, **labels}, tuple(StoredSample(BASE + t, v) for t, v in points))


@given(
    watts=st.lists(st.integers(0, 500), min_size=4, max_size=40),
    restart=st.integers(1, 38),
    cuts=st.sets(st.integers(1, 1200), max_size=6),
)
def test_pieces_sum_up_to_the_whole(watts: list[int], restart: int, cuts: set[int]) -> None:
    """A counter with a restart, scraped every 30 s, in any pieces."""
    energy, starts, total = [], [], 0.0
    for index, power in enumerate(watts, 1):
        total = power * 30.0 if index == restart else total + power * 30.0
        energy.append((index * 30.0, total))
        starts.append((index * 30.0, BASE + (0.0 if index < restart else (restart - 1) * 30.0)))
    end = len(watts) * 30.0
    run = Span(NOON, NOON + timedelta(seconds=end))
    whole = integrate_pod(
        "u",
        energy=[series(energy)],
        segment_start=[series(starts)],
        end_marker=[],
        run=run,
        scrape_interval_seconds=30,
    )
    profile = ProfileSum(intervals_max=sys.maxsize)
    pod = PodSummation(
        "u", profile, scrape_interval_seconds=30, run_start=run.start, run_end=run.end
    )
    for first, last in pairwise([-1.0, *sorted(cuts), 1e9]):
        inside = [[p for p in points if first < p[0] <= last] for points in (energy, starts)]
        pod.take([series(inside[0])], [series(inside[1])], [])
    pieces = pod.finish()
    assert pieces is not None
    assert pieces.total_joules == pytest.approx(30 * sum(watts)) == whole.total_joules
    assert pieces.energy_coverage_ratio == pytest.approx(whole.energy_coverage_ratio)
    assert pieces.time_coverage_ratio == pytest.approx(whole.time_coverage_ratio)
    assert (pieces.segments, pieces.warnings) == (whole.segments, whole.warnings)
    assert profile.profile() == whole.profile


def test_a_month_of_samples_leaves_a_bounded_profile_with_all_its_energy() -> None:
    """Eight pods at 300 W, each scraped every 30 s at its own moment, with a pause of a day."""
    profile, days = ProfileSum(), 30
    for pod in range(8):
        for step in range(days * 288):
            start = BASE + 300.0 * step + pod
            if not 10 * 86400 <= start - BASE < 11 * 86400:
                profile.add(start, start + 300.0, 300.0 * 300)
    found = profile.profile()
    assert len(found.intervals) <= INTERVALS_MAX
    assert found.total_joules == pytest.approx(8 * 29 * 86400 * 300.0)
    noon = Span(NOON + timedelta(days=5), NOON + timedelta(days=6))
    assert found.within(noon).total_joules == pytest.approx(8 * 86400 * 300.0, rel=1e-3)
    pause = Span(NOON + timedelta(days=10, hours=1), NOON + timedelta(days=10, hours=23))
    assert found.within(pause).total_joules == 0
    assert [span.duration_seconds for span in found.running_spans()] == [
        pytest.approx(10 * 86400, abs=600),
        pytest.approx(19 * 86400, abs=600),
    ]


def test_covered_time_is_joined_in_any_order() -> None:
    """Overlaps count once, and a stretch without length not at all."""
    covered = TimeCovered()
    covered.add([(30, 60), (0, 20)])
    covered.add([(20, 30), (50, 70), (80, 80)])
    assert covered.share_of(0, 100) == pytest.approx(0.7)
    assert covered.share_of(0, 70) == 1


def test_a_segment_start_that_is_told_late_holds_from_the_first_sample_on() -> None:
    """The first scrape lost the start: the counter is still one."""
    pod = PodSummation("u", ProfileSum(), scrape_interval_seconds=30)
    pod.take([series([(30, 3000), (60, 6000)])], [], [])
    pod.take([series([(90, 9000)])], [series([(90, BASE)])], [])
    found = pod.finish()
    assert found is not None
    assert (found.total_joules, found.segments) == (9000, 1)
