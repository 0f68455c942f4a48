"""Summary of a job: the facts that the cache keeps unpacked, for metrics and for learning.

It is read from the API object when an event arrives, so that a scrape parses nothing. A fact that
cannot be read is absent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from pydantic import ValidationError

from lowtide.lenient_fields import mapping, mappings
from lowtide.planning.durations import PastRun
from lowtide.planning.scaling import SizedAttempt
from lowtide.trainingjob.sized_attempts import sized_attempts
from lowtide.trainingjob.status import Attempt
from lowtide.units import parse_timestamp

Body = Mapping[str, Any]

LETTERS: Final = "ABCDE"
ENDED_LIVES: Final = frozenset({"Complete", "CompletedLate", "Failed"})
"""States of jobs that ran or never will."""
ENDED_STATES: Final = ENDED_LIVES | {"Invalid"}
BILL: Final = {
    "electricity": "paid",
    "electricity_run_now": "runNow",
    "electricity_saved": "saved",
}
"""Kinds of money in the metrics, and the fields of the bill that they are read from."""
_shared: dict[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Facts of a job that the metrics page shows."""

    state: str = "Waiting"
    """The state that `kubectl get` shows."""
    zone: str | None = None
    """Grid zone, once known."""
    labels: tuple[tuple[str, str], ...] = ()
    """Name and value of the labels that describe the job."""
    conditions: tuple[tuple[str, str], ...] = ()
    """Type and status of each condition."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Known figures by metric name without prefix."""
    costs: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Known amounts by currency and kind."""

    @property
    def plans_with_forecast(self) -> bool:
        """Whether a new forecast may change what the job does."""
        return self.state not in ENDED_STATES


def summary_of(spec: Body, status: Body) -> Summary:
    """Return the summary of a job's spec and status as the API server holds them.

    A status may have been written by anyone who may write it: what is no figure is left out.
    """
    carbon, training = _section(status, "carbon"), _section(status, "training")
    target = _section(status, "target")
    labels = {
        "zone": carbon.get("zone"),
        "policy": _section(spec, "schedule").get("policy"),
        "signal": carbon.get("signal"),
        "model": training.get("model"),
        "dataset": training.get("dataset"),
        "series": _section(spec, "metrics").get("series"),
        "label": _section(status, "efficiency").get("label"),
        "target_kind": target.get("kind"),
        "target": target.get("name"),
        "target_uid": target.get("uid"),
    }
    held = mappings(status.get("conditions"))
    conditions = tuple((str(c.get("type")), str(c.get("status"))) for c in held)
    cost = _section(status, "cost")
    currency = str(cost.get("currency", ""))
    costs = {(currency, kind): _number(cost.get(kind)) for kind in ("instance", "energy")}
    bill = _section(status, "electricity")
    costs |= {
        (str(bill.get("currency", "")), kind): _number(bill.get(field))
        for kind, field in BILL.items()
    }
    return Summary(
        state=_section(status, "display").get("state", "Waiting"),
        zone=carbon.get("zone"),
        labels=tuple((name, str(value or "")) for name, value in labels.items()),
        conditions=_shared.setdefault(conditions, conditions),
        figures={k: v for k, v in _figures(status).items() if v is not None},
        costs={k: v for k, v in costs.items() if v is not None},
    )


def past_run(status: Body) -> PastRun | None:
    """Return duration and energy of a completed job, or `None` if it has not completed."""
    conditions = mappings(status.get("conditions"))
    if not any(c.get("type") == "Complete" and c.get("status") == "True" for c in conditions):
        return None
    seconds, ended = 0.0, 0.0
    for attempt in mappings(status.get("attempts")):
        start, end = _seconds(attempt.get("start")), _seconds(attempt.get("end"))
        if start is not None and end is not None:
            # The work of an elastic job counts as time at the size that its duration is given for.
            speed = _number(attempt.get("speed")) or 1.0
            seconds, ended = seconds + speed * max(0.0, end - start), max(ended, end)
    joules = _number(_section(status, "energy").get("totalJoules"))
    return PastRun(seconds, joules, ended, _sized(status)) if seconds > 0 else None


def _sized(status: Body) -> tuple[SizedAttempt, ...]:
    """Return what the attempts of an elastic job say of its scaling; nothing if unreadable."""
    listed = [one for one in mappings(status.get("attempts")) if one.get("replicas")]
    try:
        return sized_attempts([Attempt.model_validate(one) for one in listed])
    except ValidationError:
        return ()


def _figures(status: Body) -> dict[str, float | None]:
    plan, carbon = _section(status, "plan"), _section(status, "carbon")
    savings = _section(status, "counterfactual")
    reach = _number(savings.get("reachPercent"))
    by_objective = _number(_section(status, "electricity").get("reachPercent"))
    attempts: Sequence[Body] = mappings(status.get("attempts")) or [{}]
    sci_range = _section(_section(status, "sci"), "uncertainty")
    metrics = {str(m.get("name", "")): m.get("value") for m in _efficiency(status)}
    named = {name.split("[")[0][:3]: value for name, value in reversed(metrics.items())}
    return {
        "planned_start_timestamp_seconds": _seconds(plan.get("start")),
        "latest_start_timestamp_seconds": _seconds(plan.get("latestStart")),
        "deadline_timestamp_seconds": _seconds(plan.get("deadline")),
        "start_timestamp_seconds": _seconds(attempts[0].get("start")),
        "end_timestamp_seconds": _seconds(attempts[-1].get("end")),
        "energy_joules": _number(_section(status, "energy").get("totalJoules")),
        "operational_grams": _number(carbon.get("operationalGrams")),
        "embodied_grams": _number(carbon.get("embodiedGrams")),
        "avoided_grams": _number(savings.get("avoidedGrams")),
        "run_now_grams": _number(savings.get("runNowGrams")),
        "clairvoyant_grams": _number(savings.get("clairvoyantGrams")),
        "reach_ratio": None if reach is None else reach / 100,
        "objective_reach_ratio": None if by_objective is None else by_objective / 100,
        "sci_grams_per_unit": _number(_section(status, "sci").get("gramsPerUnit")),
        "accuracy_ratio": _number(_section(status, "training").get("accuracy")),
        "sam": _number(named.get("SAM")),
        "apc": _number(metrics.get("APC")),
        "apec": _number(metrics.get("APEC")),
        "ttcapc_seconds": _number(metrics.get("TTCAPC")),
        "sci_low_grams_per_unit": _number(sci_range.get("low")),
        "sci_high_grams_per_unit": _number(sci_range.get("high")),
        **_predicted(_section(status, "prediction")),
        "replicas": _replicas(attempts[-1]),
        "rating_letter": _letter(_section(status, "efficiency").get("label")),
    }


def _replicas(attempt: Body) -> float | None:
    """Return the replicas of an elastic job now: 0 while it rests; `None` for a fixed size."""
    replicas = _number(attempt.get("replicas"))
    return 0.0 if replicas and attempt.get("end") else replicas


def _predicted(prediction: Body) -> dict[str, float | None]:
    energy = _section(prediction, "energyJoules")
    return {
        "predicted_energy_joules": _number(energy.get("expected")),
        "predicted_energy_low_joules": _number(energy.get("low")),
        "predicted_energy_high_joules": _number(energy.get("high")),
        "predicted_grams": _number(_section(prediction, "grams").get("expected")),
        "predicted_end_timestamp_seconds": _seconds(_section(prediction, "finish").get("expected")),
    }


def _efficiency(status: Body) -> tuple[Body, ...]:
    return mappings(_section(status, "efficiency").get("metrics"))


def _section(parent: Body, name: str) -> Body:
    """Return a mapping inside `parent`; an empty one if absent."""
    return mapping(parent.get(name))


def _number(value: object) -> float | None:
    """Return a figure, `None` where there is none or what stands there is no finite number."""
    if not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _letter(label: object) -> float | None:
    """Return 0 for A to 4 for E."""
    return float(LETTERS.index(label)) if label and label in tuple(LETTERS) else None


def _seconds(text: object) -> float | None:
    """Return a time as Unix seconds, `None` where what stands there is no time."""
    try:
        return parse_timestamp(text).timestamp() if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None
