"""Circumstances that are not known to be alike among jobs, in sentences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.likeness import CIRCUMSTANCES, Effect, Likeness, Profile, likeness, profile
from lowtide.metrics.quantities import QUANTITIES

MOST_NAMED: Final = 3
"""Jobs that one sentence names."""


@dataclass(frozen=True, slots=True)
class Sentences:
    """What is not known to be alike among runs, by what it does."""

    mismatches: tuple[str, ...]
    conditions: tuple[str, ...]
    unknown: tuple[str, ...]


def circumstances_of(
    base: JobFigures,
    others: Sequence[JobFigures],
    profiles: Mapping[int, Profile] | None = None,
) -> Sentences:
    """Return what differs from a run or is unknown, for the figures that both have.

    One sentence for each circumstance and value, naming at most three runs. `profiles` are those
    of the runs by their identity, where the caller has them.
    """
    known = profiles or {}
    differing: dict[tuple[str, str], list[str]] = {}
    half: dict[str, list[str]] = {}
    unknown: dict[str, None] = {}
    seen: dict[Any, list[Likeness]] = {}
    for job in others:
        # Runs of one table mostly share their circumstances, so each kind is looked at once.
        own = known.get(id(job)) or profile(job)
        kind = (own, tuple([q.read(job) is None for q in QUANTITIES]))
        found = seen.get(kind)
        if found is None:
            found = seen[kind] = [
                likeness(base, job, q.touched_by)
                for q in QUANTITIES
                if q.read(base) is not None and q.read(job) is not None
            ]
        for key in dict.fromkeys(c.key for alike in found for c in alike.different):
            differing.setdefault((key, CIRCUMSTANCES[key].show(job)), []).append(job.name)
        for key in dict.fromkeys(c.key for alike in found for c in alike.half_known):
            lacking = base if CIRCUMSTANCES[key].read(base) is None else job
            half.setdefault(key, []).append(lacking.name)
        unknown |= dict.fromkeys(c.key for alike in found for c in alike.unknown)
    by_effect: dict[bool, list[str]] = {True: [], False: []}
    for (key, value), names in differing.items():
        one = CIRCUMSTANCES[key]
        verb = "has" if len(names) == 1 else "have"
        sentence = f"{one.words}: {base.name} has {one.show(base)}, {some(names)} {verb} {value}"
        by_effect[one.effect is Effect.NAMED].append(sentence)
    said = [
        f"{CIRCUMSTANCES[key].words} of {some(dict.fromkeys(names))}" for key, names in half.items()
    ]
    said += [CIRCUMSTANCES[key].words for key in unknown if key not in half]
    return Sentences(tuple(by_effect[False]), tuple(by_effect[True]), tuple(said))


def some(names: Iterable[str]) -> str:
    """Return names in a row: all of them, or the first three and how many more there are."""
    listed = list(names)
    more = len(listed) - MOST_NAMED
    shown = listed[:MOST_NAMED]
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
