"""Containers of a pod: when they ran, how they ended, and what they report.

Pure. Statuses are read as other programs wrote them: what has another shape than Kubernetes
documents counts as absent.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from lowtide.lenient_fields import mapping, moment

REPORT_MARK: Final = '"schemaVersion"'
"""A text that every report of a training holds, and no log line."""

Body = Mapping[str, Any]


def first_start(statuses: Iterable[Body]) -> datetime | None:
    """Return when the first of these containers began to run, restarts included."""
    starts = (
        moment(state.get("startedAt"))
        for status in statuses
        for when in ("lastState", "state")
        for state in (status.get(when) or {}).values()
        if isinstance(state, dict)
    )
    return min((start for start in starts if start is not None), default=None)


def last_end(statuses: Iterable[Body]) -> datetime | None:
    """Return when the last of these containers ended, of those whose end is known."""
    ends = (moment(state.get("finishedAt")) for state in _terminated(statuses))
    return max((end for end in ends if end is not None), default=None)


def exit_code_of(statuses: Sequence[Body], trainer: str | None) -> int | None:
    """Return the exit code of the trainer if it failed, else of the first container that did.

    0 if all that ended succeeded, `None` if none has ended.
    """
    codes = {str(s.get("name")): s["state"]["terminated"].get("exitCode") for s in _ended(statuses)}
    ordered = [codes.pop(trainer)] if trainer in codes else []
    known = [int(code) for code in (*ordered, *codes.values()) if code is not None]
    return next((code for code in known if code), 0 if known else None)


def report_of(statuses: Sequence[Body], trainer: str | None) -> str | None:
    """Return the termination message of the training.

    The trainer is the first container of the pod. A sidecar may leave a message too, and it may
    stand first: a message that is a report wins, then that of the trainer, then the first one.
    """
    messages = [
        (str(status.get("name")), str(status["state"]["terminated"]["message"]))
        for status in _ended(statuses)
        if status["state"]["terminated"].get("message")
    ]
    messages.sort(key=lambda one: one[0] != trainer)
    reports = [text for _, text in messages if REPORT_MARK in text]
    return next(iter([*reports, *(text for _, text in messages)]), None)


def _ended(statuses: Iterable[Body]) -> list[Body]:
    return [s for s in statuses if isinstance(mapping(s.get("state")).get("terminated"), dict)]


def _terminated(statuses: Iterable[Body]) -> list[Body]:
    return [status["state"]["terminated"] for status in _ended(statuses)]
