"""Holders of GPUs without Kubernetes: a directory that a batch system's prolog keeps.

One file per GPU, named by its index or UUID; each line is a job id. The layout is the one that
HPC sites already write for dcgm-exporter (its flag --hpc-job-mapping-dir). Others may write to the
directory and the exporter runs as root: only plain files are read, and no link is followed.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from lowtide.meters.errors import SourceError
from lowtide_exporter.readings import Allocation

_LINE_MAX: Final = 256
_LINES_MAX: Final = 64
_NO_FILE: Final = frozenset({errno.ELOOP, errno.ENXIO})
"""Errors of opening a link or a socket."""
_FILE_MAX_BYTES: Final = _LINE_MAX * _LINES_MAX


class JobDirectory:
    """`DeviceOwners` from job files; a GPU with several jobs is split equally between them."""

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)

    def allocations(self) -> tuple[Allocation, ...]:
        """Return one allocation per job and GPU.

        Raises:
            SourceError: the directory or a file in it cannot be read.
        """
        found: list[Allocation] = []
        try:
            for path in sorted(self._directory.iterdir()):
                if not path.name.startswith("."):
                    found += _read_jobs(path)
        except OSError as error:
            raise SourceError(f"job directory: {error}") from None
        return tuple(found)

    def advertised_replicas(self) -> dict[str, int]:
        """Return nothing: a GPU has as many places as it has jobs."""
        return {}

    def close(self) -> None:
        """Do nothing: no connection is kept."""


def _read_jobs(path: Path) -> list[Allocation]:
    text = _read_text(path)
    lines = [line.strip()[:_LINE_MAX] for line in text.splitlines()[:_LINES_MAX]]
    jobs = list(dict.fromkeys(line for line in lines if line))
    if len(jobs) == 1:
        return [Allocation("", jobs[0], "", (path.name,))]
    return [Allocation("", job, "", (f"{path.name}::{place}",)) for place, job in enumerate(jobs)]


def _read_text(path: Path) -> str:
    """Return the beginning of a plain file; empty if it is gone or is anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, IsADirectoryError):  # the job's epilog has removed it meanwhile
        return ""
    except OSError as error:
        if error.errno in _NO_FILE:
            return ""
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return os.read(descriptor, _FILE_MAX_BYTES).decode(errors="replace")
    finally:
        os.close(descriptor)
