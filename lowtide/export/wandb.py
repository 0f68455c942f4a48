"""Summary, configuration and tags of a Weights & Biases run.

For `run.summary.update(...)`, `run.config.update(...)` and `run.tags`: W&B groups names at slashes,
and a tag has at most 64 characters.
"""

import json
from typing import Final

from lowtide.export.figures import Occasion, numbers_of, texts_of
from lowtide.metrics.job_figures import JobFigures

MOST_TAG: Final = 64
"""Characters of a tag."""
TAGS: Final = ("method", "signal", "zone", "letter")
"""Texts by which runs are filtered."""


def export(job: JobFigures, occasion: Occasion) -> str:
    """Return the three parts as JSON."""
    texts = texts_of(job)
    tags = [f"{name}:{texts[name]}"[:MOST_TAG] for name in TAGS if name in texts]
    if job.mock:
        tags.append("stand-in GPU")
    parts = {
        "summary": {f"lowtide/{name}": value for name, value in numbers_of(job).items()},
        "config": {"lowtide": texts},
        "tags": tags,
    }
    return json.dumps(parts, indent=2, ensure_ascii=False) + "\n"
