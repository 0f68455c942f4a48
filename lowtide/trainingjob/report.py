"""Report of a training pod about its run, in at most 4096 bytes.

The trainer writes it as JSON into the pod's termination message, and the operator reads it. Both
must agree, so the schema lives here, with the standard library only: the trainer's image has no
pydantic.

Invariants: every valid `TrainingReport` fits into a termination message and reads back equal; an
unknown value is `None` and absent from the JSON; and reading never raises, because a termination
message can hold anything. A value that cannot be used is left out and named in one sentence.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import pairwise
from typing import Any, Final, TypeVar

from lowtide.names import (
    OUTCOME_FAILED,
    OUTCOME_FINISHED,
    OUTCOME_PAUSED,
    OUTCOME_RUNNING,
    TERMINATION_MESSAGE_MAX_BYTES,
)
from lowtide.trainingjob.inference_record import InferenceRecord
from lowtide.trainingjob.report_values import (
    HISTORY_LIMIT,
    NAME_MAX_BYTES,
    PLAIN_CHECKS,
    SCHEMA_VERSION,
    SECONDS_LIMIT,
    check_count,
    check_epochs,
    check_fraction,
    check_moment,
    check_name,
    check_seconds,
    compact_json,
    json_bytes,
    json_key,
    shown,
)

_ONE_KIND: Final = "a report is of a training with a history or of an inference, not of both"
"""Also what keeps the longest report within its bytes."""


class TrainingOutcome(StrEnum):
    """State of the run at the time of the report."""

    RUNNING = OUTCOME_RUNNING
    """Written after every epoch; it remains when the process is killed without warning."""
    FINISHED = OUTCOME_FINISHED
    PAUSED = OUTCOME_PAUSED
    """Stopped on request after saving its state; the next attempt resumes there."""
    FAILED = OUTCOME_FAILED


@dataclass(frozen=True, slots=True)
class Parsed:
    """The readable part of a message, and one sentence for each value that cannot be used."""

    report: "TrainingReport | None"
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One finished epoch, or several neighbours merged into one entry.

    `epoch` is the number of epochs finished at its end. `duration_seconds` is the time since the
    previous entry, with validation and without pauses, so the sum over all entries stays exact
    after merging. `accuracy` is the fraction at its end. Values are rounded as transmitted, to
    milliseconds and millionths.

    Raises:
        ValueError: a value is out of its range.
    """

    epoch: int
    ended_at: datetime
    duration_seconds: float
    accuracy: float | None = None

    def __post_init__(self) -> None:
        """Check and round, so that the round trip through JSON is exact."""
        _assign(self, "epoch", check_epochs(self.epoch))
        _assign(self, "ended_at", check_moment(self.ended_at))
        _assign(self, "duration_seconds", round(check_seconds(self.duration_seconds), 3))
        if self.accuracy is not None:
            _assign(self, "accuracy", round(check_fraction(self.accuracy), 6))

    def merged_with(self, later: "EpochRecord") -> "EpochRecord":
        """Return one entry for this epoch and the `later` one."""
        return EpochRecord(
            epoch=later.epoch,
            ended_at=later.ended_at,
            duration_seconds=min(self.duration_seconds + later.duration_seconds, SECONDS_LIMIT),
            accuracy=later.accuracy,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointInfo:
    """The newest checkpoint: its file name, the batches done in it, when and how large.

    `duration_seconds` is how long saving took, in the attempt that saved it.

    Raises:
        ValueError: a value is out of its range.
    """

    name: str
    batches: int
    saved_at: datetime
    size_bytes: int
    duration_seconds: float | None = None

    def __post_init__(self) -> None:
        """Check, so that the report fits."""
        _assign(self, "name", check_name(self.name))
        _assign(self, "batches", check_count(self.batches))
        _assign(self, "saved_at", check_moment(self.saved_at))
        _assign(self, "size_bytes", check_count(self.size_bytes))
        if self.duration_seconds is not None:
            _assign(self, "duration_seconds", round(check_seconds(self.duration_seconds), 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """A run as its own process sees it, earlier attempts included. `None` means unknown.

    Counts are of work whose gradients are in the weights.

    Raises:
        ValueError: a value has the wrong type or is out of its range.
    """

    outcome: TrainingOutcome | None = None
    error: str | None = None
    """One sentence that says why the run failed."""
    model: str | None = None
    dataset: str | None = None
    framework: str | None = None
    device: str | None = None
    seed: int | None = None
    epochs: int | None = None
    """Finished epochs."""
    epochs_planned: int | None = None
    samples: int | None = None
    """Samples trained on; a sample counts again in every epoch."""
    samples_planned: int | None = None
    resumed_samples: int | None = None
    """Samples in the checkpoint that this attempt resumed from; 0: it started anew."""
    tokens: int | None = None
    parameters: int | None = None
    """Trainable parameters."""
    flops: int | None = None
    """Floating-point operations of the training passes so far."""
    accuracy: float | None = None
    """Fraction on the validation data."""
    accuracy_top5: float | None = None
    loss: float | None = None
    """Mean training loss of the last epoch."""
    started_at: datetime | None = None
    """Start of the first attempt."""
    training_seconds: float | None = None
    """Time from the first batch, without pauses and start-up."""
    history: tuple[EpochRecord, ...] = ()
    """Epochs in ascending order."""
    checkpoint: CheckpointInfo | None = None
    """The newest checkpoint."""
    inference: InferenceRecord | None = None
    """Of a process that answers requests and trains nothing; it has no history."""

    def __post_init__(self) -> None:
        """Check every known field."""
        if self.inference is not None and self.history:
            raise ValueError(f"inference: {_ONE_KIND}")
        for attribute, check in _CHECKS.items():
            value = getattr(self, attribute)
            if value is not None:
                try:
                    _assign(self, attribute, check(value))
                except ValueError as error:
                    raise ValueError(f"{attribute}: {error}") from None


def bounded_history(records: Iterable[EpochRecord]) -> tuple[EpochRecord, ...]:
    """Return at most `HISTORY_LIMIT` records, merging neighbours in pairs until they fit.

    The last epoch and the total duration are kept; only resolution is lost.
    """
    kept = tuple(records)
    while len(kept) > HISTORY_LIMIT:
        pairs = (kept[index : index + 2] for index in range(0, len(kept), 2))
        kept = tuple(pair[0] if len(pair) == 1 else pair[0].merged_with(pair[1]) for pair in pairs)
    return kept


def bounded_text(text: str, max_bytes: int = NAME_MAX_BYTES) -> str:
    """Return `text` as one printable line of at most `max_bytes` bytes in JSON."""
    line = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    if json_bytes(line) <= max_bytes:
        return line
    while json_bytes(line + "…") > max_bytes:
        line = line[:-1]
    return line + "…"


def build_report(values: Mapping[str, object]) -> Parsed:
    """Return a report of the valid `values`, by attribute name, and a fault for each invalid one.

    Unknown names are ignored: a newer writer may know more than this reader.
    """
    accepted: dict[str, object] = {}
    faults = []
    for attribute, check in _CHECKS.items():
        value = values.get(attribute)
        if value is None:
            continue
        try:
            accepted[attribute] = check(value)
        except ValueError as error:
            faults.append(f"{json_key(attribute)} is left out: {error}")
    if accepted.get("inference") is not None and accepted.get("history"):
        del accepted["inference"]
        faults.append(f"inference is left out: {_ONE_KIND}")
    return Parsed(TrainingReport(**accepted), tuple(faults))  # type: ignore[arg-type]


def to_message(report: TrainingReport) -> str:
    """Return the report as compact JSON of at most 4096 bytes in UTF-8."""
    document: dict[str, object] = {"schemaVersion": SCHEMA_VERSION}
    for attribute in _CHECKS:
        value = getattr(report, attribute)
        if value is not None and value != ():
            document[json_key(attribute)] = _json_value(value)
    return compact_json(document)


def parse_report(message: str | None) -> Parsed:
    """Return the report in a termination message and its faults; never raises.

    `Parsed.report` is `None` if the message is not a report at all. Single values that cannot be
    used are left out.
    """
    if not message or not message.strip():
        return Parsed(None, ("the termination message is empty: the training wrote no report",))
    if len(message) > 16 * TERMINATION_MESSAGE_MAX_BYTES:
        return Parsed(None, (f"the termination message has {len(message)} characters: too long",))
    cut: tuple[str, ...] = ()
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        document = _beginning(message)
        if len(document) < 2:
            return Parsed(None, (f"the termination message is not a report: {shown(message)}",))
        cut = (
            f"the report was cut after {len(message.encode())} bytes, as the kubelet does in a pod "
            "with more than three containers: what stood behind is missing",
        )
    if not isinstance(document, dict) or "schemaVersion" not in document:
        return Parsed(None, (f"the termination message has no schemaVersion: {shown(message)}",))
    version = document["schemaVersion"]
    if type(version) is not int or version != SCHEMA_VERSION:
        sentence = f"the report has schemaVersion {shown(version)}, {SCHEMA_VERSION} can be read"
        return Parsed(None, (sentence,))
    values = {attribute: document.get(json_key(attribute)) for attribute in _CHECKS}
    parsed = build_report(values)
    return Parsed(parsed.report, cut + parsed.faults)


def _beginning(message: str) -> dict[str, Any]:
    """Return the members of a JSON object that stand complete before the text breaks off.

    The kubelet keeps the first bytes of a message that is too long. Only a report that begins as
    one is read this way: any other text is not a report.
    """
    members: dict[str, Any] = {}
    if not message.startswith('{"schemaVersion":'):
        return members
    decoder, position = json.JSONDecoder(), 1
    try:
        while True:
            key, position = decoder.raw_decode(message, position)
            if not isinstance(key, str) or message[position] != ":":
                return members
            value, position = decoder.raw_decode(message, position + 1)
            if message[position] != ",":
                return members
            members[key] = value
            position += 1
    except (ValueError, IndexError, RecursionError):
        return members


def _assign(target: object, attribute: str, value: object) -> None:
    """Set a field of a frozen dataclass during its construction."""
    object.__setattr__(target, attribute, value)


def _json_value(value: object) -> object:
    """Return a field's JSON value: times as text, the history as columns of numbers."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, CheckpointInfo | InferenceRecord):
        return {
            json_key(name): _json_value(part)
            for name in value.__slots__
            if (part := getattr(value, name)) is not None
        }
    if isinstance(value, tuple):
        return {
            "epoch": [record.epoch for record in value],
            "endedAt": [round(record.ended_at.timestamp(), 3) for record in value],
            "durationSeconds": [record.duration_seconds for record in value],
            "accuracy": [record.accuracy for record in value],
        }
    return value


def _check_outcome(value: object) -> TrainingOutcome:
    try:
        return TrainingOutcome(value)  # type: ignore[arg-type]
    except ValueError:
        raise ValueError(f"{shown(value)} is not one of {', '.join(TrainingOutcome)}") from None


Record = TypeVar("Record", CheckpointInfo, InferenceRecord)


def _check_record(value: object, kind: type[Record]) -> Record:
    """Return a record of some kind, given as such or as its JSON object."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is not an object")
    parts: dict[str, Any] = {part.name: value.get(json_key(part.name)) for part in fields(kind)}
    return kind(**parts)


def _check_history(value: object) -> tuple[EpochRecord, ...]:
    """Return the history, given as records or as a JSON object of columns."""
    if isinstance(value, dict):
        columns: list[Any] = [value.get(json_key(attribute)) for attribute in EpochRecord.__slots__]
        if not all(
            isinstance(column, list) and len(column) == len(columns[0]) for column in columns
        ):
            raise ValueError(f"{shown(value)} does not have four lists of equal length")
        rows = (
            dict(zip(EpochRecord.__slots__, row, strict=True)) for row in zip(*columns, strict=True)
        )
        value = tuple(EpochRecord(**row) for row in rows)
    if not isinstance(value, tuple) or not all(isinstance(item, EpochRecord) for item in value):
        raise ValueError(f"{shown(value)} is not a history of epochs")
    if any(later.epoch <= sooner.epoch for sooner, later in pairwise(value)):
        raise ValueError("its epochs are not in ascending order")
    return bounded_history(value)


_CHECKS: Final[Mapping[str, Callable[[object], object]]] = {
    "outcome": _check_outcome,
    **PLAIN_CHECKS,
    "started_at": check_moment,
    "training_seconds": check_seconds,
    "checkpoint": partial(_check_record, kind=CheckpointInfo),
    "inference": partial(_check_record, kind=InferenceRecord),
    # Last: the longest part is the one to lose where a message is cut.
    "history": _check_history,
}
