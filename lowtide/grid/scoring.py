"""Scores of providers: whose forecasts would have saved most, the only ground for reordering.

A forecast is judged by what a plan based on it achieves on actual values, as a share of what the
best plan with the same constraints achieves, and by how well it orders the hours of a day
(docs/explanation/forecast.md#judging-a-provider). Percentage errors are not used: they reward the
wrong thing. A score stands on actual values of the provider's own signal; nothing here compares
average with marginal intensity.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations
from typing import Final

from lowtide.grid.series import IntensitySeries, require_same_signal
from lowtide.grid.vintages import made_at

DAYS_MIN: Final = 14
"""Evidence that is needed before a chain may be reordered."""
REACH_MARGIN: Final = 0.02
"""How much better a later provider must be to pass an earlier one."""
WINDOW_SHARE: Final = 0.25
"""Length of the planned run as a share of the band."""


@dataclass(frozen=True, slots=True)
class Band:
    """Lead times `[first, last)` in hours of the data."""

    name: str
    first_hours: int
    last_hours: int


BANDS: Final = (
    Band("0-6h", 0, 6),
    Band("6-24h", 6, 24),
    Band("24-48h", 24, 48),
    Band("48h+", 48, 72),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastScore:
    """How one provider did in one band."""

    provider: str
    """Label of the provider in its chain."""
    band: str
    """Name of the band of lead times."""
    days: int
    """Different days on which a forecast was made."""
    plans: int
    """Forecasts that were judged."""
    reach: float | None
    """Realised saving divided by the optimum's, summed over all plans; `None`: nothing to save."""
    concordance: float | None
    """Share of pairs of slots put in the right order; `None`: nothing to order."""
    error_grams_per_kwh: float | None = None
    """Mean absolute error of a slot; it is shown and never decides."""


def score(
    provider: str,
    vintages: Sequence[IntensitySeries],
    actual: IntensitySeries,
    *,
    hour: timedelta = timedelta(hours=1),
) -> tuple[ForecastScore, ...]:
    """Return one score per band that any vintage reaches and actual values cover.

    Each vintage plans one contiguous run of a quarter of the band inside the band, at the
    earliest cheapest place; running at the band's beginning is the baseline. Slots without a
    forecast or actual value exclude their vintage from the band. `hour` is shorter in a replay.

    Raises:
        MixedSignalsError: a vintage and the actual values are of different signals.
    """
    scores = []
    for band in BANDS:
        days: set[date] = set()
        won = possible = missed = 0.0
        plans = slots = 0
        ordered: list[tuple[float, int]] = []
        for vintage in vintages:
            require_same_signal(vintage, actual)
            pairs = _pairs(vintage, actual, band, hour)
            if pairs is None:
                continue
            saved, best = _savings(pairs)
            won, possible, plans = won + saved, possible + best, plans + 1
            missed += sum(abs(expected - true) for expected, true in pairs)
            slots += len(pairs)
            days.add(made_at(vintage).date())
            ordered.append(_agreement(pairs))
        if plans:
            pairs_in_order = sum(count for _, count in ordered)
            scores.append(
                ForecastScore(
                    provider=provider,
                    band=band.name,
                    days=len(days),
                    plans=plans,
                    reach=won / possible if possible > 0 else None,
                    concordance=sum(right for right, _ in ordered) / pairs_in_order
                    if pairs_in_order
                    else None,
                    error_grams_per_kwh=missed / slots,
                )
            )
    return tuple(scores)


def preferred_order(labels: Sequence[str], scores: Iterable[ForecastScore]) -> tuple[str, ...]:
    """Return the labels, better providers moved forward where the evidence is long and clear.

    A provider passes the one before it only if both have at least 14 days in a band they share,
    and its mean reach over the shared bands is higher by more than 0.02. Otherwise the order of
    the settings stays.
    """
    known: dict[str, dict[str, float]] = {}
    for one in scores:
        if one.days >= DAYS_MIN and one.reach is not None:
            known.setdefault(one.provider, {})[one.band] = one.reach
    order = list(labels)
    for end in range(1, len(order)):
        place = end
        while place and _is_better(known, order[place], order[place - 1]):
            order[place - 1], order[place] = order[place], order[place - 1]
            place -= 1
    return tuple(order)


def _is_better(known: Mapping[str, Mapping[str, float]], label: str, than: str) -> bool:
    mine, other = known.get(label, {}), known.get(than, {})
    shared = mine.keys() & other.keys()
    if not shared:
        return False
    ahead = sum(mine[band] - other[band] for band in shared) / len(shared)
    return ahead > REACH_MARGIN


def _pairs(
    vintage: IntensitySeries, actual: IntensitySeries, band: Band, hour: timedelta
) -> list[tuple[float, float]] | None:
    """Return (forecast, actual) of every slot in the band, or `None` where one is missing."""
    made = made_at(vintage)
    first, last = made + band.first_hours * hour, made + band.last_hours * hour
    inside = [p for p in vintage.points if p.start >= first and p.start < last]
    if len(inside) < 4 or inside[-1].end < _last_start(last, inside[-1].end - inside[-1].start):
        return None
    pairs = []
    for point in inside:
        true = actual.at(point.start)
        if point.grams_per_kwh is None or true is None:
            return None
        pairs.append((point.grams_per_kwh, true))
    return pairs


def _last_start(end: datetime, step: timedelta) -> datetime:
    """Return the earliest end that the last slot of a fully covered band can have."""
    return end - step


def _savings(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return what the plan saved and what the best would have, in g/kWh summed over the run."""
    length = max(1, round(len(pairs) * WINDOW_SHARE))
    starts = range(len(pairs) - length + 1)

    def cost(start: int, column: int) -> float:
        return sum(pair[column] for pair in pairs[start : start + length])

    planned = min(starts, key=lambda start: (cost(start, 0), start))
    run_now = cost(0, 1)
    return run_now - cost(planned, 1), run_now - min(cost(start, 1) for start in starts)


def _agreement(pairs: Sequence[tuple[float, float]]) -> tuple[float, int]:
    """Return how many pairs of slots are in the right order (a forecast tie is half) of how many.

    Slots with equal actual values have no order and are left out.
    """
    right, count = 0.0, 0
    for (expected_a, true_a), (expected_b, true_b) in combinations(pairs, 2):
        if true_a == true_b:
            continue
        count += 1
        product = (expected_a - expected_b) * (true_a - true_b)
        right += 1.0 if product > 0 else 0.5 if product == 0 else 0.0
    return right, count
