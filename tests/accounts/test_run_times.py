"""Runs that the kubelet told by a wrong clock, put right by what the scrapes showed of it.

A scrape each 15 s; the first is at 0 s of the store's time. Expected times are counted by hand.
"""

from datetime import UTC, datetime

from lowtide.accounts.run_times import RunTimes
from lowtide.energy.node_clock import NodeClocks
from lowtide.energy.samples import Series, StoredSample

BASE = 1_800_000_000.0
EXPORTER = {"instance": "node"}
SCRAPES = tuple(range(0, 301, 15))


def looks(set_at: float, before: float, after: float) -> Series:
    """Return what the pages told of a clock that was set once."""
    return Series(
        EXPORTER,
        tuple(StoredSample(BASE + at, BASE + at + (before if at < set_at else after))
              for at in SCRAPES),
    )  # fmt: skip


def energy(first: float, last: float) -> list[Series]:
    """Return a pod's samples between two times."""
    samples = tuple(StoredSample(BASE + at, 1.0) for at in SCRAPES if first <= at <= last)
    return [Series({**EXPORTER, "pod_uid": "a"}, samples)]


def run_of(
    clock: Series,
    told: tuple[float, float],
    shown: tuple[float, float],
    latest_end: float | None = None,
) -> tuple[float, float]:
    """Return start and end of a run that was told so, in seconds from the base."""
    clocks = NodeClocks()
    clocks.take([clock])
    times = RunTimes(clocks)
    start, end = (datetime.fromtimestamp(BASE + at, UTC) for at in told)
    latest = None if latest_end is None else datetime.fromtimestamp(BASE + latest_end, UTC)
    times.note("a", start, end, latest)
    found = times.righted("a", energy(*shown), [])
    assert found is not None
    assert found[0] is not None
    assert found[1] is not None
    return found[0] - BASE, found[1] - BASE


def test_a_start_is_put_right_by_the_clock_of_its_own_time() -> None:
    """The clock was 100 s ahead until 70 s, 85 s then; the pod was first shown at 90 s.

    It began at 48 s, told as 148 s. By the clock at its first sample it would have begun at 63 s;
    between the scrapes at 60 and 75 s that may be, so the longer run counts.
    """
    run = run_of(looks(70, 100.0, 85.0), told=(148, 215), shown=(90, 130))

    assert run == (48, 130)


def test_an_end_that_a_clock_hid_by_going_back_is_the_last_that_it_can_be() -> None:
    """Set back by an hour in the run, so the end is told as the start; the job ended at 250 s.

    The last sample is of 240 s: what came after it is not known, and the run must say so.
    """
    run = run_of(looks(216, 0.0, -3600.0), told=(178, 178), shown=(180, 240), latest_end=250)

    assert run == (178, 250)


def test_a_time_far_from_every_scrape_is_no_candidate() -> None:
    """Right until 40 s and an hour behind since: 283 s is told as 283 s less an hour.

    By the clock of before, that would be an hour before anything was seen.
    """
    run = run_of(looks(40, 0.0, -3600.0), told=(203 - 3600, 283 - 3600), shown=(210, 300))

    assert run == (203, 283)
