"""Errors that the trainer explains.

TrainerError
├── UsageError            a flag or an environment variable is wrong: exit code 2
├── DataError             the images cannot be used
└── CheckpointError
    ├── CheckpointMismatchError    the checkpoint belongs to another training
    └── CheckpointNotSavedError    the checkpoint could not be written

Every message is one sentence: what was wrong, the value seen, what would be right.
"""


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
