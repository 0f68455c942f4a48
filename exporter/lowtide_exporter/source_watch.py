"""Watch over a source: how it is asked, and what is remembered of its answers.

A source that fails becomes a metric and one log line, whatever the error: one that was not foreseen
must not end the program that reads the other sources.
"""

import logging
from collections.abc import Callable
from typing import Any

from lowtide.meters.errors import SourceError
from lowtide_exporter.page.snapshot import SourceStatus

_log = logging.getLogger(__name__)


def ask(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a source; an unforeseen error is its failure, not the exporter's.

    Raises:
        SourceError: the source failed.
    """
    try:
        return function(*arguments)
    except SourceError:
        raise
    except Exception as error:
        _log.debug("a source failed in an unforeseen way", exc_info=True)
        raise SourceError(f"unforeseen: {error!r}") from error


class SourceWatch:
    """Remembers when each source last worked, and logs the changes, not the repetitions."""

    def __init__(self) -> None:
        self._good_at: dict[str, float] = {}
        self._is_up: dict[str, bool] = {}
        self._independent: set[str] = set()
        self._complaints: set[str] = set()

    def note(self, source: str, now: float, error: Exception | None = None) -> None:
        """Note one attempt to read `source`."""
        is_up = error is None
        if self._is_up.get(source) is not is_up:
            if error is not None:
                _log.warning("source %s is down: %s", source, error)
            elif source in self._is_up:
                _log.info("source %s works again", source)
        self._is_up[source] = is_up
        if is_up:
            self._good_at[source] = now

    def complain(self, about: str, error: Exception | None) -> None:
        """Log that a part of a source fails, once until it works again."""
        if error is None:
            self._complaints.discard(about)
        elif about not in self._complaints:
            self._complaints.add(about)
            _log.warning("%s: %s", about, error)

    def note_age(self, source: str, is_up: bool, good_at: float | None) -> None:
        """Note a source that keeps its own time."""
        self._independent.add(source)
        self._is_up[source] = is_up
        if good_at is not None:
            self._good_at[source] = good_at

    def statuses(self, now: float, *, is_stalled: bool = False) -> dict[str, SourceStatus]:
        """Return the state of every source that was asked; safe in any thread.

        Where the loop is stalled, no source that it reads is up.
        """
        good_at = dict(self._good_at)
        ages = {source: max(0.0, now - at) for source, at in good_at.items()}
        return {
            source: SourceStatus(
                up and not (is_stalled and source not in self._independent), ages.get(source)
            )
            for source, up in dict(self._is_up).items()
        }
