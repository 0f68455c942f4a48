"""Whatever a job used, each figure of its status follows from the others, within their rounding."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from lowtide.accounts.figures import sections_of, with_attempt_figures
from lowtide.accounts.references import EMPTY_SHELF
from lowtide.accounts.samples import PodSamples
from lowtide.accounts.settlement import Ledger, settle
from lowtide.energy.samples import Series, StoredSample
from lowtide.grid.overhead import Overhead
from lowtide.grid.series import AverageSeries, Point
from lowtide.prices.series import PricePoint, PriceSeries
from lowtide.records.trainingjobs import from_trainingjob
from lowtide.report.derivation import Derivation
from lowtide.report.explanation import explain_figures, explain_metrics
from lowtide.report.status_explanation import explain_status
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.status import (
    Attempt,
    AttemptPod,
    EpochEntry,
    PlanStatus,
    TrainingJobStatus,
    TrainingStatus,
)
from lowtide_operator.settings import OperatorSettings

SUBMITTED = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
SLOT = timedelta(minutes=5)
SETTINGS = OperatorSettings.model_validate({"prometheus": {"scrapeIntervalSeconds": 60}})
SPEC = {
    "template": {},
    "price": {"perHour": "1.204", "perKilowattHour": "0.3", "currency": "EUR"},
}


@st.composite
def energies(draw: st.DrawFn) -> float:
    """Return joules of every size, also just above a watt-hour and a kilowatt-hour."""
    unit = draw(st.sampled_from([1.0, 3.6e3, 3.6e6]))
    return unit * 10 ** draw(st.floats(-0.5, 4) | st.floats(1e-5, 0.01))


@dataclass(frozen=True, kw_only=True)
class Used:
    """What a job used, and what that is set against."""

    joules: list[float]
    """Of each attempt."""
    seconds: float
    """Of each attempt."""
    accuracy: float
    grid: list[float]
    """g/kWh of each slot."""
    pue: float | None
    unit: str
    """Of the energy in SAM."""


def steps_of(job: Used) -> tuple[Derivation, ...]:
    """Return what `lowtide explain` computes again of a job."""
    attempts, seen = [], []
    for number, used in enumerate(job.joules, 1):
        start = SUBMITTED + 2 * number * SLOT
        end = start + timedelta(seconds=job.seconds)
        uid = f"u{number}"
        pod = AttemptPod(name=f"net-{number}-a", uid=uid, node="gpu-3", start=start, end=end)
        outcome = "Complete" if number == len(job.joules) else "Suspended"
        name = f"net-{number}"
        attempts.append(
            Attempt(number=number, name=name, start=start, end=end, outcome=outcome, pods=(pod,))
        )
        seen.append(samples(uid, used, start, end))
    half = {"seconds": f"{job.seconds / 2:.3f}"}
    history = (
        EpochEntry(
            epoch=1, end=start + (end - start) / 2, accuracy=f"{job.accuracy / 2:.6f}", **half
        ),
        EpochEntry(epoch=2, end=end, accuracy=f"{job.accuracy:.6f}", **half),
    )
    training = TrainingStatus(accuracy=f"{job.accuracy:.6f}", started_at=start, history=history)
    plan = PlanStatus(objective="Both", price_per_tonne="100", deadline=SUBMITTED + 40 * SLOT)
    status = TrainingJobStatus(attempts=tuple(attempts), training=training, plan=plan)
    ledger = Ledger(
        spec=parse_spec({**SPEC, "metrics": {"sam": {"unit": job.unit}}}),
        status=status,
        samples=joined(seen),
        intensity=AverageSeries(
            "DE", "grid", tuple(Point(*slot(k), value) for k, value in enumerate(job.grid))
        ),
        baseline_start=SUBMITTED,
        overhead=None if job.pue is None else Overhead(pue=job.pue),
        references=EMPTY_SHELF,
        prices=PriceSeries(
            "DE",
            "market",
            tuple(PricePoint(*slot(k), value / 2000 - 0.1) for k, value in enumerate(job.grid)),
            "EUR",
        ),
    )
    found = settle(ledger, SETTINGS)
    measured = with_attempt_figures(status.attempts, found)
    known = status.model_copy(update={**sections_of(found), "attempts": measured})
    manifest = {
        "kind": "TrainingJob",
        "metadata": {"name": "net"},
        "spec": ledger.spec.to_api(),
        "status": known.to_api(),
    }
    figures = from_trainingjob(manifest)
    return (
        *explain_figures(figures),
        *explain_metrics(figures, manifest),
        *explain_status(figures, manifest),
    )


def slot(k: int) -> tuple[datetime, datetime]:
    return SUBMITTED + k * SLOT, SUBMITTED + (k + 1) * SLOT


def samples(uid: str, joules: float, start: datetime, end: datetime) -> PodSamples:
    """Return a pod at a constant power, two thirds of it the GPU's, sampled eight times."""
    begin, seconds = start.timestamp(), (end - start).total_seconds()
    times = [begin + seconds * k / 8 for k in range(1, 9)]
    labels = {"namespace": "ml", "pod": uid, "pod_uid": uid}
    parts = {"part": "active", "method": "exclusive", "quality": "counter", "container": "c"}

    def counter(component: str, share: float) -> Series:
        stored = tuple(StoredSample(t, share * joules * k / 8) for k, t in enumerate(times, 1))
        return Series({**labels, **parts, "component": component}, stored)

    held = tuple(StoredSample(t, t - begin) for t in times)
    return PodSamples(
        energy=(counter("gpu", 2 / 3), counter("cpu", 1 / 3)),
        segment_start=(Series(labels, tuple(StoredSample(t, begin) for t in times)),),
        end_marker=(Series(labels, (StoredSample(times[-1], times[-1]),)),),
        held=(Series({**labels, "model": "A100-SXM4"}, held),),
        share=(Series({**labels, "uuid": "GPU-1"}, tuple(StoredSample(t, 1.0) for t in times)),),
    )


def joined(seen: list[PodSamples]) -> PodSamples:
    """Return the samples of all pods as those of one job."""
    names = [field.name for field in fields(PodSamples)]
    return PodSamples(
        **{name: tuple(one for pod in seen for one in getattr(pod, name)) for name in names}
    )


STEADY = [300.0] * 12


@example(Used(joules=[3620.4], seconds=21.0, accuracy=0.9, grid=STEADY, pue=1.2, unit="Wh"))
@example(
    Used(joules=[1e4], seconds=9, accuracy=0.9, grid=[1e-309, *[1.0] * 11], pue=None, unit="Wh")
)
@example(Used(joules=[1.4], seconds=1.0, accuracy=0.9, grid=STEADY, pue=1.2, unit="Wh"))
@given(
    st.builds(
        Used,
        joules=st.lists(energies(), min_size=1, max_size=3),
        seconds=st.floats(1, 600).map(lambda s: round(s, 3)),
        accuracy=st.floats(0, 1),
        grid=st.lists(st.floats(0, 900), min_size=12, max_size=12),
        pue=st.none() | st.floats(1, 2),
        unit=st.sampled_from(["Wh", "kWh"]),
    )
)
def test_every_figure_follows_from_the_others_whatever_was_used(job: Used) -> None:
    """A joule, a little more than a watt-hour (SAM's logarithm is steep), a grid of nearly 0 g."""
    steps = steps_of(job)

    assert {step.name for step in steps if step.agrees} >= {"energy", "mean power", "APC"}
    assert [(s.name, s.formula, s.value, s.stated) for s in steps if s.agrees is False] == []
