"""GPUs that a Job of a template holds at a time, by the name of the resource.

Counted as the scheduler counts: limits or else requests, native sidecars beside the containers,
other init containers one after another. A claim of dynamic resource allocation counts as one GPU,
because how many devices it stands for is not in the template.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from lowtide.lenient_fields import mapping, mappings

GPU_RESOURCES: Final = ("nvidia.com/gpu", "nvidia.com/mig-", "amd.com/gpu")
CLAIMS: Final = "resource.k8s.io/claims"
"""Name under which claims of dynamic resource allocation are counted."""
MOST_GPUS: Final = 1_000_000
"""Larger demands are cut to this: no cluster has more, and arithmetic stays exact."""

Body = Mapping[str, Any]


class GpuDemand(NamedTuple):
    """GPUs of one job."""

    total: int
    """How many."""
    resource: str
    """Resource name that most of them go by."""
    others: int = 0
    """Those that go by another name, where a pod mixes names."""


NO_GPUS: Final = GpuDemand(0, "")


def gpu_demand(template: object) -> GpuDemand:
    """Return the GPUs that a Job of this template holds at a time; none if nothing can be read."""
    job = mapping(mapping(template).get("spec"))
    pod = gpus_of_pod(mapping(mapping(job.get("template")).get("spec")))
    pods = _whole(job.get("parallelism", 1))
    if "completions" in job:
        pods = min(pods, _whole(job["completions"]))
    return demand_of(Counter({name: count * pods for name, count in pod.items()}))


def demand_of(by_name: Counter[str]) -> GpuDemand:
    """Return the demand of a job that holds so many GPUs of each name."""
    by_name = +by_name
    if not by_name:
        return NO_GPUS
    resource = max(by_name, key=lambda name: (by_name[name], name))
    total = min(MOST_GPUS, by_name.total())
    return GpuDemand(total, resource, total - min(total, by_name[resource]))


def gpus_of_pod(spec: Body) -> Counter[str]:
    """Return the GPUs that a pod of this spec holds, by resource name."""
    total: Counter[str] = Counter()
    for container in mappings(spec.get("containers")):
        total += _gpus_of_container(container)
    most: Counter[str] = Counter()
    sidecars: Counter[str] = Counter()
    for container in mappings(spec.get("initContainers")):
        own = _gpus_of_container(container)
        if container.get("restartPolicy") == "Always":
            sidecars += own
        else:
            # An init container runs beside the sidecars that were started before it.
            most |= own + sidecars
    return (total + sidecars) | most


def gpus_of_resources(resources: Body) -> Counter[str]:
    """Return the GPUs that these resource requirements ask for, by resource name."""
    wanted = {**mapping(resources.get("requests")), **mapping(resources.get("limits"))}
    found = Counter(
        {name: _whole(count) for name, count in wanted.items() if name.startswith(GPU_RESOURCES)}
    )
    claims = resources.get("claims")
    if isinstance(claims, list) and claims:
        found[CLAIMS] = len(claims)
    return +found


def _gpus_of_container(container: Body) -> Counter[str]:
    return gpus_of_resources(mapping(container.get("resources")))


def _whole(value: object) -> int:
    """Return a count as the API writes it, cut to what can be; 0 where it is not one."""
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit():
        return 0
    return MOST_GPUS if len(text) > len(str(MOST_GPUS)) else min(MOST_GPUS, int(text))
