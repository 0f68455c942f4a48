"""GPUs that a command may use, as CUDA_VISIBLE_DEVICES names them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lowtide.meters.readings import GpuReading

VARIABLE: Final = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class HeldGpu:
    """A GPU that the command holds, and which share of it: less than 1 for MIG instances."""

    uuid: str
    ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class VisibleGpus:
    """GPUs of the command, and one sentence for each thing that had to be assumed."""

    gpus: tuple[HeldGpu, ...]
    notes: tuple[str, ...] = ()


def choose_gpus(
    readings: Sequence[GpuReading], visible: str | None, order: str | None = None
) -> VisibleGpus:
    """Return the GPUs that `visible` names; all of them where it is not set.

    As in CUDA, the list ends at the first entry that names no GPU. `order` is CUDA_DEVICE_ORDER.
    """
    if visible is None:
        count = len(readings)
        note = f"{VARIABLE} is not set: all {count} GPUs of this machine are counted"
        return VisibleGpus(
            tuple(HeldGpu(one.identity.uuid) for one in readings), (note,) if count > 1 else ()
        )
    held: dict[str, float] = {}
    notes: list[str] = []
    entries = [entry.strip() for entry in visible.split(",")] if visible.strip() else []
    for entry in entries:
        found = _find(readings, entry)
        if found is None:
            if not entry.startswith("-"):
                notes.append(
                    f"{VARIABLE}={visible}: {entry!r} names no GPU of this machine, and CUDA "
                    "ignores it and what follows"
                )
            break
        held[found.uuid] = min(1.0, held.get(found.uuid, 0.0) + found.ratio)
    models = {one.identity.model for one in readings}
    by_number = any(entry.isdigit() for entry in entries)
    if len(models) > 1 and by_number and order != "PCI_BUS_ID":
        notes.append(
            f"{VARIABLE} gives numbers and the GPUs differ: they are taken in the driver's order; "
            "set CUDA_DEVICE_ORDER=PCI_BUS_ID, so that CUDA takes the same"
        )
    return VisibleGpus(tuple(HeldGpu(uuid, ratio) for uuid, ratio in held.items()), tuple(notes))


def _find(readings: Sequence[GpuReading], entry: str) -> HeldGpu | None:
    if entry.isdigit():
        number = int(entry)
        for one in readings:
            if one.identity.index == number:
                return HeldGpu(one.identity.uuid)
        return None
    if entry.startswith("MIG-"):
        return _instance(readings, entry)
    matching = [one for one in readings if entry and one.identity.uuid.startswith(entry)]
    return HeldGpu(matching[0].identity.uuid) if len(matching) == 1 else None


def _instance(readings: Sequence[GpuReading], entry: str) -> HeldGpu | None:
    """Return the share of its GPU that a MIG instance is, by multiprocessors."""
    for one in readings:
        whole = one.identity.multiprocessors or sum(i.multiprocessors for i in one.instances)
        for instance in one.instances:
            if instance.uuid.startswith(entry) and whole:
                return HeldGpu(one.identity.uuid, min(1.0, instance.multiprocessors / whole))
    return None
