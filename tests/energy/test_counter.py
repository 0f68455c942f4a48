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


def test_a_fall_that_the_next_reading_confirms_is_a_restart_from_zero():
    """After a driver reload the value is what was drawn since; never a difference's size."""
    meter = CounterMeter()

    increments = feed(
        meter, (0, 9_000_000, None), (1, 9_300_000, None), (2, 120_000, None), (3, 420_000, None)
    )

    assert [i.millijoules for i in increments] == [0, 300_000, 0, 420_000]
    assert (increments[3].step, meter.resets) == (CounterStep.RESET, 1)
    assert increments[3].seconds == 2
    assert meter.total.millijoules == 720_000


@pytest.mark.parametrize("garbage", [0, 17, 10**12, 2**64 - 1, None])
def test_one_wrong_reading_costs_nothing(garbage):
    """The next reading goes on from the one before it: 300 W for 4 s are 1200 J."""
    meter = CounterMeter()
    rows = [(s, 9_000_000 + 300_000 * s, 300.0) for s in range(5)]
    rows[2] = (2, garbage, 300.0)

    increments = feed(meter, *rows)

    assert sum(i.millijoules for i in increments) == meter.total.millijoules == 1_200_000
    assert increments[3].seconds == 2
    assert meter.resets == 0


def test_a_confirmed_jump_is_replaced_by_power_and_is_said_to_be_lost_without_it():
    """700 W for a second is at most 1.2 * 700 * 1.5 = 1260 J; 5000 J are not energy."""
    blind, seeing = CounterMeter(), CounterMeter()

    jump = ((0, 0, None), (1, 5_000_000, None), (2, 5_300_000, None), (3, 5_600_000, None))
    lost = feed(blind, *jump)
    bridged = feed(seeing, (0, 0, 300.0), (1, 5_000_000, 300.0), (2, 5_300_000, 300.0))

    assert [i.millijoules for i in lost] == [0, 0, 300_000, 300_000]
    assert (lost[2].step, lost[2].is_lost, blind.resets) == (CounterStep.REBASED, True, 1)
    assert (bridged[2].millijoules, bridged[2].from_power) == (600_000, True)
    assert not bridged[2].is_lost
    assert seeing.total.millijoules == 600_000


def test_the_highest_power_limit_of_an_interval_counts():
    """690 W for ten minutes under a limit that was lowered to 250 W at the end: 414 kJ."""
    meter = CounterMeter()
    feed(meter, (0, 10**9, None), limit=700.0)

    (gap,) = feed(meter, (600, 10**9 + 414_000_000, None), limit=250.0)

    assert (gap.step, gap.millijoules) == (CounterStep.COUNTED, 414_000_000)


def test_a_reset_in_a_long_pause_says_that_energy_is_lost():
    """Five minutes unread, then a counter that began anew: the part before is not known."""
    meter = CounterMeter()
    feed(meter, (0, 90_000_000, None))

    doubted, reset = feed(meter, (300, 3_000_000, None), (301, 3_300_000, None))

    assert (doubted.step, reset.step) == (CounterStep.MISSING, CounterStep.RESET)
    assert (reset.millijoules, reset.is_lost) == (3_300_000, True)


def test_a_counter_that_stays_unreadable_is_bridged_by_power():
    """Its field alone fails for a minute at 300 W: 18 kJ from power, and none of it twice."""
    meter = CounterMeter()
    feed(meter, (0, 10**9, 300.0))

    silent = feed(meter, *((s, None, 300.0) for s in range(1, 61)))
    (back,) = feed(meter, (61, 10**9 + 18_300_000, 300.0))

    assert sum(i.millijoules for i in silent) == 18_000_000
    assert {i.from_power for i in silent if i.millijoules} == {True}
    assert back.millijoules == 300_000
    assert meter.total.millijoules == 18_300_000


def test_a_device_that_tells_neither_energy_nor_power_is_unmetered():
    """A vGPU guest: time passes, and nothing is counted, least of all zero."""
    meter = CounterMeter()

    steps = [meter.advance(CounterReading(at_seconds=s, has_counter=False)) for s in (0.0, 2.0)]

    assert [(i.step, i.seconds) for i in steps] == [
        (CounterStep.UNMETERED, 0.0),
        (CounterStep.UNMETERED, 2.0),
    ]


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


def test_a_counter_that_began_anew_while_power_stood_in_costs_nothing():
    """100 W for 20 s without the counter, which restarts at 12 s; from 21 s on the load is 500 W.

    At 21 s it shows the 900 J since its restart, at 22 s 500 J more. Power told 2 kJ up to 20 s;
    the second after it is 300 J by power, the next one 500 J by the counter.
    """
    meter = CounterMeter()
    feed(meter, (0, 10**9, 100.0))
    silent = feed(meter, *((s, None, 100.0) for s in range(1, 21)))

    doubted, back = feed(meter, (21, 900_000, 500.0), (22, 1_400_000, 500.0))
    (after,) = feed(meter, (23, 1_900_000, 500.0))

    assert sum(i.millijoules for i in silent) == 2_000_000
    assert (doubted.millijoules, back.step) == (0, CounterStep.REBASED)
    assert (back.millijoules, back.from_power, back.is_lost) == (800_000, True, False)
    assert (after.millijoules, meter.resets) == (500_000, 1)
    assert meter.total.millijoules == 3_300_000


def test_a_stuck_counter_that_begins_anew_does_not_pay_with_later_energy():
    """300 W for 20 s from power; the counter then restarts and the next second's 300 J count."""
    meter = CounterMeter()
    feed(meter, (0, 10**9, 300.0), *((s, 10**9, 300.0) for s in range(1, 21)))

    increments = feed(meter, (21, 100_000, 300.0), (22, 400_000, 300.0))

    assert [i.millijoules for i in increments] == [0, 600_000]
    assert meter.total.millijoules == 6_600_000


def test_a_counter_that_goes_on_without_what_it_missed_pays_nothing():
    """Young, silent for 20 s at 300 W and restarted in it: it shows more than before, but little.

    1 kJ before, 1.5 kJ after; power told 6 kJ in between. What it grew by is not what was drawn.
    """
    meter = CounterMeter()
    feed(meter, (0, 1_000_000, 300.0), *((s, None, 300.0) for s in range(1, 21)))

    back, after = feed(meter, (21, 1_500_000, 300.0), (22, 1_800_000, 300.0))

    assert (back.step, back.millijoules, meter.resets) == (CounterStep.REBASED, 300_000, 1)
    assert after.millijoules == 300_000
    assert meter.total.millijoules == 6_600_000


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


def test_a_jump_is_not_energy_even_if_no_power_limit_is_known():
    """A petajoule in a second: garbage, whatever the limit is."""
    meter = CounterMeter()
    meter.advance(CounterReading(at_seconds=0.0, counter_millijoules=1000))

    meter.advance(CounterReading(at_seconds=1.0, counter_millijoules=10**18))
    jump = meter.advance(CounterReading(at_seconds=2.0, counter_millijoules=10**18 + 1))

    assert jump.step is CounterStep.REBASED
    assert meter.total.millijoules == 1  # what was drawn between the two readings that agree
