"""Measurement of an ended job, once all of its samples are stored.

After the end the exporter still counts for a moment and must be scraped once more, so the end
markers of all pods are awaited for a bounded time. Whatever is missing (samples, grid values) is
read later; nothing is forgotten, because the job's status says what must be measured. Figures are
never replaced by poorer ones.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final, Protocol

from lowtide.grid.series import IntensitySeries
from lowtide.trainingjob.spec import TrainingJobSpec
from lowtide.trainingjob.status import Attempt, EnergyStatus
from lowtide_operator.decision.observation import Measurement
from lowtide_operator.measuring.references import References
from lowtide_operator.measuring.settlement import Ledger, settle
from lowtide_operator.objects.views import Fault, JobView
from lowtide_operator.samples.of_pods import ended_pods, read_pods
from lowtide_operator.samples.source import Samples, SamplesUnavailableError
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.status.conditions import ConditionType, Reason, find

SCRAPES_BEHIND: Final = 2
"""Samples are read from this many scrape intervals before the first start."""
LONGEST_WAIT: Final = timedelta(hours=1)
"""Samples are read until this long after the end; the exporter keeps them for minutes."""


class SeenIntensity(Protocol):
    """A source of the intensity that was really seen."""

    async def seen_between(
        self, zone: str, start: datetime, end: datetime
    ) -> IntensitySeries | None:
        """Return the seen intensity of a zone, or `None` if nothing was seen."""
        ...


class Measurer:
    """Reader of the figures of ended jobs; `samples` is `None` if no source is configured."""

    def __init__(
        self,
        samples: Samples | None,
        intensity: SeenIntensity,
    ) -> None:
        self._samples = samples
        self._intensity = intensity
        self._references = References()

    async def measure(self, job: JobView, now: datetime, settings: OperatorSettings) -> Measurement:
        """Return the figures of an ended job, or the reason why they are not there yet."""
        attempts = [a for a in job.status.attempts if a.start is not None or a.pods]
        spec = job.spec
        if not attempts or isinstance(spec, Fault):
            return Measurement(
                status="False", reason=Reason.NEVER_RAN, message="no pod of this job ever ran"
            )
        if self._samples is None:
            return Measurement(
                status="False",
                reason=Reason.NO_SAMPLE_SOURCE,
                message="the operator's settings name neither a Prometheus nor exporters: set "
                "prometheus.url, or exporters.url (chart: directScrape.enabled)",
            )
        try:
            return await self._read(self._samples, job, spec, attempts, now, settings)
        except SamplesUnavailableError as error:
            return _try_later(job, error.reason, str(error))

    async def _read(
        self,
        samples: Samples,
        job: JobView,
        spec: TrainingJobSpec,
        attempts: list[Attempt],
        now: datetime,
        settings: OperatorSettings,
    ) -> Measurement:
        slack = timedelta(seconds=SCRAPES_BEHIND * settings.scrape_interval_seconds)
        begin = min(a.start or job.created for a in attempts) - slack
        ended = max(a.end or now for a in attempts)
        settled_at = ended + timedelta(seconds=settings.measurement.settle_seconds)
        until = min(now, ended + LONGEST_WAIT)
        marked = await ended_pods(samples, job.key.namespace, attempts, begin, until)
        open_pods = [
            pod.name
            for attempt in attempts
            for pod in attempt.pods
            if pod.start is not None and pod.uid not in marked
        ]
        if (open_pods or not marked) and (
            now < settled_at or not await self._was_awake(samples, now, settings)
        ):
            waits = ", ".join(open_pods[:3]) or "the pods"
            return _try_later(job, Reason.SETTLING, f"the end marker of {waits} is awaited")
        earliest = spec.schedule.start_no_earlier_than
        baseline = job.created if earliest is None else max(job.created, earliest)
        baseline = min(baseline, min(a.start or baseline for a in attempts))
        zone = None if job.status.carbon is None else job.status.carbon.zone
        intensity = None
        if zone is not None:
            intensity = await self._intensity.seen_between(zone, min(baseline, begin), ended)
        ledger = Ledger(
            spec=spec,
            status=job.status,
            samples=await read_pods(samples, job.key.namespace, attempts, begin, until),
            intensity=intensity,
            baseline_start=baseline,
            references=await asyncio.to_thread(self._references.shelf, settings.rating),
        )
        figures = settle(ledger, settings)
        if _is_poorer(figures, job.status.energy):
            return _try_later(
                job, Reason.PARTIAL, "samples that were read before are no longer stored"
            )
        return figures

    async def _was_awake(self, samples: Samples, now: datetime, settings: OperatorSettings) -> bool:
        """Return whether samples have been stored for a settle time.

        After an outage of the store, the exporter still holds values that were not scraped yet.
        """
        started = await samples.started_at()
        settle_time = timedelta(seconds=settings.measurement.settle_seconds)
        return started is None or now >= started + settle_time


def _is_poorer(figures: Measurement, known: EnergyStatus | None) -> bool:
    """Return whether samples were lost since the final figures in the status were made."""
    if known is None or not known.final:
        return False
    energy = figures.energy
    if energy is None or known.total_joules is None or energy.total_joules is None:
        return True
    return energy.total_joules < known.total_joules


def _try_later(job: JobView, reason: Reason, message: str) -> Measurement:
    """Return "not yet"; existing figures stay as they are."""
    before = find(job.status.conditions, ConditionType.MEASURED)
    if before is not None and before.status == "True":
        return Measurement(status="True", reason=Reason(before.reason), message=before.message)
    return Measurement(status="Unknown", reason=reason, message=message)
