"""Reference sets that jobs are rated with: files of a folder, and the shipped measurements.

The folder is a mounted ConfigMap, so the operator needs no right to read ConfigMaps. It is checked
whenever a job is measured and read again only if a file changed. An unusable file is left out and
named; it never prevents a measurement.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lowtide.accounts.settings import RatingSettings
from lowtide.metrics.properties import Task
from lowtide.metrics.reference import ReferenceSet
from lowtide.metrics.result import MetricError
from lowtide.records.imagenet import environments, published_reference
from lowtide.records.jobs import ReportError
from lowtide.records.references import read_reference

SUFFIXES: Final = frozenset({".json", ".yaml", ".yml"})
FILES_MAX: Final = 64
FILE_MAX_BYTES: Final = 1024 * 1024
"""Largest size of a ConfigMap."""

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Sets in the order in which they are tried, and a sentence for each unusable file."""

    sets: tuple[ReferenceSet, ...] = ()
    faults: tuple[str, ...] = ()


EMPTY_SHELF: Final = Shelf()


class References:
    """Reader of the folder of reference sets; remembers them until a file changes."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._stamp: Stamp | None = None
        self._own = Shelf()

    def shelf(self, settings: RatingSettings) -> Shelf:
        """Return the current sets; reads files and never raises for their content."""
        folder = settings.directory
        files = () if folder is None else _files(folder)
        stamp = tuple((path.name, stat.st_mtime_ns, stat.st_size) for path, stat in files)
        if folder != self._folder or stamp != self._stamp:
            self._own = _read([path for path, _ in files])
            self._folder, self._stamp = folder, stamp
        faults = self._own.faults
        if folder is not None and not folder.is_dir():
            faults = (f"there is no folder {folder} of reference sets",)
        return Shelf(self._own.sets + (_shipped() if settings.shipped else ()), faults)


def _files(folder: Path) -> tuple[tuple[Path, os.stat_result], ...]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
        return tuple((path, path.stat()) for path in found if path.is_file())[:FILES_MAX]
    except OSError:
        return ()


def _read(paths: list[Path]) -> Shelf:
    sets, faults = [], []
    for path in paths:
        try:
            if path.stat().st_size > FILE_MAX_BYTES:
                raise ReportError(f"the reference set has more than {FILE_MAX_BYTES} bytes")
            sets.append(read_reference(path))
        except (MetricError, ReportError, OSError) as error:
            faults.append(f"{path.name} is not used: {error}")
    return Shelf(tuple(sets), tuple(faults))


def _shipped() -> tuple[ReferenceSet, ...]:
    return tuple(published_reference(task, place) for task in Task for place in environments(task))
