"""Find a pod's cgroup on the host and read the CPU time that the pod has used."""

import os
from collections.abc import Iterator
from pathlib import Path

_DEPTH_MAX = 8


class PodCpu:
    """CPU time of one pod, from cgroup v2 `cpu.stat` or v1 `cpuacct.usage`."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "cpu.stat"
        self._is_v2 = self._file.exists() and "usage_usec" in self._file.read_text()
        if not self._is_v2:
            self._file = directory / "cpuacct.usage"

    def seconds(self) -> float | None:
        """Return the CPU time used so far, None once the cgroup is gone."""
        try:
            text = self._file.read_text()
        except OSError:
            return None
        if not self._is_v2:
            return int(text) / 1e9
        values = dict(line.split() for line in text.splitlines())
        return int(values["usage_usec"]) / 1e6


def find_pod(roots: tuple[Path, ...], uid: str) -> PodCpu | None:
    """Return the CPU meter of a pod, None while its cgroup does not exist.

    Knows the layouts of both drivers: `pod<uid>` (cgroupfs) and `kubepods-...-pod<uid with
    underscores>.slice` (systemd), in every quality-of-service class and below any root.
    """
    ends = (f"pod{uid}", f"pod{uid.replace('-', '_')}.slice")
    for root in roots:
        for directory in _directories(root):
            if directory.name.endswith(ends):
                return PodCpu(directory)
    return None


def _directories(root: Path) -> Iterator[Path]:
    """Yield the directories that can lead to pods, shallow ones first."""
    level = [root]
    for _ in range(_DEPTH_MAX):
        below: list[Path] = []
        for directory in level:
            try:
                with os.scandir(directory) as entries:
                    below += (Path(e.path) for e in entries if e.is_dir(follow_symlinks=False))
            except OSError:
                continue
        yield from below
        level = [d for d in below if not d.name.startswith(("cri-containerd", "docker-"))]


def default_roots() -> tuple[Path, ...]:
    """Return where CPU time is accounted on this host."""
    mount = Path("/sys/fs/cgroup")
    v1 = mount / "cpuacct"
    if v1.is_dir():
        return (v1,)
    return (mount,)
