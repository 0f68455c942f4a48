"""State of the books in one small file, which carries them over a restart of the exporter.

A new file is written, synchronised and renamed, and begins with a checksum: a crash or a bad disk
leaves the old or the new state, or one that is refused. Only the state of an orderly end is
continued, because it holds exactly what was shown last. The file is removed before it is used, so
that it is never used twice. After an unclean end (the process was killed) the pods may have been
shown more than the file holds; then all counters begin at zero and all pods begin a new segment,
which readers understand, and only what cannot change is restored: idle floors, and the values of
pods that were final already.

State of another boot, another version or older than an hour is not used. The gap is booked by the
first tick like any other: to pods that held their GPU at both ends, else it is unmapped.
"""

import hashlib
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from lowtide.energy.attribution import Method, Owner, Part, UnallocatedReason
from lowtide.energy.attribution_boundary import Holder
from lowtide.energy.counter import CounterMeter
from lowtide.energy.device_total import DeviceTotal
from lowtide.energy.quality import Quality
from lowtide.energy.wrapping import WrappingMeter
from lowtide.meters.readings import Domain, GpuIdentity, GpuReading
from lowtide_exporter.books.clock import ClockReading
from lowtide_exporter.books.gpu_account import GpuAccount
from lowtide_exporter.books.holder_load import HolderLoad
from lowtide_exporter.books.host_account import HostAccount, dump_floor, load_floor
from lowtide_exporter.books.late_energy import LateEnergy
from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.books.pod_accounts import PodAccount, SeriesKey
from lowtide_exporter.books.slots import HeldSlot
from lowtide_exporter.readings import Allocation

_log = logging.getLogger(__name__)

FORMAT: Final = 2
MAX_AGE_SECONDS: Final = 3600.0


class StateFile:
    """File that holds the state of one boot."""

    def __init__(self, path: str, boot_id: str) -> None:
        self._path = Path(path)
        self._boot_id = boot_id

    def save(
        self, ledger: NodeLedger, monotonic_seconds: float, *, is_complete: bool = False
    ) -> None:
        """Replace the file by the ledger's present state.

        `is_complete` says that nothing will be counted or shown after this.

        Raises:
            OSError: it cannot be written (a full disk, a missing directory).
        """
        state = {
            "format": FORMAT,
            "boot_id": self._boot_id,
            "monotonic_seconds": monotonic_seconds,
            "is_complete": is_complete,
            **dump_ledger(ledger),
        }
        body = json.dumps(state, separators=(",", ":")).encode()
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as file:
            file.write(_checksum(body) + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def load(self, ledger: NodeLedger, monotonic_seconds: float) -> bool:
        """Fill an empty ledger and return whether its totals continue from the file."""
        try:
            state = _parse(self._path.read_bytes())
            reason = self._find_fault(state, monotonic_seconds)
            if reason is None and not state["is_complete"]:
                load_remains(state, ledger)
                reason = "the previous run did not shut down cleanly: all pods begin a new segment"
            elif reason is None:
                self._path.unlink()  # used once, because from now on more is shown than it holds
                load_ledger(state, ledger)
        except FileNotFoundError:
            return False
        except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            reason = f"it cannot be used: {error}"
        if reason is not None:
            _log.warning("totals do not continue from state file %s: %s", self._path, reason)
            return False
        return True

    def _find_fault(self, state: Any, now: float) -> str | None:
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            return "it has another format"
        if not self._boot_id:
            return "the id of this boot cannot be read"
        if state["boot_id"] != self._boot_id:
            return "the node has booted since"
        age = now - float(state["monotonic_seconds"])
        if not 0 <= age <= MAX_AGE_SECONDS:
            return f"it is {age:.0f} s old, more than {MAX_AGE_SECONDS:.0f} s"
        return None


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def _parse(content: bytes) -> Any:
    """Return the state in a file's content.

    Raises:
        ValueError: the content is damaged.
    """
    checksum, _, body = content.partition(b"\n")
    if checksum != _checksum(body):
        raise ValueError("its checksum does not fit, so it is damaged or of another version")
    return json.loads(body)


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
            (package, domain, asdict(meter))
            for (package, domain), meter in ledger.host.meters.items()
        ],
        "host": ledger.host.dump(),
        "mapping": ledger.holders.dump(),
    }


def load_ledger(state: dict[str, Any], ledger: NodeLedger) -> None:
    """Fill an empty ledger with a dumped state.

    Raises:
        KeyError, TypeError, ValueError: the state is malformed; the ledger is as it was.
    """
    gpus = [_load_gpu(item, ledger) for item in state["gpus"]]
    living = [_load_account(item) for item in state["living"]]
    retained = [_load_account(item) for item in state["retained"]]
    unallocated = {
        (c, Part(p), UnallocatedReason(r)): int(v) for c, p, r, v in state["unallocated"]
    }
    zones = {
        (package, Domain(domain)): WrappingMeter(**meter | {"total": DeviceTotal(**meter["total"])})
        for package, domain, meter in state["zones"]
    }
    mapping = state["mapping"]
    allocations = tuple(
        Allocation(namespace, pod, container, tuple(ids), tuple(cpus))  # claims are in the ids
        for namespace, pod, container, ids, cpus in mapping["allocations"]
    )
    retired = {component: int(value) for component, value in state["retired"].items()}
    evicted = int(state["evicted"])
    host = HostAccount.load(state["host"], zones)
    ledger.gpus.update({gpu.identity.uuid: gpu for gpu in gpus})
    ledger.pods.living.update({account.key: account for account in living})
    ledger.pods.retained.update({account.key: account for account in retained})
    ledger.pods.retired_millijoules.update(retired)
    ledger.pods.evicted = evicted
    ledger.unallocated.update(unallocated)
    ledger.host = host
    ledger.holders.restore(
        allocations,
        mapping["mapped_at"],
        mapping["mapped_unix"],
        dict(mapping["replicas"]),
        mapping.get("names", {}),
    )


def load_remains(state: dict[str, Any], ledger: NodeLedger) -> None:
    """Restore what an unclean end cannot have changed: idle floors and final values.

    Raises:
        KeyError, TypeError, ValueError: the state is malformed; the ledger is as it was.
    """
    floors = {item["identity"]["uuid"]: load_floor(item["floor"]) for item in state["gpus"]}
    retained = [_load_account(item) for item in state["retained"]]
    host = load_floor(state["host"]["floor"])
    for account in retained:
        account.is_carried = True
    ledger.pods.retained.update({account.key: account for account in retained})
    ledger.floors.update(floors)
    ledger.host.floor = host


def _dump_gpu(gpu: GpuAccount) -> dict[str, Any]:
    return {
        "identity": asdict(gpu.identity),
        "meter": asdict(gpu.meter),
        "floor": dump_floor(gpu.floor),
        "is_counted": gpu.is_counted,
        "confirmed_at": gpu.confirmed_at,
        "mapped": gpu.mapped,
        "waiting": [gpu.waiting_millijoules, gpu.waiting_seconds, gpu.has_loss],
        "late": [gpu.late.millijoules, gpu.late.has_changed_hands],
        "clock": gpu.settled_clock,
        "load_watts": [gpu.load.settled_watts, gpu.load.calmest_watts],
        "slots": [
            (
                *(device_id, slot.holder.owner.pod, slot.holder.owner.container),
                *(slot.holder.started_at, slot.size_ratio, slot.method, slot.instance),
                slot.whole_ratio,
            )
            for device_id, slot in gpu.slots.items()
        ],
    }


def _load_gpu(item: dict[str, Any], ledger: NodeLedger) -> GpuAccount:
    identity = GpuIdentity(**item["identity"])
    meter = CounterMeter(**item["meter"] | {"total": DeviceTotal(**item["meter"]["total"])})
    gpu = ledger.make_account(GpuReading(identity=identity, error="not read since the restart"))
    gpu.meter = meter
    gpu.floor = load_floor(item["floor"])
    gpu.is_counted, gpu.mapped = bool(item["is_counted"]), bool(item["mapped"])
    gpu.confirmed_at = item["confirmed_at"]
    gpu.waiting_millijoules, gpu.waiting_seconds, gpu.has_loss = item["waiting"]
    gpu.late = LateEnergy(*item.get("late", ()))
    gpu.settled_clock = ClockReading(*item["clock"]) if item.get("clock") else None
    gpu.load = HolderLoad(*item.get("load_watts", ()))
    gpu.slots = {
        device_id: HeldSlot(
            Holder(Owner(pod, container), started), size, Method(method), instance, whole
        )
        for device_id, pod, container, started, size, method, instance, whole in item["slots"]
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
