"""Recomputes a job's figures from their inputs, step by step, and compares with what was stated.

Every step shows its formula with the numbers in it. A stated figure that does not follow from its
own inputs (within the rounding of its decimals) is marked; a figure that cannot be recomputed says
which input is missing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import log10
from typing import Any, Final

from lowtide.metrics.apc import DEFAULT_A, DEFAULT_B, ConsumptionUnit, weighed
from lowtide.metrics.figures import JobFigures
from lowtide.metrics.sam import EnergyUnit, energy_in, sam_name
from lowtide.metrics.sci import unit_word
from lowtide.units import format_significant, joules_to_kwh

ROUNDING_RATIO: Final = 0.01
"""Status holds rounded decimals; a stated figure within one percent of its inputs agrees."""
ROUNDING: Final = {"%": 0.5}
"""How far a stated figure may be off in its own unit; elsewhere half a hundredth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One figure: how it follows from others, what comes out, what was stated.

    `value` is `None` where an input is missing, `agrees` where there is nothing to compare.
    """

    name: str
    formula: str
    value: float | None
    unit: str
    stated: float | None
    agrees: bool | None
    missing: tuple[str, ...] = ()


def explain_figures(job: JobFigures) -> tuple[Step, ...]:
    """Return the steps from joules to SCI, saving, power and cost per unit."""
    return tuple(_steps(job))


def explain_metrics(job: JobFigures, manifest: Mapping[str, Any]) -> tuple[Step, ...]:
    """Return the efficiency metrics and the cost, with the parameters of the job's own spec.

    A parameter that the spec leaves out has the API's default; a price that the operator took from
    its settings is not in the manifest, and then the cost is not recomputed.
    """
    spec = manifest.get("spec") or {}
    chosen, weights = ((spec.get("metrics") or {}).get(key) or {} for key in ("sam", "apc"))
    price = spec.get("price") or {}
    alpha, beta = float(chosen.get("alpha", 5)), float(chosen.get("beta", 5))
    unit = EnergyUnit(chosen.get("unit", "Wh"))
    energy = None if job.energy_joules is None else energy_in(unit, job.energy_joules)
    steps = [
        _step(
            sam_name(alpha, beta, unit),
            f"{beta:g} * {{accuracy}}^{alpha:g} / log10({{energy}} {unit})",
            "",
            # Up to one unit of energy the logarithm gives nothing that means anything.
            {"accuracy": job.accuracy, "energy": energy if energy and energy > 1 else None},
            lambda v: beta * v["accuracy"] ** alpha / log10(v["energy"]),
            _stated(job, "SAM"),
        )
    ]
    a = float(weights.get("alpha", DEFAULT_A))
    b = float(weights.get("beta", DEFAULT_B[ConsumptionUnit.WH_PER_HOUR]))
    steps.append(
        _step(
            "APC",
            f"{{accuracy}} / ({b:g} * {{power}} * ({1 - a:g} * (1 - {{accuracy}}) + {a:g}) + 1)",
            "",
            {"accuracy": job.accuracy, "power": job.mean_power_watts},
            lambda v: weighed(v["accuracy"], v["power"], a, b),
            _stated(job, "APC"),
        )
    )
    per_hour = price.get("perHour")
    if per_hour is not None and job.cost_kind == "instance":
        steps.append(
            _step(
                "cost",
                f"{per_hour} {job.cost_currency} * {{time}} s / 3600",
                job.cost_currency or "",
                {"time": job.duration_seconds},
                lambda v: float(per_hour) * v["time"] / 3600,
                job.cost_amount,
            )
        )
    return tuple(steps)


def _stated(job: JobFigures, family: str) -> float | None:
    metric = job.metric(family)
    return None if metric is None else metric.value


def plan_lines(manifest: Mapping[str, Any]) -> list[str]:
    """Return what the status says about the plan: why, when, how much is expected."""
    plan = (manifest.get("status") or {}).get("plan") or {}
    rows = [
        ("now because", plan.get("explanation")),
        ("planned start", plan.get("start")),
        ("run now", _with_unit(plan.get("runNowGramsPerKwh"), "g/kWh expected")),
        ("as planned", _with_unit(plan.get("plannedGramsPerKwh"), "g/kWh expected")),
        ("expected saving", _with_unit(plan.get("expectedSavingPercent"), "%")),
        ("forecast", plan.get("forecastSource")),
        ("deadline", plan.get("deadline")),
        ("latest start", plan.get("latestStart")),
    ]
    return [f"{label:<16} {value}" for label, value in rows if value is not None]


def render(job: JobFigures, steps: tuple[Step, ...]) -> list[str]:
    """Return the steps for people, one or two lines each."""
    lines = [f"{job.name}: every figure from its inputs"]
    for step in steps:
        if step.value is None:
            lines.append(f"  {step.name:<16} not known: {', '.join(step.missing)} missing")
            continue
        shown = f"{format_significant(step.value, 5)} {step.unit}".rstrip()
        lines.append(f"  {step.name:<16} {shown}  = {step.formula}")
        if step.agrees is False and step.stated is not None:
            stated = format_significant(step.stated, 5)
            lines.append(f"  {'':<16} DIFFERS from the stated {stated} {step.unit}")
    if job.mock:
        lines.append("  a stand-in took the place of the GPU: these numbers are not real")
    return lines


def to_json(job: JobFigures, steps: tuple[Step, ...]) -> dict[str, Any]:
    """Return the steps in base units."""
    return {
        "name": job.name,
        "mock": job.mock,
        "steps": [
            {
                "name": step.name,
                "formula": step.formula,
                "value": step.value,
                "unit": step.unit,
                "stated": step.stated,
                "agrees": step.agrees,
                "missing": list(step.missing),
            }
            for step in steps
        ],
    }


def _steps(job: JobFigures) -> Iterator[Step]:
    shares = [share.energy_joules for share in job.shares]
    if shares:
        formula = " + ".join(_number(joules) for joules in shares)
        yield _step(
            "energy", formula, "J", {"parts": 1.0}, lambda _: sum(shares), job.energy_joules
        )
    energy, seconds = job.energy_joules, job.duration_seconds
    o, m, r = job.operational_grams, job.embodied_grams, job.functional_units
    unit = unit_word(job.functional_unit or "unit")
    yield _step(
        "energy in kWh", "{energy} J / 3 600 000", "kWh", {"energy": energy},
        lambda v: joules_to_kwh(v["energy"]), None,
    )  # fmt: skip
    yield _step(
        "mean power", "{energy} J / {time} s", "W", {"energy": energy, "time": seconds or None},
        lambda v: v["energy"] / v["time"], None,
    )  # fmt: skip
    yield _step(
        "mean intensity", "{O} g / ({energy} J / 3 600 000)", "g/kWh",
        {"O": o, "energy": energy or None}, lambda v: v["O"] / joules_to_kwh(v["energy"]), None,
    )  # fmt: skip
    yield _step(
        "C = O + M", "{O} + {M}", "gCO2eq", {"O": o, "M": m}, lambda v: v["O"] + v["M"], None
    )
    yield _step(
        "SCI = C / R", "({O} + {M}) / {R}", f"gCO2eq/{unit}", {"O": o, "M": m, "R": r or None},
        lambda v: (v["O"] + v["M"]) / v["R"], job.sci_grams_per_unit,
    )  # fmt: skip
    now = job.run_now_grams
    yield _step(
        "avoided", "{run_now} - {O}", "gCO2eq", {"run_now": now, "O": o},
        lambda v: v["run_now"] - v["O"], job.avoided_grams,
    )  # fmt: skip
    yield _step(
        "avoided percent", "({run_now} - {O}) / {run_now} * 100", "%",
        {"run_now": now or None, "O": o},
        lambda v: (v["run_now"] - v["O"]) / v["run_now"] * 100, job.avoided_percent,
    )  # fmt: skip


def _step(
    name: str,
    formula: str,
    unit: str,
    inputs: Mapping[str, float | None],
    compute: Callable[[Mapping[str, float]], float],
    stated: float | None,
) -> Step:
    known = {key: value for key, value in inputs.items() if value is not None}
    missing = tuple(key for key, value in inputs.items() if value is None)
    value = None if missing else compute(known)
    return Step(
        name=name,
        formula=formula.format(**{key: _number(v) for key, v in known.items()})
        if not missing
        else "",
        value=value,
        unit=unit,
        stated=stated,
        agrees=None if value is None or stated is None else _agree(value, stated, unit),
        missing=missing,
    )


def _agree(value: float, stated: float, unit: str) -> bool:
    return abs(value - stated) <= max(ROUNDING_RATIO * abs(stated), ROUNDING.get(unit, 0.005))


def _number(value: float) -> str:
    return format_significant(value, 6)


def _with_unit(value: object, unit: str) -> str | None:
    return None if value is None else f"{value} {unit}"
