"""Checks of the values in a report, each with one sentence that says what is wrong.

Each `check_*` function takes anything and returns the value as the report keeps it, or raises
`ValueError` with the value seen and what would be right. Values in messages are truncated and
escaped: they come from users' programs and end up in a status. Standard library only, of which
each module is loaded by the function that needs it: a training that starts loads none.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from typing import Final

SCHEMA_VERSION: Final = 1
HISTORY_LIMIT: Final = 48
"""Entries in the history; longer runs merge neighbouring epochs, so that the worst case fits."""
NAME_MAX_BYTES: Final = 80
ERROR_MAX_BYTES: Final = 300
MAX_COUNT: Final = 2**63 - 1
"""The largest whole number that the API server stores."""
FLOPS_LIMIT: Final = 10**27
"""Above the floating-point operations of the largest training runs published (about 1e26)."""
SECONDS_LIMIT: Final = 1e9
"""Thirty-one years: no run is longer, and milliseconds below it have at most 13 characters."""


def compact_json(value: object) -> str:
    """Return the shortest JSON text of `value`."""
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def plain_json(value: str | int | float) -> str:
    """Return the JSON text of a printable line or a finite number, as `compact_json` does."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    # A subclass may have a text of its own.
    return int.__repr__(value) if isinstance(value, int) else float.__repr__(value)


def json_bytes(text: str) -> int:
    """Return the number of bytes of a printable line in JSON, without its quotation marks."""
    return len(plain_json(text).encode()) - 2


def json_key(attribute: str) -> str:
    """Return the JSON key of an attribute: `epochs_planned` is `epochsPlanned`."""
    first, *rest = attribute.split("_")
    return first + "".join(part.capitalize() for part in rest)


def shown(value: object) -> str:
    """Return any value in at most 60 printable ASCII characters, for an error message."""
    # Handled before conversion: Python refuses to turn a number of 5,000 digits into text.
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= FLOPS_LIMIT:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = ascii(value[:61] if isinstance(value, str) else value)
    except RecursionError:
        text = f"a deeply nested {type(value).__name__}"
    except Exception:
        # A user's object, whose own text fails.
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_text(value: object, max_bytes: int) -> str:
    """Return a printable line of at most `max_bytes` bytes as JSON."""
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not text")
    if not value.isprintable():
        raise ValueError(f"{shown(value)} has unprintable characters")
    if json_bytes(value) > max_bytes:
        raise ValueError(f"{shown(value)} is longer than {max_bytes} bytes")
    return value


def check_name(value: object) -> str:
    """Return the name of a model, a data set, a framework, a device or a file."""
    return check_text(value, NAME_MAX_BYTES)


def check_error(value: object) -> str:
    """Return the sentence that says why a run failed."""
    return check_text(value, ERROR_MAX_BYTES)


def check_number(value: object) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shown(value)} is not a number")
    if not -1e308 <= value <= 1e308:  # neither is NaN
        raise ValueError(f"{shown(value)} is not a finite number")
    return float(value)


def check_count(value: object) -> int:
    """Return a count."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise ValueError(f"{shown(value)} is not a whole number from 0 to 2^63 - 1")
    return value


def check_flops(value: object) -> int:
    """Return a number of floating-point operations, which a status holds as text."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < FLOPS_LIMIT:
        raise ValueError(f"{shown(value)} is not a whole number from 0 to 1e27")
    return value


def check_epochs(value: object) -> int:
    """Return a number of epochs; the limit is lower because every entry of the history has one."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**9:
        raise ValueError(f"{shown(value)} is not a whole number from 0 to 1e9")
    return value


def check_seed(value: object) -> int:
    """Return a seed: torch takes 64 bits, signed or unsigned."""
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**64:
        raise ValueError(f"{shown(value)} is not a whole number of 64 bits")
    return value


def check_fraction(value: object) -> float:
    """Return a fraction from 0 to 1; a percentage is refused, never converted."""
    number = check_number(value)
    if not 0 <= number <= 1:
        advice = ", divide percent by 100" if 1 < number <= 100 else ""
        raise ValueError(f"{shown(value)} is not a fraction from 0 to 1{advice}")
    return number


def check_seconds(value: object) -> float:
    """Return a duration."""
    number = check_number(value)
    if not 0 <= number <= SECONDS_LIMIT:
        raise ValueError(f"{shown(value)} is not a duration from 0 to 1e9 seconds")
    return number


def check_moment(value: object) -> datetime:
    """Return a UTC time in whole milliseconds, of a datetime, RFC 3339 text or Unix seconds."""
    from datetime import UTC, datetime

    try:
        if isinstance(value, str):
            from lowtide.units import parse_timestamp

            value = parse_timestamp(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            value = datetime.fromtimestamp(value, UTC)
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise ValueError("not an aware time")
        seconds = value.timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{shown(value)} is not a time with its offset") from None
    if not 0 <= seconds < 1e11:
        raise ValueError(f"{shown(value)} is not a time between the years 1970 and 5138")
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=milliseconds * 1000)


PLAIN_CHECKS: Final[Mapping[str, Callable[[object], str | int | float]]] = {
    "error": check_error,
    "model": check_name,
    "dataset": check_name,
    "framework": check_name,
    "device": check_name,
    "seed": check_seed,
    "epochs": check_epochs,
    "epochs_planned": check_epochs,
    "samples": check_count,
    "samples_planned": check_count,
    "resumed_samples": check_count,
    "tokens": check_count,
    "parameters": check_count,
    "flops": check_flops,
    "accuracy": check_fraction,
    "accuracy_top5": check_fraction,
    "loss": check_number,
}
"""Checks of the fields of a report that are a text or a number, in their order."""
