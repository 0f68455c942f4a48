"""Record of an inference run between two marks, as its process reports it.

The marks exclude the warm-up, so that counts, latencies and the energy between them belong to the
same requests. Standard library only, as the report that holds it.
"""

from dataclasses import dataclass
from datetime import datetime

from lowtide.trainingjob.report_values import check_count, check_moment, check_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRecord:
    """Requests answered between two marks, and how long each took. `None` means unknown.

    Latencies are rounded as transmitted, to microseconds.

    Raises:
        ValueError: a value is out of its range, or the marks are in the wrong order.
    """

    started_at: datetime
    """The first mark: the end of the warm-up."""
    ended_at: datetime
    """The second mark: the end of the newest request."""
    warmup_requests: int
    """Requests before the first mark, which count nowhere else."""
    requests: int
    samples: int | None = None
    tokens: int | None = None
    latency_mean_seconds: float | None = None
    latency_p50_seconds: float | None = None
    latency_p95_seconds: float | None = None
    latency_p99_seconds: float | None = None

    def __post_init__(self) -> None:
        """Check and round, so that the round trip through JSON is exact."""
        for name in ("started_at", "ended_at"):
            object.__setattr__(self, name, check_moment(getattr(self, name)))
        for name in ("warmup_requests", "requests", "samples", "tokens"):
            value = getattr(self, name)
            if value is not None or name in ("warmup_requests", "requests"):
                object.__setattr__(self, name, check_count(value))
        for name in self.__slots__:
            value = getattr(self, name)
            if name.startswith("latency_") and value is not None:
                object.__setattr__(self, name, round(check_seconds(value), 6))
        if self.ended_at < self.started_at:
            raise ValueError(
                f"endedAt {self.ended_at.isoformat()} is before startedAt "
                f"{self.started_at.isoformat()}"
            )
