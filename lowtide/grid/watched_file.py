"""A settings or data file that is read again when it changes, with the last good version kept."""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Generic, TypeVar

from lowtide.grid.errors import BadAnswer, GridError, Unavailable
from lowtide.grid.trace_columns import TraceFileError, file_problem

FILE_MAX_BYTES: Final = 64 * 1024 * 1024

ContentT = TypeVar("ContentT")

log = logging.getLogger(__name__)


class WatchedFile(Generic[ContentT]):
    """One file with its reader; a version that cannot be read is reported and not used."""

    def __init__(self, path: Path, read: Callable[[Iterable[str]], ContentT], what: str) -> None:
        """Remember where the file is; it is read at the first question, so it may come later.

        `read` turns the lines into the content, or raises `TraceFileError`; `what` names, for the
        error, what the file should be.
        """
        self.path = path
        self._read = read
        self._what = what
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._good: ContentT | None = None
        self._problem: GridError | None = None

    @property
    def problem(self) -> GridError | None:
        """Why the file's present version is not in use, or `None` where it is."""
        return self._problem

    def content(self) -> ContentT:
        """Return the newest version that could be read.

        Raises:
            Unavailable: the file cannot be read.
            BadAnswer: it has never been what it should be.
        """
        with self._lock:
            self._reload_if_changed()
            if self._good is not None:
                return self._good
            problem = self._problem or Unavailable(f"{self.path.name} was never read")
        raise type(problem)(str(problem))

    def _reload_if_changed(self) -> None:
        try:
            state = self.path.stat()
            version = (state.st_mtime_ns, state.st_size, state.st_ino)
            if version == self._seen:
                return
            self._seen = version
            if state.st_size > FILE_MAX_BYTES:
                raise TraceFileError(f"it is larger than {FILE_MAX_BYTES} bytes")
            self._good = self._read(self.path.read_text(encoding="utf-8-sig").splitlines())
            self._problem = None
        except OSError as error:
            self._seen = None
            self._reject(Unavailable(f"{self.path.name} cannot be read: {error.strerror}"))
        except (TraceFileError, UnicodeDecodeError) as error:
            self._reject(
                BadAnswer(f"{self.path.name} is not a valid {self._what}: {file_problem(error)}")
            )

    def _reject(self, problem: GridError) -> None:
        if self._good is not None and str(problem) != str(self._problem):
            log.warning("%s; the last good version stays in use", problem)
        self._problem = problem
