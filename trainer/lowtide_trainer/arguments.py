"""Checks of what a user's loop passes to a run, where a wrong value would decide the training.

Reporting never stops a training, so a wrong figure is left out with a warning. An argument that
says how long to train or where to save is refused at the start instead, before anything is lost.
"""

from __future__ import annotations

from os import PathLike

from lowtide.trainingjob.report_values import check_number, shown
from lowtide_trainer.errors import UsageError
from lowtide_trainer.figures import plain_count, plain_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def whole_number(name: str, value: object, *, least: int, meaning: str) -> int:
    """Return a whole number from `least` on, of a Python, numpy or torch number.

    Raises:
        UsageError: it is not one.
    """
    try:
        number = plain_count(value)
    except ValueError:
        number = -1
    if number < least:
        raise UsageError(f"{name}={shown(value)}: give the number of {meaning}, {least} or more")
    return number


def seconds(name: str, value: object) -> float:
    """Return a duration.

    Raises:
        UsageError: it is not one.
    """
    try:
        number = check_number(plain_number(value))
    except ValueError:
        number = -1.0
    if number < 0:
        raise UsageError(f"{name}={shown(value)}: give a number of seconds, 0 or more")
    return number


def directory(name: str, value: object) -> str | None:
    """Return the path of a directory, or `None` without one.

    Raises:
        UsageError: it is not a path.
    """
    if value is None:
        return None
    path = value.__fspath__() if isinstance(value, PathLike) else value
    if not isinstance(path, str) or not path or "\0" in path:
        raise UsageError(f"{name}={shown(value)}: give the path of a directory")
    return path


def stateful(value: object) -> Mapping[str, Any] | Sequence[Any] | None:
    """Return the objects whose state a checkpoint holds; one alone may stand without a list.

    Raises:
        UsageError: it is neither a list, nor a mapping, nor an object with a state.
    """
    if value is None or isinstance(value, list | tuple | dict):
        return value
    from collections.abc import Mapping, Sequence

    if isinstance(value, Mapping | Sequence) and not isinstance(value, str):
        return value
    if hasattr(value, "state_dict") or hasattr(value, "get_state"):
        return [value]
    raise UsageError(f"state={shown(value)}: give a list such as [net, optimizer, schedule]")
