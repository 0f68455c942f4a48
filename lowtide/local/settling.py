"""Figures of a run from its samples, by the accounts of the jobs of a cluster. Pure.

A run is a job of which every attempt had one pod. Its samples become the series that an exporter
would have served, so coverage, profile, SCI, rating, cost and what waiting avoided follow from the
same rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from lowtide.accounts.figures import Measurement, sections_of, with_attempt_figures
from lowtide.accounts.review import reviewed
from lowtide.accounts.samples import PodSamples
from lowtide.accounts.settings import (
    DEFAULT_EMBODIED,
    EmbodiedSettings,
    RatingSettings,
    UncertaintySettings,
)
from lowtide.accounts.settlement import Ledger, settle
from lowtide.energy.samples import Series, StoredSample
from lowtide.grid.overhead import Overhead
from lowtide.grid.series import IntensitySeries
from lowtide.local.books import PartKey
from lowtide.local.samples_file import SampledAttempt
from lowtide.local.store import ANNOTATION_RUN
from lowtide.names import EXIT_CODE_PAUSED, GROUP
from lowtide.trainingjob.budget_limits import budget_verdict, with_verdict
from lowtide.trainingjob.conditions import Conditions, ConditionType, Reason, has_end
from lowtide.trainingjob.display import display_of
from lowtide.trainingjob.models import TrainingJob
from lowtide.trainingjob.spec import Price
from lowtide.trainingjob.status import (
    Attempt,
    AttemptPod,
    CarbonStatus,
    TrainingJobStatus,
)
from lowtide.trainingjob.training import training_status
from lowtide.units import format_duration

COMPLETE, FAILED, PAUSED, CUT = "Complete", "Failed", "Paused", "Cut"
"""Outcomes of an attempt; a cut one ended together with the program that measured it."""
ANNOTATION_STOPPED: Final = f"{GROUP}/stopped-by-budget"
"""Why a run was stopped by its budget."""
_HERE: Final = {"job": "lowtide", "instance": "local"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Settings of the accounts of a run; those of the operator by default."""

    embodied: Mapping[str, EmbodiedSettings] = field(default_factory=lambda: DEFAULT_EMBODIED)
    price: Price | None = None
    rating: RatingSettings = field(default_factory=RatingSettings)
    uncertainty: UncertaintySettings = field(default_factory=UncertaintySettings)
    scrape_interval_seconds: float = 1.0


def pod_uid(job: TrainingJob, number: int) -> str:
    """Return the uid of an attempt's only pod."""
    return f"{job.metadata.get('uid', '')}-{number}"


def attempts_of(
    job: TrainingJob, sampled: Sequence[SampledAttempt], *, is_going_on: bool
) -> tuple[Attempt, ...]:
    """Return the attempts of a run, in time order."""
    found = []
    for one in sampled:
        is_open = one.ended_at is None and is_going_on and one is sampled[-1]
        start, end = _moment(one.started_at), None if is_open else _moment(one.last_seen)
        uid = pod_uid(job, one.number)
        found.append(
            Attempt(
                number=one.number,
                name=str(job.metadata.get("name", "")),
                start=start,
                end=end,
                outcome=None if is_open else outcome_of(one),
                pods=(AttemptPod(name=str(one.number), uid=uid, start=start, end=end),),
            )
        )
    return tuple(found)


def outcome_of(attempt: SampledAttempt) -> str:
    """Return how an attempt that is over ended."""
    if attempt.ended_at is None or attempt.exit_status is None:
        return CUT
    if attempt.exit_status == EXIT_CODE_PAUSED:
        return PAUSED
    return COMPLETE if attempt.exit_status == 0 else FAILED


def samples_of(job: TrainingJob, sampled: Sequence[SampledAttempt]) -> PodSamples:
    """Return the samples of a run as an exporter would have served them."""
    energy: list[Series] = []
    starts: list[Series] = []
    markers: list[Series] = []
    held: list[Series] = []
    share: list[Series] = []
    gpus: list[Series] = []
    for one in sampled:
        pod = {"pod_uid": pod_uid(job, one.number)}
        times = [at for at, _, _ in one.samples]
        if not times:
            continue
        starts.append(Series(pod, tuple(StoredSample(at, one.started_at) for at in times)))
        if one.ended_at is not None:
            markers.append(Series(pod, (StoredSample(times[-1], one.ended_at),)))
        for key in sorted({key for _, joules, _ in one.samples for key in joules}):
            labels = PartKey(*key.split("|"))._asdict()
            points = ((at, joules.get(key, 0) / 1000) for at, joules, _ in one.samples)
            energy.append(Series({**pod, **labels}, tuple(StoredSample(*p) for p in points)))
        for model in sorted({model for _, _, by_model in one.samples for model in by_model}):
            spans = ((at, by_model.get(model, 0.0)) for at, _, by_model in one.samples)
            held.append(Series({**pod, "model": model}, tuple(StoredSample(*s) for s in spans)))
        source = "mock" if one.is_mock else "nvml"
        last = (StoredSample(times[-1], 1.0),)
        for uuid in one.gpus:
            share.append(Series({**pod, **_HERE, "uuid": uuid}, last))
            gpus.append(Series({**_HERE, "uuid": uuid, "source": source}, last))
    return PodSamples(
        energy=tuple(energy),
        segment_start=tuple(starts),
        end_marker=tuple(markers),
        held=tuple(held),
        share=tuple(share),
        gpus=tuple(gpus),
    )


def settled(
    document: Mapping[str, Any],
    sampled: Sequence[SampledAttempt],
    *,
    now: datetime,
    intensity: IntensitySeries | None,
    overhead: Overhead | None,
    report: str | None,
    settings: RunSettings,
    is_going_on: bool = False,
) -> dict[str, Any]:
    """Return a run's document with its attempts and what was measured of them.

    `report` is what the training reported, `intensity` what the grid's intensity was, `overhead`
    the data centre's factor on it.
    """
    job = TrainingJob.model_validate(document)
    status = job.status or TrainingJobStatus()
    attempts = attempts_of(job, sampled, is_going_on=is_going_on)
    status = status.model_copy(update={"attempts": attempts})
    if report:
        status = status.model_copy(update={"training": training_status(report)})
    if intensity is not None:
        known = status.carbon or CarbonStatus()
        carbon = known.model_copy(update={"zone": intensity.zone, "signal": intensity.signal})
        status = status.model_copy(update={"carbon": carbon})
    figures = None
    if attempts:
        created = _moment(_created(job, attempts))
        figures = settle(
            Ledger(
                spec=job.spec,
                status=status,
                samples=samples_of(job, sampled),
                intensity=intensity,
                overhead=overhead,
                baseline_start=min(created, attempts[0].start or created),
            ),
            settings,
        )
        status = status.model_copy(
            update={**sections_of(figures), "attempts": with_attempt_figures(attempts, figures)}
        )
    conditions = _conditions(
        status,
        figures,
        sampled,
        now,
        job.metadata.get("annotations", {}),
        is_going_on=is_going_on,
    )
    status = status.model_copy(update={"conditions": conditions.build()})
    if job.spec.budget is not None:
        status = with_verdict(status, budget_verdict(job.spec.budget, status, now), now)
    if status.prediction is not None and has_end(status.conditions):
        review = status.prediction.model_copy(update={"review": reviewed(status)})
        status = status.model_copy(update={"prediction": review})
    status = status.model_copy(update={"display": display_of(status)})
    return {**document, "status": status.to_api()}


def _conditions(
    status: TrainingJobStatus,
    figures: Measurement | None,
    sampled: Sequence[SampledAttempt],
    now: datetime,
    annotations: Mapping[str, Any],
    *,
    is_going_on: bool,
) -> Conditions:
    """Return the conditions of a run: as those of a job, without what a cluster adds."""
    conditions = Conditions(status.conditions, now=now.replace(microsecond=0), generation=None)
    for before in status.conditions:
        conditions.set(ConditionType(before.type), before.status, before.reason, before.message)  # type: ignore[arg-type]
    conditions.set(ConditionType.VALID, "True", Reason.ACCEPTED)
    last = status.attempts[-1].outcome if status.attempts else None
    running = bool(status.attempts) and last is None
    ended = last in (COMPLETE, FAILED)
    paused = last in (PAUSED, CUT)
    conditions.set(
        ConditionType.RUNNING,
        "True" if running else "False",
        Reason.PODS_RUNNING if running else Reason.ENDED if ended else Reason.WAITING,
    )
    reason = Reason.NOT_PAUSED if not paused else Reason.CLEANER_LATER
    message = ""
    if last == CUT and not is_going_on:
        reason = Reason.SUSPENDED
        message = "it was cut with the program that measured it; what was measured is kept"
        if ANNOTATION_RUN in annotations:
            message += ": go on with `lowtide run --resume`"
    conditions.set(ConditionType.PAUSED, "True" if paused else "False", reason, message)
    code = sampled[-1].exit_status if sampled else None
    conditions.set(
        ConditionType.COMPLETE,
        "True" if last == COMPLETE else "False",
        Reason.JOB_COMPLETE if last == COMPLETE else Reason.NOT_ENDED,
    )
    stopped = str(annotations.get(ANNOTATION_STOPPED, ""))
    failed = last == FAILED or bool(stopped)
    why = Reason.BUDGET_EXCEEDED if stopped else Reason.JOB_FAILED
    conditions.set(
        ConditionType.FAILED,
        "True" if failed else "False",
        why if failed else Reason.NOT_ENDED,
        stopped or (f"the command ended with exit status {code}" if failed else ""),
    )
    _say_deadline(status, conditions, ended=ended)
    if figures is not None:
        conditions.set(
            ConditionType.MEASURED, figures.status, figures.reason, _in_place(figures, sampled)
        )
    return conditions


def _in_place(figures: Measurement, sampled: Sequence[SampledAttempt]) -> str:
    """Return the sentence of Measured; without any meter, what the meters said."""
    notes = "; ".join(dict.fromkeys(note for one in sampled for note in one.notes))
    if figures.reason is Reason.NO_EXPORTER:
        return f"no meter could be read: {notes}" if notes else "no energy was measured"
    return figures.message


def _say_deadline(status: TrainingJobStatus, conditions: Conditions, *, ended: bool) -> None:
    deadline = None if status.plan is None else status.plan.deadline
    end = status.attempts[-1].end if status.attempts else None
    if ended and deadline is not None and end is not None and end > deadline:
        late = format_duration((end - deadline).total_seconds())
        conditions.set(
            ConditionType.DEADLINE_AT_RISK,
            "True",
            Reason.DEADLINE_MISSED,
            f"the run ended {late} after its deadline",
        )
    else:
        reason = Reason.ENDED if ended else Reason.IN_TIME
        conditions.set(ConditionType.DEADLINE_AT_RISK, "False", reason)


def _created(job: TrainingJob, attempts: Sequence[Attempt]) -> float:
    text = str(job.metadata.get("creationTimestamp", ""))
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        first = attempts[0].start
        return 0.0 if first is None else first.timestamp()


def _moment(unix: float) -> datetime:
    return datetime.fromtimestamp(round(unix, 3), UTC)
