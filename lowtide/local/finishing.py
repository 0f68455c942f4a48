"""Finishing of a run: its samples read back, settled and written into its document.

Whoever reads a run whose program was killed finishes it the same way, so what was measured is
never lost with the program.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from lowtide.local.clock import utc_now, utc_of
from lowtide.local.samples_file import SampledAttempt, read_samples
from lowtide.local.store import Document, RunStore, report_text

if TYPE_CHECKING:
    from lowtide.local.grid import RunGrid


def finished(
    store: RunStore,
    name: str,
    *,
    grid: "RunGrid | None" = None,
    now: datetime | None = None,
    document: Document | None = None,
) -> Document:
    """Return a run's document with everything that its samples say, without writing it.

    Without a `grid` its carbon is not known, or stays as it was written.

    Raises:
        RunFileError: the run cannot be read.
    """
    from lowtide.local.settling import RunSettings, settled
    from lowtide.trainingjob.models import TrainingJob

    document = store.load(name) if document is None else document
    sampled = read_samples(store.samples_path(name))
    going_on = store.is_going_on(name)
    now = now or utc_now()
    intensity = overhead = None
    if grid is not None and sampled:
        created, end = _created(document, sampled), utc_of(sampled[-1].last_seen)
        intensity = grid.intensity(created, end, now)
        spans = [(utc_of(one.started_at), utc_of(one.last_seen)) for one in sampled]
        spec = TrainingJob.model_validate(document).spec
        overhead = grid.overhead(spec, [span for span in spans if span[0] < span[1]])
    return settled(
        document,
        sampled,
        now=now,
        intensity=intensity,
        overhead=overhead,
        report=report_text(store.report_path(name)),
        settings=RunSettings(scrape_interval_seconds=_spacing(sampled)),
        is_going_on=going_on,
    )


def _spacing(sampled: list[SampledAttempt]) -> float:
    """Return the usual distance between two samples, at least a second."""
    longest = [
        (one.samples[-1][0] - one.samples[0][0]) / (len(one.samples) - 1)
        for one in sampled
        if len(one.samples) > 1
    ]
    return max([1.0, *longest])


def _created(document: Document, sampled: list[SampledAttempt]) -> datetime:
    text = str(document["metadata"].get("creationTimestamp", ""))
    first = utc_of(sampled[0].started_at)
    try:
        return min(first, datetime.fromisoformat(text))
    except (ValueError, TypeError):
        return first
