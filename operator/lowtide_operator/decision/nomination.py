"""Decision which clusters of a MultiKueue are nominated for a workload. Pure.

The best cluster comes first, and another one is added each time the workload has waited for so
long again without quota, so that none starves. What was nominated stays: Kueue may just be
admitting it there. The answer follows from when the workload got its quota in the manager, never
from what an operator remembers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lowtide.planning.objective import Objective
from lowtide.planning.places import Place, in_order, incomparable, known_places
from lowtide_operator.objects.multikueue import WorkerCluster

NO_ZONE: Final = "no zone is known of it"
NOT_CONNECTED: Final = "Kueue is not connected to it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A cluster in its place in the order."""

    name: str
    words: str
    """What it is ranked by, or why it stands at the end."""
    connected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Clusters in the order in which they are nominated."""

    candidates: tuple[Candidate, ...]
    all_at_once: str = ""
    """Why there is no order, in one clause: all are nominated then."""
    note: str = ""
    """Why the order is not by what was asked for, in one clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nomination:
    """Clusters to nominate, and when to look again."""

    clusters: tuple[str, ...]
    added: tuple[Candidate, ...]
    """Those that were not nominated before."""
    look_again_at: datetime | None
    """When the next one is due; `None` where none is left."""
    explanation: str
    """One sentence for people."""


def ranking(
    clusters: Sequence[WorkerCluster],
    places: Sequence[Place],
    objective: Objective,
    note: str = "",
) -> Ranking:
    """Return the clusters by what a kilowatt-hour costs in their places.

    `places` has the plan in each cluster with a zone, by the cluster's name. A cluster that Kueue
    does not reach comes after the others, then one whose cost is not known.
    """
    known = known_places(places, objective)
    why = incomparable(known, objective)
    if not known:
        why = "; ".join(f"{place.name}: {place.reason}" for place in places) or "no zone is known"
    position = {place.name: at for at, place in enumerate(in_order(places, objective))}
    of_cluster = {place.name: place for place in places}
    ordered = sorted(
        clusters,
        key=lambda one: (not one.connected, position.get(one.name, len(position)), one.name),
    )
    candidates = tuple(
        Candidate(
            name=one.name,
            words=_words(one, of_cluster.get(one.name), objective),
            connected=one.connected,
        )
        for one in ordered
    )
    return Ranking(candidates=candidates, all_at_once=why or "", note=note)


def all_of(clusters: Sequence[WorkerCluster], why: str) -> Ranking:
    """Return the clusters without an order, and why there is none."""
    candidates = (
        Candidate(name=one.name, words="", connected=one.connected)
        for one in sorted(clusters, key=lambda one: one.name)
    )
    return Ranking(candidates=tuple(candidates), all_at_once=why)


def nominate(
    order: Ranking,
    nominated: Sequence[str],
    *,
    reserved_at: datetime,
    now: datetime,
    widen_seconds: float,
) -> Nomination:
    """Return the clusters to nominate at `now`, those of before first.

    One is due at once, and another after each `widen_seconds` without a cluster that admits it.
    One that Kueue does not reach does not count: the next is nominated beside it.
    """
    kept = [one for one in order.candidates if one.name in set(nominated)]
    left = [one for one in order.candidates if one not in kept]
    waited = max(0.0, (now - reserved_at).total_seconds())
    due = 1 + int(waited // widen_seconds)
    if order.all_at_once:
        due = len(order.candidates)
    serving = sum(one.connected for one in kept)
    added = tuple(left[: max(0, due - serving)])
    left = left[len(added) :]
    again = reserved_at + timedelta(seconds=due * widen_seconds) if left else None
    in_force = [name for name in nominated if any(one.name == name for one in kept)]
    return Nomination(
        clusters=(*in_force, *(one.name for one in added)),
        added=added,
        look_again_at=again,
        explanation=_sentence(order, kept, added, left, widen_seconds),
    )


def _words(cluster: WorkerCluster, place: Place | None, objective: Objective) -> str:
    if not cluster.connected:
        return NOT_CONNECTED
    if place is None:
        return NO_ZONE
    if place.cost_per_kwh(objective) is None:
        return f"zone {place.zone}: {place.reason}"
    parts = [f"{place.grams_per_kwh:.0f} g/kWh"]
    if objective.needs_prices:
        parts.append(f"{place.price_per_kwh:.3g} {place.currency or ''}/kWh")
    if place.moving is not None and place.moving.home != place.zone:
        parts.append(f"{place.moving.gigabytes:g} GB to move")
    return f"zone {place.zone}, {', '.join(parts)}"


def _sentence(
    order: Ranking,
    kept: Sequence[Candidate],
    added: Sequence[Candidate],
    left: Sequence[Candidate],
    widen_seconds: float,
) -> str:
    if order.all_at_once:
        return f"all clusters are nominated at once: {order.all_at_once}"
    words = ", then ".join(f"{one.name} ({one.words})" for one in added)
    before = f" beside {', '.join(one.name for one in kept)}, which did not admit it" * bool(kept)
    by = f", by carbon alone: {order.note}" * bool(order.note)
    said = f"nominated {words}{before}{by}"
    if not left:
        return said
    following = ", ".join(f"{one.name} ({one.words})" for one in left)
    return f"{said}; without quota there, one more after each {widen_seconds:g} s: {following}"
