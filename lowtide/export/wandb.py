"""A run of Weights & Biases as its public API gives it: name, config, summary and tags.

The keys are the attributes of `wandb.Api().run(...)`, plain values in them, so that a script reads
this file and a run alike; `run.config.update`, `run.summary.update` and `run.tags` take the parts.
W&B groups names at slashes, counts `_runtime` in seconds, and a tag has at most 64 characters. See
https://docs.wandb.ai/ref/python/public-api/run.
"""

import json
from typing import Any, Final

from lowtide.export.figures import Occasion, numbers_of, texts_of
from lowtide.metrics.job_figures import JobFigures

MOST_TAG: Final = 64
"""Characters of a tag."""
TAGS: Final = ("method", "signal", "zone", "letter")
"""Texts by which runs are filtered."""


def export(job: JobFigures, occasion: Occasion) -> str:
    """Return the run as JSON."""
    texts = texts_of(job)
    tags = [f"{name}:{texts[name]}"[:MOST_TAG] for name in TAGS if name in texts]
    if job.mock:
        tags.append("stand-in GPU")
    summary = {f"lowtide/{name}": value for name, value in numbers_of(job).items()}
    if job.duration_seconds is not None:
        summary["_runtime"] = job.duration_seconds
    run: dict[str, Any] = {"name": job.name}
    if job.started_at is not None:
        run["created_at"] = job.started_at
    run |= {"config": {"lowtide": texts}, "summary": summary, "tags": tags}
    return json.dumps(run, indent=2, ensure_ascii=False) + "\n"
