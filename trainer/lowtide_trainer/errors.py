"""Errors that the trainer explains.

TrainerError
├── UsageError            a flag or an environment variable is wrong: exit code 2
├── DataError             the images cannot be used
└── CheckpointError
    ├── CheckpointMismatchError    the checkpoint belongs to another training
    └── CheckpointNotSavedError    the checkpoint could not be written

Every message is one sentence: what was wrong, the value seen, what would be right. A program that
such an error ends says this sentence alone: a trace of Lowtide's own code explains nothing.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class TrainerError(Exception):
    """Base of all errors that the trainer explains."""


class UsageError(TrainerError):
    """A flag or an environment variable is wrong."""


class DataError(TrainerError):
    """The images cannot be used."""


class CheckpointError(TrainerError):
    """A checkpoint cannot be used or written."""


class CheckpointMismatchError(CheckpointError):
    """The checkpoint was made by a training with other settings."""


class CheckpointNotSavedError(CheckpointError):
    """The checkpoint could not be written; the ones before it are untouched."""


def explain_uncaught() -> None:
    """Let a `TrainerError` that nothing catches end the program by its sentence alone.

    The exit code is 1, as after any error; every other error is shown as before, and one that
    frameworks raise in words of their own is followed by a sentence of ours.
    """
    if getattr(sys.excepthook, "is_of_lowtide", False):
        return
    before = sys.excepthook

    def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, TrainerError):
            print(f"error: {error}", file=sys.stderr, flush=True)
            return
        before(kind, error, trace)
        from lowtide_trainer.explaining import explanation

        if (sentence := explanation(error)) is not None:
            print(f"lowtide: {sentence}", file=sys.stderr, flush=True)

    say.is_of_lowtide = True  # type: ignore[attr-defined]
    sys.excepthook = say
