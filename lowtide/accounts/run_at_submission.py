"""Run at submission: the measured run as it would have been without waiting, in time.

Pure. What pausing cost (reloads, repeated steps, sizes without room) is left out, and a job of
elastic size runs at the size that its running time is given for. Source:
docs/explanation/what-the-numbers-do-not-say.md#what-waiting-avoided.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from lowtide.energy.profile import EnergyProfile, Pace, Span
from lowtide.trainingjob.attempts import NO_ROOM, relative_power, relative_width
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import Attempt


def run_at_submission(
    profile: EnergyProfile, spec: TrainingJobSpec, attempts: Sequence[Attempt], start: datetime
) -> EnergyProfile:
    """Return the energy in time of the same work, begun at `start` and never interrupted.

    An attempt at `p` times the power of the base size and `s` times its speed stands for `s` times
    its seconds at `1 / p` of its power.
    """
    left_out = resumes(spec, attempts)
    return profile.uninterrupted(start, leaving_out=left_out, paces=tuple(_paces(attempts)))


def _paces(attempts: Sequence[Attempt]) -> Iterator[Pace]:
    """Yield the pace of each attempt at another size than the base.

    It holds from the end of the attempt before: pods draw energy before an attempt starts.
    """
    before: datetime | None = None
    for attempt in attempts:
        first = attempt.start if before is None else before
        if first is not None and relative_width(attempt) != 1:
            speed = float(attempt.speed or 1)
            joules_ratio = speed / relative_power(attempt)
            yield Pace(start=first, end=attempt.end, seconds_ratio=speed, joules_ratio=joules_ratio)
        before = attempt.end or before


def restart_work(spec: TrainingJobSpec, attempts: Sequence[Attempt]) -> tuple[Span, ...]:
    """Return the stretches that a run without pauses would not have had.

    Each is the start of a resumed attempt, for the restart cost in the spec, at most the attempt;
    or the whole of an attempt whose pods found no room, which did no work.
    """
    return tuple(span for _, span in _resumed(spec, attempts))


def resumes(spec: TrainingJobSpec, attempts: Sequence[Attempt]) -> tuple[Span, ...]:
    """Return the stretches of `restart_work`, each from the end of the attempt before.

    A pod draws energy before its first container runs, and an attempt starts only then; what a
    resume draws in between is a cost of resuming too.
    """
    return tuple(
        span if before is None else Span(min(before, span.start), span.end)
        for before, span in _resumed(spec, attempts)
    )


def _resumed(
    spec: TrainingJobSpec, attempts: Sequence[Attempt]
) -> Iterator[tuple[datetime | None, Span]]:
    """Yield the end of the attempt before, if known, and the restart work of each resume."""
    interruption = spec.schedule.interruption
    cost = timedelta(seconds=interruption.restart_cost_seconds if interruption.allowed else 0)
    ends = {attempt.number: attempt.end for attempt in attempts}
    for attempt in attempts:
        without_work = attempt.outcome == NO_ROOM
        if attempt.start is None or (attempt.number == 1 and not without_work):
            continue
        end = attempt.start + cost
        if attempt.end is not None:
            end = attempt.end if without_work else min(end, attempt.end)
        if end > attempt.start:
            yield ends.get(attempt.number - 1), Span(attempt.start, end)
