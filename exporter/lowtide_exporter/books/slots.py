"""Slots of GPUs: which part of which GPU each container holds now.

The kubelet names device ids: a GPU, a replica of it (`GPU-..::2`), a MIG instance, a replica of
that. This module turns them into slots of known GPUs, each with its size and at most one holder.
Ids that belong to no known GPU are returned apart, never guessed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lowtide.energy.attribution import Method, Owner
from lowtide.energy.attribution_boundary import Holder
from lowtide.meters.readings import GpuReading
from lowtide_exporter.owners.kubelet import split_device_id
from lowtide_exporter.readings import Allocation


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """A part of a GPU with its holder; `instance` is the MIG instance it lies in.

    `whole_ratio` is the size of what a replica is a replica of, the slot's own size otherwise.
    """

    holder: Holder
    size_ratio: float
    method: Method
    instance: str | None = None
    whole_ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class SlotMap:
    """All held slots of a node: GPU UUID to device id to slot."""

    by_gpu: Mapping[str, Mapping[str, HeldSlot]] = field(default_factory=dict)
    unknown_ids: frozenset[str] = frozenset()


def map_slots(
    allocations: Iterable[Allocation],
    gpus: Iterable[GpuReading],
    advertised_replicas: Mapping[str, int],
    holder_of: Callable[[Allocation], Holder | None],
) -> SlotMap:
    """Return the slots that `allocations` hold.

    `holder_of` returns None for a container that no longer counts (its pod has ended). Where two
    containers claim one id, the one that started later holds it: a terminal pod may be listed
    while its device belongs to the next already.
    """
    layout = _Layout(gpus)
    claims: dict[str, Holder] = {}
    for allocation in allocations:
        holder = holder_of(allocation)
        if holder is None:
            continue
        for device_id in allocation.device_ids:
            known = claims.get(device_id)
            if known is None or (holder.started_at or 0.0) >= (known.started_at or 0.0):
                claims[device_id] = holder
    seen = Counter(split_device_id(device_id)[0] for device_id in claims)
    by_gpu: dict[str, dict[str, HeldSlot]] = {}
    unknown: set[str] = set()
    for device_id, holder in claims.items():
        uuid, replica = split_device_id(device_id)
        place = layout.find(uuid)
        if place is None:
            unknown.add(device_id)
            continue
        gpu, whole, instance = place
        size = whole
        method = Method.EXCLUSIVE if instance is None else Method.MIG_STATIC
        if replica is not None:
            size /= max(advertised_replicas.get(uuid, 0), seen[uuid])
            method = Method.EQUAL_SHARE if instance is None else method
        by_gpu.setdefault(gpu, {})[device_id] = HeldSlot(holder, size, method, instance, whole)
    return SlotMap(by_gpu, frozenset(unknown))


class _Layout:
    """Finds the GPU, the size and the MIG instance of a device UUID."""

    def __init__(self, gpus: Iterable[GpuReading]) -> None:
        self._places: dict[str, tuple[str, float, str | None]] = {}
        for gpu in gpus:
            uuid, whole = gpu.identity.uuid, gpu.identity.multiprocessors
            self._places[uuid] = (uuid, 1.0, None)
            self._places[str(gpu.identity.index)] = (uuid, 1.0, None)  # job files name indices
            self._places[f"nvidia{gpu.identity.index}"] = (uuid, 1.0, None)  # GKE device nodes
            total = whole or sum(instance.multiprocessors for instance in gpu.instances)
            for instance in gpu.instances:
                size = min(1.0, instance.multiprocessors / total) if total else 0.0
                self._places[instance.uuid] = (uuid, size, instance.uuid)
                old_form = f"MIG-{uuid}/{instance.gpu_instance}/0"
                self._places[old_form] = self._places[instance.uuid]
                gke_form = f"nvidia{gpu.identity.index}/gi{instance.gpu_instance}"
                self._places[gke_form] = self._places[instance.uuid]

    def find(self, uuid: str) -> tuple[str, float, str | None] | None:
        return self._places.get(uuid)


def owners_of(slots: Mapping[str, HeldSlot]) -> dict[str, Owner]:
    """Return the owner of each device id."""
    return {device_id: slot.holder.owner for device_id, slot in slots.items()}
