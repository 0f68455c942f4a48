"""Window of a job: its earliest start, its deadline and how long it is expected to take.

Pure arithmetic on the spec, the settings and the history of the job's series. The only judgement
is whether a schedule is possible at all; it depends on the creation time and not on the clock, so
a spec that is valid stays valid.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lowtide.planning.bounds import bounded_moment
from lowtide.planning.durations import DurationEstimate, Experience, estimate_duration
from lowtide.trainingjob.schedule import Policy
from lowtide.trainingjob.schedule_settings import ScheduleSettings
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.times import clock_text
from lowtide.units import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time in which a job may run."""

    earliest: datetime
    deadline: datetime
    duration: DurationEstimate
    expected_joules: float | None
    """Median energy of the series, where it was measured."""
    fault: str | None
    """One sentence if no start inside the window can work."""

    @property
    def duration_seconds(self) -> float:
        """Return the median of the full-power running time."""
        return self.duration.usual_seconds

    @property
    def high_seconds(self) -> float:
        """Return its 90th percentile."""
        return self.duration.high_seconds


def window_of(
    spec: TrainingJobSpec,
    created: datetime,
    settings: ScheduleSettings,
    experience: Experience | None = None,
) -> Window:
    """Return the window of a job created at `created`.

    Without a deadline the latest start is `maxDelaySeconds` after creation, and the deadline
    follows from it. Times after the year 9900 count as its start, so that sums stay dates.
    """
    schedule = spec.schedule
    duration = estimate_duration(
        experience,
        schedule.expected_duration_seconds,
        default_seconds=settings.expected_duration_seconds,
        high_ratio=settings.duration_high_ratio,
    )
    earliest = max(created, bounded_moment(schedule.start_no_earlier_than or created))
    if schedule.deadline is None:
        delay = schedule.max_delay_seconds
        longest = settings.maximum_delay_seconds if delay is None else float(delay)
        latest = max(created + timedelta(seconds=longest), earliest)
        spare = duration.high_seconds + settings.start_latency_seconds + settings.margin_seconds
        deadline = latest + timedelta(seconds=spare)
    else:
        deadline = bounded_moment(schedule.deadline)
    return Window(
        earliest=earliest,
        deadline=deadline,
        duration=duration,
        expected_joules=None if experience is None else experience.energy_joules,
        fault=_fault(spec, earliest),
    )


def _fault(spec: TrainingJobSpec, earliest: datetime) -> str | None:
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
    # A guess and what a series shows may change; the declared duration stays what it is.
    duration = spec.schedule.expected_duration_seconds
    if duration is None or left >= duration or spec.schedule.policy is not Policy.CARBON_OPTIMAL:
        return None
    enough = earliest + timedelta(seconds=duration)
    return (
        f"spec.schedule.deadline {clock_text(deadline)} leaves {format_duration(left)}, "
        f"the run needs {format_duration(duration)}: move the deadline to "
        f"{clock_text(enough, after=deadline)} or later, or set policy: Immediate"
    )
