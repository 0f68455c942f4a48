"""GpuRoom for planned jobs: how many GPUs they may hold at the same time, by resource name.

A number in the settings bounds the GPUs of all names together. What the nodes offer is counted by
name, because a pod that asks for one name cannot use another: a MIG slice is no whole GPU, and a
slice of one profile none of another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lowtide_operator.objects.gpus import CLAIMS

ALL_NAMES: Final = "*"
"""Pool of the GPUs of all names together."""


@dataclass(frozen=True, slots=True)
class GpuRoom:
    """GPUs that planned jobs may hold at the same time."""

    together: int | None = None
    """Bound on all names together; `None` where the settings state none."""
    by_name: Mapping[str, int] | None = None
    """What is free for jobs of each name; `None` where it is not counted."""

    @property
    def is_limited(self) -> bool:
        """Whether anything is limited."""
        return self.together is not None or self.by_name is not None

    def pool_of(self, gpu_resource: str) -> str | None:
        """Return the pool of GPUs of a name; `None` where nothing limits them.

        How many devices there are for claims of dynamic resource allocation is not counted.
        """
        if gpu_resource and self.together is not None:
            return ALL_NAMES
        if gpu_resource in ("", CLAIMS) or self.by_name is None:
            return None
        return gpu_resource

    def gpus_of(self, pool: str) -> int:
        """Return how many GPUs a pool has; none of a name that no node offers."""
        if pool == ALL_NAMES:
            return self.together or 0
        return (self.by_name or {}).get(pool, 0)
