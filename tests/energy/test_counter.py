"""Counters restart, jump, stop and vanish; the energy stays right and never negative."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.energy.counter import CounterMeter, CounterReading, CounterStep

QUICK = settings(max_examples=60, deadline=None)  # many properties, one small budget
LIMIT_WATTS = 700.0


def feed(meter, *rows, limit=LIMIT_WATTS):
    """Feed rows of (second, raw millijoules, watts) and return the increments."""
    return [
        meter.advance(
            CounterReading(
                at_seconds=second, counter_millijoules=raw, power_watts=watts, limit_watts=limit
            )
        )
        for second, raw, watts in rows
    ]


def test_the_first_reading_is_a_base_and_counts_nothing():
    """A driver's counter is years old when the exporter starts."""
    meter = CounterMeter()

    first, second = feed(meter, (0, 10**12, 300.0), (1, 10**12 + 300_000, 300.0))

    assert (first.step, first.millijoules) == (CounterStep.FIRST, 0)
    assert (second.step, second.millijoules) == (CounterStep.COUNTED, 300_000)
    assert meter.total.millijoules == 300_000


def test_a_fall_is_a_restart_from_zero():
    """After a driver reload the new value is what was drawn since; never a difference's size."""
    meter = CounterMeter()

    increments = feed(meter, (0, 9_000_000, None), (1, 9_300_000, None), (2, 120_000, None))

    assert [i.millijoules for i in increments] == [0, 300_000, 120_000]
    assert (increments[2].step, meter.resets) == (CounterStep.RESET, 1)
    assert meter.total.millijoules == 420_000


def test_an_impossible_jump_is_not_energy():
    """700 W for a second is at most 1.2 * 700 * 1.5 = 1260 J; 5000 J is garbage."""
    meter = CounterMeter()

    increments = feed(meter, (0, 0, None), (1, 5_000_000, None), (2, 5_300_000, None))

    assert [i.millijoules for i in increments] == [0, 0, 300_000]
    assert (increments[1].step, meter.resets) == (CounterStep.REBASED, 1)
    assert meter.total.millijoules == 300_000


def test_a_gap_is_carried_by_the_next_reading():
    """A lost GPU's counter goes on counting; 60 s at 300 W arrive at once and are plausible."""
    meter = CounterMeter()

    increments = feed(meter, (0, 0, None), (20, None, None), (60, 18_000_000, None))

    assert increments[1].step is CounterStep.MISSING
    assert (increments[2].millijoules, increments[2].seconds) == (18_000_000, 60)


def test_a_stuck_counter_is_bridged_by_power_and_catches_up():
    """300 W for 30 s is 9000 J; the counter then jumps by them and 300 J more: only 300 J count."""
    meter = CounterMeter()
    feed(meter, (0, 0, 300.0), (1, 300_000, 300.0))

    stuck = feed(meter, *((second, 300_000, 300.0) for second in range(2, 32)))
    (freed,) = feed(meter, (32, 9_600_000, 300.0))

    assert sum(i.millijoules for i in stuck) == 9_000_000
    assert {i.from_power for i in stuck if i.millijoules} == {True}
    assert freed.millijoules == 300_000
    assert meter.total.millijoules == 9_600_000
    assert meter.stuck_seconds == pytest.approx(30)


def test_a_short_stand_still_is_not_stuck():
    """A counter that refreshes slowly repeats values; ten seconds are the limit."""
    meter = CounterMeter()
    feed(meter, (0, 0, 300.0))

    still = feed(meter, *((second, 0, 300.0) for second in range(1, 11)))

    assert {i.step for i in still} == {CounterStep.COUNTED}
    assert meter.stuck_seconds == 0


def test_a_device_without_counter_is_integrated_from_power():
    """Trapezoids: 100 to 200 W over 2 s is 300 J; the first reading is a base."""
    meter = CounterMeter()

    readings = [
        CounterReading(at_seconds=0, power_watts=100.0, has_counter=False),
        CounterReading(at_seconds=2, power_watts=200.0, has_counter=False),
    ]
    first, second = (meter.advance(reading) for reading in readings)

    assert first.step is CounterStep.FIRST
    assert (second.step, second.millijoules, second.from_power) == (
        CounterStep.INTEGRATED,
        300_000,
        True,
    )


def test_a_counter_that_comes_back_does_not_count_twice():
    """It was away for 10 s at 300 W; power booked 3000 J, the counter brings the same 3000 J."""
    meter = CounterMeter()
    feed(meter, (0, 0, 300.0))
    for second in range(1, 11):
        meter.advance(CounterReading(at_seconds=second, power_watts=300.0, has_counter=False))

    (back,) = feed(meter, (11, 3_300_000, 300.0))

    assert back.millijoules == 300_000
    assert meter.total.millijoules == 3_300_000


def test_time_does_not_run_backwards():
    """A reading older than the last one is a fault of the caller."""
    meter = CounterMeter()
    feed(meter, (5, 0, None))

    with pytest.raises(ValueError, match="older than the last"):
        feed(meter, (4, 1, None))


READINGS = st.lists(
    st.tuples(
        st.floats(0, 100),
        st.none() | st.integers(0, 10**7),
        st.none() | st.floats(0, 700),
        st.booleans(),
    ),
    max_size=60,
)


@QUICK
@given(READINGS)
def test_what_is_handed_out_is_what_the_device_drew(rows):
    """For any sequence of faults the increments agree with the total kept from raw readings."""
    meter, second, handed_out = CounterMeter(), 0.0, 0
    for step, raw, watts, has_counter in rows:
        second += step
        increment = meter.advance(
            CounterReading(
                at_seconds=second,
                counter_millijoules=raw,
                power_watts=watts,
                limit_watts=LIMIT_WATTS,
                has_counter=has_counter,
            )
        )
        assert increment.millijoules >= 0
        handed_out += increment.millijoules

        assert meter.total.millijoules == handed_out


def test_power_over_a_long_gap_is_not_guessed():
    """Ten minutes between two readings of a device without counter: what it drew is not known."""
    meter = CounterMeter()
    meter.advance(CounterReading(at_seconds=0.0, power_watts=700.0, has_counter=False))
    meter.advance(CounterReading(at_seconds=1.0, power_watts=700.0, has_counter=False))

    gap = meter.advance(CounterReading(at_seconds=601.0, power_watts=70.0, has_counter=False))
    after = meter.advance(CounterReading(at_seconds=602.0, power_watts=70.0, has_counter=False))

    assert gap.millijoules == 0
    assert after.millijoules == 70_000
    assert meter.total.millijoules == 770_000


def test_a_jump_is_not_energy_where_no_limit_is_told_either():
    """A petajoule in a second: garbage, whatever the limit is."""
    meter = CounterMeter()
    meter.advance(CounterReading(at_seconds=0.0, counter_millijoules=1000))

    jump = meter.advance(CounterReading(at_seconds=1.0, counter_millijoules=10**18))

    assert jump.step is CounterStep.REBASED
    assert meter.total.millijoules == 0
