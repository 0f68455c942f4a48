"""Books of the node: every millijoule of a GPU goes to a pod or to the reason why none gets it.

`NodeLedger.apply` takes what one tick observed and books it. It does no I/O and reads no clock,
so a day of faults runs in a test in seconds. The residual compares what was handed out with the
devices' own totals, which are kept apart (`lowtide.energy.counter.DeviceTotal`).
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from lowtide.energy.attribution import Owner, Part, UnallocatedReason
from lowtide.energy.counter import CounterStep
from lowtide.energy.idle import IdleFloor
from lowtide.meters.readings import Domain, GpuReading, ZoneReading
from lowtide_exporter.books.gpu_account import GAP_SECONDS, GpuAccount
from lowtide_exporter.books.holders import Holders
from lowtide_exporter.books.host_account import CPU, DRAM, HostAccount
from lowtide_exporter.books.interval import Activity, Interval
from lowtide_exporter.books.pod_accounts import PodAccount, PodBook, SeriesKey
from lowtide_exporter.books.slots import HeldSlot
from lowtide_exporter.readings import PodRecord, TickReadings

_log = logging.getLogger(__name__)

GPU: Final = "gpu"
NO_ACTIVITY: Final = Activity()
SILENCE_MAX_SECONDS: Final = 300.0
"""Energy waits this long for the kubelet's next answer before it is unmapped."""
METER_SECONDS: Final = 1.0
"""Readings between two mapping answers wait this long: metering ten together costs less."""
UID_GRACE_SECONDS: Final = 15.0
"""The kubelet may list a pod before the API server's watch has told its UID."""
UNSETTLED_MAX_SECONDS: Final = 120.0
"""An ended pod on a GPU that stays lost is final after this time; the gap becomes unmapped."""


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
        self.unallocated: defaultdict[tuple[str, Part, UnallocatedReason], int] = defaultdict(int)
        self._now = 0.0
        self._unmetered: list[TickReadings] = []
        self._began_at: float | None = None
        self.holders = Holders(
            self.pods, self.gpus, gap_seconds=self._gap_seconds, expects_uids=expects_uids
        )
        """What kubelet and API server say of who holds which device."""

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
            self._settle_host(seen.zones, seen)
        self._unmetered.append(seen)
        if seen.mapping_due or self._now - self._unmetered[0].monotonic_seconds >= METER_SECONDS:
            readings = self._meter_all()
        if seen.mapping_due:
            self._settle_gpus(readings, seen, activities or {})
            self._follow_lives(seen)
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
                self._book(interval, gpu, seen)
                cut_pods |= interval.cut_pods
            settled.append(gpu)
        self._cut_segments(cut_pods, seen)
        for gpu in settled:
            self._open_series(gpu, seen)

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
        """Yield the accounts to show.

        Each sample says that all was counted up to it. So a pod whose energy is missing, or may
        turn out to be, is not shown until it is counted again. One whose UID is about to be known
        waits a little.
        """
        expects_uids = self.holders.expects_uids
        doubtful = self._doubtful_pods()
        for account in self.pods:
            if not account.is_final and (account.is_cut or account.key in doubtful):
                continue
            is_new = self._now - account.seen_at < UID_GRACE_SECONDS
            if account.uid or not (expects_uids and is_new):
                yield account

    def _doubtful_pods(self) -> set[str]:
        """Return the pods that hold a GPU which cannot be counted now."""
        return {
            slot.holder.owner.pod
            for gpu in self.gpus.values()
            if gpu.is_in_doubt(self._now)
            for slot in gpu.slots.values()
        }

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
                gpu.meter.total.millijoules - gpu.waiting_millijoules for gpu in self.gpus.values()
            )
        else:
            devices = self.host.total_millijoules(component)
        unallocated = sum(
            value for (part, _, _), value in self.unallocated.items() if part == component
        )
        return devices - self.pods.millijoules(component) - unallocated

    def _settle_host(self, zones: tuple[ZoneReading, ...], seen: TickReadings) -> None:
        """Book CPU and memory energy of the pods that the API server knows."""
        start_at = self.host.settled_unix or seen.unix_seconds
        pinned: Counter[tuple[str, str]] = Counter()
        for allocation in self.holders.allocations:
            pinned[allocation.namespace, allocation.pod] += len(allocation.cpu_ids)
        known = {
            record.uid: record
            for name, record in self.holders.records.items()
            if record.uid in self.pods.living or not (record.is_terminal or self._is_final(record))
        }
        cores_of = {
            uid: (float(held), True)
            if (held := pinned[record.namespace, record.name])
            else (record.cpu_request_cores, False)
            for uid, record in known.items()
        }
        seen_pods = self.host.seen_pods() & known.keys()
        split = self.host.settle(zones, seen.monotonic_seconds, seen.unix_seconds, cores_of)
        for component, attribution in split.items():
            for item in attribution.unallocated:
                self.unallocated[component, item.part, item.reason] += item.millijoules
            for uid in seen_pods:
                account = self.pods.get(uid) or self.pods.open(
                    uid, known[uid], start_at, seen.monotonic_seconds
                )
                for key in self.host.series_of(component, cores_of[uid][1]):
                    account.add(key, 0)
            for portion in attribution.portions:
                key = self.host.key_of(component, portion.part, portion.method)
                self.pods.living[portion.owner.pod].add(key, portion.millijoules)

    def _is_final(self, record: PodRecord) -> bool:
        return record.uid in self.pods.retained

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

    def _account_of(self, owner: Owner, seen: TickReadings, start_at: float) -> PodAccount:
        account = self.pods.get(owner.pod)
        if account is not None:
            return account
        return self.pods.open(
            owner.pod, self.holders.named[owner.pod], start_at, seen.monotonic_seconds
        )

    def _book(self, interval: Interval, gpu: GpuAccount, seen: TickReadings) -> None:
        for item in interval.attribution.unallocated:
            self.unallocated[GPU, item.part, item.reason] += item.millijoules
        for portion in interval.attribution.portions:
            account = self._account_of(portion.owner, seen, interval.start_at)
            key = SeriesKey(
                portion.owner.container, GPU, portion.part, portion.method, interval.quality
            )
            account.add(key, portion.millijoules)
        for owner, seconds in interval.held_seconds.items():
            account = self._account_of(owner, seen, interval.start_at)
            account.held_seconds[owner.container, gpu.identity.model] += seconds

    def _may_learn_uids(self) -> bool:
        """Return whether the first answer on the pods of the node may still come."""
        is_new = self._began_at is not None and self._now - self._began_at < UID_GRACE_SECONDS
        return is_new and self.holders.awaits_uids

    def _cut_segments(self, pods: set[str], seen: TickReadings) -> None:
        """End the segments of pods whose energy is missing: one segment would hide the gap."""
        for account in [self.pods.living[pod] for pod in pods & self.pods.living.keys()]:
            if account.seen_at < self._now:
                self._cut(account, seen)

    def _cut(self, account: PodAccount, seen: TickReadings) -> None:
        if not account.is_cut:
            _log.warning("some energy of pod %s/%s is missing", account.namespace, account.name)
        self.pods.cut_segment(account, seen.unix_seconds)

    def _open_series(self, gpu: GpuAccount, seen: TickReadings) -> None:
        """Show every holder's series at zero from the moment it is seen."""
        for slot in gpu.slots.values():
            owner = slot.holder.owner
            account = self._account_of(owner, seen, gpu.covered_since)
            if account.is_cut:
                account.begin_segment(gpu.covered_since)
            if not gpu.is_metered:  # an unmetered GPU has no series, least of all 0 J
                continue
            for part in Part:
                account.add(SeriesKey(owner.container, GPU, part, slot.method, gpu.quality), 0)

    def _follow_lives(self, seen: TickReadings) -> None:
        self._note_holdings(seen)
        now = {"monotonic_seconds": seen.monotonic_seconds, "unix_seconds": seen.unix_seconds}
        for account in self.pods.living.values():
            record = self.holders.records.get((account.namespace, account.name))
            if account.uid and self.holders.uids is not None:
                if record is not None and record.uid == account.uid:
                    if record.is_terminal:
                        self.pods.end(account, record.finished_at, **now)
                elif account.uid not in self.holders.uids:
                    self.pods.end(account, None, **now)
            elif self.holders.is_absent(account, seen.monotonic_seconds):
                self.pods.end(account, None, **now)
        self.pods.advance(seen.monotonic_seconds, lambda account: self._is_settled(account, seen))

    def _note_holdings(self, seen: TickReadings) -> None:
        is_mapped = self.holders.is_mapped_at(seen.monotonic_seconds)
        for account in self.pods.living.values():
            account.shares.clear()
        for uuid, gpu in self.gpus.items():
            for slot in gpu.slots.values():
                holding = self.pods.living.get(slot.holder.owner.pod)
                if holding is None:
                    continue
                place = (slot.holder.owner.container, uuid)
                holding.shares[place] = holding.shares.get(place, 0.0) + slot.size_ratio
                if is_mapped and holding.key in self.holders.named:
                    holding.last_held_unix = seen.unix_seconds
                    holding.last_held_monotonic = seen.monotonic_seconds

    def _is_settled(self, account: PodAccount, seen: TickReadings) -> bool:
        """Return whether no open interval can still belong to the pod."""
        ended = account.ended_at or 0.0
        holding = [gpu for gpu in self.gpus.values() if gpu.is_held_by(account.key)]
        host = self.host.settled_at
        if not holding and (host is None or host >= ended):
            return True
        if seen.monotonic_seconds - ended < UNSETTLED_MAX_SECONDS:
            return False
        for gpu in holding:
            gpu.forget(account.key)
        if holding:
            self._cut(account, seen)
        return True
