"""Figures of a prediction: the end, energy, emissions, SCI and money of a whole run. Pure.

A figure that cannot be had is left out, and a sentence says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import fsum
from typing import Final

from lowtide.accounts.embodied import embodied_of
from lowtide.accounts.hardware_hours import hardware_money, pod_seconds_so_far
from lowtide.accounts.progress import Curve, joules_by
from lowtide.accounts.settings import EmbodiedSettings
from lowtide.grid.forecast import Forecast
from lowtide.grid.overhead import Overhead
from lowtide.grid.series import IntensitySeries
from lowtide.metrics.embodied import DEFAULT_LIFESPAN_SECONDS, embodied_share
from lowtide.metrics.sci import FunctionalUnitKind
from lowtide.prediction.extrapolation import SumToCome
from lowtide.prediction.progress import Expected, Progress
from lowtide.prediction.totals import (
    Stretch,
    expected_of,
    grams_ahead,
    intensity_ahead,
    stretches_of,
    with_used,
)
from lowtide.trainingjob.attempts import ran_seconds
from lowtide.trainingjob.base import decimal_text
from lowtide.trainingjob.prediction import PredictedAmount, PredictedFigures, PredictedMoment
from lowtide.trainingjob.spec import Price, TrainingJobSpec
from lowtide.trainingjob.status import TrainingJobStatus, TrainingStatus
from lowtide.trainingjob.times import whole_seconds
from lowtide.units import joules_to_kwh

PRICED_ENOUGH: Final = 0.5
"""Least share of the energy so far whose hours' intensity must be known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a prediction is made from, beside the job's progress."""

    now: datetime
    spec: TrainingJobSpec
    status: TrainingJobStatus
    gpus: int
    """GPUs that the job holds while it runs."""
    pods: int = 1
    """Pods that run at the same time."""
    is_running: bool = True
    """Whether a pod runs now."""
    gpu_model: str | None = None
    embodied: Mapping[str, EmbodiedSettings] = field(default_factory=dict)
    """Embodied emissions by GPU model."""
    price: Price | None = None
    forecast: Forecast | None = None
    overhead: Overhead | None = None
    """The data centre's factor on the energy; `None` if neither job nor settings give one."""
    seen: IntensitySeries | None = None
    """Intensity since the first start."""
    curves: tuple[Curve, ...] = ()
    """Energy in time of every pod of the job."""


@dataclass(slots=True, kw_only=True)
class WholeRun:
    """Figures of one prediction under construction."""

    about: Circumstances
    missing: list[str] = field(default_factory=list)
    """Why figures are absent, a sentence each."""
    finish: PredictedMoment | None = None
    hours: tuple[Stretch, ...] = ()
    """When the rest of the run is expected to run."""
    joules: Expected | None = None
    """Energy of the whole run."""
    used_joules: float = 0.0
    grams: Expected | None = None
    embodied_is_known: bool = False
    beyond_ratio: float = 0.0
    """Share of the hours ahead that lie beyond the forecast."""
    sci: Expected | None = None
    money: Expected | None = None

    def add_finish(self, seconds: SumToCome, since_last_step: float) -> None:
        """Add the end, with the pauses that are planned."""
        plan = self.about.status.plan
        planned = () if plan is None else tuple((part.start, part.end) for part in plan.segments)
        left = [max(0.0, part - since_last_step) for part in (seconds.low, seconds.high)]
        usual = max(0.0, expected_of(seconds).expected - since_last_step)
        self.hours = stretches_of(self.about.now, usual, planned)
        low, high = (stretches_of(self.about.now, part, planned)[-1][1] for part in left)
        self.finish = moment_of(self.hours[-1][1], low, high)

    def add_energy(self, joules: SumToCome, since_last_step: float, watts: float) -> None:
        """Add the energy of the whole run: what was used by the last step's end, and the rest."""
        curves = [curve for curve in self.about.curves if curve]
        if not curves:
            self.missing.append("the energy so far is not known")
            return
        self.used_joules = fsum(curve[-1][1] for curve in curves)
        newest = max(curve[-1][0] for curve in curves)
        asked = max(timedelta(0), self.about.now - newest).total_seconds()
        until_last_step = self.used_joules - watts * max(0.0, since_last_step - asked)
        self.joules = with_used(expected_of(joules), max(0.0, until_last_step), self.used_joules)

    def add_grams(self, run_seconds: Expected) -> None:
        """Add the emissions of the energy so far and of the rest, and embodied ones where known."""
        total, about = self.joules, self.about
        if total is None:
            return
        if about.forecast is None:
            self.missing.append("the grid's intensity is not known, so grams are not predicted")
            return
        so_far = self._grams_so_far()
        if so_far is None:
            self.missing.append("the intensity of the hours so far is not known")
            return
        used = self.used_joules
        rest = Expected(
            *(max(0.0, part - used) for part in (total.expected, total.low, total.high))
        )
        grams = Expected(so_far, so_far, so_far)
        ahead = intensity_ahead(about.forecast, self.hours)
        if ahead is not None:
            grams = grams_ahead(rest, ahead).plus(so_far)
            self.beyond_ratio = ahead.beyond_ratio
        grams = self._with_overhead(grams)
        embodied = self._embodied(run_seconds)
        if embodied is None:
            self.missing.append("embodied emissions are not known: grams are operational ones")
        else:
            self.embodied_is_known = True
            grams = Expected(
                grams.expected + embodied.expected,
                grams.low + embodied.low,
                grams.high + embodied.high,
            )
        self.grams = grams

    def _with_overhead(self, grams: Expected) -> Expected:
        """Return operational emissions with the data centre's overhead, as the accounts have it."""
        overhead = self.about.overhead or Overhead()
        if overhead.message is not None:
            self.missing.append(f"grams leave the overhead out: {overhead.message}")
        return grams if overhead.pue is None else grams.times(overhead.pue)

    def add_sci(self, units: float | None) -> None:
        """Add the score for so many functional units of the whole run."""
        if self.grams is None or not self.embodied_is_known:
            return
        if units is None:
            self.missing.append("the training does not report the number of functional units")
            return
        self.sci = self.grams.times(1 / units)

    def add_money(self, run_seconds: Expected) -> None:
        """Add the price of the reserved hardware, else that of the energy.

        What is to come is counted at the width of now, which the predicted time is of too.
        """
        price = self.about.price
        if price is None:
            return
        about, attempts = self.about, self.about.status.attempts
        if price.per_hour is not None:
            ran = about.pods * ran_seconds(attempts, about.now)
            wider = pod_seconds_so_far(attempts, about.pods, about.now) - ran
            pod_seconds = run_seconds.times(about.pods).plus(wider)
            self.money = pod_seconds.times(hardware_money(price, 1.0) or 0.0)
        elif price.per_kilowatt_hour is not None and self.joules is not None:
            self.money = self.joules.times(joules_to_kwh(float(price.per_kilowatt_hour)))

    def figures(self, method: str, ratio: float) -> PredictedFigures:
        """Return the figures for the status."""
        return PredictedFigures(
            made_at=whole_seconds(self.about.now),
            method=method,
            progress=f"{ratio:.4f}",
            energy_joules=_amount(self.joules),
            grams=_amount(self.grams),
            sci_grams_per_unit=_amount(self.sci),
            money=_amount(self.money),
            finish=self.finish,
        )

    def _grams_so_far(self) -> float | None:
        """Return what the energy so far emitted; hours without a value count as the others do.

        `None` where the intensity of too much of it is not known.
        """
        used, about = self.used_joules, self.about
        if used <= 0:
            return 0.0
        priced = grams = 0.0
        for point in () if about.seen is None else about.seen.points:
            low = joules_by(point.start, about.curves)
            high = joules_by(min(point.end, about.now), about.curves)
            if point.grams_per_kwh is None or low is None:
                continue
            joules = (used if high is None else high) - low
            priced += joules
            grams += joules_to_kwh(joules) * point.grams_per_kwh
        return grams * used / priced if priced >= PRICED_ENOUGH * used else None

    def _embodied(self, run_seconds: Expected) -> Expected | None:
        """Return the share of making the GPUs, `None` where it is not known."""
        about, own = self.about, self.about.spec.hardware
        row = None if about.gpu_model is None else embodied_of(about.gpu_model, about.embodied)
        each = own.embodied_grams or (None if row is None else row.grams_per_gpu)
        if each is None or about.gpus == 0:
            return None
        life = own.lifespan_seconds or (
            DEFAULT_LIFESPAN_SECONDS if row is None else row.lifespan_seconds
        )
        share = embodied_share(
            total_embodied_grams=float(each), reserved_seconds=1.0, lifespan_seconds=float(life)
        )
        return run_seconds.times(about.gpus * (share.value or 0.0))


def functional_units_of(
    progress: Progress, training: TrainingStatus, spec: TrainingJobSpec
) -> float | None:
    """Return R of the whole run; what the trainer counts grows with its progress."""
    unit = spec.functional_unit
    if unit.count is not None:
        return float(unit.count) or None
    if unit.kind is FunctionalUnitKind.TRAINING_JOB:
        return 1.0
    if unit.kind is FunctionalUnitKind.PARAMETER:
        return float(training.parameters) if training.parameters else None
    so_far = {
        FunctionalUnitKind.EPOCH: training.epochs,
        FunctionalUnitKind.SAMPLE: training.samples,
        FunctionalUnitKind.TOKEN: training.tokens,
        FunctionalUnitKind.FLOP: training.flops,
    }.get(unit.kind)
    return float(so_far) / progress.ratio if so_far and progress.ratio > 0 else None


def moment_of(expected: datetime, earliest: datetime, latest: datetime) -> PredictedMoment:
    """Return a moment for the status, its ends on both sides of it."""
    return PredictedMoment(
        expected=whole_seconds(expected),
        earliest=whole_seconds(min(expected, earliest)),
        latest=whole_seconds(max(expected, latest)),
    )


def _amount(amount: Expected | None) -> PredictedAmount | None:
    if amount is None:
        return None
    texts = [decimal_text(part, 5) for part in (amount.expected, amount.low, amount.high)]
    expected, low, high = texts
    if expected is None or low is None or high is None:
        return None
    return PredictedAmount(expected=expected, low=low, high=high)
