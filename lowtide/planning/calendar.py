"""Who has reserved how many GPUs when, so that many jobs do not want the same hour."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calendar:
    """The GPUs of one pool.

    `capacity_gpus` is what the pool has; `None` means that it is not known and nothing is limited.
    """

    capacity_gpus: int | None = None
