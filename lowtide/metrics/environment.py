"""Environment of a job, and the reference set that may therefore rate it.

Energy and time only compare on the same hardware with the same framework, so a job is rated by a
set of its own task, data set and environment or by none; nothing here picks the nearest one.
Source: docs/explanation/metrics.md#index.
"""

from collections.abc import Sequence
from typing import Final

from lowtide.metrics.properties import Task
from lowtide.metrics.reference import ReferenceSet

FRAMEWORK_MARK: Final = " - "
"""Between the hardware and the framework in the name of an environment."""


def environment_name(
    gpu_model: str | None, gpu_count: int | None, framework: str | None
) -> str | None:
    """Return `<GPU> x<n> - <framework>`; `None` where the hardware is not known.

    An environment without a framework is its hardware alone.
    """
    if not gpu_model:
        return None
    hardware = f"{gpu_model} x{gpu_count}" if gpu_count else gpu_model
    return f"{hardware}{FRAMEWORK_MARK}{framework}" if framework else hardware


def is_same_environment(asked: str, offered: str) -> bool:
    """Return whether a set made in `offered` may rate a job that ran in `asked`.

    A set that names no framework rates all frameworks on that hardware: its maker chose so.
    """
    if FRAMEWORK_MARK in offered:
        return asked == offered
    return asked.split(FRAMEWORK_MARK, maxsplit=1)[0] == offered


def reference_for(
    sets: Sequence[ReferenceSet], *, task: Task, dataset: str | None, environment: str | None
) -> ReferenceSet | str:
    """Return the first set of a task, data set and environment, or a sentence that says why not.

    Data sets are compared without regard to case. A set that names the framework comes before
    one that does not.
    """
    if not sets:
        return "there is no reference set to rate with"
    if not dataset:
        return "the data set is not reported, and ratings compare only within one data set"
    if not environment:
        return "the GPU model is not known, and ratings compare only within one environment"
    fitting = [
        one
        for one in sets
        if one.task is task
        and one.dataset.casefold() == dataset.casefold()
        and is_same_environment(environment, one.environment)
    ]
    if fitting:
        return next((one for one in fitting if FRAMEWORK_MARK in one.environment), fitting[0])
    known = [f"{one.dataset} in {one.environment}" for one in sets if one.task is task]
    offered = "; ".join(known[:3]) or "none of this task"
    more = f" and {len(known) - 3} more" if len(known) > 3 else ""
    return (
        f"no reference set is for {task} on {dataset} in {environment} (there are: {offered}{more})"
    )
