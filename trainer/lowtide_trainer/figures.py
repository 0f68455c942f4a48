"""Figures of a training: plain numbers made of whatever a loop passes, and a bounded history.

Loops pass what they have at hand: floats, numpy scalars, tensors of one element. None of these
types is imported here; each is recognised by its `item` method.
"""

from __future__ import annotations

from itertools import pairwise

from lowtide.trainingjob.report_values import HISTORY_LIMIT, check_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from lowtide.trainingjob.report import EpochRecord


def plain_number(value: object) -> object:
    """Return the Python number in a scalar of numpy or torch; any other value unchanged."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    try:
        item = getattr(value, "item", None)
        return item() if callable(item) else value
    except Exception:
        # A tensor of several elements, or one on a device that fails: the checks name it.
        return value


def plain_count(value: object) -> int:
    """Return a count as an `int`; a whole float such as 8.0 counts as 8.

    Raises:
        ValueError: the value is not a whole number from 0 on.
    """
    number = plain_number(value)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    return check_count(number)


class EpochHistory:
    """Entries of finished epochs, never more than a report holds.

    Every entry stands for `stride` epochs; when the entries are too many, neighbours are merged
    and the stride doubles. So adding an epoch costs the same after ten epochs and after ten
    thousand. Only resolution is lost: the sum of durations and the last epoch stay exact.
    """

    def __init__(self, records: tuple[EpochRecord, ...] = ()) -> None:
        self._records = list(records)
        steps = (later.epoch - sooner.epoch for sooner, later in pairwise(records))
        self._stride = max(steps, default=1)
        self._last_span = 1
        if len(records) > 1:
            self._last_span = records[-1].epoch - records[-2].epoch

    @property
    def records(self) -> tuple[EpochRecord, ...]:
        """Return the entries in ascending order."""
        return tuple(self._records)

    def add(self, record: EpochRecord) -> None:
        """Add the next epoch."""
        if self._records and self._last_span < self._stride:
            self._records[-1] = self._records[-1].merged_with(record)
            self._last_span += 1
            return
        if len(self._records) == HISTORY_LIMIT:
            merged = zip(self._records[::2], self._records[1::2], strict=True)
            self._records = [first.merged_with(second) for first, second in merged]
            self._stride *= 2
        self._records.append(record)
        self._last_span = 1

    def accuracy_of_last(self, accuracy: float | None) -> None:
        """Set the accuracy of the last entry, evaluated after the epoch had ended."""
        if self._records:
            last = self._records[-1]
            self._records[-1] = type(last)(
                epoch=last.epoch,
                ended_at=last.ended_at,
                duration_seconds=last.duration_seconds,
                accuracy=accuracy,
            )


class TrainingFigures:
    """Figures that change while training. `None` means unknown."""

    __slots__ = (
        "accuracy",
        "accuracy_top5",
        "epoch_seconds",
        "epochs",
        "history",
        "loss",
        "samples",
        "started_at",
        "tokens",
        "tokens_are_unknown",
        "training_seconds",
    )

    def __init__(
        self,
        *,
        epochs: int = 0,
        samples: int | None = 0,
        tokens: int | None = None,
        tokens_are_unknown: bool = False,
        accuracy: object = None,
        accuracy_top5: object = None,
        loss: object = None,
        started_at: float | None = None,
        training_seconds: float = 0.0,
        epoch_seconds: float = 0.0,
        history: EpochHistory | None = None,
    ) -> None:
        self.epochs = epochs
        self.samples = samples
        """`None` once a batch of unknown size was trained on."""
        self.tokens = tokens
        """`None` without a count, and once one was unknown."""
        self.tokens_are_unknown = tokens_are_unknown
        self.accuracy = accuracy
        """As the loop passed it; checked when the report is made."""
        self.accuracy_top5 = accuracy_top5
        self.loss = loss
        self.started_at = started_at
        """Start of the first attempt, in Unix seconds."""
        self.training_seconds = training_seconds
        self.epoch_seconds = epoch_seconds
        """Time since the end of the last epoch."""
        self.history = history or EpochHistory()

    def to_state(self) -> dict[str, Any]:
        """Return the figures as plain values for a checkpoint."""
        return {
            "epochs": self.epochs,
            "samples": self.samples,
            "tokens": self.tokens,
            "tokens_are_unknown": self.tokens_are_unknown,
            "accuracy": _plain_or_none(self.accuracy),
            "accuracy_top5": _plain_or_none(self.accuracy_top5),
            "loss": _plain_or_none(self.loss),
            "started_at": self.started_at,
            "training_seconds": self.training_seconds,
            "epoch_seconds": self.epoch_seconds,
            "history": [
                (entry.epoch, entry.ended_at.timestamp(), entry.duration_seconds, entry.accuracy)
                for entry in self.history.records
            ],
        }


def figures_of_state(state: Mapping[str, Any]) -> TrainingFigures:
    """Return the figures in plain values of `to_state`; one that is missing starts anew."""
    values = dict(state)
    values["history"] = EpochHistory(tuple(map(_record_of, values.get("history", ()))))
    return TrainingFigures(**values)


def _record_of(entry: tuple[int, float, float, float | None]) -> EpochRecord:
    """Return an entry of the history from its values in a checkpoint."""
    epoch, ended_at, seconds, accuracy = entry
    return new_record(epoch, ended_at, seconds, accuracy)


def new_record(
    epoch: int, ended_at: float, duration_seconds: float, accuracy: float | None
) -> EpochRecord:
    """Return an entry of the history; `ended_at` in Unix seconds.

    What a report is made of is loaded with the first epoch that ends, not by a start.
    """
    from lowtide.trainingjob.report import EpochRecord
    from lowtide.trainingjob.report_values import check_moment

    return EpochRecord(
        epoch=epoch,
        ended_at=check_moment(ended_at),
        duration_seconds=duration_seconds,
        accuracy=accuracy,
    )


def _plain_or_none(value: object) -> int | float | None:
    """Return a number that a checkpoint may hold; anything else is unknown."""
    return value if isinstance(value, int | float) else None
