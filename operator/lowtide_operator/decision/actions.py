"""Actions that a decision may ask for, as data; `lowtide_operator.cluster.client` acts on them.

Carrying out an action twice does no harm: names are deterministic, and a Job that is already as
wanted is left alone. So a kill between an action and the status write does no harm either.
"""

from dataclasses import dataclass
from datetime import datetime

from lowtide_operator.objects.key import Key
from lowtide_operator.objects.workloads import WorkloadRef


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Create the batch Job of an attempt, suspended, owned by the TrainingJob with this uid.

    It was decided for this generation of the spec; a newer one is decided again.
    """

    key: Key
    uid: str
    generation: int
    attempt: int


@dataclass(frozen=True, slots=True)
class SuspendJob:
    """Suspend a batch Job: its pods get SIGTERM and are removed.

    Another Job of the same name is left alone.
    """

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class ResumeJob:
    """Let a suspended batch Job go on, or begin; another Job of the same name is left alone."""

    namespace: str
    name: str
    uid: str
    replicas: int | None = None
    """Parallelism and completions that it goes on with; `None` for those that it has."""


@dataclass(frozen=True, slots=True)
class EnterQueue:
    """Let a suspended batch Job into its Kueue queue, which lets it go when there is room."""

    namespace: str
    name: str
    uid: str
    queue: str


@dataclass(frozen=True, slots=True)
class HoldWorkload:
    """Keep a workload that somebody else wrote from running, or pause it, with our mark on it."""

    target: WorkloadRef
    until: datetime | None
    """Its latest start, which the mark names; `None` where a user suspended it."""
    queued_as: str = ""
    """Name of Kueue's object to make inactive, for one that runs in a queue."""
    check: str = ""
    """Our check by which that is paused instead."""
    rests_until: datetime | None = None
    """Time at which Kueue starts it then without us; `None` for as late as may be."""


@dataclass(frozen=True, slots=True)
class FreeWorkload:
    """Let a workload that somebody else wrote run, and take our mark off."""

    target: WorkloadRef
    replicas: int | None = None
    """Size that it goes on with; `None` for the one that it was written with."""


@dataclass(frozen=True, slots=True)
class ResizeWorkload:
    """Give a suspended workload that somebody else wrote another size, and nothing more."""

    target: WorkloadRef
    replicas: int


@dataclass(frozen=True, slots=True)
class DeleteTrainingJob:
    """Delete a TrainingJob that asked for it; one created again under its name stays."""

    key: Key
    uid: str


Action = (
    CreateJob
    | SuspendJob
    | ResumeJob
    | EnterQueue
    | HoldWorkload
    | FreeWorkload
    | ResizeWorkload
    | DeleteTrainingJob
)
