"""Checkpoints on disk: complete or absent, checked before use, the newest two kept.

A checkpoint is an ordinary torch file, `checkpoint-<batches>.pt`, which
`torch.load(path, weights_only=True)` opens. It holds tensors and plain values, never pickled
classes, so loading one runs no code. It is written beside its final name, flushed to the disk and
then renamed, so that a crash never leaves a partial file under that name. Every file is checked
against the checksums that it carries; a damaged file is set aside and the one before it is used.
"""

import errno
import logging
import os
import pickle
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch

from lowtide.trainingjob.report import CheckpointInfo
from lowtide_trainer.directories import make_directory
from lowtide_trainer.errors import CheckpointError, CheckpointNotSavedError

log = logging.getLogger(__name__)

FORMAT: Final = 1
_NAME: Final = re.compile(r"checkpoint-(\d{10,})\.pt")
_PARTIAL_SUFFIX: Final = ".partial"
_DAMAGED_NAME: Final = "damaged.pt"
_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)
_DAMAGE: Final = (
    zipfile.BadZipFile,
    pickle.UnpicklingError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    zlib.error,
)
"""Errors that reading a truncated or altered file raises; found by altering one byte at a time."""


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A checkpoint that was read: its content and its entry in the report."""

    content: Mapping[str, Any]
    info: CheckpointInfo


class CheckpointStore:
    """The checkpoints of one training in one directory.

    `keep` is the number of checkpoints kept: the one before the newest replaces a damaged file.

    Raises:
        CheckpointError: the directory cannot be created or written to.
    """

    def __init__(self, directory: Path, *, keep: int = 2) -> None:
        self._directory = directory
        self._keep = keep
        make_directory(directory)

    def save(self, content: Mapping[str, Any], *, batches: int) -> CheckpointInfo:
        """Write a checkpoint after `batches` batches and remove surplus ones.

        On a full disk, all checkpoints except the newest are removed and the write is retried.

        Raises:
            CheckpointNotSavedError: the write failed; the newest checkpoint is untouched.
        """
        try:
            return self._write(content, batches)
        except OSError as error:
            failure = error
        if failure.errno in _NO_SPACE and self._remove_old(keep=1):
            try:
                return self._write(content, batches)
            except OSError as error:
                failure = error
        raise CheckpointNotSavedError(
            f"checkpoint after {batches} batches cannot be written to {self._directory}: "
            f"{failure.strerror or failure}"
        ) from failure

    def load_newest(self) -> SavedCheckpoint | None:
        """Return the newest checkpoint that can be read, or `None` if there is none.

        A damaged file is renamed, with a warning, so that it is not tried again.

        Raises:
            CheckpointError: a file is intact but has another format.
        """
        paths = self._paths()
        for path in paths:
            try:
                content = _read(path)
            except _DAMAGE as error:
                log.warning("checkpoint %s is damaged and set aside: %s", path, error)
                path.replace(self._directory / _DAMAGED_NAME)
                continue
            except OSError as error:
                log.warning("checkpoint %s cannot be read: %s", path, error)
                continue
            if not isinstance(content, dict) or content.get("format") != FORMAT:
                raise CheckpointError(
                    f"{path} was not written by this version of the trainer: use another directory"
                )
            if path is not paths[0]:
                log.warning("resuming from the older checkpoint %s", path)
            return SavedCheckpoint(content, self._info(path))
        if paths:
            log.warning("no checkpoint in %s can be read: training starts anew", self._directory)
        return None

    def remove_all(self) -> None:
        """Remove every checkpoint of a training that finished."""
        self._remove_old(keep=0)

    def _paths(self) -> list[Path]:
        """Return the checkpoints, newest first."""
        found = {path: _NAME.fullmatch(path.name) for path in self._directory.iterdir()}
        numbered = [(int(match[1]), path) for path, match in found.items() if match]
        return [path for _, path in sorted(numbered, reverse=True)]

    def _write(self, content: Mapping[str, Any], batches: int) -> CheckpointInfo:
        final = self._directory / f"checkpoint-{batches:010d}.pt"
        partial = final.with_name(final.name + _PARTIAL_SUFFIX)
        try:
            with partial.open("wb") as file:
                try:
                    torch.save({"format": FORMAT, **content}, file)
                except RuntimeError as error:
                    raise _write_failure(error) from error
                file.flush()
                os.fsync(file.fileno())
            partial.replace(final)
            self._flush_directory()
        finally:
            partial.unlink(missing_ok=True)
        info = self._info(final)
        self._remove_old(keep=self._keep)
        return info

    def _flush_directory(self) -> None:
        """Make the rename itself durable."""
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _remove_old(self, *, keep: int) -> bool:
        """Remove all but the newest checkpoints, and partial files of killed attempts."""
        surplus = self._paths()[keep:]
        surplus += self._directory.glob(f"checkpoint-*{_PARTIAL_SUFFIX}")
        for path in surplus:
            path.unlink(missing_ok=True)
        return bool(surplus)

    def _info(self, path: Path) -> CheckpointInfo:
        match = _NAME.fullmatch(path.name)
        status = path.stat()
        return CheckpointInfo(
            name=path.name,
            batches=int(match[1]) if match else 0,
            saved_at=datetime.fromtimestamp(status.st_mtime, UTC),
            size_bytes=status.st_size,
        )


def _read(path: Path) -> Any:
    """Return a checkpoint's content after checking every part against its checksum."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
    # Onto the CPU first: restoring copies the tensors to the device of the model.
    return torch.load(path, map_location="cpu", weights_only=True)


def _write_failure(error: RuntimeError) -> Exception:
    """Return the `OSError` behind torch's error about a failed write, if there is one."""
    cause = error.__context__
    return cause if isinstance(cause, OSError) else error
