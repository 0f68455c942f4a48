"""Account of the host: energy of CPU packages and memory, split over the node's pods.

CPU: active energy by CPU time, idle energy by cores held (pinned, else requested). Memory: by
bytes held, a proxy. Equal CPU time can hide a two- to threefold difference in power, so these
joules carry their own methods. What no pod used is the system's; cores and bytes that no pod holds
are free. CPU time is taken at every tick, so that an ended pod keeps all but its last second.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lowtide.energy.attribution import (
    Attribution,
    Method,
    Owner,
    Part,
    UnallocatedReason,
    attribute_energy,
)
from lowtide.energy.attribution_host import (
    CpuShare,
    idle_of_packages,
    split_cpu_energy,
    split_memory_energy,
)
from lowtide.energy.idle import IdleFloor
from lowtide.energy.quality import Quality
from lowtide.energy.wrapping import WrappingMeter
from lowtide.meters.readings import Domain, HostUse, PodUse, ZoneReading
from lowtide_exporter.books.pod_accounts import SeriesKey

CPU: Final = "cpu"
DRAM: Final = "dram"
_SAMPLES_DUMPED: Final = 60


@dataclass(slots=True)
class HostAccount:
    """Account of the CPU side of one node."""

    meters: dict[tuple[str, Domain], WrappingMeter] = field(default_factory=dict)
    """Meters by package and domain."""
    floor: IdleFloor = field(default_factory=IdleFloor)
    """Idle power of all packages together."""
    settled_at: float | None = None
    """Monotonic time up to which energy is counted."""
    settled_unix: float = 0.0
    """The same moment in Unix time."""
    quality: dict[str, Quality] = field(default_factory=dict)
    """Quality of the joules of the last interval, by component."""
    _use: HostUse | None = None
    _pods: dict[str, PodUse] = field(default_factory=dict)
    _base: dict[str, float] = field(default_factory=dict)
    _base_busy: float = 0.0

    def note_use(self, use: HostUse) -> None:
        """Remember the latest use; pods that are gone keep their last values until `settle`."""
        self._use = use
        self._pods |= use.pods

    def seen_pods(self) -> set[str]:
        """Return the UIDs of pods that were seen since the last call of `settle`."""
        return set(self._pods)

    def dump(self) -> dict[str, Any]:
        """Return the start of the next interval as JSON values, without the meters."""
        return {
            "settled_at": self.settled_at,
            "settled_unix": self.settled_unix,
            "floor": dump_floor(self.floor),
            "base": self._base,
            "base_busy": self._base_busy,
        }

    @classmethod
    def load(
        cls, dumped: Mapping[str, Any], meters: dict[tuple[str, Domain], WrappingMeter]
    ) -> "HostAccount":
        """Return the account that `dump` described; an empty description begins anew.

        Raises:
            TypeError, ValueError: the description is malformed.
        """
        account = cls(meters=meters)
        if dumped.get("floor"):
            account.floor = load_floor(dumped["floor"])
        if dumped.get("settled_at") is not None:
            account.settled_at = float(dumped["settled_at"])
            account.settled_unix = float(dumped.get("settled_unix", 0.0))
            account._base = {str(u): float(s) for u, s in dict(dumped.get("base", {})).items()}
            account._base_busy = float(dumped.get("base_busy", 0.0))
        return account

    def series_of(self, component: str, pinned: bool) -> tuple[SeriesKey, ...]:
        """Return the series that a pod has from the moment it is seen."""
        if component == DRAM:
            return (self.key_of(DRAM, Part.IDLE_HELD, Method.MEMORY_SHARE),)
        method = Method.CPU_PINNED if pinned else Method.CPU_SHARE
        return tuple(self.key_of(CPU, part, method) for part in Part)

    def key_of(self, component: str, part: Part, method: Method) -> SeriesKey:
        """Return the key of a pod's energy of the last interval; it belongs to no container."""
        quality = self.quality.get(component, Quality.UNCHECKED)
        return SeriesKey("", component, part, method, quality)

    def settle(
        self,
        zones: tuple[ZoneReading, ...],
        monotonic_seconds: float,
        unix_seconds: float,
        cores_of: Mapping[str, tuple[float, bool]],
    ) -> dict[str, Attribution]:
        """Return the split of the interval since the last call, by component.

        `cores_of` gives, by UID of the pods that are known, the cores held and whether they are
        pinned. CPU time of pods that are not known is the system's.
        """
        since = None if self.settled_at is None else monotonic_seconds - self.settled_at
        seconds = since or 0.0
        drawn = {CPU: 0, DRAM: 0}
        self.quality = dict.fromkeys(drawn, Quality.UNCHECKED)
        for zone in zones:
            meter = self.meters.setdefault((zone.package, zone.domain), WrappingMeter())
            component = CPU if zone.domain is Domain.PACKAGE else DRAM
            drawn[component] += meter.advance(
                zone.microjoules, zone.range_microjoules, monotonic_seconds
            )
            if meter.is_doubtful:
                self.quality[component] = Quality.SUSPECT
        self.settled_at, self.settled_unix = monotonic_seconds, unix_seconds
        used, busy = self._take_use()
        if self._use is None:
            unmapped = {component: _unmapped(energy) for component, energy in drawn.items()}
            return {c: a for c, a in unmapped.items() if drawn[c]}
        split = {CPU: self._split_cpu(drawn[CPU], seconds, used, busy, cores_of)}
        if any(zone.domain is Domain.DRAM for zone in zones):
            split[DRAM] = self._split_memory(drawn[DRAM], cores_of)
        self._pods = dict(self._use.pods)
        return split

    def _take_use(self) -> tuple[dict[str, float], float]:
        """Return CPU seconds per pod and of the node since the last call."""
        if self._use is None:
            return {}, 0.0
        used = {
            uid: max(
                0.0,
                use.cpu_seconds - self._base.get(uid, 0.0 if self._base_busy else use.cpu_seconds),
            )
            for uid, use in self._pods.items()
        }
        busy = self._use.busy_seconds - self._base_busy if self._base_busy else 0.0
        # A pod missed this time must not count from its birth when it is found again.
        self._base = {uid: use.cpu_seconds for uid, use in (self._pods | self._use.pods).items()}
        self._base_busy = self._use.busy_seconds
        return used, max(busy, 0.0)

    def _split_cpu(
        self,
        energy: int,
        seconds: float,
        used: Mapping[str, float],
        busy: float,
        cores_of: Mapping[str, tuple[float, bool]],
    ) -> Attribution:
        assert self._use is not None
        cores = max(1, self._use.cores)
        idle = idle_of_packages(self.floor, energy, seconds, busy, cores)
        shares = [
            CpuShare(Owner(uid, ""), seconds_used, *cores_of[uid])
            for uid, seconds_used in used.items()
            if uid in cores_of
        ]
        return split_cpu_energy(energy, idle, shares, busy_seconds=busy, cores=cores)

    def _split_memory(self, energy: int, cores_of: Mapping[str, tuple[float, bool]]) -> Attribution:
        assert self._use is not None
        held = {Owner(u, ""): p.memory_bytes for u, p in self._pods.items() if u in cores_of}
        return split_memory_energy(energy, held, self._use.memory_bytes)

    def total_millijoules(self, component: str) -> int:
        """Return the devices' total from raw readings."""
        wanted = Domain.PACKAGE if component == CPU else Domain.DRAM
        return sum(m.millijoules for (_, domain), m in self.meters.items() if domain is wanted)


def dump_floor(floor: IdleFloor) -> dict[str, Any]:
    """Return an idle floor as JSON values."""
    return {"watts": floor.learnt_watts, "samples": floor.samples[-_SAMPLES_DUMPED:]}


def load_floor(dumped: Mapping[str, Any]) -> IdleFloor:
    """Return the idle floor that `dump_floor` described.

    Raises:
        KeyError, TypeError, ValueError: the description is malformed.
    """
    watts = dumped["watts"]
    floor = IdleFloor(learnt_watts=None if watts is None else float(watts))
    for sample in dumped["samples"]:
        floor.observe_free(float(sample))
    return floor


def _unmapped(energy: int) -> Attribution:
    """Return energy that cannot be split because the pods are not known."""
    return attribute_energy(energy, 0, [], unclaimed=UnallocatedReason.UNMAPPED)
