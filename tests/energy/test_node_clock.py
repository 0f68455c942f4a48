"""Clocks of nodes: what an exporter told by a wrong one becomes a time of the store."""

import pytest

from lowtide.energy.node_clock import NodeClocks
from lowtide.energy.samples import Series, StoredSample

TARGET = {"job": "lowtide-exporter", "instance": "10.0.0.1:9400"}
POD = {**TARGET, "namespace": "ml", "pod": "net", "pod_uid": "a"}


def clock(*looks: tuple[float, float]) -> Series:
    """Return a node's clock from scrape times and how far it is ahead at each."""
    return Series(TARGET, tuple(StoredSample(at, at + ahead) for at, ahead in looks))


def told(*samples: tuple[float, float], **labels: str) -> Series:
    """Return a time that an exporter told, at these scrapes."""
    return Series({**POD, **labels}, tuple(StoredSample(*sample) for sample in samples))


def righted_start(clocks: NodeClocks, *samples: tuple[float, float]) -> list[float]:
    """Return a pod's segment starts by the store's clock."""
    (series,) = clocks.righted([told(*samples)], []).segment_start
    return [sample.value for sample in series.samples]


@pytest.mark.parametrize("ahead", [7.0, -7.0, 3600.0, -3600.0])
def test_times_of_a_clock_that_was_always_wrong_are_put_right(ahead):
    """The segment began at 1010 s; a clock ahead by seven seconds said 1017."""
    clocks = NodeClocks()
    clocks.take([clock((1000, ahead), (1015, ahead), (1030, ahead))])

    found = clocks.righted([told((1015, 1010 + ahead))], [told((1030, 1028 + ahead))])

    assert [s.value for s in found.segment_start[0].samples] == [pytest.approx(1010)]
    assert [s.value for s in found.end_marker[0].samples] == [pytest.approx(1028)]
    assert found.wrong_pods == {"a"}


def test_a_clock_that_is_right_changes_no_time():
    """A page is made a moment after its scrape began, so a part of a second is no error."""
    clocks = NodeClocks()
    clocks.take([clock((1000, 0.2), (1015, 0.8), (1030, 0.1))])

    assert righted_start(clocks, (1015, 1010.0), (1030, 1010.0)) == [1010.0, 1010.0]
    assert not clocks.righted([told((1015, 1010.0))], []).wrong_pods


def test_one_late_answer_is_no_wrong_clock():
    """A page that took eight seconds shows a later time; the scrapes around it outvote it."""
    clocks = NodeClocks()
    clocks.take([clock((1000, 0.1), (1015, 8.0), (1030, 0.1))])

    assert righted_start(clocks, (1015, 1010.0)) == [1010.0]


def test_a_clock_set_between_two_scrapes_takes_the_later_start():
    """1003 was told: true, or 1010 by a clock 7 s behind; coverage must not claim too much."""
    clocks = NodeClocks()
    clocks.take([clock((1000, 0.0), (1015, -7.0), (1030, -7.0))])

    assert righted_start(clocks, (1015, 1003.0)) == [1010.0]


def test_no_start_is_later_than_the_scrape_that_first_told_it():
    """A clock set back after the segment began: 1010 - (-7) would be after the scrape at 1015."""
    clocks = NodeClocks()
    clocks.take([clock((1000, -7.0), (1015, -7.0), (1030, -7.0))])

    assert righted_start(clocks, (1015, 1010.0)) == [1015.0]


def test_a_segment_keeps_its_start_when_the_clock_is_set_and_another_target_tells_it():
    """Else the same counter would look like two segments, and count twice."""
    clocks = NodeClocks()
    clocks.take([clock((1000, 0.0), (1015, 0.0))])
    first = righted_start(clocks, (1015, 1010.0))
    new_target = {**TARGET, "instance": "10.0.0.9:9400"}
    clocks.take([Series(new_target, (StoredSample(1030, 1070.0), StoredSample(1045, 1085.0)))])

    (later,) = clocks.righted([told((1030, 1010.0), **new_target)], []).segment_start

    assert [s.value for s in later.samples] == first == [1010.0]


def test_two_segments_never_get_one_start():
    """Two starts that a set clock makes equal stay apart, as two segments add up."""
    clocks = NodeClocks()
    clocks.take([clock((1000, 20.0), (1015, 20.0), (1030, 10.0), (1045, 10.0), (1060, 10.0))])

    first, second = righted_start(clocks, (1015, 1030.0), (1060, 1020.0))

    assert (first, second) == (1010.0, pytest.approx(1010.001))


def test_pieces_know_the_last_look_before_them():
    """A start at the seam of two pieces is judged by the clock before it."""
    clocks = NodeClocks()
    clocks.take([clock((985, 7.0), (1000, 7.0))])
    clocks.take([clock((1015, 0.0), (1030, 0.0))])

    assert righted_start(clocks, (1015, 1008.0)) == [1008.0]
    assert righted_start(clocks, (1015, 1016.0)) == [1009.0]
