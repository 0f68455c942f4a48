"""Rows of a large explorer page: figures of every job in columns, texts of a few jobs only.

A job as an object of its own takes about 600 bytes of a page, as a line of columns about 80. Every
job keeps its figures, so that picture, ranking, search and what is saved hold all of them; labels
and epochs are kept for the jobs at the front and for an even choice of the others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.properties import PROPERTIES

MOST_WHOLE: Final = 10_000
"""Jobs of a page up to which each keeps its texts."""
KEPT: Final = 2_000
"""Jobs of a larger page that keep their texts."""
DIGITS: Final = 12
"""Significant digits of a figure in a column: conversion of units leaves noise after them."""
FRONTS: Final[tuple[Callable[[JobFigures], float | None], ...]] = (
    lambda job: job.energy_joules,
    lambda job: None if job.accuracy is None else -job.accuracy,
    lambda job: job.score_grams_per_unit,
    lambda job: None if job.avoided_grams is None else -job.avoided_grams,
)
"""What puts a job at the front: the least of each."""


def kept_places(jobs: Sequence[JobFigures]) -> frozenset[int]:
    """Return the places of the jobs that keep their texts: the fronts, and an even choice."""
    if len(jobs) <= KEPT:
        return frozenset(range(len(jobs)))
    kept: set[int] = set()
    for read in FRONTS:
        known = [(value, at) for at, job in enumerate(jobs) if (value := read(job)) is not None]
        kept |= {at for _, at in sorted(known)[: KEPT // (2 * len(FRONTS))]}
    step = len(jobs) / (KEPT - len(kept))
    return frozenset(kept | {int(n * step) for n in range(KEPT - len(kept))})


def table_of(
    task: str,
    first_id: int,
    jobs: Sequence[JobFigures],
    values: Sequence[Mapping[str, float | None]],
    groups: Sequence[int],
    fields: Mapping[str, str],
    whole: Mapping[int, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the columns of a task's jobs; the page makes its rows of them.

    `fields` are the figures of the card by their name in the page, `whole` what some jobs keep
    beside the columns, by their place.
    """
    read = {name: [getattr(job, field) for job in jobs] for name, field in fields.items()}
    return {
        "task": task,
        "first": first_id,
        "name": [job.name for job in jobs],
        "model": _words(job.model or job.name for job in jobs),
        "group": list(groups),
        "values": {
            key: _numbers([one.get(key) for one in values])
            for key in PROPERTIES
            if any(one.get(key) is not None for one in values)
        },
        "job": {
            name: _words(column)
            if any(isinstance(value, str) for value in column)
            else _numbers(column)
            for name, column in read.items()
            if any(value is not None for value in column)
        },
        "mock": [at for at, job in enumerate(jobs) if job.mock],
        "whole": {str(at): dict(more) for at, more in whole.items()},
    }


def _numbers(column: Iterable[float | None]) -> list[float | None]:
    return [None if value is None else float(f"{value:.{DIGITS}g}") for value in column]


def _words(column: Iterable[str | None]) -> dict[str, Any]:
    """Return a column of texts as the different ones and the place of each."""
    places: dict[str | None, int] = {}
    at = [places.setdefault(text, len(places)) for text in column]
    return {"words": list(places), "at": at}


def kept_sentence(jobs: int, kept: int) -> str:
    """Return what a large page leaves out."""
    return (
        f"Figures, ranking, search and what is saved hold all {jobs:,} jobs; labels and epochs are "
        f"kept for {kept:,} of them, those at the front and an even choice of the others. "
        "lowtide label draws that of any job."
    )
