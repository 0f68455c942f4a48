"""Errors between Lowtide and a grid-data provider.

    GridError
    ├── Unauthorized        401, 403, or no usable credential; never retried
    ├── RateLimited         429, or a limit of our own that keeps us from being banned
    ├── Unavailable         time-out, refused connection, 5xx
    ├── BadAnswer           an answer that is not what the provider documents
    ├── StaleAnswer         a forecast that is too old to plan with
    ├── NoData              a well-formed answer without one usable value
    ├── NotOffered          the provider does not have this kind of data at all
    └── Exhausted           no provider of a chain could answer; has the reason of the first one

Every class carries the CamelCase reason that a TrainingJob's ForecastAvailable condition shows.
Messages are one sentence and never contain a credential or a URL's query, and of a body only the
reason that the service states, shortened: they end up in status, events and logs.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class GridError(Exception):
    """A provider could not answer; the message is one sentence for people."""

    reason: str = "GridError"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        """Keep the HTTP status, and how long the provider asked to be left alone, if known."""
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class Unauthorized(GridError):
    """The credential was refused or is missing."""

    reason = "Unauthorized"


class RateLimited(GridError):
    """Too many requests: the provider said so, or our own limit prevents it."""

    reason = "RateLimited"


class Unavailable(GridError):
    """The provider cannot be reached or reports a fault of its own."""

    reason = "Unavailable"


class BadAnswer(GridError):
    """The answer lacks the documented shape: HTML, garbage, wrong fields, times out of order."""

    reason = "BadAnswer"


class StaleAnswer(GridError):
    """The provider's forecast was made too long ago."""

    reason = "StaleForecast"


class NoData(GridError):
    """The answer is well formed and holds no usable value."""

    reason = "NoData"


class NotOffered(GridError):
    """The provider has no such data at all, so asking again is pointless."""

    reason = "NotOffered"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one provider of a chain did not answer."""

    provider: str
    reason: str
    message: str


class Exhausted(GridError):
    """No provider of a chain could answer.

    `failures` has one entry per provider that tried, in order; `reason` is the first one's,
    because that provider is the one the settings want.
    """

    def __init__(self, failures: Sequence[Failure]) -> None:
        """Join the failures' sentences.

        Raises:
            ValueError: there are none.
        """
        if not failures:
            raise ValueError("a chain without failures is not exhausted")
        super().__init__("; ".join(failure.message for failure in failures))
        self.failures = tuple(failures)
        self.reason = failures[0].reason
