"""Energy in time keeps its total whatever is done to it."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.energy.profile import (
    EnergyInterval,
    EnergyProfile,
    Pace,
    ProfileError,
    Span,
    merge_profiles,
    subtract,
    union,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def interval(start: float, end: float, joules: float) -> EnergyInterval:
    return EnergyInterval(at(start), at(end), joules)


def test_refuses_an_interval_that_does_not_end_after_it_starts() -> None:
    """Time must pass for energy to be used."""
    with pytest.raises(ProfileError, match="must end after it starts"):
        interval(10, 10, 1)


@pytest.mark.parametrize("joules", [-1.0, float("nan"), float("inf")])
def test_refuses_negative_and_non_finite_energy(joules: float) -> None:
    """Such energy is a fault of the caller."""
    with pytest.raises(ProfileError, match="finite number >= 0"):
        interval(0, 1, joules)


def test_refuses_a_time_without_offset() -> None:
    """A naive time could be any hour of the day."""
    with pytest.raises(ProfileError, match="no UTC offset"):
        Span(datetime(2026, 3, 2), datetime(2026, 3, 3))


def test_a_cut_takes_its_share_by_time() -> None:
    """A quarter of the time holds a quarter of the energy."""
    part = interval(0, 40, 100).cut(at(30), at(90))

    assert part == EnergyInterval(at(30), at(40), 25)


def test_uninterrupted_closes_pauses_and_keeps_power_in_order() -> None:
    """Ten minutes at 6 kJ, a pause, ten minutes at 3 kJ become twenty minutes on end."""
    profile = EnergyProfile((interval(0, 10, 6000), interval(60, 70, 3000)))

    moved = profile.uninterrupted(at(-120))

    assert moved.intervals == (interval(-120, -110, 6000), interval(-110, -100, 3000))


def test_uninterrupted_takes_a_stretch_at_its_pace() -> None:
    """Ten minutes of twenty count half the time and a fifth of the energy; the rest stays."""
    slow = Pace(start=at(10), end=at(20), seconds_ratio=0.5, joules_ratio=0.2)
    profile = EnergyProfile((interval(0, 20, 200), interval(30, 40, 50)))

    moved = profile.uninterrupted(at(100), paces=[slow])

    assert moved.intervals == (
        interval(100, 110, 100), interval(110, 115, 20), interval(115, 125, 50)
    )  # fmt: skip


def test_uninterrupted_leaves_out_restart_work() -> None:
    """Two of the ten minutes after the pause were a reload: 2400 of 3000 J remain."""
    profile = EnergyProfile((interval(0, 10, 6000), interval(60, 70, 3000)))

    moved = profile.uninterrupted(at(0), leaving_out=[Span(at(60), at(62))])

    assert moved.intervals == (interval(0, 10, 6000), interval(10, 18, 2400))


def test_pods_side_by_side_stay_side_by_side() -> None:
    """Compressing a job of two pods does not put one behind the other."""
    one = EnergyProfile((interval(0, 10, 100),))
    two = EnergyProfile((interval(5, 15, 200),))

    moved = merge_profiles([one, two]).uninterrupted(at(100))

    assert moved.running_spans() == (Span(at(100), at(115)),)
    assert moved.total_joules == pytest.approx(300, rel=1e-12)


def test_subtract_leaves_what_no_hole_covers() -> None:
    """Holes may overlap each other and the edges."""
    rest = subtract(
        [Span(at(0), at(10)), Span(at(20), at(30))],
        [Span(at(-5), at(2)), Span(at(1), at(4)), Span(at(8), at(22)), Span(at(24), at(25))],
    )

    assert rest == (Span(at(4), at(8)), Span(at(22), at(24)), Span(at(25), at(30)))


intervals = st.lists(
    st.tuples(st.integers(0, 500), st.integers(1, 100), st.floats(0, 1e9)), max_size=12
).map(lambda rows: tuple(interval(start, start + length, j) for start, length, j in rows))


@given(intervals, st.integers(-1000, 1000))
def test_moving_a_profile_never_changes_its_energy(
    parts: tuple[EnergyInterval, ...], minutes: int
) -> None:
    """The counterfactual uses exactly the measured energy."""
    profile = EnergyProfile(parts)

    moved = profile.uninterrupted(at(minutes))

    assert moved.total_joules == pytest.approx(profile.total_joules, rel=1e-9, abs=1e-9)


@given(intervals)
def test_an_uninterrupted_profile_has_no_pause_and_the_same_running_time(
    parts: tuple[EnergyInterval, ...],
) -> None:
    """Running time is what remains when pauses go."""
    profile = EnergyProfile(parts)
    running = sum(span.duration_seconds for span in profile.running_spans())

    spans = profile.uninterrupted(NOON).running_spans()

    assert len(spans) == (1 if parts else 0)
    assert sum(span.duration_seconds for span in spans) == pytest.approx(running)


@given(intervals)
def test_a_union_covers_every_span_once(parts: tuple[EnergyInterval, ...]) -> None:
    """No two spans of a union touch."""
    spans = union(Span(p.start, p.end) for p in parts)

    assert all(a.end < b.start for a, b in itertools.pairwise(spans))
    assert all(any(s.start <= p.start and p.end <= s.end for s in spans) for p in parts)
