"""Devices that containers hold through Dynamic Resource Allocation.

The kubelet names such a device by driver, pool and name; the driver's ResourceSlices at the API
server tell the UUID behind the name. Slices change rarely: they are read when a claim names a
device that is not known, at most every half minute, in a thread of their own, because no tick may
wait for an API server. Until that reading has ended, holders are not known. A device that
stays unknown is not guessed: its energy is free, and the log says so once.

Source: Kubernetes API resource.k8s.io, ResourceSlice, `spec.devices[].attributes`.
"""

import dataclasses
import http.client
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from lowtide.meters.errors import SourceError
from lowtide_exporter.owners.api_server import ApiServer, parse_object
from lowtide_exporter.owners.kubelet import DeviceOwners
from lowtide_exporter.readings import Allocation, ClaimedDevice

_log = logging.getLogger(__name__)

_VERSIONS: Final = ("v1", "v1beta2", "v1beta1")
_EXCHANGE_SECONDS: Final = 2.0
_SLICES_MAX_BYTES: Final = 16 << 20
_PERIOD_SECONDS: Final = 30.0


def _start_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="resource-slices", daemon=True).start()


class ClaimResolver:
    """`DeviceOwners` that adds the devices of claims to what another one lists."""

    def __init__(
        self,
        owners: DeviceOwners,
        api: ApiServer | None,
        node_name: str,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], None] = _start_thread,
    ) -> None:
        self._owners = owners
        self._api = api
        self._node_name = node_name
        self._clock = clock
        self._uuids: dict[ClaimedDevice, str] = {}
        self._start = start
        self._retry_at = 0.0
        self._is_reading = False
        self._reported: set[ClaimedDevice] = set()

    def allocations(self) -> tuple[Allocation, ...]:
        """See `DeviceOwners`."""
        listed = self._owners.allocations()
        claimed = {device for item in listed for device in item.claims}
        is_due = not self._is_reading and self._clock() >= self._retry_at
        if claimed - self._uuids.keys() and is_due and self._api is not None:
            self._is_reading, self._retry_at = True, self._clock() + _PERIOD_SECONDS
            self._start(self._read)
        unknown = claimed - self._uuids.keys()
        if unknown and self._is_reading:
            raise SourceError("claims: the resource slices of this node are being read")
        if unknown - self._reported:
            _log.warning("claimed devices of no known GPU: %s", sorted(unknown)[:8])
        self._reported = unknown
        return tuple(self._resolve(item) if item.claims else item for item in listed)

    def advertised_replicas(self) -> dict[str, int]:
        """See `DeviceOwners`."""
        return self._owners.advertised_replicas()

    def close(self) -> None:
        """See `DeviceOwners`."""
        self._owners.close()

    def _resolve(self, item: Allocation) -> Allocation:
        found = tuple(self._uuids[device] for device in item.claims if device in self._uuids)
        return dataclasses.replace(item, device_ids=(*item.device_ids, *found))

    def _read(self) -> None:
        try:
            self._read_slices()
        finally:
            self._is_reading = False

    def _read_slices(self) -> None:
        assert self._api is not None
        query = {"fieldSelector": f"spec.nodeName={self._node_name}"}
        for version in _VERSIONS:
            path = f"/apis/resource.k8s.io/{version}/resourceslices"
            try:
                with self._api.get(path, query, _EXCHANGE_SECONDS) as answer:
                    self._uuids = parse_slices(parse_object(answer.read(_SLICES_MAX_BYTES)))
                return
            except (SourceError, OSError, http.client.HTTPException) as error:
                _log.warning("resource slices (%s) cannot be read: %s", version, error)
            except (AttributeError, TypeError) as error:
                _log.warning("resource slices (%s) are malformed: %s", version, error)


def parse_slices(body: dict[str, Any]) -> dict[ClaimedDevice, str]:
    """Return the UUID of every device that the slices of a list describe with one."""
    found: dict[ClaimedDevice, str] = {}
    for item in body.get("items") or []:
        spec = item.get("spec") or {}
        pool = (spec.get("pool") or {}).get("name", "")
        for device in spec.get("devices") or []:
            details = device.get("basic") or device  # v1beta1 nests what v1 does not
            uuid = ((details.get("attributes") or {}).get("uuid") or {}).get("string")
            if isinstance(uuid, str) and uuid:
                name = ClaimedDevice(spec.get("driver", ""), pool, device.get("name", ""))
                found[name] = uuid
    return found
