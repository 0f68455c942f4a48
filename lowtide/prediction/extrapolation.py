"""Sum of what is still to come of a series of equal steps, such as the joules of each epoch.

A step is a level, a straight trend, a warm-up at the beginning that fades or one jump of the level
or every n-th step that differs, and noise in which one step resembles the one before. How much of
each there is, is not known after a few steps, so no single model is chosen: every one of these with
every strength of resemblance is fitted by generalised least squares, counts as much as it explains
the steps (its marginal likelihood with flat priors of level and trend), and the prediction is the
mixture. Where the steps cannot tell a trend from resemblance, the interval is wide, as it must be.
Source: docs/explanation/prediction.md#the-sum-of-what-is-to-come.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, fsum, isfinite, log, sqrt
from types import MappingProxyType
from typing import Any, Final

from lowtide.prediction.mixture import TModel, mean_of, quantile_of
from lowtide.prediction.regression import Cycle, Fit, fits_of

FEWEST_STEPS: Final = 5
MOST_STEPS: Final = 24
"""Longer series are summed up in pairs; more steps would say little more and cost time."""
TAIL: Final = 0.09
"""Left out at each end of the mixture for an interval of 90 %, less the more the steps
resemble one another: a few steps always leave resemblance possible, which makes intervals of unlike
ones too wide and of like ones too narrow. Chosen on simulated runs of all kinds; the table of
benchmarks/prediction is made with others."""
LEAST_TAIL: Final = 0.02
TAIL_POWER: Final = 1.5
"""How fast the tails shrink as the resemblance grows."""
OWN_NOISE: Final = 0.05
"""Noise of a step, over the mean step, that a training has of its own. More comes from what it
shares the machine with, which arrives and leaves: the tails shrink with the variance beyond it."""
RESEMBLANCES: Final = MappingProxyType(
    {0.0: 0.5, 0.3: 0.05, 0.5: 0.05, 0.7: 0.15, 0.85: 0.15, 0.95: 0.1}
)
"""Correlation of neighbouring steps, and how likely it is before any step is seen."""
FADING_STEPS: Final = (0.4, 0.7, 1.0, 1.5, 2.5, 4.0, 7.0)
"""Steps after which a warm-up has fallen to 1/e."""
WARM_UPS: Final = (
    (0, None, 0.5),
    (1, None, 0.15),
    (2, None, 0.05),
    *((0, steps, 0.3 / len(FADING_STEPS)) for steps in FADING_STEPS),
)
"""Steps left out, how the rest fades, and how likely it is before any step is seen."""
BENDS: Final = ((None, 0.6), (0.25, 0.2), (1.0, 0.2))
"""How a trend bends, in parts of the finished steps, and how likely it is; `None`: not at all."""
JUMP_CHANCE: Final = 0.1
"""How likely it is, before any step is seen, that the level jumped once among them."""
FEWEST_BESIDE_JUMP: Final = 2
"""Steps before and after a jump; of fewer, one that is out of line is no new level."""
FEWEST_WITH_JUMP: Final = 6
CYCLE_CHANCE: Final = 0.1
"""How likely it is, before any step is seen, that every n-th one differs, as by an evaluation."""
CYCLES: Final = tuple(Cycle(period, offset) for period in range(2, 7) for offset in range(period))
LEAST_SHARE: Final = 1e-3
"""Models that explain the steps worse than this are left out of the mixture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SumToCome:
    """What the steps to come add up to, and what was found in those that are finished."""

    expected: float
    low: float
    """Lower end of the 90 % interval."""
    high: float
    warm_up: float
    """Probability that the first steps differed because of a warm-up."""
    jump: float
    """Probability that the level jumped once: the steps since then tell of those to come."""
    cycle: float
    """Probability that every n-th step differs."""
    resemblance: float
    """Expected correlation of neighbouring steps."""
    trend: float
    """Expected change from one step to the next, over the mean step."""
    trend_is_sure: bool
    """Whether the trend differs from none by more than chance."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One combination of a shape and a resemblance, and how it explains the steps."""

    evidence: float
    """Logarithm of its likelihood times its prior."""
    centre: float
    scale: float
    degrees: int
    warms_up: bool
    jumps: bool
    cycles: bool
    resemblance: float
    noise: float
    """Variance of a step around the model."""
    trend: float
    trend_error: float


def sum_to_come(steps: Sequence[float], remaining: float) -> SumToCome:
    """Return what `remaining` further steps add up to, at most likely and with 90 % certainty.

    Args:
        steps: Amounts of the finished steps in time order, at least five, none negative.
        remaining: How many steps are left; the last one may be a part of a step.

    Raises:
        ValueError: there are too few steps, or an amount is negative or not finite.
    """
    if len(steps) < FEWEST_STEPS:
        raise ValueError(f"{len(steps)} steps, at least {FEWEST_STEPS} are needed")
    if not (isfinite(remaining) and remaining >= 0):
        raise ValueError(f"{remaining} steps remain: it must be a number from 0 on")
    for amount in steps:
        if not (isfinite(amount) and amount >= 0):
            raise ValueError(f"a step of {amount}: it must be finite and not negative")
    mean = fsum(steps) / len(steps)
    if mean == 0 or remaining == 0:
        return SumToCome(
            expected=0.0,
            low=0.0,
            high=0.0,
            warm_up=0.0,
            jump=0.0,
            cycle=0.0,
            resemblance=0.0,
            trend=0.0,
            trend_is_sure=False,
        )
    stride, relative = _blocks([amount / mean for amount in steps])
    weighed = _weighed(list(_candidates(relative, remaining / stride)))
    mixture = [
        TModel(share, stride * one.centre, stride * one.scale, one.degrees)
        for share, one in weighed
    ]
    resemblance = fsum(share * one.resemblance for share, one in weighed)
    tail = _tail(resemblance, fsum(share * one.noise for share, one in weighed))
    trend = fsum(share * one.trend for share, one in weighed)
    error = fsum(share * one.trend_error for share, one in weighed)
    return SumToCome(
        expected=max(0.0, mean_of(mixture)) * mean,
        low=max(0.0, quantile_of(tail, mixture)) * mean,
        high=max(0.0, quantile_of(1 - tail, mixture)) * mean,
        warm_up=fsum(share for share, one in weighed if one.warms_up),
        jump=fsum(share for share, one in weighed if one.jumps),
        cycle=fsum(share for share, one in weighed if one.cycles),
        resemblance=resemblance,
        trend=trend / stride,
        trend_is_sure=abs(trend) > 2 * error,
    )


def _tail(resemblance: float, noise: float) -> float:
    """Return what is left out at each end, by the resemblance and the variance of the steps."""
    foreign = min(1.0, OWN_NOISE**2 / noise) if noise > 0 else 1.0
    return max(LEAST_TAIL, TAIL * float((1 - resemblance) ** TAIL_POWER) * foreign)


def _blocks(steps: Sequence[float]) -> tuple[int, list[float]]:
    """Return the steps as means of neighbours, few enough, and how many stand in each.

    Where the steps do not divide evenly the first ones are left out, which are the oldest.
    """
    stride = -(-len(steps) // MOST_STEPS)
    first = len(steps) % stride
    return stride, [
        fsum(steps[at : at + stride]) / stride for at in range(first, len(steps), stride)
    ]


def _candidates(steps: Sequence[float], remaining: float) -> Iterator[_Candidate]:
    """Yield every model that has at least two degrees of freedom left."""
    for left_out, fading, likely in WARM_UPS:
        kept = steps[left_out:]
        if len(kept) < 4 + (fading is not None):
            continue
        for part, chance in BENDS:
            # A fading warm-up and a bending trend are two names of one thing.
            if part is not None and fading is not None:
                continue
            bending = None if part is None else part * len(kept)
            # Flat in the first step's slope, as the straight trend is.
            prior = likely * (1.0 if fading is not None else chance) / (bending or 1.0)
            for fit in fits_of(kept, [*RESEMBLANCES], fading=fading, bending=bending):
                weight = RESEMBLANCES[fit.resemblance]
                evidence = fit.log_likelihood + log(prior * weight)
                yield _candidate(fit, remaining, evidence, left_out)
    for prior, options in _shapes(len(steps)):
        for fit in fits_of(steps, [*RESEMBLANCES], **options):
            evidence = fit.log_likelihood + log(prior * RESEMBLANCES[fit.resemblance])
            yield _candidate(fit, remaining, evidence, 0)


def _shapes(count: int) -> Iterator[tuple[float, dict[str, Any]]]:
    """Yield each jump and each cycle that so many steps can show, with its prior probability."""
    places = range(FEWEST_BESIDE_JUMP, count - FEWEST_BESIDE_JUMP + 1)
    if count >= FEWEST_WITH_JUMP:
        for place in places:
            yield JUMP_CHANCE / len(places), {"jump": place}
    # Two turns and two steps more: level, trend and what differs are then known apart.
    cycles = [cycle for cycle in CYCLES if count >= 2 * cycle.period + 2]
    for cycle in cycles:
        yield CYCLE_CHANCE / len(cycles), {"cycle": cycle}


def _candidate(fit: Fit, remaining: float, evidence: float, left_out: int) -> _Candidate:
    """Return what a fitted model says about the sum of the remaining steps."""
    phi = fit.resemblance
    power = phi**remaining
    carried = phi * (1 - power) / (1 - phi)
    """What the noise of the last step adds to the steps to come."""
    squares = phi * phi * (1 - power * power) / (1 - phi * phi)
    noise = max(0.0, (remaining - 2 * carried + squares) / (1 - phi) ** 2)
    trend = remaining * (remaining + 1) / 2
    slope = 1.0
    if fit.bending is not None:
        trend = _faded(fit.count, fit.bending, remaining, carried)
        slope = -exp(-(fit.count - 1) / fit.bending) / fit.bending
    ahead = [remaining - carried, trend]
    now = [0.0, slope]
    if fit.fading is not None:
        ahead.append(_faded(fit.count, fit.fading, remaining, carried))
        now.append(0.0)
    if fit.jump is not None:
        ahead.append(0.0)
        now.append(0.0)
    if fit.cycle is not None:
        last = carried * fit.cycle.covers(fit.count - 1)
        ahead.append(fit.cycle.ahead(fit.count, remaining) - last)
        now.append(0.0)
    return _Candidate(
        evidence=evidence,
        centre=remaining * fit.shift + fit.at(ahead) + carried * fit.last,
        scale=sqrt(fit.variance * (fit.leverage(ahead) + noise)),
        degrees=fit.degrees,
        warms_up=left_out > 0 or fit.fading is not None,
        jumps=fit.jump is not None,
        cycles=fit.cycle is not None,
        resemblance=phi,
        noise=fit.variance / (1 - phi * phi),
        trend=fit.at(now),
        trend_error=sqrt(fit.variance * fit.leverage(now)),
    )


def _faded(count: int, fading: float, remaining: float, carried: float) -> float:
    """Return the sum to come of what fades, less what the last step's noise takes over of it."""
    last, step = exp(-(count - 1) / fading), exp(-1 / fading)
    return float(last * (step * (1 - step**remaining) / (1 - step) - carried))


def _weighed(candidates: Sequence[_Candidate]) -> list[tuple[float, _Candidate]]:
    """Return the candidates with their shares; those that explain next to nothing are left out."""
    best = max(one.evidence for one in candidates)
    weights = [exp(one.evidence - best) for one in candidates]
    whole = fsum(weights)
    kept = [
        (weight, one)
        for weight, one in zip(weights, candidates, strict=True)
        if weight >= LEAST_SHARE * whole
    ]
    whole = fsum(weight for weight, _ in kept)
    return [(weight / whole, one) for weight, one in kept]
