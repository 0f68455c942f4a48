"""Progress of a running training as it tells it, and the energy of its pods in time. Pure."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lowtide.trainingjob.report import TrainingReport

MARKS_MAX: Final = 64
"""Marks of one training; at the bound every second one is dropped."""

Curve = tuple[tuple[datetime, float], ...]
"""Joules that a pod had used by these times, in time order."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a training was at one moment."""

    at: datetime
    samples: int
    training_seconds: float


@dataclass(frozen=True, slots=True)
class LiveReport:
    """The last answer of a running training, and how far it was at earlier ones."""

    at: datetime
    report: TrainingReport
    marks: tuple[Mark, ...] = ()


def joules_by(moment: datetime, curves: Iterable[Curve]) -> float | None:
    """Return what pods had used by a moment, spread evenly between two points of a curve.

    `None` where the moment lies after the last point of a curve that still grows, or no energy is
    known. A pod had used nothing before its first point.
    """
    total, known = 0.0, False
    for curve in curves:
        joules = _at(moment, curve)
        if joules is None:
            return None
        total, known = total + joules, True
    return total if known else None


def _at(moment: datetime, curve: Curve) -> float | None:
    if not curve or moment <= curve[0][0]:
        return curve[0][1] if curve and moment == curve[0][0] else 0.0
    index = bisect_left(curve, moment, key=lambda point: point[0])
    if index == len(curve):
        return None
    (before, low), (after, high) = curve[index - 1], curve[index]
    share = (moment - before) / (after - before)
    return low + share * (high - low)


def add_mark(marks: list[Mark], at: datetime, report: TrainingReport) -> None:
    """Add how far the training is, if it went on; a training that went back begins anew."""
    samples, seconds = report.samples, report.training_seconds
    if samples is None or seconds is None:
        return
    if marks and (samples < marks[-1].samples or seconds < marks[-1].training_seconds):
        marks.clear()
    if marks and samples == marks[-1].samples:
        return
    if len(marks) == MARKS_MAX:
        del marks[1::2]
    marks.append(Mark(at, samples, seconds))
