"""Hostile TrainingJobs: each is made from its number; the operator must answer in one line."""

import random
from datetime import UTC, datetime
from typing import Any

from lowtide_operator.decision.decide import decide
from lowtide_operator.decision.draft import Decision
from lowtide_operator.decision.observation import Observation
from lowtide_operator.objects.job_manifest import job_manifest
from lowtide_operator.objects.key import Key
from lowtide_operator.objects.records import Record
from lowtide_operator.objects.views import Fault, template_of
from lowtide_operator.settings import OperatorSettings

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SETTINGS = OperatorSettings()
SECTIONS = ("schedule", "grid", "functionalUnit", "hardware", "price", "metrics", "suspend")
FIELDS = (
    "policy",
    "deadline",
    "startNoEarlierThan",
    "maxDelaySeconds",
    "expectedDurationSeconds",
    "minimumSavingPercent",
    "interruption",
    "zone",
    "count",
    "kind",
    "alpha",
)
STATUS_FIELDS = {
    "plan": ("segments", "start", "latestStart", "deadline", "expectedDurationSeconds", "reason"),
    "energy": ("totalJoules", "final"),
    "carbon": ("operationalGrams", "zone", "signal"),
    "counterfactual": ("avoidedGrams", "reachPercent"),
    "sci": ("gramsPerUnit", "uncertainty"),
    "training": ("accuracy", "model", "history"),
    "efficiency": ("label", "metrics"),
    "prediction": ("energyJoules", "grams", "finish"),
    "cost": ("currency", "energy"),
    "electricity": ("currency", "paid", "reachPercent"),
    "display": ("state",),
    "target": ("uid", "kind", "progressPercent"),
}
LISTED_FIELDS = {
    "attempts": ("number", "name", "start", "end", "outcome", "pods"),
    "conditions": ("type", "status", "reason", "message", "lastTransitionTime"),
}
JOB_FIELDS = ("parallelism", "completions", "backoffLimit", "ttlSecondsAfterFinished", "suspend")


def hostile_body(number: int) -> dict[str, Any]:
    """Return the TrainingJob with this number."""
    dice = random.Random(number)
    spec: dict[str, Any] = {"template": _template(dice)}
    for name in dice.sample(SECTIONS, dice.randrange(len(SECTIONS))):
        fields = dice.sample(FIELDS, dice.randrange(len(FIELDS)))
        spec[name] = {field: _value(dice) for field in fields} if dice.random() < 0.8 else None
    if dice.random() < 0.7:
        spec["schedule"] = _schedule(dice)
    budget = _budget(random.Random(f"budget {number}"))
    if budget is not None:
        spec["budget"] = budget
    metadata = {
        "name": f"hostile-{number}",
        "namespace": "tenant",
        "uid": f"uid-{number}",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": "2026-11-30T11:00:00Z",
        "annotations": {"lowtide.dev/run-now": dice.choice(("", "true", "no", "1", "x" * 5000))},
    }
    return {"metadata": metadata, "spec": spec, "status": _status(number)}


def handle(body: dict[str, Any]) -> Decision:
    """Do what the operator does with a TrainingJob until its Job is sent."""
    record = Record.of(body)
    job = record.view()
    seen = Observation(now=NOW, job=job, template_checked=True)
    decision = decide(seen, SETTINGS)
    decision.status.to_api()
    if not isinstance(job.spec, Fault):
        job_manifest(
            Key("tenant", "hostile"), job.uid, template_of(body), attempt=1, settle_seconds=180
        )
    return decision


def _schedule(dice: random.Random) -> dict[str, Any]:
    """Return a schedule that is nearly right: this is what gets furthest."""
    return {
        "policy": dice.choice(("CarbonOptimal", "Immediate", "Observe")),
        **({"deadline": _date(dice)} if dice.random() < 0.6 else {}),
        **({"startNoEarlierThan": _date(dice)} if dice.random() < 0.4 else {}),
        "maxDelaySeconds": dice.choice((0, 1, 31_536_000)),
        "expectedDurationSeconds": dice.choice((1, 60, 31_536_000)),
        "minimumSavingPercent": dice.choice((0, 100)),
        "interruption": {"allowed": True, "restartCostSeconds": dice.choice((0, 31_536_000))},
    }


def _budget(dice: random.Random) -> Any:
    """Return a budget, nearly right or of nonsense, or `None` for none."""
    amounts = ("0", "0.000001", "9" * 30, "1e308", "-1", "5 kWh", "NaN", "1e999", "", 5, -1, 1e308)
    kind = dice.randrange(4)
    if kind == 0:
        return None
    if kind == 1:
        return _value(dice)
    chosen = dice.sample(("energyJoules", "grams", "money", "finish", "kWh"), dice.randrange(5))
    return {
        name: {
            "limit": _date(dice) if name == "finish" else dice.choice(amounts),
            **({"action": dice.choice(("Warn", "Pause", "Stop", "stop", 1))} if kind > 2 else {}),
        }
        for name in chosen
    }


def _date(dice: random.Random) -> str:
    year = dice.choice((1, 1969, 2000, 2026, 2027, 2999, 9900, 9999))
    return f"{year:04}-12-31T23:59:59{dice.choice(('Z', '-14:00', '+14:00', '.999999Z'))}"


def _status(number: int) -> dict[str, Any]:
    """Return a status as someone wrote it who may write statuses; every second one is empty."""
    dice = random.Random(f"status {number}")
    if number % 2:
        return {}

    def part(fields: tuple[str, ...]) -> dict[str, Any]:
        chosen = dice.sample(fields, dice.randrange(len(fields) + 1))
        return {f: dice.choice((_value(dice), _date(dice), "12.5", 3)) for f in chosen}

    status: dict[str, Any] = {name: part(fields) for name, fields in STATUS_FIELDS.items()}
    for name, fields in LISTED_FIELDS.items():
        status[name] = [part(fields) for _ in range(dice.randrange(4))]
    spoilt = dice.choice(list(status))
    return status if dice.random() < 0.5 else {**status, spoilt: _value(dice)}


def _value(dice: random.Random) -> Any:
    numbers = (-1, 0, 2**31, 2**63, -(2**63), 10**300, 1e308, 0.1)
    texts = ("", "x" * 5_000, "NaN", "1e999", "\u202e\u0000", "{{.}}", _date(dice))
    return dice.choice(
        (*numbers, *texts, None, True, [], {}, [[]] * 100, {"a": {"b": [1]}}, ["x"] * 300)
    )


def _template(dice: random.Random) -> Any:
    kind = dice.randrange(5)
    if kind == 0:
        return _value(dice)
    if kind == 1:
        deep: Any = "x"
        for _ in range(dice.choice((10, 100, 400, 1200))):
            deep = {"a": deep} if dice.random() < 0.5 else [deep]
        return {"spec": deep}
    count = dice.choice((0, 1, 3, 25))
    limits = {"nvidia.com/gpu": _value(dice), "cpu": "1"}
    container = {"name": "c", "image": "x", "resources": {"limits": limits}, "env": _value(dice)}
    job = {field: _value(dice) for field in dice.sample(JOB_FIELDS, dice.randrange(4))}
    pod = {"containers": [container] * count, "initContainers": _value(dice)}
    metadata = {"labels": _value(dice), "annotations": _value(dice)}
    return {"metadata": metadata, "spec": {**job, "template": {"metadata": metadata, "spec": pod}}}
