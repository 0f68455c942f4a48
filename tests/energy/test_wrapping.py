"""Counters of a fixed range that begin again at zero."""

import pytest
from standins.host import RANGE_MICROJOULES

from lowtide.energy.wrapping import WrappingMeter

WATTS = 100
_SECOND = 1_000_000 * WATTS


def feed(meter, *readings, step=10.0, highest=RANGE_MICROJOULES):
    """Return the millijoules that readings in a row add, `step` seconds apart."""
    return [meter.advance(raw, highest, step * k) for k, raw in enumerate(readings)]


def test_wraps_lose_nothing():
    """Six hours at 300 W wrap 25 times; the sum is exact to the millijoule."""
    meter, handed_out = WrappingMeter(), 0
    for second in range(0, 6 * 3600 + 1, 60):
        raw = second * 300_000_000 % (RANGE_MICROJOULES + 1)
        handed_out += meter.advance(raw, RANGE_MICROJOULES, float(second))

    assert handed_out == 6 * 3600 * 300_000
    assert meter.millijoules == handed_out


@pytest.mark.parametrize("wrong", [260_000_000_000, 0, 5_000_000, RANGE_MICROJOULES + 1, -1, 2**64])
def test_one_wrong_reading_costs_nothing(wrong):
    """A spike, a blank, a fall: 100 W for 50 s are 5000 J, whatever one reading shows."""
    meter = WrappingMeter()
    readings = [100_000_000_000 + 10 * _SECOND * k for k in range(6)]
    readings[3] = wrong

    assert sum(feed(meter, *readings)) == 5_000_000
    assert meter.millijoules == meter.handed_out_millijoules


def test_a_jump_that_stays_is_not_energy():
    """A counter that began anew (a node that slept or was moved) counts from there, and says so."""
    meter = WrappingMeter()
    start, anew = 200_000_000_000, 100_000_000_000

    before = feed(meter, start, start + 10 * _SECOND)
    doubted = meter.advance(anew, RANGE_MICROJOULES, 20.0)
    counted = meter.advance(anew + 10 * _SECOND, RANGE_MICROJOULES, 30.0)

    assert (before, doubted, counted) == ([0, 1_000_000], 0, 1_000_000)
    assert meter.is_doubtful
    assert meter.millijoules == 2_000_000


def test_a_pause_that_may_hide_a_wrap_is_doubtful():
    """262 kJ at the 2 kW that a package may draw at most take 131 s."""
    short, long = WrappingMeter(), WrappingMeter()
    feed(short, 10**9, 10**9 + 120 * _SECOND, step=120.0)
    feed(long, 10**9, 10**9 + 140 * _SECOND, step=140.0)

    assert (short.is_doubtful, long.is_doubtful) == (False, True)
