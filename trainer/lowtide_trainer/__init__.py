"""Trainer of Lowtide: report any training or inference, and pause and resume a training safely."""

from typing import TYPE_CHECKING, Any

from lowtide_trainer.session import TrainingRun, run

if TYPE_CHECKING:
    from lowtide_trainer.inference_run import InferenceRun, inference

__all__ = ["InferenceRun", "TrainingRun", "inference", "run"]


def __getattr__(name: str) -> Any:
    """Return what belongs to inference; a training does not load it."""
    if name in ("InferenceRun", "inference"):
        from lowtide_trainer import inference_run

        return getattr(inference_run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
