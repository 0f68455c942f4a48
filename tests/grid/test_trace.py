"""The one reader of trace files: columns, units, factors, times and steps, and what it says."""

import pytest

from lowtide.grid.series import Factor
from lowtide.grid.trace import read_trace
from lowtide.grid.trace_columns import IntensityUnit, TraceFileError

PORTAL = (
    "Datetime (UTC),Country,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),Data estimated"
)
PORTAL_ROWS = ("2024-01-01 00:00:00,X,XX,100,160,60,false", "2024-01-01 01:00:00,X,XX,110,,61,true")


def read(header, *rows, **more):
    return read_trace([header, *rows], **more)


def test_a_download_with_two_intensities_gives_the_life_cycle_and_says_so():
    """Both columns are intensities; the note names what was taken and what was not."""
    trace = read(PORTAL, *PORTAL_ROWS)

    assert [row.actual for row in trace.rows] == [160, None]
    assert trace.factor is Factor.LIFE_CYCLE
    assert trace.rows[0].start.isoformat() == "2024-01-01T00:00:00+00:00"
    said = " ".join(trace.notes)
    assert "(Life cycle)' (g/kWh, life-cycle)" in said
    assert "(direct)' is left out" in said
    assert "'Datetime (UTC)'" in said


def test_the_wanted_factor_chooses_the_column():
    """A user who plans by direct emissions gets them from the same file."""
    trace = read(PORTAL, *PORTAL_ROWS, factor=Factor.DIRECT)

    assert [row.actual for row in trace.rows] == [100, 110]
    assert trace.factor is Factor.DIRECT


def test_a_file_of_the_other_factor_is_refused():
    """Direct emissions are not taken for those of the life cycle."""
    with pytest.raises(TraceFileError, match="holds direct emissions, and life-cycle ones"):
        read(
            "time,direct_g_per_kwh",
            "2024-01-01T00:00Z,100",
            factor=Factor.LIFE_CYCLE,
        )


def test_the_documented_names_need_no_note():
    """A column named as documented leaves no choice to note."""
    trace = read("time,g_per_kwh,forecast", "2024-01-01T00:00Z,1,2", "2024-01-01T01:00Z,3,")

    assert trace.notes == ()
    assert [(row.actual, row.forecast) for row in trace.rows] == [(1, 2), (3, None)]


@pytest.mark.parametrize(
    ("header", "grams"),
    [
        ("time,actual", 1000),
        ("from,carbon_intensity", 1000),
        ("timestamp,CO2 kg/MWh", 1000),
        ("time,co2_lbs_per_mwh", 453.59237),
        ("Time,value", 1000),
    ],
)
def test_usual_names_are_read_with_their_units(header, grams):
    """The unit in a name counts; without one it is g/kWh."""
    assert read(header, "2024-01-01T00:00Z,1000").rows[0].actual == pytest.approx(grams)


def test_a_declared_unit_is_for_columns_that_say_none():
    """1000 lb/MWh are 453.59237 g/kWh."""
    pounds = IntensityUnit.POUNDS_PER_MWH

    assert read("time,value", "2024-01-01T00:00Z,1000", unit=pounds).rows[0].actual == (
        pytest.approx(453.59237)
    )
    with pytest.raises(TraceFileError, match="contradicts the configured unit"):
        read("time,g_per_kwh", "2024-01-01T00:00Z,1000", unit=pounds)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        pytest.param("g_per_kwh,zone", "no column 'time'", id="no time"),
        pytest.param("time,price", "none of the columns", id="no intensity"),
        pytest.param("time,cfe%", "none of the columns", id="a share"),
        pytest.param("time,kg_per_kwh", "unit that is not known", id="unknown unit"),
        pytest.param("time,DE g/kWh,FR g/kWh", "could both hold the intensity", id="two zones"),
        pytest.param("date,start,value", "could both hold the time", id="two times"),
        pytest.param(
            "time,actual,forecast_a,predicted_b,forecast b",
            "both hold the forecast",
            id="forecasts",
        ),
    ],
)
def test_a_header_that_leaves_a_doubt_is_refused(header, message):
    """A guess between two zones would be the wrong one half of the time."""
    with pytest.raises(TraceFileError, match=message):
        read(header, "2024-01-01T00:00Z,1,2,3,4")


def test_a_time_without_an_offset_needs_a_word_for_utc():
    """The word comes from the caller or from the name of the column."""
    row = "2024-01-01T00:00,1"

    with pytest.raises(TraceFileError, match=r"line 2: time .* has no offset.*--utc"):
        read("time,actual", row)
    assert read("time,actual", row, times_are_utc=True).rows
    assert read("time_utc,actual", row).rows


def test_words_for_no_value_are_no_fault():
    """Spreadsheets write them; other text is a fault."""
    rows = [f"2024-01-01T0{i}:00Z,{word}" for i, word in enumerate(("", "null", "NaN", "n/a", "-"))]

    assert [row.actual for row in read("time,actual", *rows).rows] == [None] * 5
    with pytest.raises(TraceFileError, match="line 2: 'dirty' is not a number"):
        read("time,actual", "2024-01-01T00:00Z,dirty")


def test_a_change_of_the_step_is_said():
    """Hours until noon, quarters after it."""
    hours = [f"2024-01-01T{h:02}:00Z,1" for h in range(12)]
    quarters = [f"2024-01-01T{h:02}:{m:02}Z,1" for h in (12, 13) for m in (0, 15, 30, 45)]

    note = read("time,actual", *hours, *quarters).notes[-1]

    assert note == (
        "slots change their length: 1 h from 2024-01-01 00:00Z, 15 min from 2024-01-01 12:00Z"
    )
