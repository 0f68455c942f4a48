"""Series as text, and files that are either whole or absent.

The text is JSON with one short list per point, small enough for a ConfigMap (a month of
five-minute slots is about 200 kB). A file is written beside its target and renamed, so a killed
process leaves the old version. What cannot be read back is an error of its own and never a guess.
"""

import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lowtide.grid.series import (
    Factor,
    IntensitySeries,
    Point,
    SeriesError,
    Signal,
    series_type,
)

FILE_MAX_BYTES: Final = 32 * 1024 * 1024
Seconds = Annotated[float, Field(ge=0, lt=32503680000)]
"""Unix seconds before the year 3000."""


class StorageError(ValueError):
    """Stored text is damaged or of another version."""


class _Stored(BaseModel):
    """The JSON form; a point is `[start, length, value or null, 1 if estimated]`, in seconds."""

    model_config = ConfigDict(extra="forbid")
    version: Literal[1] = 1
    signal: Signal
    zone: str
    source: str
    factor: Factor
    fetched_at: Seconds | None
    generated_at: Seconds | None
    points: list[tuple[Seconds, Annotated[float, Field(gt=0)], float | None, Literal[0, 1]]]


def series_to_text(series: IntensitySeries) -> str:
    """Return the series as one line of JSON."""
    return json.dumps(
        {
            "version": 1,
            "signal": series.signal,
            "zone": series.zone,
            "source": series.source,
            "factor": series.factor,
            "fetched_at": _seconds(series.fetched_at),
            "generated_at": _seconds(series.generated_at),
            "points": [
                [
                    _short(point.start.timestamp()),
                    _short((point.end - point.start).total_seconds()),
                    None if point.grams_per_kwh is None else _short(point.grams_per_kwh),
                    int(point.estimated),
                ]
                for point in series.points
            ],
        },
        separators=(",", ":"),
    )


def series_from_text(text: str) -> IntensitySeries:
    """Return the series that `series_to_text` wrote.

    Raises:
        StorageError: the text is damaged, of another version, or holds impossible points.
    """
    try:
        stored = _Stored.model_validate_json(text)
        ends = [start + length for start, length, _, _ in stored.points]
        return series_type(stored.signal)(
            zone=stored.zone,
            source=stored.source,
            factor=stored.factor,
            fetched_at=_moment(stored.fetched_at),
            generated_at=_moment(stored.generated_at),
            points=tuple(
                Point(_at(start), _at(end), value, bool(estimated))
                for (start, _, value, estimated), end in zip(stored.points, ends, strict=True)
            ),
        )
    except (ValidationError, SeriesError, OverflowError, OSError) as error:
        problem = f"stored series cannot be read ({type(error).__name__})"
    raise StorageError(problem)


def write_atomically(path: Path, text: str) -> None:
    """Replace the content of `path` at once; its folder is made if need be.

    Raises:
        OSError: the folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def read_text(path: Path) -> str | None:
    """Return the content of `path`, or `None` where the file does not exist.

    Raises:
        StorageError: it is larger than anything written here, or not text.
        OSError: it cannot be read.
    """
    try:
        if path.stat().st_size > FILE_MAX_BYTES:
            raise StorageError(f"{path.name} is larger than {FILE_MAX_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise StorageError(f"{path.name} is not text") from None


def file_name(*parts: str) -> str:
    """Return a name that is different for different parts, and valid as a ConfigMap's key too."""
    return ".".join("".join(_plain(character) for character in part) for part in parts) + ".json"


def _plain(character: str) -> str:
    if character.isascii() and (character.isalnum() or character == "-"):
        return character
    return f"_{ord(character):x}_"


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else _short(moment.timestamp())


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else _at(seconds)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 6), UTC)


def _short(number: float) -> float:
    """Return whole numbers as integers, because they are most of the text."""
    return int(number) if number == int(number) else number
