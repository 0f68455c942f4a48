"""Conditions of a TrainingJob: their types, their reasons, and how they change.

Each reason is one word for machines with a sentence that documents it. `lastTransitionTime` moves
only when the status of a condition changes, so an unchanged world never causes a write. This
module decides nothing, and no code reads the texts back.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from lowtide.trainingjob.status import Condition

MESSAGE_MAX_LENGTH: Final = 1024

Truth = Literal["True", "False", "Unknown"]


class ConditionType(StrEnum):
    """Type of a condition; all but the last three are present from the first look on."""

    VALID = "Valid"
    """The job can be run as it is written."""
    FORECAST_AVAILABLE = "ForecastAvailable"
    """A provider's forecast of the job's zone is in use."""
    PLANNED = "Planned"
    """It is decided when the job runs."""
    DEADLINE_AT_RISK = "DeadlineAtRisk"
    """The job may not finish before its deadline."""
    RUNNING = "Running"
    """A pod of the job runs."""
    PAUSED = "Paused"
    """The job ran and is stopped for now."""
    COMPLETE = "Complete"
    """The job ended with success."""
    FAILED = "Failed"
    """The job ended without success."""
    MEASURED = "Measured"
    """Energy of all pods is known and written to the status."""
    OVER_BUDGET = "OverBudget"
    """A limit of spec.budget is exceeded, or surely will be; absent without a budget."""
    PAUSE_AT_RISK = "PauseAtRisk"
    """A pause may lose work: saving takes nearly as long as the pod has; absent until it is so."""
    RESIZABLE = "Resizable"
    """The size of an elastic job can be changed; absent until a change was refused."""


OPTIONAL: Final = frozenset(
    {ConditionType.OVER_BUDGET, ConditionType.PAUSE_AT_RISK, ConditionType.RESIZABLE}
)
"""Conditions that only jobs have which they concern."""
ENDS: Final = (ConditionType.COMPLETE, ConditionType.FAILED)
"""One of these holds once a job has ended."""


class Reason(StrEnum):
    """Why a condition has its status."""

    NOT_LOOKED_AT = "NotLookedAt"
    """Nothing is known yet."""
    HANDLING_FAILED = "HandlingFailed"
    """The operator failed at this job; other jobs are not concerned."""

    # Valid
    ACCEPTED = "Accepted"
    """The API server would take the Job, and the schedule is possible."""
    INVALID_SPEC = "InvalidSpec"
    """A field of the spec is wrong."""
    INVALID_TEMPLATE = "InvalidTemplate"
    """The API server refuses the Job that spec.template describes."""
    INVALID_SCHEDULE = "InvalidSchedule"
    """The run does not fit between creation and deadline."""
    UNKNOWN_ZONE = "UnknownZone"
    """spec.grid.zone is not in the operator's settings."""
    SIGNAL_MISMATCH = "SignalMismatch"
    """spec.grid.signal is not what the zone's providers give."""
    NAME_TAKEN = "NameTaken"
    """A Job of the same name exists that does not belong to this TrainingJob."""

    TARGET_MISSING = "TargetMissing"
    """The workload that spec.targetRef names does not exist yet."""
    UNKNOWN_KIND = "UnknownKind"
    """The settings do not list the kind that spec.targetRef names, or it may not be read."""

    # ForecastAvailable
    FORECAST_IN_USE = "ForecastInUse"
    """A provider's forecast is in use."""
    FORECAST_PENDING = "ForecastPending"
    """The first forecast has not arrived yet."""
    NO_ZONE = "NoZone"
    """Neither the job nor the settings name a grid zone."""
    NO_PROVIDER = "NoProvider"
    """The zone has no provider of forecasts; its own history is used."""

    # Planned
    POLICY_IMMEDIATE = "PolicyImmediate"
    """The policy is Immediate: the job runs as soon as it may."""
    POLICY_OBSERVE = "PolicyObserve"
    """The policy is Observe: the job runs at once, waiting is only recorded."""
    RUN_NOW_REQUESTED = "RunNowRequested"
    """The annotation lowtide.dev/run-now asked for it."""
    NOT_SCHEDULED = "NotScheduled"
    """The workload cannot be kept waiting, so it runs at once; the message says why."""
    SUSPENDED = "Suspended"
    """spec.suspend is true."""
    INVALID = "Invalid"
    """The job is not valid."""
    STARTED = "Started"
    """The job has started."""

    # DeadlineAtRisk
    IN_TIME = "InTime"
    """A run from the planned start ends before the deadline."""
    TOO_LATE_TO_BE_SURE = "TooLateToBeSure"
    """A run of the usual length may end after the deadline."""
    DEADLINE_MISSED = "DeadlineMissed"
    """The deadline has passed and the job has not ended."""
    ENDED = "Ended"
    """The job has ended."""

    # Running, Paused
    POD_LEFT = "PodLeft"
    """A pod of the workload is still being removed; the workload goes on when it is gone."""
    QUEUED = "Queued"
    """Kueue holds the Job until its queue has room."""
    WAITING = "Waiting"
    """The job waits for its window."""
    PODS_PENDING = "PodsPending"
    """The Job exists and its pods do not run yet."""
    UNSCHEDULABLE = "Unschedulable"
    """No node has room for a pod of the job."""
    FAILED_CREATE = "FailedCreate"
    """The Job controller cannot create the pods: a quota, a limit or Pod Security refuses them."""
    RESTARTS_EXHAUSTED = "RestartsExhausted"
    """The training stopped by itself too often without a pause; the Job is suspended."""
    PODS_RUNNING = "PodsRunning"
    """At least one pod runs."""
    CREATE_REFUSED = "CreateRefused"
    """The API server does not take the Job at the moment."""
    NOT_PAUSED = "NotPaused"
    """The job is not paused."""
    CLEANER_LATER = "CleanerLater"
    """The job is paused because the grid is expected to be cleaner later."""

    RESIZING = "Resizing"
    """The job rests for a moment and goes on with another number of replicas."""

    # Resizable
    RESIZE_REFUSED = "ResizeRefused"
    """The API server refused another size, and the Job went on at its own; see the message."""
    RESIZE_ALLOWED = "ResizeAllowed"
    """The refusal is an hour old: other sizes are planned again."""

    # OverBudget; the first also of Running, Paused and Failed
    BUDGET_EXCEEDED = "BudgetExceeded"
    """More was measured than the budget allows, or the job rests because of its budget."""
    BUDGET_WILL_BE_EXCEEDED = "BudgetWillBeExceeded"
    """The whole 90 % interval of the prediction lies above the limit."""
    WITHIN_BUDGET = "WithinBudget"
    """Nothing measured is above a limit, and no prediction surely is."""
    NOT_PREDICTED = "NotPredicted"
    """Nothing is measured or predicted yet."""

    # PauseAtRisk
    GRACE_PERIOD_SHORT = "GracePeriodShort"
    """Saving a checkpoint took so long that SIGKILL may come first."""
    GRACE_PERIOD_SUFFICES = "GracePeriodSuffices"
    """Saving a checkpoint leaves time before SIGKILL."""

    # Complete, Failed
    NOT_ENDED = "NotEnded"
    """The job has not ended."""
    JOB_COMPLETE = "JobComplete"
    """The Job completed."""
    JOB_FAILED = "JobFailed"
    """The Job failed."""
    JOB_DELETED = "JobDeleted"
    """The Job was deleted before its end was seen."""

    # Measured
    NOT_MEASURED_YET = "NotMeasuredYet"
    """Energy is read after the end."""
    SETTLING = "Settling"
    """The job has ended; its last samples are awaited."""
    MEASURED = "Measured"
    """Energy, carbon and SCI are in the status."""
    PROVISIONAL = "Provisional"
    """Energy is final; grid values are estimates until actual ones arrive."""
    PARTIAL = "Partial"
    """A part of the energy is not known; see energy.energyCoverage."""
    NOT_PRICED = "NotPriced"
    """Energy is known; the grid's intensity is not, so carbon and SCI are absent."""
    PROMETHEUS_UNAVAILABLE = "PrometheusUnavailable"
    """Prometheus cannot be asked; the energy will be read later."""
    EXPORTERS_UNAVAILABLE = "ExportersUnavailable"
    """No exporter can be scraped; the energy will be read later."""
    NO_SAMPLE_SOURCE = "NoSampleSource"
    """The settings name neither a Prometheus nor exporters."""
    NO_EXPORTER = "NoExporter"
    """No energy series of the job's pods is stored."""
    NEVER_RAN = "NeverRan"
    """No pod of the job ever ran."""


class Conditions:
    """The conditions of one job while its next status is being built."""

    def __init__(
        self, previous: Iterable[Condition], *, now: datetime, generation: int | None
    ) -> None:
        self._previous = {condition.type: condition for condition in previous}
        self._now = now
        self._generation = generation
        self._next: dict[str, Condition] = {}

    def set(self, kind: ConditionType, status: Truth, reason: str, message: str = "") -> None:
        """Give the condition `kind` a new value; the last call counts."""
        before = self._previous.get(kind)
        message = shortened(message) if message else ""
        new = (status, reason, message, self._generation)
        if before is not None and new == _content(before):
            # Nearly always equal, and comparing costs less than building.
            self._next[kind] = before
            return
        moved = before is None or before.status != status
        self._next[kind] = Condition(
            type=kind,
            status=status,
            reason=reason,
            message=message,
            observed_generation=self._generation,
            last_transition_time=self._now
            if before is None or moved
            else before.last_transition_time,
        )

    def keep(self, kind: ConditionType) -> None:
        """Leave the condition as it is, or unknown if it was never set."""
        before = self._previous.get(kind)
        if before is None:
            self.set(kind, "Unknown", Reason.NOT_LOOKED_AT)
        else:
            self._next[kind] = before

    def build(self) -> tuple[Condition, ...]:
        """Return all conditions in the order of `ConditionType`."""
        for kind in ConditionType:
            if kind not in self._next and (kind not in OPTIONAL or kind in self._previous):
                self.keep(kind)
        return tuple(self._next[kind] for kind in ConditionType if kind in self._next)

    def drop(self, kind: ConditionType) -> None:
        """Leave out an optional condition that no longer concerns the job."""
        self._previous.pop(kind, None)
        self._next.pop(kind, None)


def _content(condition: Condition) -> tuple[str, str, str, int | None]:
    """Return what a condition says, its time left out."""
    return condition.status, condition.reason, condition.message, condition.observed_generation


def find(conditions: Iterable[Condition], kind: ConditionType) -> Condition | None:
    """Return the condition of type `kind`, or `None`."""
    # A loop takes half the time of a generator, and every look asks dozens of times.
    for condition in conditions:
        if condition.type == kind:
            return condition
    return None


def is_true(conditions: Iterable[Condition], kind: ConditionType) -> bool:
    """Return whether the condition of type `kind` holds."""
    found = find(conditions, kind)
    return found is not None and found.status == "True"


def has_end(conditions: Iterable[Condition]) -> bool:
    """Return whether the conditions say that the job has ended."""
    return any(c.type in ENDS and c.status == "True" for c in conditions)


def shortened(text: str, longest: int = MESSAGE_MAX_LENGTH) -> str:
    """Return `text` in one line of at most `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
