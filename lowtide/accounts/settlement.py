"""Accounts of an ended job: from raw samples and seen intensity to the figures in its status.

Pure. Every number comes from `lowtide.energy` and `lowtide.metrics`; a missing figure is left out
and named. Energy is never scaled up; savings are counted against the same run placed at
submission, on the intensity that was really seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from math import fsum
from typing import Any

from lowtide.accounts.electricity import electricity_status
from lowtide.accounts.embodied import embodied_share_of
from lowtide.accounts.epochs import with_energy
from lowtide.accounts.figures import Measurement
from lowtide.accounts.inference import with_inference
from lowtide.accounts.rating import Rated
from lowtide.accounts.reading import JobReading
from lowtide.accounts.references import EMPTY_SHELF, Shelf
from lowtide.accounts.samples import PodSamples
from lowtide.accounts.savings import counterfactual_status
from lowtide.accounts.scores import cost_status, efficiency_status, sci_status
from lowtide.accounts.settings import AccountSettings
from lowtide.accounts.used_energy import energy_status
from lowtide.accounts.verdict import message_without_series, verdict_on
from lowtide.energy.carbon import CarbonResult, operational_grams
from lowtide.energy.integration import PodEnergy
from lowtide.energy.job import JobEnergy
from lowtide.energy.profile import Span
from lowtide.grid.overhead import Overhead, with_overhead
from lowtide.grid.series import IntensitySeries
from lowtide.prices.series import PriceSeries
from lowtide.trainingjob.attempts import ran_seconds
from lowtide.trainingjob.base import decimal_text, grams_text, tenths_text
from lowtide.trainingjob.conditions import Reason, shortened
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import (
    Attempt,
    CarbonStatus,
    CounterfactualStatus,
    ElectricityStatus,
    TrainingJobStatus,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Inputs of the accounts of one job."""

    spec: TrainingJobSpec
    """The job's spec, without its template."""
    status: TrainingJobStatus
    """The stored status: attempts, plan, training."""
    samples: PodSamples | JobReading
    """Raw series of the job's pods, or what was summed up of them piece by piece."""
    intensity: IntensitySeries | None
    """Seen intensity from submission to the end; `None` if nothing is known."""
    baseline_start: datetime
    """Earliest time at which the job could have started."""
    overhead: Overhead | None = None
    """The data centre's factor on the energy; `None` if neither job nor settings give one."""
    references: Shelf = EMPTY_SHELF
    """Reference sets for the rating."""
    prices: PriceSeries | None = None
    """What a kilowatt-hour cost from submission to the end; `None` where the zone has no prices."""


def settle(ledger: Ledger, settings: AccountSettings) -> Measurement:
    """Return the figures of a job whose last samples are stored, or will never be.

    Grams of every kind (the job's, those of running at once, of an attempt) carry the overhead.
    """
    pue = None if ledger.overhead is None else ledger.overhead.pue
    ledger = replace(ledger, intensity=with_overhead(ledger.intensity, pue))
    reading = _reading_of(ledger, settings)
    pods = reading.pods()
    energy = reading.energy(pods)
    if energy.total_joules is None:
        return Measurement(
            status="False",
            reason=Reason.NO_EXPORTER,
            message=message_without_series(ledger.status.attempts),
        )
    carbon = None
    if ledger.intensity is not None:
        carbon = operational_grams(energy.profile, ledger.intensity)
    held_seconds = reading.held_seconds()
    numbers = reading.attempt_numbers(pods)
    embodied, hardware = embodied_share_of(ledger.spec.hardware, held_seconds, settings.embodied)
    grams = None if carbon is None else carbon.grams
    complete = ledger.status.attempts[-1].outcome == "Complete"
    run_seconds = fsum(pod.run.duration_seconds for pod in pods.values())
    reason, message = verdict_on(energy, carbon, ledger.overhead)
    attempts = ledger.status.attempts
    used = energy_status(energy, held_seconds, run_seconds).model_copy(
        update={"gpu_count": reading.gpu_count(numbers), "mock": reading.is_mock()}
    )
    training = ledger.status.training
    training = None if training is None else with_inference(with_energy(training, energy), energy)
    counterfactual = _counterfactual(energy, carbon, ledger)
    rated = Rated(
        energy=used,
        energy_joules=energy.total_joules,
        duration_seconds=_duration_seconds(attempts),
        complete=complete,
    )
    return Measurement(
        status="True",
        reason=reason,
        message=message,
        training=training,
        energy=used,
        carbon=_carbon_status(carbon, ledger, embodied, hardware),
        sci=sci_status(
            ledger.spec,
            training,
            operational=grams,
            embodied=embodied,
            energy=energy,
            signal=None if carbon is None else carbon.signal,
            includes_overhead=pue is not None,
            complete=complete,
            uncertainty=settings.uncertainty,
        ),
        counterfactual=counterfactual,
        efficiency=efficiency_status(
            ledger.spec, training, rated, run_seconds, settings, ledger.references
        ),
        cost=cost_status(ledger.spec, energy.total_joules, run_seconds, settings, attempts),
        electricity=_electricity(energy, carbon, counterfactual, ledger),
        attempts=_by_attempt(ledger, pods, numbers, energy),
        pods={
            uid: round(pod.total_joules)
            for uid, pod in pods.items()
            if pod.total_joules is not None
        },
    )


def _reading_of(ledger: Ledger, settings: AccountSettings) -> JobReading:
    """Return the sums over the job's samples."""
    samples = ledger.samples
    if isinstance(samples, JobReading):
        return samples
    reading = JobReading(
        ledger.status.attempts,
        scrape_interval_seconds=settings.scrape_interval_seconds,
        earliest=ledger.baseline_start,
        end_times=samples.end_times,
    )
    reading.take(samples)
    return reading


def _duration_seconds(attempts: Sequence[Attempt]) -> float | None:
    """Return how long the job ran, pauses excluded; `None` if an end is not known."""
    ends = [attempt.end for attempt in attempts if attempt.start is not None]
    known = [end for end in ends if end is not None]
    return ran_seconds(attempts, max(known)) if known and len(known) == len(ends) else None


def _carbon_status(
    carbon: CarbonResult | None,
    ledger: Ledger,
    embodied: float | None,
    hardware: Mapping[str, Any],
) -> CarbonStatus:
    known = ledger.status.carbon or CarbonStatus()
    operational = None if carbon is None else carbon.grams
    total = None if operational is None or embodied is None else operational + embodied
    overhead = ledger.overhead or Overhead()
    mean = None if carbon is None else carbon.mean_grams_per_kwh
    mean = None if mean is None else mean / (overhead.pue or 1.0)
    step = None if carbon is None else carbon.resolution_seconds
    return CarbonStatus(
        operational_grams=grams_text(operational),
        embodied_grams=grams_text(embodied),
        total_grams=grams_text(total),
        mean_grams_per_kwh=tenths_text(mean),
        signal=known.signal if carbon is None else carbon.signal,
        factor=known.factor if carbon is None else carbon.factor,
        zone=known.zone if carbon is None else carbon.zone,
        source=None if carbon is None else shortened(carbon.source, 256),
        resolution_seconds=None if step is None else round(step),
        provisional=None
        if operational is None or carbon is None
        else carbon.estimated_ratio > 0 or overhead.message is not None,
        pue=decimal_text(overhead.pue),
        pue_kind=None if overhead.kind is None else overhead.kind.value,
        pue_source=None if overhead.source is None else shortened(overhead.source, 256),
        pue_message=None if overhead.message is None else shortened(overhead.message),
        **hardware,
    )


def _counterfactual(
    energy: JobEnergy, carbon: CarbonResult | None, ledger: Ledger
) -> CounterfactualStatus | None:
    """Return the savings of waiting, or `None` if no intensity is known."""
    if ledger.intensity is None or carbon is None:
        return None
    return counterfactual_status(
        energy.profile,
        carbon,
        spec=ledger.spec,
        status=ledger.status,
        intensity=ledger.intensity,
        baseline_start=ledger.baseline_start,
    )


def _electricity(
    energy: JobEnergy,
    carbon: CarbonResult | None,
    counterfactual: CounterfactualStatus | None,
    ledger: Ledger,
) -> ElectricityStatus | None:
    """Return the bill of the run, or `None` if the zone has no prices.

    It is that of the metered energy, and so are the grams that it is weighed with.
    """
    if ledger.prices is None:
        return None
    pue = (ledger.overhead or Overhead()).pue or 1.0
    grams = None if carbon is None or carbon.grams is None else carbon.grams / pue
    run_now = None if counterfactual is None else counterfactual.run_now_grams
    return electricity_status(
        energy.profile,
        ledger.prices,
        spec=ledger.spec,
        status=ledger.status,
        baseline_start=ledger.baseline_start,
        grams=grams,
        run_now_grams=None if run_now is None else float(run_now) / pue,
    )


def _by_attempt(
    ledger: Ledger,
    pods: Mapping[str, PodEnergy],
    numbers: Mapping[str, int],
    energy: JobEnergy,
) -> dict[int, tuple[int, float | None]]:
    """Return joules and grams of every attempt, by its number.

    Attempts follow one another, so what was emitted between the end of the one before and its own
    end is its own: a pod draws energy before its first container runs.
    """
    used: dict[int, list[PodEnergy]] = {}
    for uid, pod in pods.items():
        if pod.total_joules is not None:
            used.setdefault(numbers[uid], []).append(pod)
    figures: dict[int, tuple[int, float | None]] = {}
    ends = [pod.run.end for pod in pods.values()]
    ends += [interval.end for interval in energy.profile.intervals]
    starts = [min(pod.run.start for pod in used[number]) for number in sorted(used)]
    over = [max(pod.run.end for pod in used[number]) for number in sorted(used)]
    starts = [
        min([*starts[:1], *(i.start for i in energy.profile.intervals[:1])]),
        *(min(before, start) for before, start in zip(over, starts[1:], strict=False)),
    ]
    for number, (start, end) in zip(sorted(used), pairwise([*starts, max(ends)]), strict=True):
        grams = None
        if ledger.intensity is not None and end > start:
            own = energy.profile.within(Span(start, end))
            grams = operational_grams(own, ledger.intensity).grams
        figures[number] = round(fsum(pod.total_joules or 0.0 for pod in used[number])), grams
    return figures
