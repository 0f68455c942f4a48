"""Activity of the sharers of a GPU, read rarely and only where GPUs are shared.

MIG: activity per instance from DCGM. Time-slicing: SM utilisation per process from NVML, joined
to pods through the process's cgroup; that needs the host's process ids (hostPID), without them
shares are equal. MPS: none, as its clients share one context and cannot be told apart. Listing
processes takes a driver lock that the workload needs, so whole GPUs are never asked.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from lowtide.meters.dcgm import InstanceKey
from lowtide.meters.errors import SourceError
from lowtide_exporter.books.gpu_account import GpuAccount
from lowtide_exporter.books.interval import Activity

_POD: Final = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})")
_DCGM_PERIOD_SECONDS: Final = 5.0


class ProcessMeters(Protocol):
    """Tells which processes use a GPU."""

    def process_utilisation(self, uuid: str) -> dict[int, float] | None:
        """Return the mean utilisation by host process id, None where it is not known."""


class ActivityPage(Protocol):
    """Tells how busy MIG instances are."""

    def read(self, monotonic_seconds: float) -> dict[InstanceKey, float]:
        """Return activity by GPU UUID and GPU instance id.

        Raises:
            SourceError: it is not known now.
        """


class ActivityReader:
    """Measures the load of shared GPUs; `dcgm_error` says why MIG activity is missing."""

    def __init__(
        self,
        *,
        processes: ProcessMeters,
        dcgm: ActivityPage | None,
        procfs: str,
        mps_gpus: frozenset[str],
        process_period_seconds: float,
    ) -> None:
        self._processes = processes
        self._dcgm = dcgm
        self._procfs = Path(procfs)
        self._mps_gpus = mps_gpus
        self._period_seconds = process_period_seconds
        self._process_at: dict[str, float] = {}
        self._dcgm_at = 0.0
        self._instances: dict[InstanceKey, float] = {}
        self.dcgm_error: SourceError | None = None
        self.dcgm_asked = False

    def read(self, gpus: Mapping[str, GpuAccount], monotonic_seconds: float) -> dict[str, Activity]:
        """Return the activity of the shared GPUs where it is known."""
        activities: dict[str, Activity] = {}
        for uuid, gpu in gpus.items():
            if gpu.reading.mig_enabled:
                activities[uuid] = self._read_instances(gpu, monotonic_seconds)
            elif len(gpu.slots) > 1 and not self._mps_gpus & {uuid, "all"}:
                activities[uuid] = self._read_processes(uuid, monotonic_seconds)
            else:
                self._process_at.pop(uuid, None)
        return activities

    def _read_instances(self, gpu: GpuAccount, now: float) -> Activity:
        if self._dcgm is None:
            return Activity()
        self.dcgm_asked = True
        if now >= self._dcgm_at:
            self._dcgm_at = now + _DCGM_PERIOD_SECONDS
            try:
                self._instances, self.dcgm_error = self._dcgm.read(now), None
            except SourceError as error:
                self._instances, self.dcgm_error = {}, error
        uuid = gpu.identity.uuid
        return Activity(
            instances={
                instance.uuid: self._instances[uuid, instance.gpu_instance]
                for instance in gpu.reading.instances
                if (uuid, instance.gpu_instance) in self._instances
            }
        )

    def _read_processes(self, uuid: str, now: float) -> Activity:
        due = self._process_at.get(uuid)
        if due is None:  # newly shared: this call only starts the measurement
            self._processes.process_utilisation(uuid)
            self._process_at[uuid] = now + self._period_seconds
            return Activity()
        if now < due:
            return Activity(is_due=False)
        self._process_at[uuid] = now + self._period_seconds
        usage = self._processes.process_utilisation(uuid)
        if usage is None:
            return Activity()
        pods: dict[str, float] = {}
        others = 0.0
        for pid, percent in usage.items():
            pod = self._find_pod(pid)
            if pod is None:
                others += percent
            else:
                pods[pod] = pods.get(pod, 0.0) + percent
        if others and not pods:  # no process belongs to a pod: the host's ids are hidden
            return Activity()
        return Activity(pods=pods, others=others)

    def _find_pod(self, pid: int) -> str | None:
        """Return the UID of a process's pod, None where it is in none."""
        try:
            text = (self._procfs / str(pid) / "cgroup").read_text()
        except OSError:
            return None
        found = _POD.search(text)
        return found[1].replace("_", "-") if found else None
