"""Fields of API objects, read leniently for views that must work across versions.

A field that is missing or of another type is `None` or empty. Figures of record are not read with
this: `lowtide.records.jobs` refuses what it does not understand.
"""

from collections.abc import Mapping
from typing import Any, Final

from lowtide.lenient_fields import mapping, mappings

Manifest = Mapping[str, Any]


def text(value: Any) -> str:
    """Return a text, empty where there is none."""
    return "" if value is None else str(value)


LARGEST: Final = 1e18
"""No energy, mass, time or count of a job comes near this; NaN is not below it either."""


def number(value: Any) -> float | None:
    """Return a number written as such or as decimal text; `None` for one that measures nothing."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if abs(found) <= LARGEST else None


def conditions(manifest: Manifest) -> dict[str, Manifest]:
    """Return the conditions of a TrainingJob by type."""
    listed = mappings(mapping(manifest.get("status")).get("conditions"))
    return {text(entry.get("type")): entry for entry in listed}


def is_true(found: Mapping[str, Manifest], name: str) -> bool:
    """Return whether the condition `name` is there and true."""
    return found.get(name, {}).get("status") == "True"
