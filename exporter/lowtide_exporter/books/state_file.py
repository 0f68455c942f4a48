"""Carries the books over a restart of the exporter, in one small file.

Written to a new file, synchronised and renamed, so a crash leaves the old or the new state, never
half of one. State of another boot, another version or older than an hour is not used: then all
pods start a new segment, which readers understand. The gap is booked by the first tick like any
long interval: to pods that held their GPU at both ends, else by known times, else unmapped; then
the pods of both ends get new segments.
"""

import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from lowtide.energy.attribution import Method, Owner, Part, UnallocatedReason
from lowtide.energy.attribution_boundary import Holder
from lowtide.energy.counter import CounterMeter, DeviceTotal
from lowtide.energy.quality import Quality
from lowtide.energy.wrapping import WrappingMeter
from lowtide.meters.readings import Domain, GpuIdentity, GpuReading
from lowtide_exporter.books.gpu_account import GpuAccount
from lowtide_exporter.books.host_account import HostAccount
from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.books.pod_accounts import PodAccount, SeriesKey
from lowtide_exporter.books.slots import HeldSlot
from lowtide_exporter.readings import Allocation

_log = logging.getLogger(__name__)

FORMAT: Final = 1
MAX_AGE_SECONDS: Final = 3600.0


class StateFile:
    """One file that holds the state of one boot."""

    def __init__(self, path: str, boot_id: str) -> None:
        self._path = Path(path)
        self._boot_id = boot_id

    def save(self, ledger: NodeLedger, monotonic_seconds: float) -> None:
        """Replace the file by the ledger's present state.

        Raises:
            OSError: it cannot be written (a full disk, a missing directory).
        """
        state = {
            "format": FORMAT,
            "boot_id": self._boot_id,
            "monotonic_seconds": monotonic_seconds,
            **dump_ledger(ledger),
        }
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("w") as file:
            json.dump(state, file, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def load(self, ledger: NodeLedger, monotonic_seconds: float) -> bool:
        """Fill an empty ledger and return whether the state could be used."""
        try:
            state = json.loads(self._path.read_text())
            reason = self._find_fault(state, monotonic_seconds)
            if reason is None:
                load_ledger(state, ledger)
        except FileNotFoundError:
            return False
        except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            reason = f"it cannot be read: {error}"
        if reason is not None:
            _log.warning("state file %s is not used: %s", self._path, reason)
            return False
        return True

    def _find_fault(self, state: Any, now: float) -> str | None:
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            return "it has another format"
        if not self._boot_id:
            return "the id of this boot cannot be read"
        if state["boot_id"] != self._boot_id:
            return "the node was booted since"
        age = now - float(state["monotonic_seconds"])
        if not 0 <= age <= MAX_AGE_SECONDS:
            return f"it is {age:.0f} s old, more than {MAX_AGE_SECONDS:.0f} s"
        return None


def read_boot_id(procfs: str) -> str:
    """Return the kernel's id of this boot, empty where it cannot be read."""
    try:
        return (Path(procfs) / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def dump_ledger(ledger: NodeLedger) -> dict[str, Any]:
    """Return a ledger's state as JSON values."""
    return {
        "gpus": [_dump_gpu(gpu) for gpu in ledger.gpus.values()],
        "living": [_dump_account(account) for account in ledger.pods.living.values()],
        "retained": [_dump_account(account) for account in ledger.pods.retained.values()],
        "retired": dict(ledger.pods.retired_millijoules),
        "evicted": ledger.pods.evicted,
        "unallocated": [[*key, value] for key, value in ledger.unallocated.items()],
        "zones": [
            (
                *(package, domain, meter.millijoules, meter.handed_out_millijoules),
                *(meter.unwrapped, meter.last_microjoules),
            )
            for (package, domain), meter in ledger.host.meters.items()
        ],
        "host": ledger.host.dump(),
        "mapping": ledger.mapping_state(),
    }


def load_ledger(state: dict[str, Any], ledger: NodeLedger) -> None:
    """Fill an empty ledger with a dumped state.

    Raises:
        KeyError, TypeError, ValueError: the state is malformed; the ledger is as it was.
    """
    gpus = [_load_gpu(item) for item in state["gpus"]]
    living = [_load_account(item) for item in state["living"]]
    retained = [_load_account(item) for item in state["retained"]]
    unallocated = {
        (c, Part(p), UnallocatedReason(r)): int(v) for c, p, r, v in state["unallocated"]
    }
    zones = {(row[0], Domain(row[1])): _load_zone(*row[2:]) for row in state["zones"]}
    allocations = tuple(
        Allocation(namespace, pod, container, tuple(ids), tuple(cpus))  # claims are in the ids
        for namespace, pod, container, ids, cpus in state["mapping"]["allocations"]
    )
    mapped_at, replicas = state["mapping"]["mapped_at"], dict(state["mapping"]["replicas"])
    retired = {component: int(value) for component, value in state["retired"].items()}
    evicted = int(state["evicted"])
    host = HostAccount.load(state.get("host") or {}, zones)
    ledger.gpus.update({gpu.identity.uuid: gpu for gpu in gpus})
    ledger.pods.living.update({account.key: account for account in living})
    ledger.pods.retained.update({account.key: account for account in retained})
    ledger.pods.retired_millijoules.update(retired)
    ledger.pods.evicted = evicted
    ledger.unallocated.update(unallocated)
    ledger.host = host
    ledger.restore_mapping(allocations, mapped_at, replicas)


def _dump_gpu(gpu: GpuAccount) -> dict[str, Any]:
    return {
        "identity": asdict(gpu.identity),
        "meter": asdict(gpu.meter),
        "floor": gpu.floor.samples[-60:],
        "counted_at": gpu.counted_at,
        "mapped": gpu.mapped,
        "waiting": [gpu.waiting_millijoules, gpu.waiting_seconds],
        "slots": [
            (
                *(device_id, slot.holder.owner.pod, slot.holder.owner.container),
                *(slot.holder.started_at, slot.size_ratio, slot.method, slot.instance),
                slot.whole_ratio,
            )
            for device_id, slot in gpu.slots.items()
        ],
    }


def _load_gpu(item: dict[str, Any]) -> GpuAccount:
    identity = GpuIdentity(**item["identity"])
    meter = CounterMeter(**item["meter"] | {"total": DeviceTotal(**item["meter"]["total"])})
    gpu = GpuAccount(identity, GpuReading(identity=identity, error="not read since the restart"))
    gpu.meter = meter
    for watts in item["floor"]:
        gpu.floor.observe_free(float(watts))
    gpu.counted_at, gpu.mapped = item["counted_at"], bool(item["mapped"])
    gpu.waiting_millijoules, gpu.waiting_seconds = item["waiting"]
    gpu.slots = {
        device_id: HeldSlot(
            Holder(Owner(pod, container), started),
            size,
            Method(method),
            instance,
            *(whole or [size]),
        )
        for device_id, pod, container, started, size, method, instance, *whole in item["slots"]
    }
    return gpu


def _dump_account(account: PodAccount) -> dict[str, Any]:
    plain = {
        name: getattr(account, name)
        for name in PodAccount.__slots__
        if name not in ("energy", "held_seconds", "shares")
    }
    energy = [[*key, value] for key, value in account.energy.items()]
    return plain | {
        "energy": energy,
        "held_seconds": [[*key, value] for key, value in account.held_seconds.items()],
    }


def _load_account(item: dict[str, Any]) -> PodAccount:
    rows, held = item.pop("energy"), item.pop("held_seconds")
    account = PodAccount(**item)
    for container, component, part, method, quality, millijoules in rows:
        key = SeriesKey(container, component, Part(part), Method(method), Quality(quality))
        account.energy[key] = int(millijoules)
    for container, model, seconds in held:
        account.held_seconds[container, model] = float(seconds)
    return account


def _load_zone(
    total: int, handed_out: int, unwrapped: int, last: int | None = None
) -> WrappingMeter:
    """Return a zone's meter that goes on from its last reading.

    Of the wraps during the gap one is seen at most: the gap's energy is never too high.
    """
    meter = WrappingMeter(
        total=DeviceTotal(closed_millijoules=unwrapped, first_raw=last, last_raw=last),
        handed_out_millijoules=handed_out,
        unwrapped=unwrapped,
        last_microjoules=last,
    )
    if total != handed_out:
        raise ValueError(f"zone totals disagree: {total} and {handed_out} mJ")
    return meter
