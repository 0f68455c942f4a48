"""Accounts of pods: from zero, only growing, final at the end, kept for a while, then retired.

A pod's account outlives the pod by the retention time, scraped or not, so that the last value is in
Prometheus when the operator asks. After the end marker no value changes. Retired energy moves into
one sum, so that nothing disappears from the balance.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from lowtide.energy.attribution import Method, Part
from lowtide.energy.quality import Quality
from lowtide_exporter.readings import PodRecord

SEGMENTS_APART_SECONDS: Final = 0.001
"""Segment starts differ by a millisecond at least, whatever the clock does."""

_NAME, _GENERATION = "/", "\n"
"""No UID contains the first, and no name the second."""


def key_without_uid(namespace: str, name: str, generation: int) -> str:
    """Return the key of the account of a pod whose UID is not known.

    `generation` counts the pods of this name, from 1.
    """
    key = f"{namespace}{_NAME}{name}"
    return key if generation == 1 else f"{key}{_GENERATION}{generation}"


def is_without_uid(key: str) -> bool:
    """Return whether an account's key is a name instead of a UID."""
    return _NAME in key


# A named tuple is made and hashed in half the time of a frozen dataclass: one per GPU and tick.
class SeriesKey(NamedTuple):
    """What distinguishes the energy series of one pod."""

    container: str
    component: str
    part: Part
    method: Method
    quality: Quality


@dataclass(slots=True)
class PodAccount:
    """Energy of one pod, and its stage of life."""

    key: str
    """The UID, or a key made of the name while the UID is not known."""
    namespace: str
    """Namespace."""
    name: str
    """Name."""
    uid: str
    """UID; empty while it is not known."""
    segment_start: float
    """Unix time at which the counters began."""
    seen_at: float
    """Monotonic time at which the pod was first seen."""
    energy: dict[SeriesKey, int] = field(default_factory=dict)
    """Millijoules of this segment, by series."""
    held_seconds: defaultdict[tuple[str, str], float] = field(
        default_factory=lambda: defaultdict(float)
    )
    """GPU seconds of this segment, by container and model."""
    shares: dict[tuple[str, str], float] = field(default_factory=dict)
    """Shares of GPUs held now, by container and UUID."""
    last_held_unix: float | None = None
    """Unix time at which the kubelet last listed the pod."""
    last_held_monotonic: float | None = None
    """The same on the monotonic clock."""
    finished_at: float | None = None
    """Unix time of the end of its last container."""
    ticks_since_end: int | None = None
    """Ticks since its end was seen; None while it lives."""
    ended_at: float | None = None
    """Monotonic time at which its end was seen."""
    ended_unix: float | None = None
    """Unix time at which its end was seen."""
    end_timestamp: float | None = None
    """The end marker; set once the values are final."""
    frozen_at: float | None = None
    """Monotonic time at which the values became final."""
    is_cut: bool = False
    """Whether energy is missing and none has been counted since."""
    last_segment_start: float | None = None
    """Start of the segment cut last."""
    is_carried: bool = False
    """Whether a run of the exporter before this one has counted it: not in this run's balance."""
    trainingjob_uid: str = ""
    """UID of the TrainingJob that the pod works for; empty where there is none."""
    owner_kind: str = ""
    """Kind of the pod's top owner; empty while it is not known."""
    owner_name: str = ""
    """Its name."""
    owner_uid: str = ""
    """Its UID."""

    @property
    def shown_uid(self) -> str:
        """The UID, or the count of a name that came back: no two series are alike."""
        return (
            self.uid or self.key.removeprefix(key_without_uid(self.namespace, self.name, 1)).strip()
        )

    @property
    def is_final(self) -> bool:
        """Whether the values will never change again."""
        return self.end_timestamp is not None

    def begin_segment(self, unix_seconds: float) -> None:
        """Count again after a cut, in a segment with a start of its own."""
        is_told = unix_seconds != self.last_segment_start
        self.segment_start = unix_seconds + (0.0 if is_told else SEGMENTS_APART_SECONDS)
        self.is_cut = False

    def add(self, key: SeriesKey, millijoules: int) -> None:
        """Book energy; zero opens the series."""
        self.energy[key] = self.energy.get(key, 0) + millijoules


class PodBook:
    """All accounts of the node: the living, the retained (final), and the sum of the retired.

    Retained accounts are kept apart, in the order in which they became final, so that a tick
    costs nothing for them.
    """

    def __init__(self, retention_seconds: float, retained_max: int) -> None:
        self._retention_seconds = retention_seconds
        self._retained_max = retained_max
        self.living: dict[str, PodAccount] = {}
        self.retained: dict[str, PodAccount] = {}
        self.retired_millijoules: defaultdict[str, int] = defaultdict(int)
        self.evicted = 0

    def __iter__(self) -> Iterator[PodAccount]:
        yield from self.living.values()
        yield from self.retained.values()

    def get(self, key: str) -> PodAccount | None:
        """Return the account of a pod, None where it has none."""
        return self.living.get(key) or self.retained.get(key)

    def open(
        self, key: str, record: PodRecord, segment_start: float, monotonic_seconds: float
    ) -> PodAccount:
        """Open an account at zero for a pod that has none."""
        account = self.living[key] = PodAccount(
            key=key,
            namespace=record.namespace,
            name=record.name,
            uid=record.uid,
            segment_start=segment_start,
            seen_at=monotonic_seconds,
            trainingjob_uid=record.trainingjob_uid,
        )
        return account

    def rename(self, account: PodAccount, uid: str) -> None:
        """Give a living account that was opened without a UID its UID."""
        del self.living[account.key]
        account.key = account.uid = uid
        self.living[uid] = account

    def merge(self, account: PodAccount, known: PodAccount) -> None:
        """Merge a living account without UID into the account of the same pod."""
        del self.living[account.key]
        for key, millijoules in account.energy.items():
            known.add(key, millijoules)
        for place, seconds in account.held_seconds.items():
            known.held_seconds[place] += seconds
        known.last_held_unix = account.last_held_unix or known.last_held_unix
        known.last_held_monotonic = account.last_held_monotonic or known.last_held_monotonic
        if account.is_cut and not known.is_cut:
            self.cut_segment(known, account.segment_start)

    def cut_segment(self, account: PodAccount, unix_seconds: float) -> None:
        """End the segment; the next one begins at zero, as after a restart without state."""
        for key, millijoules in account.energy.items():
            self.retired_millijoules[key.component] += millijoules
            account.energy[key] = 0
        account.held_seconds.clear()
        if not account.is_cut:
            account.last_segment_start = account.segment_start
        account.begin_segment(unix_seconds)
        account.is_cut = True

    def end(
        self,
        account: PodAccount,
        finished_at: float | None,
        *,
        monotonic_seconds: float,
        unix_seconds: float,
    ) -> None:
        """Note that the pod has ended; its last interval may still be open."""
        if account.ticks_since_end is None:
            account.ticks_since_end = 0
            account.ended_at = monotonic_seconds
            account.ended_unix = unix_seconds
            account.finished_at = finished_at

    def advance(self, monotonic_seconds: float, is_settled: Callable[[PodAccount], bool]) -> None:
        """Freeze ended pods whose energy is settled, and retire those kept long enough.

        One further tick passes between the end and the freeze, so that the interval in which the
        pod ended is counted.
        """
        for account in tuple(self.living.values()):
            if account.ticks_since_end is None:
                continue
            account.ticks_since_end += 1
            if account.ticks_since_end > 1 and is_settled(account):
                self._freeze(account, monotonic_seconds)
        while self.retained and self._must_go(
            next(iter(self.retained.values())), monotonic_seconds
        ):
            self._retire_oldest()

    def _freeze(self, account: PodAccount, now: float) -> None:
        if account.is_cut:  # nothing was counted up to the end, so no segment may cover it
            account.segment_start = max(account.segment_start, account.ended_unix or 0.0)
        last = account.last_held_unix or account.ended_unix or account.segment_start
        account.end_timestamp = max(account.finished_at or last, account.segment_start)
        account.frozen_at = now
        account.shares.clear()
        self.retained[account.key] = self.living.pop(account.key)

    def _must_go(self, oldest: PodAccount, now: float) -> bool:
        if oldest.frozen_at is None or now - oldest.frozen_at >= self._retention_seconds:
            return True
        if len(self.retained) > self._retained_max:
            self.evicted += 1
            return True
        return False

    def _retire_oldest(self) -> None:
        account = self.retained.pop(next(iter(self.retained)))
        if account.is_carried:
            return
        for key, millijoules in account.energy.items():
            self.retired_millijoules[key.component] += millijoules

    def millijoules(self, component: str) -> int:
        """Return the energy of all pods, retired ones included."""
        exported = sum(
            value
            for account in self
            if not account.is_carried
            for key, value in account.energy.items()
            if key.component == component
        )
        return exported + self.retired_millijoules.get(component, 0)
