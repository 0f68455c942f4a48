"""Pause of a command that works: asked for by SIGTERM, or frozen in its memory."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from lowtide.trainingjob.budget_limits import Exceeded

GRACE_SECONDS: Final = 120.0
"""A command that has not stopped so long after SIGTERM goes on, and is not told again."""


@dataclass(slots=True)
class Pause:
    """Pause of a command that runs: asked for, or frozen."""

    asked_at: datetime | None = None
    over: Exceeded | None = None
    """Limit of the budget that it was asked for, `None` where the grid is the reason."""
    joules: float = 0.0
    """What the attempt had used when it was frozen."""
    _spans: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    """Stretches for which it was frozen; the last one may be open."""

    @property
    def is_frozen(self) -> bool:
        """Whether it is frozen now."""
        return bool(self._spans) and self._spans[-1][1] is None

    def freeze(self, now: datetime, joules: float) -> None:
        """Take down that it is frozen, and what the attempt had used until then."""
        self._spans.append((now, None))
        self.joules = joules

    def thaw(self, now: datetime) -> None:
        """Take down that it goes on."""
        self._spans[-1] = (self._spans[-1][0], now)

    def is_overdue(self, now: datetime) -> bool:
        """Return whether it should have stopped by now."""
        return self.asked_at is not None and now - self.asked_at > timedelta(seconds=GRACE_SECONDS)

    def worked(self, since: datetime) -> list[tuple[datetime, datetime | None]]:
        """Return the stretches of work since the start of the attempt."""
        found: list[tuple[datetime, datetime | None]] = []
        start: datetime | None = since
        for frozen_at, thawed_at in self._spans:
            if start is not None:
                found.append((start, frozen_at))
            start = thawed_at
        if start is not None:
            found.append((start, None))
        return found
