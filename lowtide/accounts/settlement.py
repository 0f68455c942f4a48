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
from typing import Any, Final

from lowtide.accounts.electricity import electricity_status
from lowtide.accounts.epochs import with_energy
from lowtide.accounts.figures import Measurement
from lowtide.accounts.inference import with_inference
from lowtide.accounts.rating import Rated
from lowtide.accounts.reading import JobReading
from lowtide.accounts.references import EMPTY_SHELF, Shelf
from lowtide.accounts.samples import PodSamples
from lowtide.accounts.savings import counterfactual_status
from lowtide.accounts.scores import cost_status, efficiency_status, sci_status
from lowtide.accounts.settings import AccountSettings, EmbodiedSettings
from lowtide.accounts.verdict import message_without_series, verdict_on
from lowtide.energy.carbon import CarbonResult, operational_grams
from lowtide.energy.integration import PodEnergy
from lowtide.energy.job import JobEnergy
from lowtide.energy.profile import Span
from lowtide.grid.overhead import Overhead, with_overhead
from lowtide.grid.series import IntensitySeries
from lowtide.metrics.embodied import DEFAULT_LIFESPAN_SECONDS, embodied_share
from lowtide.prices.series import PriceSeries
from lowtide.trainingjob.attempts import ran_seconds
from lowtide.trainingjob.base import decimal_text, grams_text, ratio_text
from lowtide.trainingjob.conditions import Reason, shortened
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import (
    Attempt,
    CarbonStatus,
    CounterfactualStatus,
    ElectricityStatus,
    EnergyComponent,
    EnergyStatus,
    TrainingJobStatus,
)

COMPONENTS: Final = ("gpu", "cpu", "dram")
MODELLED: Final = frozenset({"model"})


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
    embodied, hardware = _embodied(ledger, held_seconds, settings)
    grams = None if carbon is None else carbon.grams
    complete = ledger.status.attempts[-1].outcome == "Complete"
    run_seconds = fsum(pod.run.duration_seconds for pod in pods.values())
    reason, message = verdict_on(energy, carbon, ledger.overhead)
    attempts = ledger.status.attempts
    used = _energy_status(energy, held_seconds, run_seconds).model_copy(
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


def _embodied(
    ledger: Ledger, held_seconds: Mapping[str, float], settings: AccountSettings
) -> tuple[float | None, dict[str, Any]]:
    """Return the job's embodied share of the hardware in grams, and the fields that explain it."""
    own = ledger.spec.hardware
    if not held_seconds:
        return None, {}
    grams, sources = [], []
    made_of: set[tuple[str, int]] = set()
    for model, seconds in sorted(held_seconds.items()):
        row = embodied_of(model, settings.embodied)
        each = own.embodied_grams or (None if row is None else row.grams_per_gpu)
        if each is None:
            return None, {}
        life = own.lifespan_seconds or (
            DEFAULT_LIFESPAN_SECONDS if row is None else row.lifespan_seconds
        )
        share = embodied_share(
            total_embodied_grams=float(each),
            reserved_seconds=seconds,
            lifespan_seconds=float(life),
        )
        grams.append(share.value or 0.0)
        stated = own.source or "spec.hardware" if own.embodied_grams else None
        sources.append(stated or ("" if row is None else row.source))
        made_of.add((each, life))
    fields: dict[str, Any] = {"embodied_source": shortened("; ".join(dict.fromkeys(sources)), 256)}
    if len(made_of) == 1:
        each, life = made_of.pop()
        fields |= {"embodied_grams_per_gpu": each, "embodied_lifespan_seconds": life}
    return fsum(grams), fields


def embodied_of(model: str, table: Mapping[str, EmbodiedSettings]) -> EmbodiedSettings | None:
    """Return the row of a GPU model: the longest key that begins its name, else `default`."""
    matching = [key for key in table if model.startswith(key)]
    return table.get(max(matching, key=len)) if matching else table.get("default")


def _energy_status(
    energy: JobEnergy,
    held_seconds: Mapping[str, float],
    run_seconds: float,
) -> EnergyStatus:
    total = energy.total_joules or 0.0
    qualities = {part.quality for part in energy.parts}
    kind = "Measured"
    if qualities & MODELLED:
        kind = "Modelled" if qualities <= MODELLED else "Mixed"
    measured = {part.component for part in energy.parts}
    return EnergyStatus(
        total_joules=round(total),
        components=tuple(
            EnergyComponent(
                component=part.component,
                part=part.part,
                method=part.method,
                quality=part.quality,
                joules=round(part.energy_joules),
            )
            for part in energy.parts
        ),
        kind=kind,
        energy_coverage=ratio_text(energy.energy_coverage_ratio),
        time_coverage=ratio_text(energy.time_coverage_ratio),
        mean_power_watts=f"{total / run_seconds:.1f}" if run_seconds > 0 else None,
        run_seconds=f"{run_seconds:.3f}",
        gpu_model=shortened(", ".join(sorted(filter(None, held_seconds))), 256) or None,
        gpu_seconds=f"{fsum(held_seconds.values()):.1f}" if held_seconds else None,
        final=energy.final,
        unavailable=tuple(name for name in COMPONENTS if name not in measured),
    )


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
        mean_grams_per_kwh=None if mean is None else f"{mean:.1f}",
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
