"""Bookings: settled energy into the accounts of pods, and what belongs to none by its reason.

Every millijoule that an interval holds is booked once. A pod whose energy is missing begins a new
segment, so that no gap hides inside one.
"""

import logging
from collections import Counter, defaultdict
from typing import Final

from lowtide.energy.attribution import Owner, Part, UnallocatedReason
from lowtide.meters.readings import ZoneReading
from lowtide_exporter.books.gpu_account import GpuAccount
from lowtide_exporter.books.holders import Holders
from lowtide_exporter.books.host_account import HostAccount
from lowtide_exporter.books.interval import Interval
from lowtide_exporter.books.pod_accounts import PodAccount, PodBook, SeriesKey
from lowtide_exporter.readings import PodRecord, TickReadings

_log = logging.getLogger(__name__)

GPU: Final = "gpu"


class EnergyBookings:
    """Energy by pod, and energy of no pod by component, part and reason."""

    def __init__(self, pods: PodBook, holders: Holders) -> None:
        self._pods, self._holders = pods, holders
        self.unallocated: defaultdict[tuple[str, Part, UnallocatedReason], int] = defaultdict(int)

    def account_of(self, owner: Owner, seen: TickReadings, start_at: float) -> PodAccount:
        """Return an owner's account, a new one from `start_at` on where it has none."""
        account = self._pods.get(owner.pod)
        if account is not None:
            return account
        return self._pods.open(
            owner.pod, self._holders.named[owner.pod], start_at, seen.monotonic_seconds
        )

    def book_interval(self, interval: Interval, gpu: GpuAccount, seen: TickReadings) -> None:
        """Book one settled interval of one GPU."""
        for item in interval.attribution.unallocated:
            self.unallocated[GPU, item.part, item.reason] += item.millijoules
        if interval.unmapped_millijoules:
            earlier = (GPU, Part.ACTIVE, UnallocatedReason.UNMAPPED)
            self.unallocated[earlier] += interval.unmapped_millijoules
        for portion in interval.attribution.portions:
            account = self.account_of(portion.owner, seen, interval.start_at)
            key = SeriesKey(
                portion.owner.container, GPU, portion.part, portion.method, interval.quality
            )
            account.add(key, portion.millijoules)
        for owner, seconds in interval.held_seconds.items():
            account = self.account_of(owner, seen, interval.start_at)
            account.held_seconds[owner.container, gpu.identity.model] += seconds

    def cut_segments(self, pods: set[str], seen: TickReadings) -> None:
        """End the segments of pods whose energy is missing: one segment would hide the gap."""
        for account in [self._pods.living[pod] for pod in pods & self._pods.living.keys()]:
            if account.seen_at < seen.monotonic_seconds:
                self.cut(account, seen)

    def cut(self, account: PodAccount, seen: TickReadings) -> None:
        """End the segment of one pod."""
        if not account.is_cut:
            _log.warning("some energy of pod %s/%s is missing", account.namespace, account.name)
        self._pods.cut_segment(account, seen.unix_seconds)

    def open_series(self, gpu: GpuAccount, seen: TickReadings) -> None:
        """Show every holder's series at zero from the moment it is seen."""
        for slot in gpu.slots.values():
            owner = slot.holder.owner
            account = self.account_of(owner, seen, gpu.covered_since)
            if account.is_cut:
                account.begin_segment(gpu.covered_since)
            if not gpu.is_metered:  # an unmetered GPU has no series, least of all 0 J
                continue
            for part in Part:
                account.add(SeriesKey(owner.container, GPU, part, slot.method, gpu.quality), 0)

    def settle_host(
        self, host: HostAccount, zones: tuple[ZoneReading, ...], seen: TickReadings
    ) -> None:
        """Book CPU and memory energy of the pods that the API server knows."""
        start_at = host.settled_unix or seen.unix_seconds
        pinned: Counter[tuple[str, str]] = Counter()
        for allocation in self._holders.allocations:
            pinned[allocation.namespace, allocation.pod] += len(allocation.cpu_ids)
        known = {
            record.uid: record
            for name, record in self._holders.records.items()
            if record.uid in self._pods.living or not (record.is_terminal or self._is_final(record))
        }
        cores_of = {
            uid: (float(held), True)
            if (held := pinned[record.namespace, record.name])
            else (record.cpu_request_cores, False)
            for uid, record in known.items()
        }
        seen_pods = host.seen_pods() & known.keys()
        split = host.settle(zones, seen.monotonic_seconds, seen.unix_seconds, cores_of)
        for component, attribution in split.items():
            for item in attribution.unallocated:
                self.unallocated[component, item.part, item.reason] += item.millijoules
            for uid in seen_pods:
                account = self._pods.get(uid) or self._pods.open(
                    uid, known[uid], start_at, seen.monotonic_seconds
                )
                for key in host.series_of(component, cores_of[uid][1]):
                    account.add(key, 0)
            for portion in attribution.portions:
                key = host.key_of(component, portion.part, portion.method)
                self._pods.living[portion.owner.pod].add(key, portion.millijoules)

    def _is_final(self, record: PodRecord) -> bool:
        return record.uid in self._pods.retained
