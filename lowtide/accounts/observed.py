"""Report of a namespace that was only watched: what each workload used, and what waiting had saved.

Pure. A run belongs to the week (ISO, UTC) in which it began; what is to run all the time is cut at
the weeks. A saving is a sum over the runs that could be judged, and every other run is counted with
its reason: nothing is scaled up for it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import fsum
from typing import Final

from lowtide.accounts.usage import Usage, WorkloadKey, together
from lowtide.accounts.waiting import Assumptions, NotJudged, RunOutcome, outcome_of
from lowtide.accounts.workload_zones import WorkloadZone, ZoneSource, sources_sentence
from lowtide.accounts.zone_past import ZonePast
from lowtide.energy.bill import electricity_bill
from lowtide.energy.profile import Span

ALL_THE_TIME: Final = (NotJudged.SERVES, NotJudged.UNKNOWN_KIND)
MANY_RUNS: Final = frozenset({"CronJob"})
"""Kinds whose pods are of many runs; pods that follow one another without overlap are apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Sums over runs."""

    runs: tuple[RunOutcome, ...]
    """The runs."""
    cost: float | None
    """Electricity cost; `None` where a part of the energy has no price, or prices are of several
    currencies."""
    currency: str | None = None
    """Currency of the cost."""

    @property
    def energy_joules(self) -> float:
        """All energy."""
        return fsum(run.usage.energy_joules for run in self.runs)

    @property
    def grams(self) -> float | None:
        """Emissions of the energy whose intensity is known; `None` without any."""
        known = [run.grams for run in self.runs if run.grams is not None]
        return fsum(known) if known else None

    @property
    def priced_ratio(self) -> float:
        """Share of the energy whose intensity is known."""
        total = self.energy_joules
        priced = fsum(run.usage.energy_joules * run.priced_ratio for run in self.runs)
        return priced / total if total > 0 else 0.0

    @property
    def judged(self) -> tuple[RunOutcome, ...]:
        """The runs for which waiting is judged."""
        return tuple(run for run in self.runs if run.not_judged is None)

    @property
    def planned(self) -> tuple[RunOutcome, ...]:
        """Those of them that the planner had a forecast for."""
        return tuple(run for run in self.judged if run.planned is not None)

    @property
    def at_once_grams(self) -> float | None:
        """Emissions of the judged runs at their own start."""
        return _sum(run.at_once.grams for run in self.judged if run.at_once is not None)

    @property
    def planned_at_once_grams(self) -> float | None:
        """Emissions at their own start of the runs that the planner had a forecast for."""
        return _sum(run.at_once.grams for run in self.planned if run.at_once is not None)

    @property
    def planned_saving_grams(self) -> float | None:
        """Grams that the planner would have saved."""
        return _sum(run.planned_saving_grams for run in self.planned)

    @property
    def planned_saving_cost(self) -> float | None:
        """Money that the planner would have saved; `None` where a price is not known."""
        found = [run.planned_saving_cost for run in self.planned]
        known = [saved for saved in found if saved is not None]
        complete = bool(known) and len(known) == len(found) and self.currency is not None
        return fsum(known) if complete else None

    @property
    def best_saving_grams(self) -> float | None:
        """Grams that could have been saved at best."""
        return _sum(run.best_saving_grams for run in self.judged)

    @property
    def mean_delay(self) -> timedelta | None:
        """Mean delay of the start under the planner."""
        delays = [
            (run.planned.start - run.at_once.start).total_seconds()
            for run in self.planned
            if run.planned is not None and run.at_once is not None
        ]
        return timedelta(seconds=fsum(delays) / len(delays)) if delays else None

    @property
    def not_judged(self) -> Mapping[NotJudged, tuple[RunOutcome, ...]]:
        """The other runs by their reason."""
        found: defaultdict[NotJudged, list[RunOutcome]] = defaultdict(list)
        for run in self.runs:
            if run.not_judged is not None:
                found[run.not_judged].append(run)
        return {reason: tuple(runs) for reason, runs in sorted(found.items())}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRow:
    """One workload in one week."""

    week: str
    """ISO week, for example 2026-W10."""
    kind: str
    """Kind of the workload, empty where it is not known."""
    name: str
    """Name of the workload; of the same name there may have been several objects."""
    zone: str | None
    """Zone that prices its energy; `None` where none is known."""
    zone_sources: tuple[ZoneSource, ...]
    """On whose word; objects of one name may have different ones."""
    account: Account
    """Sums over its runs."""

    @property
    def title(self) -> str:
        """Kind and name as people write them, for example `job/net`."""
        return WorkloadKey("", self.kind, self.name).title


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedReport:
    """What a namespace used, and what waiting would have saved."""

    namespace: str
    """Namespace."""
    assumed: Assumptions
    """What is assumed of every run."""
    pasts: tuple[ZonePast, ...]
    """Grids of the zones, those with most energy first; at least one."""
    rows: tuple[ObservedRow, ...]
    """Workloads by week, those with most energy first."""
    total: Account
    """Sums over all of them."""
    pods_without_owner: int
    """Pods whose workload is not known."""
    zones_of_workloads: str = ""
    """On whose word workloads are in their zones, in a sentence; empty where all are by default."""

    @property
    def has_costs(self) -> bool:
        """Whether the cost of any row is known or has a currency."""
        return any(past.prices is not None for past in self.pasts)

    @property
    def forecasts(self) -> str:
        """Where the forecasts of the planned runs come from, in words; of all where none is."""
        planned = {row.zone for row in self.rows if row.account.planned}
        told = [past.forecasts for past in self.pasts if past.zone in planned or not planned]
        return " or ".join(dict.fromkeys(told))


def observe(
    namespace: str,
    usages: Iterable[Usage],
    zone_of: Callable[[WorkloadKey], WorkloadZone],
    past_of: Callable[[str | None], ZonePast],
    assumed: Assumptions,
    *,
    scheduled_pods: Iterable[str] = (),
) -> ObservedReport:
    """Return the report.

    `usages` are those of each pod alone; `zone_of` gives the zone of a workload and `past_of` the
    grid of a zone, which may be added to the grids of the others; `scheduled_pods` are the uids of
    pods that a TrainingJob stands behind.
    """
    every = tuple(usages)
    scheduled = frozenset(scheduled_pods)
    pasts: dict[str | None, ZonePast] = {}
    rows: defaultdict[tuple[str, str, str, str | None], list[RunOutcome]] = defaultdict(list)
    parts: defaultdict[WorkloadKey, list[Usage]] = defaultdict(list)
    sources: defaultdict[tuple[str, str, str, str | None], set[ZoneSource]] = defaultdict(set)
    for usage in every:
        parts[usage.pods[0].workload].append(usage)
    zones = {workload: zone_of(workload) for workload in parts}
    for workload, pods in parts.items():
        past = past_of(zones[workload].zone)
        pasts[past.zone] = past
        for run in _runs_of(pods):
            is_scheduled = any(pod.uid in scheduled for pod in run.pods)
            outcome = outcome_of(
                run,
                past.intensity,
                past.forecast_at,
                assumed,
                is_scheduled=is_scheduled,
                prices=past.prices,
            )
            for week, part in _weeks_of(outcome, past, assumed):
                place = (week, workload.kind, workload.name, past.zone)
                rows[place].append(part)
                sources[place].add(zones[workload].source)
    made = [
        ObservedRow(
            week=week,
            kind=kind,
            name=name,
            zone=zone,
            zone_sources=tuple(sorted(sources[week, kind, name, zone])),
            account=_account({zone: runs}, pasts),
        )
        for (week, kind, name, zone), runs in rows.items()
    ]
    made.sort(key=lambda row: (row.week, -row.account.energy_joules, row.kind, row.name))
    of_zones: defaultdict[str | None, list[RunOutcome]] = defaultdict(list)
    for row in made:
        of_zones[row.zone] += row.account.runs
    if not pasts:
        nowhere = past_of(zone_of(WorkloadKey(namespace)).zone)
        pasts[nowhere.zone] = nowhere
    energy = {zone: fsum(run.usage.energy_joules for run in of_zones[zone]) for zone in pasts}
    return ObservedReport(
        namespace=namespace,
        assumed=assumed,
        pasts=tuple(sorted(pasts.values(), key=lambda past: -energy[past.zone])),
        rows=tuple(made),
        total=_account(of_zones, pasts),
        pods_without_owner=sum(1 for usage in every if not usage.pods[0].workload.kind),
        zones_of_workloads=sources_sentence(zones.values()),
    )


def _account(
    runs: Mapping[str | None, Iterable[RunOutcome]], pasts: Mapping[str | None, ZonePast]
) -> Account:
    """Return the sums over runs by zone; money of two currencies is not added."""
    kept = {zone: tuple(found) for zone, found in runs.items()}
    bills: list[float | None] = []
    currencies: set[str | None] = set()
    for zone, found in kept.items():
        prices = pasts[zone].prices
        if found:
            currencies.add(None if prices is None else prices.currency)
            profile = together(run.usage for run in found).profile
            bills.append(None if prices is None else electricity_bill(profile, prices).amount)
    known = [bill for bill in bills if bill is not None]
    currency = currencies.pop() if len(currencies) == 1 else None
    return Account(
        runs=tuple(run for found in kept.values() for run in found),
        cost=fsum(known) if currency is not None and len(known) == len(bills) else None,
        currency=currency,
    )


def _weeks_of(
    outcome: RunOutcome, past: ZonePast, assumed: Assumptions
) -> Iterator[tuple[str, RunOutcome]]:
    """Yield an outcome under its week; what runs all the time is cut at the weeks."""
    if outcome.not_judged not in ALL_THE_TIME:
        yield week_of(max(outcome.usage.span.start, assumed.window.start)), outcome
        return
    start = assumed.window.start
    while start < assumed.window.end:
        end = min(_next_week(start), assumed.window.end)
        profile = outcome.usage.profile.within(Span(start, end))
        if profile.intervals:
            part = replace(outcome.usage, profile=profile)
            yield week_of(start), outcome_of(part, past.intensity, past.forecast_at, assumed)
        start = end


def week_of(moment: datetime) -> str:
    """Return the ISO week of a time in UTC."""
    year, week, _ = moment.astimezone(UTC).isocalendar()
    return f"{year}-W{week:02d}"


def _next_week(moment: datetime) -> datetime:
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + timedelta(days=7 - day.weekday())


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fsum(known) if known else None


def _runs_of(usages: Iterable[Usage]) -> tuple[Usage, ...]:
    """Return the runs of one workload: all its pods, or for a CronJob those that follow closely.

    Pods of a CronJob that overlap in time are one run, because its Jobs are not named.
    """
    parts = sorted(usages, key=lambda use: use.span.start)
    if not parts:
        return ()
    if parts[0].pods[0].workload.kind not in MANY_RUNS:
        return (together(parts),)
    runs: list[list[Usage]] = []
    end: datetime | None = None
    for part in parts:
        if end is not None and part.span.start <= end + timedelta(seconds=1):
            runs[-1].append(part)
        else:
            runs.append([part])
        end = part.span.end if end is None else max(end, part.span.end)
    return tuple(together(run) for run in runs)
