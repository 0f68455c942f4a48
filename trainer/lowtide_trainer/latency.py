"""Latencies of requests in bounded memory: their mean, and quantiles within one percent.

Each latency is counted in a bucket whose ends differ by two percent, so millions of requests take
as many counters as their latencies have magnitudes: at most 1,400 from a microsecond to a day.
"""

from math import ceil, floor, log

GROWTH = 1.02
"""Upper end of a bucket over its lower end."""
SHORTEST_SECONDS = 1e-6
"""Shorter latencies count as this: no request is faster."""
LONGEST_SECONDS = 86_400.0


class Latencies:
    """How long requests took. A quantile is that of the ordered latencies, without interpolation.

    Example::

        latencies.add(0.020)
        latencies.quantile(0.95)
    """

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0.0
        self._buckets: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        """Count one request."""
        bounded = min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
        bucket = floor(log(bounded) / log(GROWTH))
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self._sum += seconds

    @property
    def mean_seconds(self) -> float | None:
        """Return the mean; `None` before the first request."""
        return self._sum / self.count if self.count else None

    def quantile(self, ratio: float) -> float | None:
        """Return the latency that this share of the requests kept; `None` before the first one."""
        left = max(1, ceil(ratio * self.count))
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                # The middle of the bucket, by ratio.
                return float(GROWTH ** (bucket + 0.5))
        return None
