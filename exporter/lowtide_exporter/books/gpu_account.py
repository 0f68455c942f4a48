"""Account of one GPU: its meter, its idle floor, its check, and who held it last.

An interval runs from the last counted reading to this one, so the energy that a lost GPU carries
over its gap meets the holders of both ends of the gap, not of the last tick.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from lowtide.energy.attribution import Owner, UnallocatedReason, attribute_energy
from lowtide.energy.attribution_boundary import (
    Holder,
    SlotShare,
    settle_gap,
    settle_interval,
)
from lowtide.energy.attribution_sharing import SettledSlot, claim_slots
from lowtide.energy.counter import CounterMeter, CounterReading, CounterStep, Increment
from lowtide.energy.idle import IdleFloor
from lowtide.energy.quality import CrossCheck, Quality
from lowtide.limits import can_be_idle
from lowtide.meters.readings import GpuIdentity, GpuReading
from lowtide_exporter.books.believable import believable_reading, highest_limit
from lowtide_exporter.books.clock import ClockReading
from lowtide_exporter.books.holder_load import HolderLoad
from lowtide_exporter.books.interval import (
    Activity,
    Interval,
    utilisation_by_owner,
    weights_of_others,
)
from lowtide_exporter.books.late_energy import LateEnergy
from lowtide_exporter.books.slots import HeldSlot, owners_of

GAP_SECONDS: Final = 5.0
"""A longer time without a reading or an answer on holders is a gap; no change in it is guessed."""
WAIT_MAX_SECONDS: Final = 15.0
"""An interval waits no longer than this for a measurement of its load."""


@dataclass(slots=True)
class GpuAccount:
    """Account of one GPU over the life of the exporter, keyed by UUID."""

    identity: GpuIdentity
    """Name, model and driver."""
    reading: GpuReading
    """The last reading, without impossible numbers."""
    meter: CounterMeter = field(default_factory=CounterMeter)
    """What turns readings into energy."""
    floor: IdleFloor = field(default_factory=IdleFloor)
    """Power while nothing uses the GPU."""
    check: CrossCheck = field(default_factory=CrossCheck)
    """Standing comparison of counter and power."""
    quality: Quality = Quality.UNCHECKED
    """Quality of the joules being counted."""
    is_metered: bool = True
    """Whether the GPU reports energy or power at all."""
    slots: Mapping[str, HeldSlot] = field(default_factory=dict)
    """Holders at the start of the open interval, by device id."""
    mapped: bool = False
    """Whether the holders at the start of the open interval are known."""
    is_counted: bool = False
    """Whether any interval has been settled."""
    gap_seconds: float = GAP_SECONDS
    """A longer time without a reading or an answer on holders is a gap."""
    confirmed_at: float | None = None
    """Monotonic time at which reading and holders were last both known."""
    covered_since: float = 0.0
    """Unix time from which the energy of a pod first seen now is counted."""
    waiting_millijoules: int = 0
    """Energy metered since the last settled interval."""
    waiting_seconds: float = 0.0
    """Time of that energy."""
    late: LateEnergy = field(default_factory=LateEnergy)
    """Energy that came after the interval it belongs to."""
    has_loss: bool = False
    """Whether an unknown part of the open interval's energy is missing."""
    settled_clock: ClockReading | None = None
    """Both clocks when the last interval was settled."""
    load: HolderLoad = field(default_factory=HolderLoad)
    """Power of the last holder's load."""

    def meter_reading(self, reading: GpuReading, monotonic_seconds: float) -> Increment:
        """Take a reading and return what it adds; the energy waits until `settle`."""
        reading = believable_reading(reading)
        self.reading, self.identity = reading, reading.identity
        increment = self.meter.advance(
            CounterReading(
                at_seconds=monotonic_seconds,
                counter_millijoules=reading.counter_millijoules,
                power_watts=reading.power_watts,
                limit_watts=highest_limit(reading),
                has_counter=reading.has_counter or reading.error is not None,
            )
        )
        if increment.step is CounterStep.MISSING:
            return increment
        self.is_metered = increment.step is not CounterStep.UNMETERED
        self._judge(increment)
        self.waiting_millijoules += increment.millijoules
        self.waiting_seconds += increment.seconds
        self.late.millijoules += increment.late_millijoules
        self.has_loss |= increment.is_lost
        return increment

    @property
    def open_millijoules(self) -> int:
        """Energy that was metered and is in no settled interval."""
        return self.waiting_millijoules + self.late.millijoules

    def lost_reading(self, error: str) -> GpuReading:
        """Return a failed reading of this GPU, for a tick in which no device could be asked.

        Its instances stay known, so that a pod that holds one does not appear to hold an unknown
        device.
        """
        return GpuReading(
            identity=self.identity,
            instances=self.reading.instances,
            mig_enabled=self.reading.mig_enabled,
            error=error,
        )

    def is_in_doubt(self, monotonic_seconds: float) -> bool:
        """Return whether reading or holders have been missing for so long that it is a gap."""
        if self.confirmed_at is None:
            return False
        return monotonic_seconds - self.confirmed_at > self.gap_seconds

    def settle(
        self,
        monotonic_seconds: float,
        unix_seconds: float,
        slots: Mapping[str, HeldSlot] | None,
        activity: Activity,
        *,
        is_free_known: bool = True,
    ) -> Interval | None:
        """Close the interval since the last call and return it, None where it is the first.

        `slots` are the holders at this moment, None where they are not known. `is_free_known` says
        that no device unknown to us is held, so a GPU without a holder really is free.
        """
        is_gap, is_first = self.is_in_doubt(monotonic_seconds), not self.is_counted
        before, self.slots = self.slots, slots or {}
        was_mapped, self.mapped = self.mapped, slots is not None
        energy, self.waiting_millijoules = self.waiting_millijoules, 0
        seconds, self.waiting_seconds = self.waiting_seconds, 0.0
        has_loss, self.has_loss = self.has_loss, False
        self.is_counted, self.confirmed_at = True, monotonic_seconds
        self.covered_since = unix_seconds
        has_same_owners = owners_of(before) == owners_of(self.slots)
        unmapped, owned = self.late.take(has_same_owners, self.meter.is_ahead)
        energy += owned
        if is_first and not energy and not unmapped:
            return None
        clock, last_clock = ClockReading(monotonic_seconds, unix_seconds), self.settled_clock
        self.settled_clock = clock
        was_set = last_clock is not None and clock.was_set_since(last_clock)
        # Durations come from the monotonic clock, because the other one may be set at any time.
        start_at = unix_seconds - seconds
        idle = self.floor.idle_millijoules(seconds, energy)
        settled = None
        if self.mapped and was_mapped:
            busy = None
            if not is_gap:
                busy = self.load.busy_ratio(
                    before,
                    self.slots,
                    energy - idle,
                    seconds,
                    instant_watts=self.reading.instant_watts,
                    idle_watts=self.floor.learnt_watts,
                )
            settled = self._settle_slots(
                before, start_at, unix_seconds, activity, busy, is_gap=is_gap, was_set=was_set
            )
        if settled is not None:
            self.covered_since = unix_seconds if has_loss else start_at
            if is_free_known and not before and not is_gap:
                self._learn_floor()
        self.load.remember(self.reading.instant_watts, is_same=has_same_owners)
        utilisation = None if is_gap else utilisation_by_owner(settled or [], activity)
        claims = claim_slots(settled or [], utilisation)
        attribution = attribute_energy(
            energy - idle,
            idle,
            claims,
            other_active_weights=weights_of_others(utilisation, settled or []) if claims else None,
            unclaimed=UnallocatedReason.UNMAPPED if settled is None else UnallocatedReason.FREE,
        )
        held = {claim.owner: claim.held_ratio * seconds for claim in claims}
        is_missing = settled is None or has_loss
        ends = (*before.values(), *self.slots.values()) if is_missing else ()
        cut_pods = frozenset(slot.holder.owner.pod for slot in ends)
        return Interval(attribution, self.quality, start_at, held, cut_pods, unmapped)

    def _learn_floor(self) -> None:
        """Take the power of a GPU that no pod holds, unless something else uses it."""
        watts = self.reading.power_watts
        if self.slots or watts is None or self.reading.busy_ratio:
            return
        if can_be_idle(watts, self.reading.limit_watts):
            self.floor.observe_free(watts)

    def _judge(self, increment: Increment) -> None:
        """Set the quality of the joules of this interval."""
        if increment.step in (CounterStep.REBASED, CounterStep.RESET) or increment.is_lost:
            self.check.spoil()
        self.check.observe(
            increment.seconds, increment.power_millijoules, increment.counter_millijoules
        )
        self.quality = Quality.POWER_INTEGRATED if increment.from_power else self.check.quality

    def may_wait(self, slots: Mapping[str, HeldSlot] | None, activity: Activity) -> bool:
        """Return whether this interval stays open until its load is measured."""
        if activity.is_due or slots is None or self.waiting_seconds >= WAIT_MAX_SECONDS:
            return False
        return owners_of(slots) == owners_of(self.slots)

    def _settle_slots(
        self,
        before: Mapping[str, HeldSlot],
        start_at: float,
        end_at: float,
        activity: Activity,
        busy: float | None,
        *,
        is_gap: bool,
        was_set: bool,
    ) -> list[SettledSlot] | None:
        """Return the slots over the interval, None where a gap hides a change of holder.

        Where the node's clock was set, no start or end that the API server told lies in it.
        """
        settled = []
        parts = Counter(slot.instance for slot in {**before, **self.slots}.values())
        for device_id in sorted(before.keys() | self.slots.keys()):
            old, new = before.get(device_id), self.slots.get(device_id)
            older, newer = (_holder_of(slot, was_set=was_set) for slot in (old, new))
            kind = new or old
            assert kind is not None
            shares: tuple[SlotShare, ...] | None
            if is_gap:
                shares = settle_gap(older, newer)
            else:
                shares = settle_interval(
                    older,
                    newer,
                    start_at,
                    end_at,
                    busy=busy,
                    is_floor_known=self.floor.learnt_watts is not None,
                )
            if shares is None:
                return None
            settled.append(
                SettledSlot(
                    size_ratio=kind.size_ratio,
                    method=kind.method,
                    shares=shares,
                    # Activity is measured at the end of the interval and says nothing about a gap.
                    activity_ratio=None if is_gap else activity.instances.get(kind.instance or ""),
                    active_ratio=kind.whole_ratio / parts[kind.instance],
                )
            )
        return settled

    def rename(self, old_pod: str, new_pod: str) -> None:
        """Give a pod whose UID became known its new key; its holdings stay."""
        self._replace(
            lambda holder: (
                replace(holder, owner=Owner(new_pod, holder.owner.container))
                if holder.owner.pod == old_pod
                else holder
            )
        )

    def note_finishes(self, finish_time: Callable[[str], float | None]) -> None:
        """Add finish times that became known to the holders of the open interval's start.

        One that was told stays: the API server forgets a pod that is deleted.
        """
        for device_id, slot in self.slots.items():
            finished_at = finish_time(slot.holder.owner.pod)
            if finished_at is not None and finished_at != slot.holder.finished_at:
                holder = replace(slot.holder, finished_at=finished_at)
                self.slots = {**self.slots, device_id: replace(slot, holder=holder)}

    def forget(self, pod: str) -> None:
        """Stop waiting for this GPU to settle the pod's last interval: it becomes unmapped."""
        self.slots = {i: slot for i, slot in self.slots.items() if slot.holder.owner.pod != pod}
        self.mapped = False

    def _replace(self, change: Callable[[Holder], Holder]) -> None:
        self.slots = {
            i: replace(slot, holder=change(slot.holder)) for i, slot in self.slots.items()
        }

    def is_held_by(self, pod: str) -> bool:
        """Return whether energy not yet counted may still belong to `pod`."""
        return any(slot.holder.owner.pod == pod for slot in self.slots.values())


def _holder_of(slot: HeldSlot | None, *, was_set: bool) -> Holder | None:
    if slot is None or not was_set:
        return None if slot is None else slot.holder
    return Holder(slot.holder.owner)
