"""Overhead of a data centre (PUE) asked from the Prometheus that holds it, for one run."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from math import ceil
from typing import Final

from lowtide.grid.overhead import Overhead, RunSpan, mean_overhead
from lowtide.grid.provider_settings import QuerySettings
from lowtide.grid.providers.factory import Throttles, client_of
from lowtide.grid.providers.prometheus_queries import PrometheusQueries

SLOTS_MAX: Final = 1_000
"""A longer run is asked for in longer slots, so that every answer is bounded."""


def asked_overhead(
    given: QuerySettings, zone: str, spans: Sequence[RunSpan], throttles: Throttles
) -> Overhead:
    """Return the mean of what the query answers for the running time; blocks.

    Raises:
        GridError: Prometheus does not answer, or refuses.
    """
    begin, end = min(start for start, _ in spans), max(end for _, end in spans)
    slots = ceil((end - begin).total_seconds() / given.step_seconds / SLOTS_MAX)
    queries = PrometheusQueries(
        client=client_of("prometheus", given, throttles),
        step=timedelta(seconds=given.step_seconds),
        headers=given.headers,
        credential=given.credential,
    )
    queries = replace(queries, step=queries.step * max(1, slots))
    values = queries.over(given.query, zone, zone, begin, end)
    return mean_overhead(values, queries.step, spans, f"Prometheus, zone {zone}")
