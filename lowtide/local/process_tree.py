"""Use of a process and everything it started: CPU time and memory, from procfs.

The children of children are found through `task/*/children`, so nothing but the tree is looked at.
A process that ends hands its CPU time to the one that waits for it, so the sum keeps it; what a
process hides by ignoring its children is lost, and the sum never falls.

A process that ends hands its children to the next one above that adopts orphans, which may have
been looked at already. So the question which processes live is asked again until no process ended
in the look; then the answer is exact where this program adopts orphans (`lowtide.local.command`).
"""

import os
import resource
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from lowtide.meters.errors import SourceError

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PROCESSES_MAX: Final = 4096
"""More processes than this are not looked at."""
_LOOKS_MAX: Final = 200
"""Looks at a tree in which processes end faster than it is looked at."""
_ENDED: Final = frozenset("ZXx")
"""States of a process that has ended and was not waited for yet."""


class LivingProcess(NamedTuple):
    """Id of a process, and when it began in ticks since boot: ids are used again."""

    pid: int
    birth_ticks: int


class _Stat(NamedTuple):
    """CPU seconds, those of ended children included; bytes; birth; whether it has ended."""

    cpu_seconds: float
    memory_bytes: int
    birth_ticks: int
    has_ended: bool


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
            found = None if pid in pids else self._stat(pid)
            if found is None:
                continue
            pids.add(pid)
            seconds, memory = seconds + found.cpu_seconds, memory + found.memory_bytes
            open_pids += self._children(pid)
        if self._with_self:
            own = self._stat(self._root)
            memory += 0 if own is None else own.memory_bytes
            pids.add(self._root)
        self._highest = max(self._highest, seconds)
        return TreeUse(self._highest, memory, frozenset(pids))

    def living(self, apart_from: AbstractSet[LivingProcess] = frozenset()) -> set[LivingProcess]:
        """Return the descendants that have not ended, without `apart_from` and what they started.

        Where processes end faster than this can look, the last ones seen to end are among them,
        so that a tree that lives is never empty.
        """
        ended_before = set[LivingProcess]()
        for _ in range(_LOOKS_MAX):
            living, ended = self._look(apart_from)
            if ended <= ended_before:
                return living
            ended_before = ended
        return living | ended

    def glimpsed(self, apart_from: AbstractSet[LivingProcess] = frozenset()) -> set[LivingProcess]:
        """Return the descendants that one look finds, as `living` does; it may miss some."""
        return self._look(apart_from)[0]

    def _look(
        self, apart_from: AbstractSet[LivingProcess]
    ) -> tuple[set[LivingProcess], set[LivingProcess]]:
        """Return the descendants that live, and those that had ended when their turn came."""
        living, ended, seen = set[LivingProcess](), set[LivingProcess](), set[int]()
        open_pids = self._children(self._root)
        # What has ended does not count: thousands may wait to be waited for.
        while open_pids and len(living) < _PROCESSES_MAX:
            pid = open_pids.pop()
            if pid in seen:
                continue
            seen.add(pid)
            stat = self._stat(pid)
            process = LivingProcess(pid, 0 if stat is None else stat.birth_ticks)
            if process in apart_from:
                continue
            if stat is None or stat.has_ended:
                ended.add(process)
            else:
                living.add(process)
                open_pids += self._children(pid)
        return living, ended

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

    def _stat(self, pid: int) -> _Stat | None:
        """Return what procfs says of a process; None once it is gone."""
        try:
            text = (self._procfs / str(pid) / "stat").read_text()
            fields = text.rpartition(")")[2].split()
            seconds = sum(map(int, fields[11:15])) / _TICKS
            memory, has_ended = int(fields[21]) * _PAGE, fields[0] in _ENDED
            return _Stat(seconds, memory, int(fields[19]), has_ended)
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
