"""Use of a process and everything it started: CPU time and memory, from procfs.

The children of children are found through `task/*/children`, so nothing but the tree is looked at.
A process that ends hands its CPU time to the one that waits for it, so the sum keeps it; what a
process hides by ignoring its children is lost, and the sum never falls.
"""

import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lowtide.meters.errors import SourceError

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PROCESSES_MAX: Final = 4096
"""More processes than this are not looked at."""


@dataclass(frozen=True, slots=True)
class TreeUse:
    """CPU seconds since the start, bytes of memory now, and the process ids."""

    cpu_seconds: float
    memory_bytes: int
    pids: frozenset[int]


@dataclass(frozen=True, slots=True)
class MachineUse:
    """Busy seconds of all cores since boot, number of cores, bytes of memory."""

    busy_seconds: float
    cores: int
    memory_bytes: int


class ProcessTree:
    """Descendants of this process, with or without itself."""

    def __init__(self, *, with_self: bool, procfs: str = "/proc") -> None:
        self._procfs, self._root = Path(procfs), os.getpid()
        self._with_self = with_self
        self._base = self._ended_seconds()
        self._highest = 0.0

    def read(self) -> TreeUse:
        """Return the use of the tree since it was first looked at."""
        seconds, memory, pids = self._ended_seconds() - self._base, 0, set[int]()
        open_pids = self._children(self._root)
        while open_pids and len(pids) < _PROCESSES_MAX:
            pid = open_pids.pop()
            found = None if pid in pids else self._use(pid)
            if found is None:
                continue
            pids.add(pid)
            seconds, memory = seconds + found[0], memory + found[1]
            open_pids += self._children(pid)
        if self._with_self:
            own = self._use(self._root)
            memory += 0 if own is None else own[1]
            pids.add(self._root)
        self._highest = max(self._highest, seconds)
        return TreeUse(self._highest, memory, frozenset(pids))

    def _ended_seconds(self) -> float:
        """Return the CPU time of children that have ended, and of this process if it counts."""
        kinds = [resource.RUSAGE_CHILDREN]
        if self._with_self:
            kinds.append(resource.RUSAGE_SELF)
        used = [resource.getrusage(kind) for kind in kinds]
        return sum(one.ru_utime + one.ru_stime for one in used)

    def _children(self, pid: int) -> list[int]:
        found: list[int] = []
        try:
            with os.scandir(self._procfs / str(pid) / "task") as tasks:
                for task in tasks:
                    with open(f"{task.path}/children", encoding="ascii") as file:  # noqa: PTH123
                        found += map(int, file.read().split())
        except (OSError, ValueError):
            return found
        return found

    def _use(self, pid: int) -> tuple[float, int] | None:
        """Return CPU seconds, those of ended children included, and bytes; None once it is gone."""
        try:
            text = (self._procfs / str(pid) / "stat").read_text()
            fields = text.rpartition(")")[2].split()
            ticks = sum(map(int, fields[11:15]))
            return ticks / _TICKS, int(fields[21]) * _PAGE
        except (OSError, ValueError, IndexError):
            return None


def read_machine(procfs: str = "/proc") -> MachineUse:
    """Return the use of the whole machine.

    Raises:
        SourceError: procfs cannot be read.
    """
    try:
        lines = (Path(procfs) / "stat").read_text().splitlines()
        user, nice, system, _, _, irq, softirq, steal = map(int, lines[0].split()[1:9])
        memory = int((Path(procfs) / "meminfo").read_text().split(maxsplit=2)[1]) * 1024
    except (OSError, ValueError, IndexError) as error:
        raise SourceError(f"{procfs} cannot be used: {error}") from None
    busy = (user + nice + system + irq + softirq + steal) / _TICKS
    return MachineUse(busy, sum(1 for line in lines[1:] if line.startswith("cpu")), memory)
