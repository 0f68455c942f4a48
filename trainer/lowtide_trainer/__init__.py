"""Trainer of Lowtide: report any training or inference, and pause and resume a training safely.

Importing it loads nothing: what a name needs is loaded when the name is first used, so that a
program which only might report starts as fast as without Lowtide.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""Type checkers take it as true; the module `typing` alone would take longer than all of this."""

if TYPE_CHECKING:
    from typing import Any

    from lowtide_trainer.inference_run import InferenceRun, inference
    from lowtide_trainer.session import TrainingRun, run

__all__ = ["InferenceRun", "TrainingRun", "inference", "run"]


_MODULES = {
    "TrainingRun": "session",
    "run": "session",
    "InferenceRun": "inference_run",
    "inference": "inference_run",
}


def __getattr__(name: str) -> Any:
    """Return a public name from its module; the next access finds it here."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = __import__(f"{__name__}.{_MODULES[name]}", fromlist=[name])
    found = globals()[name] = getattr(module, name)
    return found


def __dir__() -> list[str]:
    """Return the public names too, whether they were used or not."""
    return sorted({*globals(), *__all__})
