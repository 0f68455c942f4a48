"""Operator's end of a history: pages are scraped into its store, and its code writes the status.

Each pod is the only pod of a TrainingJob of its own. Page, parser, store, reading of samples,
settlement and decision are the operator's; only the network between them is left out.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from standins.histories.node import UNIX_START, Pod

from lowtide import names
from lowtide.grid.series import AverageSeries, Point
from lowtide.trainingjob.conditions import Reason
from lowtide.trainingjob.status import CarbonStatus, TrainingJobStatus
from lowtide_operator.decision.decide import decide
from lowtide_operator.decision.observation import Observation
from lowtide_operator.measuring.measure import Measurer
from lowtide_operator.objects.pods import pod_view
from lowtide_operator.objects.records import Record
from lowtide_operator.objects.views import child_view
from lowtide_operator.samples.exporter_page import Page, parse_page
from lowtide_operator.samples.store import SampleStore
from lowtide_operator.schedule.overheads import Overheads
from lowtide_operator.settings import OperatorSettings

SCRAPE_SECONDS = 15.0
GRAMS_PER_KWH = 360.0
"""A gram for every 10 kJ."""
NAMESPACE = "ml"
DAY_SECONDS = 86_400.0


class OperatorSide:
    """What an operator knows of a history: the pages it scraped and the API server's pods."""

    def __init__(self) -> None:
        self._settings = _settings()
        self._store = SampleStore(None, keep_seconds=DAY_SECONDS, maximum_samples=1_000_000)
        self._known = Page((), {}).known

    def scrape(self, page: bytes, at: float) -> Page:
        """Store a page as it was scraped `at` (true seconds of the history)."""
        parsed = parse_page(page.decode(), self._known)
        self._known = parsed.known
        self._store.add(parsed, instance="node", at_seconds=UNIX_START + at)
        return parsed

    def statuses(self, pods: list[Pod], now: float) -> list[TrainingJobStatus]:
        """Return the status of each pod's job, as it is written at `now`."""
        return asyncio.run(self._statuses(pods, moment(now)))

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    async def _statuses(self, pods: list[Pod], now: datetime) -> list[TrainingJobStatus]:
        measurer = Measurer(self, self, Overheads())
        return [await self._status(measurer, pod, now) for pod in pods]

    async def _status(self, measurer: Measurer, pod: Pod, now: datetime) -> TrainingJobStatus:
        job = Record.of(_training_job(pod)).view()
        job = replace(job, status=TrainingJobStatus(carbon=CarbonStatus(zone="XX")))
        runs = Observation(
            now=moment(pod.start + 1.0),
            job=job,
            child=child_view(_job(pod, has_ended=False)),
            pods=(pod_view(_pod(pod, has_ended=False)),),
        )
        job = replace(job, status=decide(runs, self._settings).status)
        ended = Observation(
            now=now,
            job=job,
            child=child_view(_job(pod, has_ended=True)),
            pods=(pod_view(_pod(pod, has_ended=True)),),
        )
        job = replace(job, status=decide(ended, self._settings).status)
        figures = await measurer.measure(job, now, self._settings)
        ahead = max(pod.told_start - pod.start, pod.told_end - pod.end) - UNIX_START
        if figures.status == "Unknown":
            # The time to settle begins when the end is seen, or told by a clock that is ahead.
            settle = self._settings.measurement.settle_seconds
            later = now + timedelta(seconds=settle + max(0.0, ahead))
            figures = await measurer.measure(job, later, self._settings)
        assert figures.status != "Unknown", f"{pod.uid} is awaited for ever: {figures.message}"
        assert figures.reason is not Reason.NEVER_RAN, f"{pod.uid} ran, the status does not know it"
        return decide(replace(ended, job=job, measurement=figures), self._settings).status

    async def samples(self, selector, start, end):
        """Return stored samples, as the scraping operator does."""
        return self._store.read(selector, start.timestamp(), end.timestamp())

    async def started_at(self):
        """Return since when samples have been stored."""
        return moment(-DAY_SECONDS)

    async def seen_between(self, zone, start, end):
        """Return an intensity that never changes."""
        assert zone == "XX"
        return _intensity()

    def paid_between(self, zone, start, end):
        """Return that the zone has no prices."""


def moment(seconds: float) -> datetime:
    """Return a true time of the history."""
    return datetime.fromtimestamp(UNIX_START + seconds, UTC)


@cache
def _settings() -> OperatorSettings:
    return OperatorSettings.model_validate({"prometheus": {"scrapeIntervalSeconds": 15}})


@cache
def _intensity() -> AverageSeries:
    point = Point(moment(-DAY_SECONDS), moment(DAY_SECONDS), GRAMS_PER_KWH)
    return AverageSeries("XX", "test", (point,))


def _text(seconds: float) -> str:
    return _unix_text(UNIX_START + seconds)


def _unix_text(unix_seconds: float) -> str:
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _training_job(pod: Pod) -> dict:
    metadata = {"name": pod.uid, "namespace": NAMESPACE, "uid": f"job-of-{pod.uid}"}
    metadata["creationTimestamp"] = _text(pod.start - 2.0)
    return {"metadata": metadata, "spec": {"template": {}}}


def _job(pod: Pod, *, has_ended: bool) -> dict:
    owner = {"apiVersion": f"{names.GROUP}/{names.VERSION}", "kind": names.KIND}
    owner |= {"controller": True, "name": pod.uid, "uid": f"job-of-{pod.uid}"}
    metadata = {"name": f"{pod.uid}-1", "namespace": NAMESPACE, "uid": f"child-of-{pod.uid}"}
    metadata |= {"creationTimestamp": _text(pod.start - 1.0), "ownerReferences": [owner]}
    end = {"type": "Complete", "status": "True", "lastTransitionTime": _text(pod.end)}
    status = {"conditions": [end]} if has_ended else {"active": 1, "ready": 1}
    return {"metadata": metadata, "status": status}


def _pod(pod: Pod, *, has_ended: bool) -> dict:
    """The pod with the times of its kubelet, whose clock is the node's."""
    began = {"startedAt": _unix_text(pod.told_start)}
    ended = {**began, "exitCode": 0, "finishedAt": _unix_text(pod.told_end)}
    return {
        "metadata": {"name": pod.name, "uid": pod.uid},
        "spec": {"nodeName": "node"},
        "status": {
            "phase": "Succeeded" if has_ended else "Running",
            "startTime": _unix_text(pod.told_start),
            "containerStatuses": [
                {
                    "name": "main",
                    "state": {"terminated": ended} if has_ended else {"running": began},
                }
            ],
        },
    }
