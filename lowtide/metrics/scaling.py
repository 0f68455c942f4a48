"""Electricity of a full training run, predicted from its first epochs or from shares of the data.

Electricity is linear in epochs and in the share of data (published finding of the SAM authors); the
interval carries the scatter between epochs and nothing else: epochs are assumed independent, drift
widens the true error, and early stopping breaks the rule, so a prediction always reads "if all
epochs run". Source: docs/explanation/metrics.md#predicting-a-full-run.
"""

from collections.abc import Sequence
from math import fsum, sqrt
from statistics import fmean, stdev
from typing import Final

from lowtide.metrics.domain import require_at_least
from lowtide.metrics.result import Caution, MetricError, Refusal, Result, Uncertainty, Undefined
from lowtide.metrics.student import t_quantile

FEWEST_EPOCHS: Final = 3
ROUNDING: Final = 1e-9
EPOCHS_METHOD: Final = "sum of finished epochs + mean * remaining epochs, if all epochs run"
SHARES_METHOD: Final = "least squares e = e0 + e1 * share, at share 1, if all data is used"
ASSUMPTIONS: Final = "95 % t interval; epochs independent and alike"


def predict_total(
    finished: Sequence[float], *, planned: int, unit: str, drop_first: bool = False
) -> Result:
    """Return the total over `planned` epochs from the values of the finished ones.

    Works for energy, time or any other amount per epoch; `unit` is the unit of the amounts. With
    `drop_first` the first epoch is kept in the sum but not used to predict (warm-up). Undefined as
    `too_few_samples` with fewer than three epochs to learn from.

    Raises:
        MetricError: out_of_domain for negative or non-finite amounts, or fewer planned than
            finished epochs.
    """
    for value in finished:
        require_at_least("finished", value)
    if planned < len(finished):
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "planned",
            f"planned is {planned}, fewer than the {len(finished)} epochs that are finished",
        )
    learned = list(finished[1:] if drop_first else finished)
    k, remaining = len(learned), planned - len(finished)
    parameters = {
        "finished_epochs": len(finished),
        "planned_epochs": planned,
        "learned_from_epochs": k,
        "dropped_first": drop_first,
    }
    if k < FEWEST_EPOCHS:
        return Result(
            name="predicted total",
            value=None,
            unit=unit,
            reason=Undefined.TOO_FEW_SAMPLES,
            parameters=parameters,
            method=EPOCHS_METHOD,
        )
    mean, scatter = fmean(learned), stdev(learned)
    total = fsum(finished) + remaining * mean
    quantile = t_quantile(0.975, k - 1)
    half_width = quantile * scatter * sqrt(remaining + remaining**2 / k)
    used = fsum(finished)
    return Result(
        name="predicted total",
        value=total,
        unit=unit,
        warnings=(Caution.EXTRAPOLATED,) if remaining else (),
        parameters={
            **parameters,
            "mean_per_epoch": mean,
            "stdev_per_epoch": scatter,
            "t_quantile": quantile,
            "half_width_95": half_width,
        },
        method=EPOCHS_METHOD,
        uncertainty=Uncertainty(
            low=max(total - half_width, used), high=total + half_width, basis=ASSUMPTIONS
        ),
    )


def predict_from_shares(shares: Sequence[float], amounts: Sequence[float], *, unit: str) -> Result:
    """Return the amount for all data from runs on shares of it, by a straight line.

    Undefined as `too_few_samples` with fewer than two different shares, and as `below_used` where
    the line falls below what a run on a share already used; with exactly two runs there is no
    interval. No end of the interval is below what was used.

    Raises:
        MetricError: out_of_domain for a share outside (0, 1], a negative amount, or lists of
            different length.
    """
    if len(shares) != len(amounts):
        raise MetricError(
            Refusal.OUT_OF_DOMAIN,
            "amounts",
            f"{len(shares)} shares and {len(amounts)} amounts: give one amount per share",
        )
    for share in shares:
        if not 0 < share <= 1:
            raise MetricError(
                Refusal.OUT_OF_DOMAIN,
                "shares",
                f"shares holds {share:g}, but a share of the data must be above 0 and at most 1",
            )
    for amount in amounts:
        require_at_least("amounts", amount)
    if len(set(shares)) < 2:
        return Result(
            name="predicted total",
            value=None,
            unit=unit,
            reason=Undefined.TOO_FEW_SAMPLES,
            parameters={"runs": len(shares)},
            method=SHARES_METHOD,
        )
    n, mean_share, mean_amount = len(shares), fmean(shares), fmean(amounts)
    spread = fsum((share - mean_share) ** 2 for share in shares)
    slope = (
        fsum((f - mean_share) * (e - mean_amount) for f, e in zip(shares, amounts, strict=True))
        / spread
    )
    offset = mean_amount - slope * mean_share
    total = offset + slope
    parameters = {"runs": n, "offset": offset, "slope": slope}
    used = max(amounts)
    # A straight line through equal amounts may end a rounding error below them.
    if total < used * (1 - ROUNDING):
        return Result(
            name="predicted total",
            value=None,
            unit=unit,
            reason=Undefined.BELOW_USED,
            parameters={**parameters, "used": used},
            method=SHARES_METHOD,
        )
    uncertainty = None
    if n > 2:
        residual = fsum((e - offset - slope * f) ** 2 for f, e in zip(shares, amounts, strict=True))
        half_width = (
            t_quantile(0.975, n - 2)
            * sqrt(residual / (n - 2))
            * sqrt(1 + 1 / n + (1 - mean_share) ** 2 / spread)
        )
        parameters["half_width_95"] = half_width
        uncertainty = Uncertainty(
            low=max(total - half_width, min(used, total)),
            high=total + half_width,
            basis="95 % t interval of a straight line; runs independent",
        )
    return Result(
        name="predicted total",
        value=total,
        unit=unit,
        warnings=() if 1 in shares else (Caution.EXTRAPOLATED,),
        parameters=parameters,
        method=SHARES_METHOD,
        uncertainty=uncertainty,
    )
