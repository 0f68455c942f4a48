"""Number of CPU threads to compute with: the cores that this container may use.

torch counts the cores of the machine even where the container is limited to one of them. It then
spends most of its time waiting for threads that are not allowed to run.
"""

import math
import os
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")


def usable_cores(cgroup_root: Path = CGROUP_ROOT) -> int:
    """Return the number of cores that the scheduler allows, at most the container's CPU limit."""
    allowed = len(os.sched_getaffinity(0))
    limit = _limit_v2(cgroup_root) or _limit_v1(cgroup_root)
    return allowed if limit is None else max(1, min(allowed, math.ceil(limit)))


def _limit_v2(root: Path) -> float | None:
    """Return the limit in cores from cgroup v2: `cpu.max` is `<quota|max> <period>`."""
    text = _content(root / "cpu.max")
    quota, _, period = text.partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _limit_v1(root: Path) -> float | None:
    """Return the limit in cores from cgroup v1; a quota of -1 means no limit.

    Both names of the controller are read: `cpu` is a link that some containers do not have.
    """
    for controller in ("cpu", "cpu,cpuacct"):
        quota = _content(root / controller / "cpu.cfs_quota_us")
        period = _content(root / controller / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit():
            return int(quota) / int(period)
    return None


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
