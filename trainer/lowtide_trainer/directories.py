"""Directories of checkpoints: made and tried at the start of a training."""

import os
from pathlib import Path

from lowtide_trainer.errors import CheckpointError


def make_directory(directory: Path) -> None:
    """Make a directory for checkpoints, if there is none.

    Refused at the start, not after an hour of training that could then not be paused.

    Raises:
        CheckpointError: the directory cannot be created or written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"checkpoint directory {directory} cannot be created: {error.strerror}"
        ) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise CheckpointError(
            f"checkpoint directory {directory} is not writable for user {os.getuid()}: set the "
            "Pod's securityContext.fsGroup or mount a volume that this user may write to"
        )
