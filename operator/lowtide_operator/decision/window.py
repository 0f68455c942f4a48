"""Window of a job: its earliest start, its deadline and how long it is expected to take.

Pure arithmetic on the spec, the settings and the history of the job's series. The only judgement
is whether a schedule is possible at all; it depends on the creation time and not on the clock, so
a spec that is valid stays valid.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lowtide.trainingjob.spec import Policy, TrainingJobSpec
from lowtide.units import format_duration
from lowtide_operator.learning import Experience
from lowtide_operator.settings import ScheduleSettings
from lowtide_operator.status.times import clock_text


class DurationSource(StrEnum):
    """Where the expected duration comes from."""

    DECLARED = "Declared"
    LEARNT = "Learnt"
    DEFAULT = "Default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time in which a job may run."""

    earliest: datetime
    deadline: datetime
    duration_seconds: float
    """Median of the full-power running time."""
    high_seconds: float
    """Its 90th percentile."""
    duration_source: DurationSource
    expected_joules: float | None
    """Median energy of the series, where it was measured."""
    fault: str | None
    """One sentence if no start inside the window can work."""


def window_of(
    spec: TrainingJobSpec,
    created: datetime,
    settings: ScheduleSettings,
    experience: Experience | None = None,
) -> Window:
    """Return the window of a job created at `created`.

    Without a deadline the latest start is `maxDelaySeconds` after creation, and the deadline
    follows from it.
    """
    schedule = spec.schedule
    duration, high, source = _duration(spec, settings, experience)
    earliest = max(created, schedule.start_no_earlier_than or created)
    if schedule.deadline is None:
        delay = schedule.max_delay_seconds
        longest = settings.maximum_delay_seconds if delay is None else float(delay)
        latest = max(created + timedelta(seconds=longest), earliest)
        spare = high + settings.start_latency_seconds + settings.margin_seconds
        deadline = latest + timedelta(seconds=spare)
    else:
        deadline = schedule.deadline
    return Window(
        earliest=earliest,
        deadline=deadline,
        duration_seconds=duration,
        high_seconds=high,
        duration_source=source,
        expected_joules=None if experience is None else experience.energy_joules,
        fault=_fault(spec, earliest, duration, source),
    )


def _duration(
    spec: TrainingJobSpec, settings: ScheduleSettings, experience: Experience | None
) -> tuple[float, float, DurationSource]:
    """Return median and 90th percentile of the running time, and where they come from."""
    ratio = settings.duration_high_ratio
    declared = spec.schedule.expected_duration_seconds
    if declared is not None:
        return declared, declared * ratio, DurationSource.DECLARED
    if experience is not None:
        usual = experience.duration_seconds
        high = usual * ratio if experience.high_seconds is None else experience.high_seconds
        return usual, max(usual, high), DurationSource.LEARNT
    usual = settings.expected_duration_seconds
    return usual, usual * ratio, DurationSource.DEFAULT


def _fault(
    spec: TrainingJobSpec, earliest: datetime, duration: float, source: DurationSource
) -> str | None:
    """Return why the run cannot fit between its earliest start and its deadline."""
    deadline = spec.schedule.deadline
    if deadline is None:
        return None
    left = (deadline - earliest).total_seconds()
    from_start = earliest == spec.schedule.start_no_earlier_than
    if left <= 0:
        what = "spec.schedule.startNoEarlierThan" if from_start else "the job's creation"
        return (
            f"spec.schedule.deadline {clock_text(deadline)} is not after {what} "
            f"({clock_text(earliest)}): move the deadline later"
        )
    declared = source is DurationSource.DECLARED
    if not declared or left >= duration or spec.schedule.policy is not Policy.CARBON_OPTIMAL:
        return None
    enough = earliest + timedelta(seconds=duration)
    return (
        f"spec.schedule.deadline {clock_text(deadline)} leaves {format_duration(left)}, "
        f"the run needs {format_duration(duration)}: move the deadline to "
        f"{clock_text(enough, after=deadline)} or later, or set policy: Immediate"
    )
