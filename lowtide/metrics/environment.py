"""Environment of a job, and the reference set that may therefore rate it.

Energy and time only compare on the same hardware with the same framework, so a job is rated by a
set of its own task, data set and environment or by none; nothing here picks the nearest one.
Source: docs/explanation/metrics.md#index.
"""

from collections.abc import Sequence
from typing import Final

from lowtide.metrics.likeness import plain_dataset
from lowtide.metrics.properties import Task
from lowtide.metrics.reference import ReferenceSet

FRAMEWORK_MARK: Final = " - "
"""Between the hardware and the framework in the name of an environment."""
NOT_STATED: Final = "not stated"
"""Data set or environment of a set whose jobs state none."""


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


def rating_obstacle(
    one: ReferenceSet, *, dataset: str | None, environment: str | None
) -> str | None:
    """Return why a set may not rate a job of a data set and environment; `None` where it may.

    Where neither states one, nothing is known to differ; where only one does, a letter would claim
    that they are the same.
    """
    for words, own, asked, same in (
        ("data set", one.dataset, dataset, _is_same_dataset),
        ("environment", one.environment, environment, is_same_environment),
    ):
        offered = None if own == NOT_STATED else own
        if offered is None and asked is None:
            continue
        if offered is None or asked is None or not same(asked, offered):
            return (
                f"{one.name} rates the {words} {own}, but the job's is {asked or NOT_STATED}: "
                f"rate it against a set of its own {words}"
            )
    return None


def _is_same_dataset(asked: str, offered: str) -> bool:
    return plain_dataset(asked) == plain_dataset(offered)


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
        and rating_obstacle(one, dataset=dataset, environment=environment) is None
    ]
    if fitting:
        return next((one for one in fitting if FRAMEWORK_MARK in one.environment), fitting[0])
    known = [f"{one.dataset} in {one.environment}" for one in sets if one.task is task]
    offered = "; ".join(known[:3]) or "none of this task"
    more = f" and {len(known) - 3} more" if len(known) > 3 else ""
    return (
        f"no reference set is for {task} on {dataset} in {environment} (there are: {offered}{more})"
    )
