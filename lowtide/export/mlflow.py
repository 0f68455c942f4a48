"""Metrics, parameters and tags of an MLflow run, as the body of its `runs/log-batch` call.

The caller adds `run_id`. Texts stay within MLflow's limits. See
https://mlflow.org/docs/latest/rest-api.html#log-batch.
"""

import json
from typing import Final

from lowtide.export.figures import Occasion, numbers_of, texts_of
from lowtide.metrics.job_figures import JobFigures

MOST_TEXT: Final = 5000
"""Characters of a tag's value."""
CIRCUMSTANCES: Final = frozenset({"model", "dataset", "environment"})
"""Texts that are parameters of the run; the others are tags."""


def export(job: JobFigures, occasion: Occasion) -> str:
    """Return the body as JSON."""
    at = int(occasion.created.timestamp() * 1000)
    texts = texts_of(job)
    return (
        json.dumps(
            {
                "metrics": [
                    {"key": f"lowtide.{name}", "value": value, "timestamp": at, "step": 0}
                    for name, value in numbers_of(job).items()
                ],
                "params": [
                    {"key": name, "value": value[:MOST_TEXT]}
                    for name, value in texts.items()
                    if name in CIRCUMSTANCES
                ],
                "tags": [
                    {"key": f"lowtide.{name}", "value": value[:MOST_TEXT]}
                    for name, value in texts.items()
                    if name not in CIRCUMSTANCES
                ],
            },
            indent=2,
            ensure_ascii=False,
        )
        + "\n"
    )
