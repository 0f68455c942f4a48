"""Files of a backup that is overwritten in place, kept with the one before.

The writer of Keras knows one place for its weights, so a kill or a full disk while it writes would
leave no backup at all. Before it writes, the files of the last backup step aside; if it fails, or
was killed, they come back.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

BEFORE: Final = ".before"
"""Ending of the names that the files have while a newer backup is written, and after it."""
_ROOM_NAME: Final = "room.tmp"


class KeptBackup:
    """The files `names` in a directory, in the order in which they are written."""

    def __init__(self, directory: Path, names: Sequence[str]) -> None:
        self.directory = directory
        self._paths = [directory / name for name in names]

    def step_aside(self) -> None:
        """Let the last backup make way for a newer one, in the order in which it was written."""
        for path in self._paths:
            if path.exists():
                path.replace(_before(path))

    def complete(self) -> None:
        """Undo what a kill interrupted: a backup that was not written to its end.

        The last file says that a backup was written to its end. Files that had not stepped aside
        yet are of the same backup as those that had, so each is taken where it is.
        """
        first, *_, last = self._paths
        if not first.exists():
            for path in self._paths:
                if not path.exists() and _before(path).exists():
                    _before(path).replace(path)
        elif not last.exists():
            self.return_before()

    def return_before(self) -> bool:
        """Put the backup before in the place of the last one; return whether there was one."""
        if not all(_before(path).exists() for path in self._paths):
            return False
        for path in self._paths:
            _before(path).replace(path)
        return True

    def require_room(self, size: int) -> None:
        """Try whether so many bytes can be written.

        HDF5 ends the process by a signal where a disk gets full while it writes, so it is asked
        beforehand.

        Raises:
            OSError: they cannot; the number says why, as ENOSPC for a full disk.
        """
        path = self.directory / _ROOM_NAME
        try:
            with path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.directory)) from error
        finally:
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all files in the directory."""
        for path in self.directory.iterdir():
            path.unlink()


def _before(path: Path) -> Path:
    return path.with_name(path.name + BEFORE)
