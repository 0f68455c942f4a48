"""Command that could not be started: not there, or not executable, told as a shell tells it.

The standard library only: what starts a training imports this module. Bash's rule is kept: a folder
of PATH that this user may not read, or that is none, is passed over, and a command that no other
folder holds was not found.
"""

import os
import shutil
from typing import Final

EXIT_NOT_EXECUTABLE: Final = 126
EXIT_NOT_FOUND: Final = 127


def exit_status(command: str, error: OSError) -> int:
    """Return the status that a shell ends with, after `error` of starting `command` by PATH."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return EXIT_NOT_FOUND
    # The C library says "permission denied" for a folder of PATH as it does for a file in one.
    is_sought = "/" not in command and isinstance(error, PermissionError)
    if is_sought and shutil.which(command, mode=os.F_OK) is None:
        return EXIT_NOT_FOUND
    return EXIT_NOT_EXECUTABLE
