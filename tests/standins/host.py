"""A host's powercap, cgroup and proc trees in a folder, for exporters that read them from there."""

import os
from pathlib import Path

RANGE_MICROJOULES = 262_143_328_850  # a common package range: 262 kJ


class HostTrees:
    """Zones, pods and node totals that a test sets; all values are files below `root`."""

    def __init__(self, root: Path, *, cores: int = 8, memory_bytes: int = 64 << 30) -> None:
        self.sysfs, self.procfs = root / "sys", root / "proc"
        self.cgroup = self.sysfs / "fs" / "cgroup"
        self.cores, self.memory_bytes = cores, memory_bytes
        self.procfs.mkdir(parents=True)
        self.cgroup.mkdir(parents=True)
        (self.cgroup / "cgroup.controllers").write_text("cpu memory\n")
        self.set_busy(0.0)

    def set_zone(self, zone: str, name: str, joules: float, tree: str = "intel-rapl") -> None:
        """Set a zone such as `0` (package) or `0:1` (inside it); the counter wraps by itself."""
        directory = self.sysfs / "class" / "powercap" / f"{tree}:{zone}"
        directory.mkdir(parents=True, exist_ok=True)
        wrapped = round(joules * 1e6) % (RANGE_MICROJOULES + 1)
        (directory / "name").write_text(f"{name}\n")
        (directory / "energy_uj").write_text(f"{wrapped}\n")
        (directory / "max_energy_range_uj").write_text(f"{RANGE_MICROJOULES}\n")

    def set_busy(self, seconds: float) -> None:
        """Set the node's busy CPU seconds since boot."""
        ticks = round(seconds * os.sysconf("SC_CLK_TCK"))
        lines = [f"cpu  {ticks} 0 0 999 0 0 0 0 0 0"]
        lines += [f"cpu{index} 0 0 0 0 0 0 0 0 0 0" for index in range(self.cores)]
        (self.procfs / "stat").write_text("\n".join([*lines, "intr 1"]) + "\n")
        (self.procfs / "meminfo").write_text(f"MemTotal: {self.memory_bytes // 1024} kB\n")

    def set_pod(self, uid: str, cpu_seconds: float, memory_bytes: int = 0) -> None:
        """Set a pod's use; its cgroup is made if it is missing."""
        name = f"kubepods-burstable-pod{uid.replace('-', '_')}.slice"
        directory = self.cgroup / "kubepods.slice" / "kubepods-burstable.slice" / name
        (directory / ("a" * 64)).mkdir(parents=True, exist_ok=True)
        text = f"usage_usec {round(cpu_seconds * 1e6)}\nuser_usec 0\n"
        (directory / "cpu.stat").write_text(text)
        (directory / "memory.current").write_text(f"{memory_bytes}\n")
