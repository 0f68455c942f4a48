"""Holders: what the kubelet and the API server say of who holds the devices of a node.

The kubelet names pods and their devices, the API server tells the UIDs and the times of pods; names
come back, UIDs do not. Both answers are kept here and made into holders of devices. Nothing is
counted here.
"""

import logging
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from lowtide.energy.attribution import Owner
from lowtide.energy.attribution_boundary import Holder
from lowtide_exporter.books.gpu_account import GpuAccount
from lowtide_exporter.books.names import NameWatch
from lowtide_exporter.books.pod_accounts import PodAccount, PodBook, key_without_uid
from lowtide_exporter.books.slots import SlotMap, map_slots
from lowtide_exporter.readings import Allocation, PodRecord, TickReadings

_log = logging.getLogger(__name__)

ABSENCE_SECONDS: Final = 30.0
"""A pod known only from the kubelet's list has ended when the list has lacked it this long."""


class Holders:
    """The last answers of kubelet and API server, by the accounts of pods that they name."""

    def __init__(
        self,
        pods: PodBook,
        gpus: Mapping[str, GpuAccount],
        *,
        gap_seconds: float,
        expects_uids: bool,
    ) -> None:
        self._book, self._gpus = pods, gpus
        self._expects_uids = expects_uids
        self._now = 0.0
        self._mapped_at: float | None = None
        self._mapped_unix = 0.0
        self._replicas: dict[str, int] = {}
        self._names = NameWatch(gap_seconds)
        self._pods: tuple[PodRecord, ...] | None = None
        self.allocations: tuple[Allocation, ...] = ()
        """Devices by container, as the kubelet listed them last."""
        self.records: dict[tuple[str, str], PodRecord] = {}
        """Pods of the API server's last answer, by namespace and name."""
        self.uids: frozenset[str] | None = None
        """UIDs in that answer; `None` before the first one."""
        self.named: dict[str, PodRecord] = {}
        """Pods that hold a device by the last answer of the kubelet, by their account's key."""
        self.unknown_ids: frozenset[str] = frozenset()
        """Device ids of no GPU that was read."""

    @property
    def expects_uids(self) -> bool:
        """Whether UIDs are known, or will be when the API server answers."""
        return self._expects_uids or self.uids is not None

    @property
    def awaits_uids(self) -> bool:
        """Whether the API server is asked for UIDs and has not answered yet."""
        return self._expects_uids and self.uids is None

    def is_mapped_at(self, now: float) -> bool:
        """Return whether the kubelet answered at this moment."""
        return self._mapped_at == now

    def take_records(self, seen: TickReadings) -> None:
        """Take the API server's answer, and give accounts the UIDs that it tells."""
        self._now = seen.monotonic_seconds
        if seen.pods is not None and seen.pods_are_current:
            self._names.note_current(self._now)
        if seen.pods is None or seen.pods is self._pods:
            return
        self._pods = seen.pods
        self._names.note_news(self._now)
        self.records = {(record.namespace, record.name): record for record in seen.pods}
        self.uids = frozenset(record.uid for record in seen.pods)
        for account in tuple(self._book.living.values()):
            record = self.records.get((account.namespace, account.name))
            if record is not None and account.uid in ("", record.uid):
                account.trainingjob_uid = record.trainingjob_uid or account.trainingjob_uid
            if account.uid or record is None or not self._is_trusted(record):
                continue
            if account.key == self._key_without_uid((account.namespace, account.name)):
                self._name(account, record)
        for gpu in self._gpus.values():  # noted now: the pod may be deleted before the next answer
            gpu.note_finishes(self._finish_time)

    def map_devices(self, seen: TickReadings) -> SlotMap | None:
        """Return the holders at this moment, None where the kubelet gave no answer."""
        if seen.allocations is None:
            return None
        self.allocations, self._replicas = seen.allocations, seen.advertised_replicas
        self._mapped_at, self._mapped_unix = seen.monotonic_seconds, seen.unix_seconds
        self._names.note_answer(_names_in(seen.allocations), self._now, seen.unix_seconds)
        self.named = {}
        slots = map_slots(self.allocations, seen.gpus, self._replicas, self._holder)
        if slots.unknown_ids - self.unknown_ids:
            _log.warning("device ids of no known GPU: %s", sorted(slots.unknown_ids)[:8])
        self.unknown_ids = slots.unknown_ids
        return slots

    def is_absent(self, account: PodAccount, now: float) -> bool:
        """Return whether the kubelet's good answers have long lacked the pod."""
        last = account.last_held_monotonic
        if self._mapped_at != now or last is None or now - last <= ABSENCE_SECONDS:
            return False
        if not account.uid:
            return account.key not in self.named
        return (account.namespace, account.name) not in _names_in(self.allocations)

    def dump(self) -> dict[str, Any]:
        """Return the last answer of the kubelet as JSON values."""
        return {
            "allocations": [
                [item.namespace, item.pod, item.container, item.device_ids, item.cpu_ids]
                for item in self.allocations
            ],
            "mapped_at": self._mapped_at,
            "mapped_unix": self._mapped_unix,
            "replicas": self._replicas,
            "names": self._names.dump(),
        }

    def restore(
        self,
        allocations: tuple[Allocation, ...],
        mapped_at: float | None,
        mapped_unix: float,
        replicas: dict[str, int],
        names: Mapping[str, Any],
    ) -> None:
        """Restore an answer from before a restart, and the UIDs of the restored accounts.

        Without the UIDs, pods would look like new ones until the API server answers.
        """
        self.allocations, self._replicas = allocations, replicas
        self._mapped_at, self._mapped_unix = mapped_at, mapped_unix
        self._names.load(names)
        if mapped_at is not None:
            self._names.note_answer(_names_in(allocations), mapped_at, mapped_unix)
        for account in self._book.living.values():
            name = (account.namespace, account.name)
            if account.last_held_unix is not None and name not in _names_in(allocations):
                self._names.note_left(name, account.last_held_unix)
        self.records = {
            (account.namespace, account.name): PodRecord(
                namespace=account.namespace, name=account.name, uid=account.uid
            )
            for account in self._book.living.values()
            if account.uid
        }

    def _is_trusted(self, record: PodRecord) -> bool:
        return self._names.is_trusted((record.namespace, record.name), record.started_at)

    def _name(self, account: PodAccount, record: PodRecord) -> None:
        """Give an account its missing UID, or merge it into the account that has this UID."""
        known = self._book.get(record.uid)
        if known is not None and known.ticks_since_end is not None:
            return
        for gpu in self._gpus.values():
            gpu.rename(account.key, record.uid)
        if known is None:
            self._book.rename(account, record.uid)
        else:
            self._book.merge(account, known)

    def _holder(self, allocation: Allocation) -> Holder | None:
        """Return who holds the container's devices, None where its pod has ended."""
        name = (allocation.namespace, allocation.pod)
        record = self.records.get(name)
        if record is None or not self._is_trusted(record):
            record = PodRecord(namespace=allocation.namespace, name=allocation.pod, uid="")
        key = record.uid or self._key_without_uid(name)
        account = self._book.get(key)
        if record.is_terminal or (account is not None and account.ticks_since_end is not None):
            return None
        self.named[key] = record
        return Holder(Owner(key, allocation.container), record.started_at, record.finished_at)

    def _key_without_uid(self, name: tuple[str, str]) -> str:
        """Return a key that no earlier pod of this name has used; unlike UIDs, names come back."""
        for generation in count(self._names.generation(name)):
            key = key_without_uid(*name, generation)
            account = self._book.get(key)
            if account is None or not account.is_final:
                break
        return key

    def _finish_time(self, pod: str) -> float | None:
        account = self._book.get(pod)
        record = None if account is None else self.records.get((account.namespace, account.name))
        if account is None or record is None or record.uid != account.uid:
            return None
        return record.finished_at


def _names_in(allocations: tuple[Allocation, ...]) -> set[tuple[str, str]]:
    return {(item.namespace, item.pod) for item in allocations}
