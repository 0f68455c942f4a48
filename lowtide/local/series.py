"""Durations of a series, learnt from the finished runs of this machine."""

from datetime import datetime

from lowtide.lenient_fields import mapping, mappings, moment
from lowtide.local.store import RunStore
from lowtide.planning import Experience, PastRun, learn
from lowtide.records.fields import number


def experience_of(store: RunStore, series: str | None) -> Experience | None:
    """Return what the finished runs of a series took; `None` without a series or such runs."""
    if series is None:
        return None
    found = []
    for document in store.documents():
        spec, status = mapping(document.get("spec")), mapping(document.get("status"))
        if mapping(spec.get("metrics")).get("series") != series:
            continue
        attempts = list(mappings(status.get("attempts")))
        if not attempts or attempts[-1].get("outcome") != "Complete":
            continue
        spans = [(moment(a.get("start")), moment(a.get("end"))) for a in attempts]
        seconds = sum(_seconds(start, end) for start, end in spans)
        ended = spans[-1][1]
        if seconds > 0 and ended is not None:
            joules = number(mapping(status.get("energy")).get("totalJoules"))
            found.append(PastRun(seconds, joules, ended.timestamp()))
    return learn(found)


def _seconds(start: datetime | None, end: datetime | None) -> float:
    return 0.0 if start is None or end is None else (end - start).total_seconds()
