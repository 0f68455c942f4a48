"""Counters of a fixed range that begin again at zero."""

import pytest
from standins.host import RANGE_MICROJOULES

from lowtide.energy.wrapping import WrappingMeter


def test_wraps_lose_nothing():
    """Six hours at 300 W wrap 25 times; the sum is exact to the millijoule."""
    meter, handed_out = WrappingMeter(), 0
    for second in range(0, 6 * 3600 + 1, 60):
        raw = second * 300_000_000 % (RANGE_MICROJOULES + 1)
        handed_out += meter.advance(raw, RANGE_MICROJOULES)

    assert handed_out == 6 * 3600 * 300_000
    assert meter.millijoules == handed_out


@pytest.mark.parametrize(
    ("last", "fallen", "highest"),
    [
        pytest.param(200_000_000_000, 5_000_000, RANGE_MICROJOULES, id="62 kJ in ten seconds"),
        pytest.param(3_000_000, 1_000_000, 50, id="beyond its own range"),
    ],
)
def test_a_fall_that_is_no_wrap_is_no_energy(last, fallen, highest):
    """A counter that began anew (a node that slept or was moved): the next joule counts again."""
    meter = WrappingMeter()
    meter.advance(last, highest)

    assert meter.advance(fallen, highest, 10.0) == 0
    assert meter.advance(fallen + 7_000_000, highest, 10.0) == 7000
    assert meter.millijoules == meter.handed_out_millijoules == 7000
