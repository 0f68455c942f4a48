"""Use of every pod, CPU time and memory from its cgroup, and of the node from procfs.

Both cgroup versions and both drivers' layouts. Descriptors are kept open: opening the files anew
would cost fourteen times as much. The pod's UID is part of the directory's name, so no walk
through /proc is needed. A pod that ends takes its cgroup with it: its last values are kept by the
caller.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lowtide.meters.errors import SourceError
from lowtide.meters.readings import HostUse, PodUse

_POD: Final = re.compile(
    r"(?:^|-)pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\.slice)?$"
)
_CONTAINER: Final = re.compile(r"^(?:cri-containerd-|crio-|docker-)?[0-9a-f]{64}(?:\.scope)?$")
_DEPTH_MAX: Final = 7
_SURVEY_SECONDS: Final = 5.0
_READ_BYTES: Final = 4096


class CgroupMeters:
    """Pods' CPU time and memory below a cgroup root."""

    def __init__(self, root: str, procfs: str) -> None:
        self._root, self._procfs = Path(root), Path(procfs)
        self._files: dict[str, tuple[int, int | None]] = {}
        self._survey_at = 0.0
        self._ticks_per_second = os.sysconf("SC_CLK_TCK")

    def read(self, monotonic_seconds: float) -> HostUse:
        """Return the use of every pod that has a cgroup now.

        Raises:
            SourceError: procfs cannot be read.
        """
        if monotonic_seconds >= self._survey_at:
            self._survey()
            self._survey_at = monotonic_seconds + _SURVEY_SECONDS
        busy, cores = self._read_busy()
        pods = {uid: use for uid, files in self._files.items() if (use := _read_pod(*files))}
        for uid in self._files.keys() - pods.keys():
            self._forget(uid)
        return HostUse(pods=pods, busy_seconds=busy, cores=cores, memory_bytes=self._memory())

    def close(self) -> None:
        """Close every descriptor."""
        for uid in tuple(self._files):
            self._forget(uid)

    def _survey(self) -> None:
        is_v2 = (self._root / "cgroup.controllers").exists()
        cpu_root = self._root if is_v2 else self._first("cpuacct", "cpu,cpuacct")
        for directory in _pod_directories(cpu_root):
            found = _POD.search(directory.name)
            uid = found[1].replace("_", "-") if found else ""
            if not uid or uid in self._files:
                continue
            cpu = _open(directory / ("cpu.stat" if is_v2 else "cpuacct.usage"))
            if cpu is None:
                continue
            if is_v2:
                memory = _open(directory / "memory.current")
            else:
                beside = self._root / "memory" / directory.relative_to(cpu_root)
                memory = _open(beside / "memory.usage_in_bytes")
            self._files[uid] = (cpu, memory)

    def _first(self, *names: str) -> Path:
        return next((self._root / n for n in names if (self._root / n).is_dir()), self._root)

    def _forget(self, uid: str) -> None:
        for descriptor in self._files.pop(uid):
            if descriptor is not None:
                os.close(descriptor)

    def _read_busy(self) -> tuple[float, int]:
        """Return the node's busy CPU seconds since boot and its number of cores."""
        try:
            lines = (self._procfs / "stat").read_text().splitlines()
            user, nice, system, _, _, irq, softirq, steal = map(int, lines[0].split()[1:9])
        except (OSError, ValueError, IndexError) as error:
            raise SourceError(f"cgroup: {self._procfs}/stat cannot be used: {error}") from None
        busy = (user + nice + system + irq + softirq + steal) / self._ticks_per_second
        return busy, sum(1 for line in lines[1:] if line.startswith("cpu"))

    def _memory(self) -> int:
        """Return the node's memory in bytes."""
        try:
            line = (self._procfs / "meminfo").read_text().splitlines()[0]
            return int(line.split()[1]) * 1024
        except (OSError, ValueError, IndexError) as error:
            raise SourceError(f"cgroup: {self._procfs}/meminfo cannot be used: {error}") from None


def _pod_directories(root: Path) -> Iterator[Path]:
    """Yield pods' directories; nothing below a pod or a container is looked at."""
    level = [root]
    for _ in range(_DEPTH_MAX):
        below: list[Path] = []
        for directory in level:
            try:
                with os.scandir(directory) as entries:
                    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:
                continue
            for name in names:
                if _POD.search(name):
                    yield directory / name
                elif not _CONTAINER.match(name):
                    below.append(directory / name)
        level = below


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _read_pod(cpu: int, memory: int | None) -> PodUse | None:
    """Return a pod's use, None once its cgroup is gone."""
    try:
        text = os.pread(cpu, _READ_BYTES, 0)
        held = 0 if memory is None else int(os.pread(memory, _READ_BYTES, 0))
        if text.startswith(b"usage_usec"):
            return PodUse(int(text.split(maxsplit=2)[1]) / 1e6, held)
        return PodUse(int(text) / 1e9, held)
    except (OSError, ValueError, IndexError):
        return None
