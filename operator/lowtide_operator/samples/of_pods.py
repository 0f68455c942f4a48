"""Raw samples of the pods of one job, fetched from the store piece by piece.

A pod belongs to a job because the API server gave its uid or the exporter says which TrainingJob it
works for; names prove nothing, because another job's pods may look alike. Every query names the
namespace. Pieces follow one another in time and are as long as a bounded number of samples allows,
so a month takes no more memory than an hour. Nothing is computed here.
"""

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from lowtide import names
from lowtide.accounts.samples import PodSamples
from lowtide.energy.samples import Series
from lowtide_operator.samples.lives import Lives, NamedPod
from lowtide_operator.samples.source import (
    Samples,
    Selector,
    TooManySamplesError,
    selector_of_pods,
)

FIRST_PIECE: Final = timedelta(hours=1)
SHORTEST_PIECE: Final = timedelta(minutes=2)
LONGEST_PIECE: Final = timedelta(days=7)
PIECE_SAMPLES: Final = 20_000
"""Samples of one metric that a piece should hold; twice as many make the next piece shorter."""
PODS_AT_ONCE: Final = 50
"""Pods in one query."""
INFO_REACH: Final = timedelta(hours=1)
"""GPUs are described by what was stored this long before the pods' end."""


PIECE_METRICS: Final = {
    "end_marker": names.METRIC_POD_END,
    "energy": names.METRIC_POD_ENERGY,
    "segment_start": names.METRIC_POD_SEGMENT_START,
    "held": names.METRIC_POD_GPU_HELD_SECONDS,
    "share": names.METRIC_POD_GPU_SHARE,
}
"""In the order of the queries. A page is stored whole, between two of them perhaps: what is asked
after the end marker holds the last values, so they are never called final without being there."""


async def pods_of_job(
    source: Samples,
    namespace: str,
    trainingjob_uid: str,
    start: datetime,
    end: datetime,
    *,
    owner_uid: str | None = None,
) -> frozenset[str]:
    """Return the uids of the pods that worked for a TrainingJob, as the exporter says.

    With `owner_uid` they are those of a workload that somebody else wrote, by the uid of the
    object at the top of their owners.

    Raises:
        SamplesUnavailableError: there is no usable answer.
    """
    same = {"namespace": namespace, "trainingjob_uid": trainingjob_uid}
    if owner_uid is not None:
        same = {"namespace": namespace, "owner_uid": owner_uid}
    wanted = {"owner": Selector(names.METRIC_POD_OWNER, equal=same)}
    uids: set[str] = set()
    async for piece in _pieces(source, wanted, start, end):
        uids |= {series.pod_uid for series in piece.owner}
    return frozenset(uids - {""})


async def end_times(
    source: Samples, namespace: str, uids: Iterable[str], start: datetime, end: datetime
) -> Mapping[str, float]:
    """Return the Unix time of the end marker of each pod that has one, by uid.

    Raises:
        SamplesUnavailableError: there is no usable answer.
    """
    found: dict[str, float] = {}
    for batch in _batches(sorted(uids)):
        wanted = {"end_marker": selector_of_pods(names.METRIC_POD_END, namespace, batch)}
        async for piece in _pieces(source, wanted, start, end):
            found |= piece.end_times
    return found


async def read_pods(
    source: Samples, namespace: str, uids: Sequence[str], start: datetime, end: datetime
) -> AsyncIterator[PodSamples]:
    """Yield the raw series of pods that were stored between `start` and `end`, in time order.

    Raises:
        SamplesUnavailableError: there is no usable answer.
    """
    for batch in _batches(uids):
        wanted = {
            field: selector_of_pods(metric, namespace, batch)
            for field, metric in PIECE_METRICS.items()
        }
        uuids: set[str] = set()
        async for piece in _pieces(source, wanted, start, end):
            uuids |= {series.labels["uuid"] for series in piece.share if "uuid" in series.labels}
            yield piece
        if uuids:
            yield await _described(source, uuids, max(start, end - INFO_REACH), end)


async def read_pods_without_uid(
    source: Samples, namespace: str, pods: Mapping[str, NamedPod], start: datetime, end: datetime
) -> AsyncIterator[PodSamples]:
    """Yield the series of an exporter that may not ask the API server, and so knows no uids.

    `pods` are those that the API server named, by their whole name; a series counts only if its
    namespace and its pod are one of these, it has no uid of its own, and its counters began and
    ended when the pod did: names come back.

    Raises:
        SamplesUnavailableError: there is no usable answer.
    """
    for batch in _batches(sorted(pods)):
        pattern = "|".join(re.escape(name) for name in batch)
        wanted = {
            field: Selector(
                metric, equal={"namespace": namespace, "pod_uid": ""}, like={"pod": pattern}
            )
            for field, metric in PIECE_METRICS.items()
        }
        lives = Lives()
        marks = {field: wanted[field] for field in ("segment_start", "end_marker")}
        async for piece in _pieces(source, marks, start, end):
            lives.take(piece)
        async for piece in _pieces(source, wanted, start, end):
            yield PodSamples(
                clocks=piece.clocks,
                **{
                    field: tuple(
                        part
                        for series in getattr(piece, field)
                        if (part := lives.part_of(pods[series.labels["pod"]], series)).samples
                    )
                    for field in PIECE_METRICS
                },
            )


async def _described(
    source: Samples, uuids: Iterable[str], start: datetime, end: datetime
) -> PodSamples:
    pattern = "|".join(re.escape(uuid) for uuid in sorted(uuids))
    selector = Selector(names.METRIC_GPU_INFO, like={"uuid": pattern})
    return PodSamples(gpus=await source.samples(selector, start, end))


async def _pieces(
    source: Samples, wanted: Mapping[str, Selector], start: datetime, end: datetime
) -> AsyncIterator[PodSamples]:
    """Yield what is stored, a piece of time after the other."""
    first, length = start, FIRST_PIECE
    while first < end:
        last = min(first + length, end)
        try:
            found = {
                field: _honest(await source.samples(selector, first, last))
                for field, selector in wanted.items()
            }
            if "segment_start" in wanted:
                found["clocks"] = await _clocks(source, found["segment_start"], first, last)
        except TooManySamplesError:
            if length <= SHORTEST_PIECE:
                raise
            length /= 4
            continue
        piece = PodSamples(**found)
        yield piece
        first = last
        if piece.most_samples > 2 * PIECE_SAMPLES:
            length = max(length / 2, SHORTEST_PIECE)
        elif piece.most_samples < PIECE_SAMPLES / 2:
            length = min(2 * length, LONGEST_PIECE)


async def _clocks(
    source: Samples, starts: Iterable[Series], start: datetime, end: datetime
) -> tuple[Series, ...]:
    """Return the times of the nodes whose exporters told these starts."""
    instances = sorted({series.labels.get("instance", "") for series in starts} - {""})
    if not instances:
        return ()
    pattern = "|".join(re.escape(instance) for instance in instances)
    return await source.samples(
        Selector(names.METRIC_NODE_CLOCK, like={"instance": pattern}), start, end
    )


def _honest(found: Iterable[Series]) -> tuple[Series, ...]:
    """Return the series whose labels are the exporter's own words.

    Where a scrape does not honour them, the target's labels replace them: then the series says
    where it was scraped, and not whose energy it is.
    """
    return tuple(
        series
        for series in found
        if not any(name.startswith("exported_") for name in series.labels)
    )


def _batches(names_or_uids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (
        names_or_uids[at : at + PODS_AT_ONCE] for at in range(0, len(names_or_uids), PODS_AT_ONCE)
    )
