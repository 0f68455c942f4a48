"""Raw counter samples become joules exactly once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.energy.integration import (
    EnergyWarning,
    PodEnergy,
    SamplesError,
    Series,
    StoredSample,
    integrate_pod,
)
from lowtide.energy.job import job_energy
from lowtide.energy.profile import EnergyInterval, Span

ZERO = datetime(2026, 3, 2, 12, tzinfo=UTC)
BASE = ZERO.timestamp()
UID = "5b2f"


def at(seconds: float) -> datetime:
    return ZERO + timedelta(seconds=seconds)


def series(values: dict[float, float], **labels: str) -> Series:
    own = {"pod_uid": UID, "component": "gpu", "part": "active", "method": "exclusive"}
    own |= {"quality": "counter", "container": "train", "namespace": "ml", "pod": "train-0"}
    samples = tuple(StoredSample(BASE + seconds, value) for seconds, value in values.items())
    return Series({**own, "instance": "10.0.0.5:9400", **labels}, samples)


def gauge(values: dict[float, float], **labels: str) -> Series:
    """A gauge of Unix times, given in seconds after zero."""
    samples = tuple(StoredSample(BASE + s, BASE + value) for s, value in values.items())
    own = {"pod_uid": UID, "namespace": "ml", "pod": "train-0", "instance": "10.0.0.5:9400"}
    return Series({**own, **labels}, samples)


def integrate(
    energy: list[Series],
    *,
    starts: list[Series] | None = None,
    ends: list[Series] | None = None,
    run: Span | None = None,
) -> PodEnergy:
    return integrate_pod(
        UID,
        energy=energy,
        segment_start=[gauge(dict.fromkeys(range(0, 1000, 5), 0.0))] if starts is None else starts,
        end_marker=[gauge({80: 75})] if ends is None else ends,
        run=run or Span(at(0), at(75)),
        scrape_interval_seconds=30,
    )


def test_a_short_job_counts_from_zero_to_its_last_value() -> None:
    """75 s at 200 W, scraped at 20, 50 and 80 s: 15 kJ, first and last step included."""
    result = integrate([series({20: 4000, 50: 10000, 80: 15000})])

    assert result.total_joules == 15000
    assert result.profile.intervals == (
        EnergyInterval(at(0), at(20), 4000),
        EnergyInterval(at(20), at(50), 6000),
        EnergyInterval(at(50), at(75), 5000),
    )
    assert (result.energy_coverage_ratio, result.time_coverage_ratio) == (1, 1)
    assert (result.final, result.warnings, result.segments) == (True, (), 1)


def test_replicas_of_a_prometheus_pair_are_not_added() -> None:
    """Two servers scraped the same counter; it is still one counter."""
    a = series({20: 4000, 50: 10000, 80: 15000}, prometheus_replica="a")
    b = series({35: 7000, 65: 13000}, prometheus_replica="b")

    assert integrate([a, b]).total_joules == 15000


def test_a_replica_that_saw_the_end_completes_one_that_failed() -> None:
    """The server with most samples stopped before the end; the other's last value counts."""
    a = series({10: 2000, 20: 4000, 30: 6000, 40: 8000}, prometheus_replica="a")
    b = series({20: 4000, 80: 15000}, prometheus_replica="b")

    assert integrate([a, b]).total_joules == 15000


def test_a_restart_of_the_exporter_begins_a_new_segment_that_adds() -> None:
    """8 kJ before the restart and 5 kJ after it; the 10 s in between are not covered."""
    starts = gauge({20: 0, 40: 0, 60: 50, 80: 50})

    result = integrate([series({20: 4000, 40: 8000, 60: 2000, 80: 5000})], starts=[starts])

    assert result.total_joules == 13000
    assert result.segments == 2
    assert EnergyWarning.EXPORTER_RESTARTED in result.warnings
    assert result.energy_coverage_ratio == pytest.approx(65 / 75)


def test_a_replaced_exporter_pod_with_a_new_address_adds_its_segment() -> None:
    """The same pod under two scrape targets: different segments, both count."""
    old = series({20: 4000, 40: 8000})
    new = series({60: 2000, 80: 5000}, instance="10.0.0.9:9400")
    starts = [gauge({20: 0, 40: 0}), gauge({60: 50, 80: 50}, instance="10.0.0.9:9400")]

    assert integrate([old, new], starts=starts).total_joules == 13000


def test_a_replaced_exporter_that_kept_its_state_goes_on_counting() -> None:
    """A new address but the same segment: one counter, whose last value counts once."""
    old = series({20: 4000, 30: 6000, 40: 8000})
    new = series({60: 12000, 80: 15000}, instance="10.0.0.9:9400")
    starts = [gauge({20: 0, 40: 0}), gauge({60: 0, 80: 0}, instance="10.0.0.9:9400")]

    result = integrate([old, new], starts=starts)

    assert (result.total_joules, result.segments) == (15000, 1)


def test_a_segment_that_begins_after_the_end_covers_nothing() -> None:
    """The exporter saw the pod for 30 of 75 s, was away, and says only that it has ended."""
    energy = [series({10: 1000.0, 30: 3000.0, 100: 0.0, 130: 0.0})]
    starts = [gauge({10: 0.0, 30: 0.0, 100: 95.0, 130: 95.0})]

    result = integrate(energy, starts=starts, ends=[gauge({100: 95, 130: 95})])

    assert result.total_joules == 3000
    assert result.energy_coverage_ratio == pytest.approx(30 / 75)
    assert result.final


@pytest.mark.parametrize("error_seconds", [-3600.0, 3600.0])
def test_a_node_whose_clock_is_wrong_does_not_hide_a_gap(error_seconds: float) -> None:
    """Scraped to 20 s, back at 50 s: 30 s are unknown, whenever the clock says that was.

    The first segment is told by a clock that was right, the second by one that was set by an hour.
    What came before its first sample is not called known: 20 s and 50 to 75 s of 75 s.
    """
    starts = [gauge({10: 0, 20: 0, 50: 45 + error_seconds, 80: 45 + error_seconds})]

    result = integrate([series({10: 2000, 20: 4000, 50: 1000, 80: 6000})], starts=starts)

    assert result.total_joules == 10000
    assert result.energy_coverage_ratio == pytest.approx(45 / 75)
    assert result.profile.intervals[-1] == EnergyInterval(at(50), at(75), 5000)


def test_a_clock_that_is_ahead_leaves_a_segment_known_from_its_first_sample() -> None:
    """It covers 10 to 75 s of 75 s, and not nothing."""
    starts = [gauge({10: 3600, 50: 3600, 80: 3600})]

    result = integrate([series({10: 2000, 50: 10000, 80: 15000})], starts=starts)

    assert result.energy_coverage_ratio == pytest.approx(65 / 75)


def test_a_fall_inside_a_segment_takes_the_maximum_and_warns() -> None:
    """A counter that falls without a new segment is a fault, not a reset."""
    result = integrate([series({20: 4000, 50: 10000, 80: 9000})])

    assert result.total_joules == 10000
    assert EnergyWarning.FALL_INSIDE_SEGMENT in result.warnings


def test_duplicate_samples_at_the_seams_of_a_chunked_fetch_count_once() -> None:
    """The same series in two chunks that share a sample."""
    first, second = series({20: 4000, 50: 10000}), series({50: 10000, 80: 15000})

    result = integrate([first, second])

    assert result.total_joules == 15000
    assert result.profile.total_joules == 15000


def test_components_parts_and_qualities_are_separate_counters() -> None:
    """GPU active 10 kJ, GPU idle-held 2 kJ and CPU 3 kJ are 15 kJ in three parts."""
    result = integrate(
        [
            series({80: 10000}),
            series({80: 2000}, part="idle_held"),
            series({80: 3000}, component="cpu", method="cpu_share"),
        ]
    )

    assert result.total_joules == 15000
    assert [(p.component, p.part, p.energy_joules) for p in result.parts] == [
        ("cpu", "active", 3000),
        ("gpu", "active", 10000),
        ("gpu", "idle_held", 2000),
    ]


def test_a_change_of_quality_is_a_second_counter_from_zero() -> None:
    """A pod whose quality changes gets a second series; readers sum over both."""
    result = integrate(
        [series({20: 4000, 50: 4000, 80: 4000}), series({50: 6000, 80: 11000}, quality="suspect")]
    )

    assert result.total_joules == 15000


def test_a_pod_without_series_has_no_energy_rather_than_zero() -> None:
    """Nothing stored is nothing known."""
    result = integrate([], starts=[], ends=[])

    assert result.total_joules is None
    assert result.warnings == (EnergyWarning.NO_SERIES, EnergyWarning.NOT_FINAL)
    assert result.energy_coverage_ratio == 0


def test_a_measured_zero_is_zero() -> None:
    """A series at 0 J was measured."""
    assert integrate([series({20: 0, 50: 0, 80: 0})]).total_joules == 0


def test_a_gap_costs_timing_only() -> None:
    """One hour without samples inside a segment: all joules are there, their times are not."""
    result = integrate(
        [series({30: 3000, 3630: 363000})],
        starts=[gauge({30: 0, 3630: 0})],
        ends=[gauge({3640: 3630})],
        run=Span(at(0), at(3630)),
    )

    assert result.total_joules == 363000
    assert result.energy_coverage_ratio == 1
    assert result.time_coverage_ratio == pytest.approx(30 / 3630)


def test_a_last_sample_before_the_end_lowers_the_coverage() -> None:
    """Without a sample after the end 25 of 75 s are not known; nothing is scaled up."""
    result = integrate([series({20: 4000, 50: 10000})], ends=[])

    assert result.total_joules == 10000
    assert result.energy_coverage_ratio == pytest.approx(50 / 75)
    assert not result.final


def test_unusable_samples_are_left_out_with_a_warning() -> None:
    """A stale marker or a garbled value never becomes energy."""
    result = integrate([series({20: 4000, 50: float("nan"), 60: -1, 80: 15000})])

    assert result.total_joules == 15000
    assert EnergyWarning.UNUSABLE_SAMPLES in result.warnings


def test_other_pods_in_the_same_fetch_are_ignored() -> None:
    """One fetch may hold the series of all pods of a job."""
    assert integrate([series({80: 15000}), series({80: 99}, pod_uid="other")]).total_joules == 15000


def test_energy_that_settles_after_the_end_lies_in_the_last_second() -> None:
    """The exporter books the last joules after the container's end; they belong to the run."""
    result = integrate(
        [series({20: 4000, 76: 14000, 80: 15000})], starts=[gauge({20: 0, 76: 0, 80: 0})]
    )

    assert result.total_joules == 15000
    assert result.profile.total_joules == 15000
    assert max(i.end for i in result.profile.intervals) == at(75)
    assert EnergyWarning.OUTSIDE_RUN in result.warnings


def test_without_a_stored_start_the_run_s_start_stands_in_and_it_is_said() -> None:
    """The segment start was lost: the joules still count."""
    result = integrate([series({20: 4000, 80: 15000})], starts=[])

    assert result.total_joules == 15000
    assert result.profile.intervals[0] == EnergyInterval(at(0), at(20), 4000)
    assert EnergyWarning.SEGMENT_START_MISSING in result.warnings


def test_refuses_a_scrape_interval_of_zero() -> None:
    """Coverage is counted in scrape intervals."""
    with pytest.raises(SamplesError, match="scrape interval 0 s must be above 0"):
        integrate_pod(
            UID, energy=[], segment_start=[], end_marker=[], run=Span(at(0), at(1)),
            scrape_interval_seconds=0,
        )  # fmt: skip


def test_a_job_sums_its_pods_and_names_those_without_series() -> None:
    """A failed attempt counts; a pod that was never scraped is named and not zero."""
    first = integrate([series({80: 15000})])
    missing = integrate_pod(
        "lost", energy=[], segment_start=[], end_marker=[], run=Span(at(0), at(25)),
        scrape_interval_seconds=30,
    )  # fmt: skip

    job = job_energy([first, missing])

    assert job.total_joules == 15000
    assert job.pods_without_series == ("lost",)
    assert job.joules_by_component == {"gpu": 15000}
    assert job.energy_coverage_ratio == pytest.approx(75 / 100)
    assert not job.final


def test_a_job_refuses_the_same_pod_twice() -> None:
    """Each pod counts once."""
    pod = integrate([series({80: 1})])

    with pytest.raises(SamplesError, match="counts once"):
        job_energy([pod, pod])


steps = st.lists(st.integers(0, 10**7), min_size=1, max_size=30)


@given(steps, st.permutations(range(3)), st.integers(0, 2))
def test_the_total_is_the_last_value_whatever_order_and_replicas_say(
    increments: list[int], order: list[int], skip: int
) -> None:
    """Sum of the profile, sum of the parts and the counter's last value are one number."""
    values, total = {}, 0
    for index, increment in enumerate(increments, start=1):
        total += increment
        values[index * 30.0] = float(total)
    shuffled = dict(sorted(values.items(), reverse=True))
    replicas = [
        series(values, prometheus_replica="a"),
        series(shuffled, prometheus_replica="b"),
        series(dict(list(values.items())[skip:]) or values, prometheus_replica="c"),
    ]

    result = integrate(
        [replicas[i] for i in order],
        starts=[gauge(dict.fromkeys(values, 0.0), prometheus_replica=r) for r in "abc"],
        run=Span(at(0), at(30 * len(increments))),
        ends=[],
    )

    assert result.total_joules == total
    assert result.profile.total_joules == pytest.approx(total, rel=1e-12)
