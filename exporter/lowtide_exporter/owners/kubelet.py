"""Client of the kubelet's PodResources: which container holds which device.

The PodResources API of the kubelet has no UID, labels or times: `pods` adds those. It is polled,
because missed events would never heal. One connection is kept; after a kubelet restart the next
question makes a new one. A failure raises `SourceError`, and the ledger keeps what it knew.

Source: k8s.io/kubelet/pkg/apis/podresources/v1, messages List and GetAllocatableResources.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Protocol

from lowtide.meters.errors import MalformedAnswerError, SourceError
from lowtide_exporter.owners.protobuf import read_fields, read_message, read_numbers, read_text
from lowtide_exporter.owners.unary_grpc import RpcError, UnaryClient
from lowtide_exporter.readings import Allocation, ClaimedDevice

DEADLINE_SECONDS: Final = 2.0
ANSWER_MAX_BYTES: Final = 64 << 20
"""The usual 4 MiB of gRPC clients is exceeded on nodes with many time-sliced replicas."""
MIG_RESOURCE_PREFIX: Final = "nvidia.com/mig-"

_GKE_REPLICA: Final = re.compile(r"/vgpu(\d+)$")
_PODS_REMEMBERED: Final = 512
"""More than four times the pods that a node runs by default."""

_LIST: Final = "/v1.PodResourcesLister/List"
_ALLOCATABLE: Final = "/v1.PodResourcesLister/GetAllocatableResources"


class DeviceOwners(Protocol):
    """Tells which containers hold devices now."""

    def allocations(self) -> tuple[Allocation, ...]:
        """Return every container that holds a GPU.

        Raises:
            SourceError: no answer can be had now.
        """

    def advertised_replicas(self) -> dict[str, int]:
        """Return how many replicas of each shared device the node offers, by device UUID.

        Raises:
            SourceError: no answer can be had now.
        """

    def close(self) -> None:
        """Let go of the connection."""


class Kubelet:
    """`DeviceOwners` from the kubelet's unix socket."""

    def __init__(self, socket_path: str, resource_names: frozenset[str]) -> None:
        self._resource_names = resource_names
        self._client = UnaryClient(socket_path, answer_max_bytes=ANSWER_MAX_BYTES)
        self._answer: bytes | None = None
        self._parsed: tuple[Allocation, ...] = ()

    def allocations(self) -> tuple[Allocation, ...]:
        """See `DeviceOwners`; most answers repeat the last one's bytes and are not parsed again."""
        answer = self._ask(_LIST)
        if answer != self._answer:
            self._parsed = parse_allocations(answer, self._resource_names)
            self._answer = answer
        return self._parsed

    def advertised_replicas(self) -> dict[str, int]:
        """See `DeviceOwners`."""
        return parse_replicas(self._ask(_ALLOCATABLE), self._resource_names)

    def close(self) -> None:
        """See `DeviceOwners`."""
        self._client.close()

    def _ask(self, method: str) -> bytes:
        try:
            return self._client.call(method, b"", DEADLINE_SECONDS)
        except RpcError as error:
            name = method.rpartition("/")[2]
            raise SourceError(f"kubelet: {name} failed: {error}") from None


def is_gpu_resource(name: str, resource_names: frozenset[str]) -> bool:
    """Return whether an extended resource of this name is a GPU or a part of one."""
    return name in resource_names or name.startswith(MIG_RESOURCE_PREFIX)


def parse_allocations(answer: bytes, resource_names: frozenset[str]) -> tuple[Allocation, ...]:
    """Return the containers of a List answer that hold GPUs or have exclusive CPUs.

    Raises:
        MalformedAnswerError: the answer is not a ListPodResourcesResponse.
    """
    return tuple(
        allocation
        for number, value in read_fields(answer)
        if number == 1
        for allocation in _parse_pod(read_message(value), resource_names)
    )


@lru_cache(maxsize=_PODS_REMEMBERED)
def _parse_pod(message: bytes, resource_names: frozenset[str]) -> tuple[Allocation, ...]:
    """Return a pod's allocations; the same bytes come every second, so they are parsed once."""
    name = namespace = ""
    containers: list[bytes] = []
    for number, value in read_fields(message):
        if number == 1:
            name = read_text(value)
        elif number == 2:
            namespace = read_text(value)
        elif number == 3:
            containers.append(read_message(value))
    if not name or not namespace:
        raise MalformedAnswerError(
            f"kubelet: a pod without name or namespace ({namespace!r}/{name!r})"
        )
    parsed = (
        _parse_container(namespace, name, container, resource_names) for container in containers
    )
    return tuple(item for item in parsed if item.device_ids or item.cpu_ids or item.claims)


def _parse_container(
    namespace: str, pod: str, message: bytes, resource_names: frozenset[str]
) -> Allocation:
    name = ""
    ids: list[str] = []
    cpus: list[int] = []
    claims: list[ClaimedDevice] = []
    for number, value in read_fields(message):
        if number == 1:
            name = read_text(value)
        elif number == 2:
            resource, devices = _parse_devices(read_message(value))
            if is_gpu_resource(resource, resource_names):
                ids += devices
        elif number == 3:
            cpus += read_numbers(value)
        elif number == 5:
            claims += _parse_claims(read_message(value))
    return Allocation(namespace, pod, name, tuple(ids), tuple(cpus), tuple(claims))


def _parse_claims(message: bytes) -> Iterator[ClaimedDevice]:
    for number, value in read_fields(message):
        if number == 4:
            texts = {n: read_text(v) for n, v in read_fields(read_message(value)) if n in (2, 3, 4)}
            yield ClaimedDevice(texts.get(2, ""), texts.get(3, ""), texts.get(4, ""))


def _parse_devices(message: bytes) -> tuple[str, list[str]]:
    resource = ""
    ids: list[str] = []
    for number, value in read_fields(message):
        if number == 1:
            resource = read_text(value)
        elif number == 2:
            ids.append(_as_replica(read_text(value)))
    return resource, ids


def _as_replica(device_id: str) -> str:
    """Return a device id whose replica, if it is one, stands behind `::`, as NVIDIA writes it.

    GKE's device plugin writes `nvidia0/vgpu2` and `nvidia0/gi1/vgpu2`.
    """
    return _GKE_REPLICA.sub(r"::\1", device_id)


def parse_replicas(answer: bytes, resource_names: frozenset[str]) -> dict[str, int]:
    """Return the replicas on offer by device UUID, from a GetAllocatableResources answer.

    Devices that are not replicated do not appear.

    Raises:
        MalformedAnswerError: the answer is not an AllocatableResourcesResponse.
    """
    counts: Counter[str] = Counter()
    for number, value in read_fields(answer):
        if number != 1:
            continue
        resource, ids = _parse_devices(read_message(value))
        if is_gpu_resource(resource, resource_names):
            counts.update(split_device_id(device)[0] for device in ids if "::" in device)
    return dict(counts)


def split_device_id(device_id: str) -> tuple[str, str | None]:
    """Return the device's UUID and the replica, None where the id means the whole device.

    `GPU-1::2` is replica 2 of `GPU-1` (time-slicing or MPS); `MIG-...` ids work alike.
    """
    uuid, separator, replica = device_id.partition("::")
    return uuid, replica if separator else None
