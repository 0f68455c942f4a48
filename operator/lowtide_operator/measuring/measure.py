"""Measurement of an ended job, once all of its samples are stored.

After the end the exporter still counts for a moment and must be scraped once more, so the end
markers of all pods are awaited for a bounded time. Whatever is missing (samples, grid values) is
read later; nothing is forgotten, because the job's status says what must be measured. Figures are
never replaced by poorer ones.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from lowtide.accounts.figures import Measurement
from lowtide.accounts.reading import JobReading
from lowtide.accounts.references import References
from lowtide.accounts.settlement import Ledger, settle
from lowtide.grid.overhead import Overhead, RunSpan
from lowtide.grid.series import IntensitySeries
from lowtide.prices.series import PriceSeries
from lowtide.trainingjob.conditions import ConditionType, Reason, find
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import EnergyStatus
from lowtide_operator.decision.due import LONGEST_WAIT
from lowtide_operator.measuring.ends import (
    end_seen,
    last_ends,
    ran,
    stored_time,
    unseen_ends,
)
from lowtide_operator.objects.views import Fault, JobView
from lowtide_operator.samples.lives import NamedPod
from lowtide_operator.samples.of_pods import (
    PODS_AT_ONCE,
    end_times,
    pods_of_job,
    read_pods,
    read_pods_without_uid,
)
from lowtide_operator.samples.source import Samples, SamplesUnavailableError
from lowtide_operator.settings import OperatorSettings

SCRAPES_BEHIND: Final = 2
"""Samples are read from this many scrape intervals before the first start."""


NEVER_RAN: Final = Measurement(
    status="False",
    reason=Reason.NEVER_RAN,
    message="no pod of this job was seen to run, and the exporters name none",
)


class SeenGrid(Protocol):
    """A source of what was really seen of the grid: intensity and prices."""

    async def seen_between(
        self, zone: str, start: datetime, end: datetime
    ) -> IntensitySeries | None:
        """Return the seen intensity of a zone, or `None` if nothing was seen."""
        ...

    def paid_between(self, zone: str, start: datetime, end: datetime) -> PriceSeries | None:
        """Return what a kilowatt-hour cost in a zone, or `None` if it has no prices."""
        ...


class KnownOverheads(Protocol):
    """A source of the data centre's overhead (PUE)."""

    async def of_run(
        self,
        spec: TrainingJobSpec,
        zone: str | None,
        spans: Sequence[RunSpan],
        settings: OperatorSettings,
    ) -> Overhead | None:
        """Return the factor of a run, or `None` where none is to be had."""
        ...


class Measurer:
    """Reader of the figures of ended jobs; `samples` is `None` if no source is configured."""

    def __init__(
        self,
        samples: Samples | None,
        grid: SeenGrid,
        overheads: KnownOverheads,
    ) -> None:
        self._samples = samples
        self._grid = grid
        self._overheads = overheads
        self._references = References()

    async def measure(self, job: JobView, now: datetime, settings: OperatorSettings) -> Measurement:
        """Return the figures of an ended job, or the reason why they are not there yet."""
        attempts = job.status.attempts
        spec = job.spec
        has_run = any(pod.start for attempt in attempts for pod in attempt.pods)
        has_run = has_run or any(attempt.start for attempt in attempts)
        if not attempts or isinstance(spec, Fault) or (self._samples is None and not has_run):
            return NEVER_RAN
        if self._samples is None:
            return Measurement(
                status="False",
                reason=Reason.NO_SAMPLE_SOURCE,
                message="the operator's settings name neither a Prometheus nor exporters: set "
                "prometheus.url, or exporters.url (chart: directScrape.enabled)",
            )
        try:
            return await self._read(self._samples, job, spec, now, settings)
        except SamplesUnavailableError as error:
            return still_waiting(job, error.reason, str(error))

    async def _read(
        self,
        samples: Samples,
        job: JobView,
        spec: TrainingJobSpec,
        now: datetime,
        settings: OperatorSettings,
    ) -> Measurement:
        attempts, namespace = job.status.attempts, job.key.namespace
        slack = timedelta(seconds=SCRAPES_BEHIND * settings.scrape_interval_seconds)
        settle_time = timedelta(seconds=settings.measurement.settle_seconds)
        ended = max(a.end or now for a in attempts)
        until = min(now, ended + LONGEST_WAIT)
        lately = min([ended, *last_ends(attempts)]) - settle_time - slack
        target = None if job.status.target is None else job.status.target.uid
        owned = await pods_of_job(samples, namespace, job.uid, lately, until, owner_uid=target)
        recent = [pod for pod in attempts[-1].pods if (pod.end or ended) >= lately]
        awaited = owned | {pod.uid for pod in recent}
        ends = await end_times(samples, namespace, awaited, lately, until)
        unseen = await unseen_ends(samples, job, until)
        # A clock that was ahead puts the end of an attempt long after its markers were stored.
        ends = {**{uid: at for uid, at in unseen.items() if uid in awaited}, **ends}
        open_pods = [pod.name for pod in recent if pod.start is not None and pod.uid not in ends]
        if (open_pods or not ends) and (
            now < max(ended, end_seen(job, now)) + settle_time
            or not await self._was_awake(samples, now, settings)
        ):
            waits = ", ".join(open_pods[:3]) or "the pods"
            return still_waiting(job, Reason.SETTLING, f"the end marker of {waits} is awaited")
        ends = {**unseen, **ends}
        # A workload of somebody else may have run before its TrainingJob was made.
        earliest_pod = min([job.created, *(a.start for a in attempts if a.start)])
        begin = earliest_pod - slack
        owned |= await pods_of_job(samples, namespace, job.uid, begin, until, owner_uid=target)
        reading = JobReading(
            attempts,
            scrape_interval_seconds=settings.scrape_interval_seconds,
            earliest=earliest_pod,
            end_times=ends,
        )
        await _sum_up(samples, job, owned, reading, slack, until)
        if not reading.pods_with_energy and not any(
            a.start or any(pod.start or pod.end is None for pod in a.pods) for a in attempts
        ):
            return NEVER_RAN
        earliest = spec.schedule.start_no_earlier_than
        baseline = job.created if earliest is None else max(job.created, earliest)
        baseline = min(baseline, min((a.start for a in attempts if a.start), default=baseline))
        # A Job may have been seen running before a look could write down what it waits for.
        written = None if job.status.carbon is None else job.status.carbon.zone
        zone = written or spec.grid.zone or settings.zone_of_unmarked_jobs
        intensity = prices = None
        if zone is not None:
            intensity = await self._grid.seen_between(zone, min(baseline, begin), until)
            prices = self._grid.paid_between(zone, min(baseline, begin), until)
        ledger = Ledger(
            spec=spec,
            status=job.status,
            samples=reading,
            intensity=intensity,
            overhead=await self._overheads.of_run(spec, zone, ran(attempts), settings),
            prices=prices,
            baseline_start=baseline,
            references=await asyncio.to_thread(self._references.shelf, settings.rating),
        )
        figures = await asyncio.to_thread(settle, ledger, settings)
        if _is_poorer(figures, job.status.energy):
            message = "samples that were read before are no longer stored"
            return still_waiting(job, Reason.PARTIAL, message)
        return figures

    async def _was_awake(self, samples: Samples, now: datetime, settings: OperatorSettings) -> bool:
        """Return whether samples have been stored for a settle time.

        After an outage of the store, the exporter still holds values that were not scraped yet.
        """
        started = await samples.started_at()
        settle_time = timedelta(seconds=settings.measurement.settle_seconds)
        return started is None or now >= started + settle_time


async def _sum_up(
    samples: Samples,
    job: JobView,
    owned: frozenset[str],
    reading: JobReading,
    slack: timedelta,
    until: datetime,
) -> None:
    """Read the samples of all pods into the sums, each group of pods over its own time."""
    namespace, attempts = job.key.namespace, job.status.attempts
    first = min((a.start for a in attempts if a.start), default=job.created)
    seen = {
        pod.uid: (pod.start or attempt.start or job.created, pod.end or attempt.end or until)
        for attempt in attempts
        for pod in attempt.pods
    }
    stored = {
        pod.uid: stored_time(*seen[pod.uid], attempt.end)
        for attempt in attempts
        for pod in attempt.pods
    }
    unseen = sorted(owned - seen.keys())
    if unseen:
        async for piece in read_pods(samples, namespace, unseen, job.created - slack, until):
            await asyncio.to_thread(reading.take, piece)
    listed = sorted(seen, key=lambda uid: (seen[uid][0], uid))
    for at in range(0, len(listed), PODS_AT_ONCE):
        batch = listed[at : at + PODS_AT_ONCE]
        # The exporter counts from when the node took the pod, which is before its first container.
        start = max(job.created, min(first, *(stored[uid][0] for uid in batch)) - LONGEST_WAIT)
        end = min(until, max(stored[uid][1] for uid in batch) + LONGEST_WAIT)
        async for piece in read_pods(samples, namespace, batch, start - slack, end):
            await asyncio.to_thread(reading.take, piece)
        known = reading.pods_with_energy
        nameless = {
            pod.name: NamedPod(pod.uid, *seen[pod.uid], _made(job, pod.start))
            for attempt in attempts
            for pod in attempt.pods
            if pod.uid in batch and pod.uid not in known and pod.start is not None
        }
        if nameless:
            found = read_pods_without_uid(samples, namespace, nameless, start - slack, end)
            async for piece in found:
                await asyncio.to_thread(reading.take, piece)


def _made(job: JobView, pod_start: datetime) -> datetime | None:
    """Return when a job was made, `None` where a workload may have run before its TrainingJob."""
    return None if job.status.target is not None or pod_start < job.created else job.created


def _is_poorer(figures: Measurement, known: EnergyStatus | None) -> bool:
    """Return whether samples were lost since the final figures in the status were made."""
    if known is None or not known.final:
        return False
    energy = figures.energy
    if energy is None or known.total_joules is None or energy.total_joules is None:
        return True
    return energy.total_joules < known.total_joules


def still_waiting(job: JobView, reason: Reason, message: str) -> Measurement:
    """Return "not yet"; existing figures stay as they are, and so does what they waited for."""
    before = find(job.status.conditions, ConditionType.MEASURED)
    if before is not None and before.status == "True":
        return Measurement(status="True", reason=Reason(before.reason), message=before.message)
    return Measurement(status="Unknown", reason=reason, message=message)
