"""Units: the one place where numbers are converted, and printed for people.

Inside Lowtide energy is in joules, emissions in grams of CO2 equivalent, time in seconds and
carbon intensity in grams per kilowatt-hour. Functions named `format_*` scale for people; machine
output never uses them.
"""

import re
from datetime import UTC, datetime
from math import floor, log10
from typing import Final

JOULES_PER_KWH: Final = 3.6e6
JOULES_PER_WH: Final = 3.6e3
GRAMS_PER_POUND: Final = 453.59237
"""International avoirdupois pound, exactly."""
GRAMS_PER_KWH_PER_LB_PER_MWH: Final = 0.45359237
"""1 lb/MWh, from the pound above."""


def joules_to_kwh(energy_joules: float) -> float:
    """Return the energy in kilowatt-hours."""
    return energy_joules / JOULES_PER_KWH


def kwh_to_joules(energy_kwh: float) -> float:
    """Return the energy in joules."""
    return energy_kwh * JOULES_PER_KWH


def lb_per_mwh_to_grams_per_kwh(value: float) -> float:
    """Return an emission rate given in pounds per megawatt-hour, in grams per kilowatt-hour."""
    return value * GRAMS_PER_KWH_PER_LB_PER_MWH


def format_significant(value: float, digits: int = 3) -> str:
    """Return `value` with `digits` significant digits, never in exponent form."""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - floor(log10(abs(value))))
    return f"{value:.{decimals}f}"


def _scaled(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    """Return `value` divided by the largest step it reaches, with that step's unit."""
    for factor, unit in steps:
        if abs(value) >= factor:
            return f"{format_significant(value / factor)} {unit}"
    factor, unit = steps[-1]
    return f"{format_significant(value / factor)} {unit}"


def format_energy(energy_joules: float) -> str:
    """Return an energy for people: `4.31 kWh`, `870 Wh`, `2.50 Wh`, `120 J`."""
    steps = (
        (1e3 * JOULES_PER_KWH, "MWh"),
        (JOULES_PER_KWH, "kWh"),
        (JOULES_PER_WH, "Wh"),
        (1, "J"),
    )
    return _scaled(energy_joules, steps)


def format_mass(grams: float) -> str:
    """Return a mass of CO2 equivalent for people: `1.90 kg`, `410 g`, `0.48 g`, `32.0 mg`."""
    if grams == 0 or 0.1 <= abs(grams) < 1:  # tenths of a gram read better than 480 mg
        return f"{format_significant(grams)} g"
    return _scaled(grams, ((1e6, "t"), (1e3, "kg"), (1, "g"), (1e-3, "mg")))


def format_duration(duration_seconds: float) -> str:
    """Return a duration for people in at most two parts: `2 h 10 min`, `45 s`, `3 d 4 h`."""
    sign, seconds = ("-" if duration_seconds < 0 else ""), round(abs(duration_seconds))
    parts = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return sign + (" ".join(parts[:2]) if parts else "0 s")


def format_coverage(ratio: float) -> str:
    """Return a covered share for people, rounded down: 99.98 % never reads as 100 %."""
    return f"{floor(ratio * 1000 + 1e-9) / 10:.1f} %".replace(".0 %", " %")


def format_time_column(moment: datetime) -> str:
    """Return a UTC time for a narrow column: `2026-12-01 02:15Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")


def format_timestamp(moment: datetime) -> str:
    """Return a UTC time as Kubernetes writes it: `2026-12-01T02:15:00Z`, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


UNIT_SECONDS: Final = {"d": 86400, "h": 3600, "m": 60, "min": 60, "s": 1}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)", re.IGNORECASE)
_WHOLE: Final = re.compile(rf"\s*(?:{_PART.pattern}\s*)+", re.IGNORECASE)
LONGEST_DURATION_SECONDS: Final = 366 * 86400


def parse_duration(text: str, *, zero: bool = False) -> float:
    """Return the seconds of a duration with its units written out: `24h`, `1d 12h`, `30s`.

    A bare number is refused: 24 would mean a day to one person and 24 s to another.

    Raises:
        ValueError: it is not a duration, longer than 366 days, or zero where `zero` forbids that.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration: write 24h, 90m, 1d12h or 30s")
    seconds = sum(
        float(number) * UNIT_SECONDS[unit.lower()] for number, unit in _PART.findall(text)
    )
    if seconds > LONGEST_DURATION_SECONDS or (seconds == 0 and not zero):
        raise ValueError(f"{text!r} is not between 1 s and 366 days")
    return seconds


def parse_timestamp(text: str) -> datetime:
    """Return the aware UTC time of an RFC 3339 text.

    Raises:
        ValueError: the text is no RFC 3339 time, or it carries no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time {text!r} has no offset: write it in UTC, for example {text}Z")
    return moment.astimezone(UTC)
