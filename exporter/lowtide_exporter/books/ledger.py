"""Books of the node: every millijoule of a GPU goes to a pod or to the reason why none gets it.

`NodeLedger.apply` takes what one tick observed and books it. It does no I/O and reads no clock,
so a day of faults runs in a test in seconds. The residual compares what was handed out with the
devices' own totals, which are kept apart (`lowtide.energy.device_total.DeviceTotal`).
"""

from collections.abc import Iterator, Mapping
from typing import Final

from lowtide.energy.counter import CounterStep
from lowtide.energy.idle import IdleFloor
from lowtide.meters.readings import Domain, GpuReading
from lowtide_exporter.books.bookings import GPU, EnergyBookings
from lowtide_exporter.books.gpu_account import GAP_SECONDS, GpuAccount
from lowtide_exporter.books.holders import Holders
from lowtide_exporter.books.host_account import CPU, DRAM, HostAccount
from lowtide_exporter.books.interval import Activity
from lowtide_exporter.books.pod_accounts import PodAccount, PodBook
from lowtide_exporter.books.pod_lives import UID_GRACE_SECONDS, PodLives
from lowtide_exporter.books.slots import HeldSlot
from lowtide_exporter.readings import TickReadings

NO_ACTIVITY: Final = Activity()
SILENCE_MAX_SECONDS: Final = 300.0
"""Energy waits this long for the kubelet's next answer before it is unmapped."""
METER_SECONDS: Final = 1.0
"""Readings between two mapping answers wait this long: metering ten together costs less."""


class NodeLedger:
    """Accounts of GPUs and pods of one node."""

    def __init__(
        self,
        *,
        retention_seconds: float = 300.0,
        retained_max: int = 1000,
        silence_max_seconds: float = SILENCE_MAX_SECONDS,
        mapping_period_seconds: float = 1.0,
        expects_uids: bool = False,
    ) -> None:
        """Open the books of a node.

        `expects_uids` says that an API server is asked for UIDs, even before its first answer.
        """
        self._silence_max_seconds = silence_max_seconds
        self._gap_seconds = max(GAP_SECONDS, 2 * mapping_period_seconds + 1.0)
        self.gpus: dict[str, GpuAccount] = {}
        self.floors: dict[str, IdleFloor] = {}
        self.host = HostAccount()
        self.pods = PodBook(retention_seconds, retained_max)
        self._now = 0.0
        self._unmetered: list[TickReadings] = []
        self._began_at: float | None = None
        self.holders = Holders(
            self.pods, self.gpus, gap_seconds=self._gap_seconds, expects_uids=expects_uids
        )
        """What kubelet and API server say of who holds which device."""
        self._bookings = EnergyBookings(self.pods, self.holders)
        self._lives = PodLives(self.pods, self.gpus, self.holders, self._bookings)
        self.unallocated = self._bookings.unallocated
        """Energy of no pod, by component, part and reason."""

    def apply(self, seen: TickReadings, activities: dict[str, Activity] | None = None) -> bool:
        """Book one tick and return whether it named devices never seen before.

        Ticks come in the order of their monotonic time. `activities` tells, by GPU UUID, the load
        of shared GPUs where it is known.
        """
        unknown_before = self.holders.unknown_ids
        self._now = seen.monotonic_seconds
        self._began_at = self._now if self._began_at is None else self._began_at
        self.holders.take_records(seen)
        if seen.use is not None:
            self.host.note_use(seen.use)
        if seen.zones is not None:
            self._bookings.settle_host(self.host, seen.zones, seen)
        self._unmetered.append(seen)
        if seen.mapping_due or self._now - self._unmetered[0].monotonic_seconds >= METER_SECONDS:
            readings = self._meter_all()
        if seen.mapping_due:
            self._settle_gpus(readings, seen, activities or {})
            self._lives.follow(seen, self.host.settled_at)
        self._take_owners(seen)
        return bool(self.holders.unknown_ids - unknown_before)

    def _settle_gpus(
        self,
        readings: list[GpuReading],
        seen: TickReadings,
        activities: dict[str, Activity],
    ) -> None:
        """Close the intervals of the GPUs that were read and whose holders are known."""
        slots = self.holders.map_devices(seen)
        cut_pods: set[str] = set()
        settled: list[GpuAccount] = []
        for reading in readings:
            uuid = reading.identity.uuid
            gpu = self.gpus[uuid]
            held = None if slots is None else slots.by_gpu.get(uuid, {})
            activity = activities.get(uuid, NO_ACTIVITY)
            if gpu.may_wait(held, activity):
                gpu.confirmed_at = self._now
                continue
            if self._must_wait(gpu, held):
                continue
            interval = gpu.settle(
                self._now,
                seen.unix_seconds,
                held,
                activity,
                is_free_known=not self.holders.unknown_ids,
            )
            if interval is not None:
                self._bookings.book_interval(interval, gpu, seen)
                cut_pods |= interval.cut_pods
            settled.append(gpu)
        self._bookings.cut_segments(cut_pods, seen)
        for gpu in settled:
            self._bookings.open_series(gpu, seen)

    def _must_wait(self, gpu: GpuAccount, held: Mapping[str, HeldSlot] | None) -> bool:
        """Return whether the open interval waits for the answer that names its holder."""
        if held is not None:
            return gpu.is_in_doubt(self._now) and self._may_learn_uids()
        since = gpu.confirmed_at
        return gpu.mapped and since is not None and self._now - since <= self._silence_max_seconds

    def make_account(self, reading: GpuReading) -> GpuAccount:
        """Return a new account of the GPU that was read."""
        account = GpuAccount(reading.identity, reading, gap_seconds=self._gap_seconds)
        account.floor = self.floors.pop(reading.identity.uuid, account.floor)
        return account

    def exported_pods(self) -> Iterator[PodAccount]:
        """Yield the accounts to show."""
        return self._lives.exported(self._now)

    @property
    def components(self) -> tuple[str, ...]:
        """The components that this node has meters for."""
        found = [GPU] if self.gpus else []
        domains = {domain for _, domain in self.host.meters}
        found += [CPU] if Domain.PACKAGE in domains else []
        return (*found, DRAM) if Domain.DRAM in domains else tuple(found)

    def residual_millijoules(self, component: str = GPU) -> int:
        """Return the devices' totals less what was handed out; anything but 0 is a fault."""
        if component == GPU:
            devices = sum(
                gpu.meter.total.millijoules - gpu.open_millijoules for gpu in self.gpus.values()
            )
        else:
            devices = self.host.total_millijoules(component)
        unallocated = sum(
            value for (part, _, _), value in self.unallocated.items() if part == component
        )
        return devices - self.pods.millijoules(component) - unallocated

    def _meter_all(self) -> list[GpuReading]:
        """Meter the readings since the last call and return the good ones of the last tick."""
        readings: list[GpuReading] = []
        for seen in self._unmetered:
            readings = [reading for reading in seen.gpus if self._meter(reading, seen)]
        self._unmetered.clear()
        return readings

    def _meter(self, reading: GpuReading, seen: TickReadings) -> bool:
        """Meter one reading and return whether its GPU was read."""
        uuid = reading.identity.uuid
        if uuid not in self.gpus:
            self.gpus[uuid] = self.make_account(reading)
        increment = self.gpus[uuid].meter_reading(reading, seen.monotonic_seconds)
        return increment.step is not CounterStep.MISSING

    def _take_owners(self, seen: TickReadings) -> None:
        """Note top owners, also of pods that ended before theirs was known."""
        for uid, owner in seen.owners.items():
            account = self.pods.get(uid)
            if account is not None and owner.uid != account.owner_uid:
                account.owner_kind, account.owner_name = owner.kind, owner.name
                account.owner_uid = owner.uid

    def _may_learn_uids(self) -> bool:
        """Return whether the first answer on the pods of the node may still come."""
        is_new = self._began_at is not None and self._now - self._began_at < UID_GRACE_SECONDS
        return is_new and self.holders.awaits_uids
