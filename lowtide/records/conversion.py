"""Named values to figures of a job: types are checked here, domains in `JobFigures`.

Nothing is coerced: a number is a number or a text that is one, a text is a text, a flag is a flag.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from lowtide.metrics.figure_domains import DIFFERENCES, NOT_NEGATIVE
from lowtide.metrics.job_figures import EnergyShare, JobFigures, MetricFigure
from lowtide.metrics.result import MetricError
from lowtide.records.errors import ReportError, shown
from lowtide.records.tables import parse_number

FIELDS: Final = frozenset(field.name for field in fields(JobFigures))
WHOLE: Final = frozenset({"epochs_planned", "reference_rows"})
NUMBERS: Final = (
    frozenset(NOT_NEGATIVE)
    | frozenset(DIFFERENCES)
    | {"accuracy", "coverage_ratio", "pue"}
    | {"embodied_lifespan_seconds"}
) - WHOLE
FLAGS: Final = frozenset({"final", "mock", "energy_includes_pue"})
NAMES: Final = frozenset({"boundary", "qualities", "unavailable"})
WORDS: Final = frozenset({"energy_kind", "signal", "cost_kind", "pue_kind"})
"""Fields of one word, whose case a table need not keep."""
MOST_ENTRIES: Final = 100_000
"""Entries of one list, for example epochs."""


def figures_from(given: Mapping[str, Any], where: str) -> JobFigures:
    """Return the figures of a report by field name.

    Raises:
        ReportError: a field is unknown, of the wrong type or outside its domain.
    """
    if not FIELDS.issuperset(given):
        unknown = sorted(str(key) for key in given if key not in FIELDS)
        raise ReportError(f"{where}: {shown(unknown[0])} is not a field of a report")
    if given.get("name") in (None, ""):
        raise ReportError(f"{where}: name is missing: every job needs one")
    values = {key: _value(key, value, where) for key, value in given.items() if value is not None}
    try:
        job = JobFigures(**values)
        job.require_consistent()
    except MetricError as error:
        raise ReportError(f"{where}: {error}") from error
    return job


def _value(key: str, value: Any, where: str) -> Any:
    if key in NUMBERS:
        return number(value, where, key)
    if key in WHOLE:
        return whole(value, where, key)
    if key in FLAGS:
        return flag(value, where, key)
    if key in NAMES:
        return _names(value, where, key)
    if key == "epoch_joules":
        return tuple(number(item, where, key) for item in _list(value, where, key))
    if key == "metrics":
        return tuple(_part(MetricFigure, item, where, key) for item in _list(value, where, key))
    if key == "shares":
        return tuple(_part(EnergyShare, item, where, key) for item in _list(value, where, key))
    if key == "properties":
        return {
            name: None if item is None else number(item, where, f"properties.{name}")
            for name, item in _object(value, where, key).items()
        }
    if key == "letters":
        entries = _object(value, where, key).items()
        return {name: text(item, where, f"letters.{name}") for name, item in entries}
    word = text(value, where, key)
    return word if key not in WORDS or key == "cost_kind" else word.capitalize()


def number(value: Any, where: str, path: str) -> float:
    """Return a number, written as one or as decimal text.

    Raises:
        ReportError: it is neither.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise ReportError(f"{where}: {path} is too large for a number") from error
    if isinstance(value, str):
        try:
            return parse_number(value)
        except ValueError as error:
            raise ReportError(f"{where}: {path}: {error}") from error
    raise ReportError(f"{where}: {path} is {shown(value)}, expected a number")


def whole(value: Any, where: str, path: str) -> int:
    """Return a whole number.

    Raises:
        ReportError: it is none, or larger than a count can be.
    """
    found = number(value, where, path)
    if not found.is_integer() or abs(found) > 2**53:
        raise ReportError(f"{where}: {path} is {shown(value)}, expected a whole number")
    return int(found)


def flag(value: Any, where: str, path: str) -> bool:
    """Return a flag; `true` and `false` are read too, because tables have no flags.

    Raises:
        ReportError: it is none.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.casefold() in ("true", "false"):
        return value.casefold() == "true"
    raise ReportError(f"{where}: {path} is {shown(value)}, expected true or false")


def text(value: Any, where: str, path: str) -> str:
    """Return a text; a number is not taken for one, and neither is YAML's `NO` for Norway.

    Raises:
        ReportError: it is none.
    """
    if isinstance(value, str):
        return value
    raise ReportError(f"{where}: {path} is {shown(value)}, expected a text: quote it")


def _names(value: Any, where: str, path: str) -> tuple[str, ...]:
    parts = value.replace("+", " ").replace(";", " ").split() if isinstance(value, str) else value
    names = tuple(text(item, where, path) for item in _list(parts, where, path))
    return tuple(sorted(set(names))) if path == "boundary" else names


def _part(kind: type[Any], item: Any, where: str, path: str) -> Any:
    entry = _object(item, where, path)
    known = {field.name for field in fields(kind)}
    unknown = sorted(set(entry) - known)
    if unknown:
        raise ReportError(f"{where}: {path}: {shown(unknown[0])} is not one of its fields")
    values: dict[str, Any] = {}
    for name, value in entry.items():
        if name == "warnings":
            values[name] = tuple(text(w, where, path) for w in _list(value, where, path))
        elif name in ("value", "energy_joules"):
            values[name] = None if value is None else number(value, where, f"{path}.{name}")
        elif value is not None:
            values[name] = text(value, where, f"{path}.{name}")
    if kind is MetricFigure:
        values.setdefault("value", None)
    try:
        return kind(**values)
    except (MetricError, TypeError) as error:
        raise ReportError(f"{where}: {path}: {error}") from error


def _list(value: Any, where: str, path: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ReportError(f"{where}: {path} is {shown(value)}, expected a list")
    if len(value) > MOST_ENTRIES:
        raise ReportError(f"{where}: {path} has {len(value)} entries, more than {MOST_ENTRIES}")
    return list(value)


def _object(value: Any, where: str, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ReportError(f"{where}: {path} is {shown(value)}, expected an object")
    return {str(key): item for key, item in value.items()}
