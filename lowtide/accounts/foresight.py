"""Prediction of a running job's totals from its own progress, or of a waiting one from its series.

Pure. What a training reported becomes finished steps; `predicted` makes the figures of them.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, fsum
from typing import Final

from lowtide.accounts.predicted import (
    Circumstances,
    WholeRun,
    functional_units_of,
    moment_of,
)
from lowtide.accounts.progress import Curve, LiveReport, joules_by
from lowtide.planning.durations import Experience
from lowtide.prediction.extrapolation import FEWEST_STEPS
from lowtide.prediction.progress import (
    NotPredicted,
    Progress,
    Step,
    Unit,
    joules_to_come,
    peculiarities,
    seconds_to_come,
    until_metered,
)
from lowtide.prediction.totals import (
    Stretch,
    expected_of,
    from_earlier_runs,
    stretches_of,
    with_used,
)
from lowtide.trainingjob.attempts import ran_seconds
from lowtide.trainingjob.conditions import shortened
from lowtide.trainingjob.prediction import PredictedFigures, PredictionStatus
from lowtide.trainingjob.status import CheckpointStatus, EpochEntry, TrainingStatus

WORTH_A_WRITE: Final = 0.05
"""Relative change of a waiting job's predicted grams from which on they are written again."""
SERIES: Final = "Series"
"""Method of a prediction from earlier runs."""


def with_what_was_known(
    training: TrainingStatus, known: TrainingStatus | None, curves: Sequence[Curve]
) -> TrainingStatus:
    """Return a running training's report with the energy of its epochs, as far as it is known.

    What was written before stays, because the curves begin anew with every operator, and so does
    the longest time that saving a checkpoint took.
    """
    before = {} if known is None else {(entry.epoch, entry.end): entry for entry in known.history}
    edge = training.started_at
    entries: list[EpochEntry] = []
    for entry in training.history:
        old = before.get((entry.epoch, entry.end))
        joules = None if old is None else old.joules
        if joules is None and edge is not None:
            low, high = joules_by(edge, curves), joules_by(entry.end, curves)
            # A page may tell of epochs that end before they begin: no energy belongs to those.
            if low is not None and high is not None and low <= high:
                joules = round(high - low)
        entries.append(entry.model_copy(update={"joules": joules}))
        edge = entry.end
    saved = _with_longest(training.checkpoint, None if known is None else known.checkpoint)
    return training.model_copy(update={"history": tuple(entries), "checkpoint": saved})


def _with_longest(
    checkpoint: CheckpointStatus | None, known: CheckpointStatus | None
) -> CheckpointStatus | None:
    if checkpoint is None:
        return known
    times = [checkpoint.duration_seconds, None if known is None else known.longest_seconds]
    longest = max((time for time in times if time is not None), key=float, default=None)
    return checkpoint.model_copy(update={"longest_seconds": longest})


def foresee(live: LiveReport, training: TrainingStatus, about: Circumstances) -> PredictionStatus:
    """Return the prediction of a started job's totals."""
    before = about.status.prediction
    first = None if before is None else before.first
    progress = _progress(live, training, about.curves)
    if isinstance(progress, NotPredicted):
        return PredictionStatus(message=progress.sentence, first=first)
    whole = WholeRun(about=about)
    metered, unmetered_seconds = until_metered(progress)
    seconds, joules = seconds_to_come(progress), joules_to_come(metered)
    if isinstance(seconds, NotPredicted):
        return PredictionStatus(message=seconds.sentence, first=first)
    since = _seconds_since_last_step(live, training, progress, about)
    ran = ran_seconds(about.status.attempts, about.now)
    run_seconds = with_used(expected_of(seconds), max(0.0, ran - since), ran)
    found = peculiarities(seconds)
    whole.add_finish(seconds, since)
    if isinstance(joules, NotPredicted):
        whole.missing.append(joules.sentence)
    else:
        found = tuple(dict.fromkeys((*found, *peculiarities(joules))))
        whole.add_energy(joules, since + unmetered_seconds, _watts(progress))
        whole.add_grams(run_seconds)
        whole.add_sci(functional_units_of(progress, training, about.spec))
    whole.add_money(run_seconds)
    unit = "epochs" if progress.unit is Unit.EPOCHS else "samples"
    text = f"from {progress.done:.0f} of {progress.planned:.0f} {unit}, if all of them run"
    figures = whole.figures(str(progress.unit), progress.ratio)
    return _section(whole, figures, "; ".join((text, *found)), first or figures)


def foresee_from_series(
    experience: Experience | None, planned: Sequence[Stretch], about: Circumstances
) -> PredictionStatus | None:
    """Return the prediction of a job that has not started; `None` if its series says nothing."""
    seconds = None if experience is None else from_earlier_runs(experience.durations)
    if experience is None or seconds is None:
        return None
    whole = WholeRun(about=about)
    if not planned:
        return None
    start = planned[0][0]
    whole.hours = stretches_of(start, seconds.expected, planned)
    low, high = (stretches_of(start, part, planned)[-1][1] for part in (seconds.low, seconds.high))
    whole.finish = moment_of(whole.hours[-1][1], low, high)
    whole.joules = from_earlier_runs(experience.energies)
    whole.add_grams(seconds)
    whole.add_money(seconds)
    text = f"from the latest {len(experience.durations)} runs of the series"
    return _section(whole, whole.figures(SERIES, 0.0), text, None)


def not_below(prediction: PredictionStatus, used_joules: float) -> PredictionStatus:
    """Return a prediction no end of which is below what was used since it was made.

    It stays as long as the training does not answer, while its energy goes on growing.
    """
    energy = prediction.energy_joules
    if energy is None or float(energy.low) >= used_joules:
        return prediction
    ends = {"expected": energy.expected, "low": energy.low, "high": energy.high}
    lifted = {
        name: end if float(end) >= used_joules else str(ceil(used_joules))
        for name, end in ends.items()
    }
    return prediction.model_copy(update={"energy_joules": energy.model_copy(update=lifted)})


def _section(
    whole: WholeRun, figures: PredictedFigures, text: str, first: PredictedFigures | None
) -> PredictionStatus:
    """Return the section of the status; what is unchanged keeps the time at which it was made."""
    about = whole.about
    if whole.beyond_ratio > 0:
        text += (
            f"; {whole.beyond_ratio:.0%} of the time lies beyond the forecast, "
            "whose last day stands for it"
        )
    currency = None if whole.money is None or about.price is None else about.price.currency
    made = PredictionStatus(
        **dict(figures),
        currency=currency,
        explanation=shortened(text),
        message=shortened("; ".join(dict.fromkeys(whole.missing))) or None,
        first=first,
    )
    before = about.status.prediction
    return before if before is not None and _is_same(before, made) else made


def _is_same(before: PredictionStatus, made: PredictionStatus) -> bool:
    """Return whether a prediction need not be written again.

    Of waiting jobs there may be ten thousand, and every forecast moves their grams a little.
    """
    made = made.model_copy(update={"made_at": before.made_at})
    if made.method == SERIES and before.grams is not None and made.grams is not None:
        moved = float(made.grams.expected) / (float(before.grams.expected) or 1.0) - 1
        if abs(moved) < WORTH_A_WRITE:
            kept = {"grams": before.grams, "explanation": before.explanation}
            made = made.model_copy(update=kept)
    return made == before


def _watts(progress: Progress) -> float:
    """Return the mean power of the steps whose energy is known."""
    known = [step for step in progress.steps if step.joules is not None]
    seconds = fsum(step.seconds for step in known)
    return fsum(step.joules or 0.0 for step in known) / seconds if seconds > 0 else 0.0


def _progress(
    live: LiveReport, training: TrainingStatus, curves: Sequence[Curve]
) -> Progress | NotPredicted:
    """Return the finished steps: epochs where there are enough, else stretches of samples."""
    report = live.report
    if report.epochs_planned is not None and len(training.history) >= FEWEST_STEPS:
        before = 0
        steps = []
        for entry in training.history:
            steps.append(Step(entry.epoch - before, float(entry.seconds), entry.joules))
            before = entry.epoch
        return Progress(
            unit=Unit.EPOCHS,
            done=training.history[-1].epoch,
            planned=max(report.epochs_planned, training.history[-1].epoch),
            steps=tuple(steps),
        )
    if report.samples_planned is not None and len(live.marks) > FEWEST_STEPS:
        known = [(mark, joules_by(mark.at, curves)) for mark in live.marks]
        stretches = [
            Step(
                later.samples - sooner.samples,
                later.training_seconds - sooner.training_seconds,
                None if low is None or high is None else max(0.0, high - low),
            )
            for (sooner, low), (later, high) in pairwise(known)
        ]
        return Progress(
            unit=Unit.SAMPLES,
            done=live.marks[-1].samples,
            planned=max(report.samples_planned, live.marks[-1].samples),
            steps=tuple(stretches),
        )
    if report.epochs_planned is None and report.samples_planned is None:
        return NotPredicted(
            "the training does not say how many epochs or samples it plans: give "
            "lowtide_trainer.run(epochs=...) or the fact samples_planned"
        )
    return NotPredicted(
        f"{len(training.history)} epochs are finished: a run is predicted from {FEWEST_STEPS} on"
    )


def _seconds_since_last_step(
    live: LiveReport, training: TrainingStatus, progress: Progress, about: Circumstances
) -> float:
    """Return the running time since the last step ended."""
    asked = max(0.0, (about.now - live.at).total_seconds()) if about.is_running else 0.0
    trained = live.report.training_seconds
    if progress.unit is Unit.SAMPLES:
        return asked + max(0.0, (live.at - live.marks[-1].at).total_seconds())
    if trained is None:
        return asked + max(0.0, (live.at - training.history[-1].end).total_seconds())
    finished = fsum(float(entry.seconds) for entry in training.history)
    return max(0.0, trained - finished) + asked
