"""What can go wrong in the trainer.

TrainerError
├── UsageError            a flag or an environment variable is wrong: exit code 2
├── DataError             the images cannot be used
└── CheckpointError
    ├── CheckpointMismatchError    it belongs to another training
    └── CheckpointNotSavedError    it could not be written; training goes on

Every message is one sentence for people: what was wrong, the value seen, what would be right.
"""


class TrainerError(Exception):
    """The base of all errors that the trainer explains."""


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
