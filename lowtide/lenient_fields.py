"""Fields of API objects that other programs wrote, read leniently.

A field that is missing, or has another type than Kubernetes documents, is `None` or empty.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lowtide.units import parse_timestamp


def mapping(value: object) -> Mapping[str, Any]:
    """Return an object, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> tuple[Mapping[str, Any], ...]:
    """Return the objects of a list, or none."""
    return tuple(v for v in value if isinstance(v, Mapping)) if isinstance(value, list) else ()


def moment(value: object) -> datetime | None:
    """Return a time, or `None`."""
    try:
        return parse_timestamp(value) if isinstance(value, str) else None
    except ValueError:
        return None


def count(value: object) -> int | None:
    """Return a whole number from 0 on, or `None`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value
