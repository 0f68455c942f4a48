"""Reference measurements shipped with Lowtide: ImageNet models of Fischer et al. 2022 (MIT).

The figures come from real hardware, so that ratings and the explorer have something to show at
once. They compare only with jobs of the same task, data set and environment; rate a team's own
runs against a reference set made from its own runs.
"""

import functools
import importlib.resources
import json
from typing import Any

from lowtide.metrics.letters import check_boundaries
from lowtide.metrics.properties import TASK_PROPERTIES, Task
from lowtide.metrics.reference import ReferenceSet
from lowtide.metrics.result import MetricError, Refusal


@functools.cache
def measurements() -> dict[str, Any]:
    """Return the shipped file: name, source, boundaries and one row per measured model."""
    file = importlib.resources.files("lowtide.records") / "data" / "imagenet.json"
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return data


def environments(task: Task) -> tuple[str, ...]:
    """Return the environments that were measured for a task, in the file's order."""
    rows = measurements()["rows"]
    return tuple(dict.fromkeys(row["environment"] for row in rows if row["task"] == task))


def published_reference(task: Task, environment: str) -> ReferenceSet:
    """Return the published boundaries with the reference model's values in one environment.

    Raises:
        MetricError: out_of_domain for an environment without the reference model.
    """
    data = measurements()
    rows = [
        row for row in data["rows"] if row["task"] == task and row["environment"] == environment
    ]
    model = next((row for row in rows if row["model"] == data["reference"]), None)
    if model is None:
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "environment",
            f"{environment!r} has no {data['reference']}: "
            f"use one of {', '.join(environments(task))}",
        )
    return ReferenceSet(
        name=data["name"],
        task=task,
        dataset=data["dataset"],
        environment=environment,
        reference=data["reference"],
        values={key: model["values"][key] for key in TASK_PROPERTIES[task]},
        boundaries={
            key: check_boundaries(data["boundaries"][key]) for key in TASK_PROPERTIES[task]
        },
        rows=len(rows),
        source=data["source"],
    )
