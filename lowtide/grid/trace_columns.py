"""Columns of a CSV file that hold the time, the intensity and its forecast: one rule for all.

A name that says what it holds exactly is taken first, then one with a unit of intensity, then one
with a usual word. Of a direct and a life-cycle column the one that is asked for is taken, life
cycle by default, as services do. Where two columns fit equally the file is refused; a note names
every column taken by another name than the documented ones. Pure: names in, places out.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lowtide.grid.series import Factor
from lowtide.units import lb_per_mwh_to_grams_per_kwh

TIME_COLUMN: Final = "time"
GRAMS_COLUMNS: Final = ("g_per_kwh", "actual_g_per_kwh")
FORECAST_COLUMNS: Final = ("forecast", "forecast_g_per_kwh", "day_ahead_forecast_g_per_kwh")
EXPECTED: Final = "write time,g_per_kwh or time,g_per_kwh,forecast"
SHOWN_MAX: Final = 120
"""Characters of a header that an error shows."""


class IntensityUnit(StrEnum):
    """Units that a trace may be in."""

    GRAMS_PER_KWH = "g/kWh"
    KILOGRAMS_PER_MWH = "kg/MWh"
    POUNDS_PER_MWH = "lb/MWh"

    def to_grams_per_kwh(self, value: float) -> float:
        """Return `value` of this unit in g/kWh; 1 kg/MWh is 1 g/kWh."""
        return lb_per_mwh_to_grams_per_kwh(value) if self is IntensityUnit.POUNDS_PER_MWH else value


class TraceFileError(ValueError):
    """A trace cannot be read; the message names the line."""


def file_problem(error: Exception) -> str:
    """Return what is wrong with a file, in words for people where its bytes are no text."""
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 text: byte {error.start} cannot be read"
    return str(error)


class MissingOffsetError(TraceFileError):
    """A time has no offset, and the file was not declared to be in UTC."""


@dataclass(frozen=True, slots=True)
class TraceColumns:
    """Places of the columns in a row, and what their names say."""

    time: int
    """Place of the start of the slot."""
    actual: int
    """Place of the intensity."""
    forecast: int | None
    """Place of the forecast of the same slot; `None`: the file has none."""
    unit: IntensityUnit
    """Unit of both values."""
    factor: Factor
    """Which emissions the intensity includes, as the column or the caller says."""
    times_are_utc: bool
    """Whether the name of the time column says UTC."""
    notes: tuple[str, ...]
    """Columns taken by other names than the documented ones, in sentences."""


_UNITS: Final = (
    (re.compile(r"(?<![a-z])g[\w ]*?(/|_per_)kwh"), IntensityUnit.GRAMS_PER_KWH),
    (re.compile(r"(?<![a-z])kg[\w ]*?(/|_per_)mwh"), IntensityUnit.KILOGRAMS_PER_MWH),
    (re.compile(r"(?<![a-z])lbs?[\w ]*?(/|_per_)mwh"), IntensityUnit.POUNDS_PER_MWH),
)
_ENERGY: Final = re.compile(r"[km]wh")
_TIME_WORDS: Final = frozenset(
    {"time", "datetime", "timestamp", "date", "from", "start", "utc", "begin"}
)
_END_WORDS: Final = frozenset({"end", "to", "until", "captured", "updated"})
_VALUE_WORDS: Final = frozenset(
    {"actual", "value", "intensity", "carbon", "co2", "co2eq", "co2e", "emissions", "emission"}
)
_FORECAST_WORDS: Final = frozenset({"forecast", "predicted", "prediction", "predict"})
_SHARE_WORDS: Final = frozenset({"percentage", "percent", "share", "ratio", "cfe", "re", "index"})
_LIFE_CYCLE: Final = re.compile(r"life[ _-]?cycle|\blca\b")
_DIRECT: Final = re.compile(r"\bdirect\b|_direct|direct_")


def find_columns(
    header: Sequence[str],
    *,
    unit: IntensityUnit | None = None,
    factor: Factor = Factor.UNKNOWN,
) -> TraceColumns:
    """Return which columns of a header hold what.

    `unit` is what the caller says the values are in, `factor` which emissions are wanted.

    Raises:
        TraceFileError: a column is missing, two fit equally, or a unit is unknown or contradicts.
    """
    names = [_plain(name) for name in header]
    time, times_are_utc = time_column(header)
    others = [place for place in range(len(names)) if place != time]
    actuals = _ranked(names, [p for p in others if not _is_forecast(names[p])], GRAMS_COLUMNS)
    actual = _one_of(header, _of_factor(names, actuals, factor), "intensity")
    if actual is None:
        raise TraceFileError(
            f"{_shown(header)} has none of the columns {', '.join(GRAMS_COLUMNS)}, value or "
            f"another name of an intensity: {EXPECTED}"
        )
    told = _factor_of(names[actual])
    if Factor.UNKNOWN not in (told, factor) and told is not factor:
        raise TraceFileError(
            f"column {header[actual].strip()!r} holds {told} emissions, and {factor} ones are "
            "asked for"
        )
    forecasts = _ranked(names, [p for p in others if _is_forecast(names[p])], FORECAST_COLUMNS)
    taken = told if factor is Factor.UNKNOWN else factor
    forecast = _one_of(header, _of_factor(names, forecasts, taken), "forecast")
    chosen = _unit_of(header, actual, unit)
    if forecast is not None:
        _unit_of(header, forecast, chosen)
    return TraceColumns(
        time=time,
        actual=actual,
        forecast=forecast,
        unit=chosen,
        factor=taken,
        times_are_utc=times_are_utc,
        notes=tuple(_notes(header, names, time, actual, forecast, actuals, chosen)),
    )


def time_column(header: Sequence[str], expected: str = EXPECTED) -> tuple[int, bool]:
    """Return the place of the time column, and whether its name says UTC.

    `expected` says what would be right, for the error.

    Raises:
        TraceFileError: no column fits, or two fit equally.
    """
    names = [_plain(name) for name in header]
    time = _one_of(header, _time_ranks(names), "time")
    if time is None:
        raise TraceFileError(f"{_shown(header)} has no column {TIME_COLUMN!r}: {expected}")
    return time, bool(re.search(r"\butc\b|_utc\b", names[time]))


def _time_ranks(names: Sequence[str]) -> list[list[int]]:
    exact = [place for place, name in enumerate(names) if name == TIME_COLUMN]
    usual = [
        place
        for place, name in enumerate(names)
        if _words(name) & _TIME_WORDS
        and not _words(name) & (_END_WORDS | _FORECAST_WORDS)
        and not _ENERGY.search(name)
    ]
    return [exact, usual]


def _ranked(names: Sequence[str], places: Sequence[int], exact: Sequence[str]) -> list[list[int]]:
    """Return the places that may hold the value, the surest kind of name first."""
    fitting = [place for place in places if not _is_share(names[place])]

    def where(test: Callable[[str], bool]) -> list[int]:
        return [place for place in fitting if test(names[place])]

    by_name = [where(lambda name, one=one: name == one) for one in exact]  # type: ignore[misc]
    return [
        *by_name,
        where(lambda name: bool(_ENERGY.search(name))),
        where(lambda name: name in ("value", "actual")),
        where(lambda name: bool(_words(name) & (_VALUE_WORDS | _FORECAST_WORDS))),
    ]


def _of_factor(
    names: Sequence[str], ranks: Sequence[Sequence[int]], factor: Factor
) -> list[list[int]]:
    """Return the ranks with columns of another factor left out, where a wanted one is there."""
    wanted = Factor.LIFE_CYCLE if factor is Factor.UNKNOWN else factor
    kept = []
    for rank in ranks:
        fitting = [place for place in rank if _factor_of(names[place]) is wanted]
        kept.append(fitting or list(rank))
    return kept


def _one_of(header: Sequence[str], ranks: Sequence[Sequence[int]], what: str) -> int | None:
    """Return the only place of the first rank that has one."""
    for rank in ranks:
        if len(rank) > 1:
            names = " and ".join(repr(header[place].strip()) for place in rank)
            raise TraceFileError(
                f"columns {names} could both hold the {what}: name the right one "
                f"{TIME_COLUMN if what == 'time' else what if what == 'forecast' else 'g_per_kwh'}"
            )
        if rank:
            return rank[0]
    return None


def _unit_of(header: Sequence[str], place: int, declared: IntensityUnit | None) -> IntensityUnit:
    name = _plain(header[place])
    told = next((unit for pattern, unit in _UNITS if pattern.search(name)), None)
    if told is None and _ENERGY.search(name):
        raise TraceFileError(
            f"column {header[place].strip()!r} is in a unit that is not known: "
            f"{', '.join(IntensityUnit)} are"
        )
    if told is not None and declared is not None and _size(told) != _size(declared):
        raise TraceFileError(
            f"column {header[place].strip()!r} contradicts the configured unit {declared}"
        )
    return told or declared or IntensityUnit.GRAMS_PER_KWH


def _size(unit: IntensityUnit) -> float:
    return unit.to_grams_per_kwh(1.0)


def _notes(
    header: Sequence[str],
    names: Sequence[str],
    time: int,
    actual: int,
    forecast: int | None,
    actuals: Sequence[Sequence[int]],
    unit: IntensityUnit,
) -> list[str]:
    notes = []
    if names[time] != TIME_COLUMN:
        notes.append(f"times are those of column {header[time].strip()!r}")
    if names[actual] not in GRAMS_COLUMNS:
        told = _factor_of(names[actual])
        kind = "" if told is Factor.UNKNOWN else f", {told}"
        left = sorted({place for rank in actuals for place in rank} - {actual})
        rest = ", ".join(repr(header[place].strip()) for place in left)
        notes.append(
            f"intensity is column {header[actual].strip()!r} ({unit}{kind})"
            + (f"; {rest} is left out" if left else "")
        )
    if forecast is not None and names[forecast] not in FORECAST_COLUMNS:
        notes.append(f"the forecast is column {header[forecast].strip()!r}")
    return notes


def _factor_of(name: str) -> Factor:
    if _LIFE_CYCLE.search(name):
        return Factor.LIFE_CYCLE
    return Factor.DIRECT if _DIRECT.search(name) else Factor.UNKNOWN


def _is_forecast(name: str) -> bool:
    return bool(_words(name) & _FORECAST_WORDS)


def _is_share(name: str) -> bool:
    return "%" in name or bool(_words(name) & _SHARE_WORDS)


def _words(name: str) -> frozenset[str]:
    return frozenset(re.split(r"[^a-z0-9]+", name))


def _plain(name: str) -> str:
    """Return a name in small letters, with a lowered 2 as a plain one."""
    return name.strip().lower().replace("₂", "2")


def _shown(header: Sequence[str]) -> str:
    return f"the first line {','.join(header)[:SHOWN_MAX]!r}"
