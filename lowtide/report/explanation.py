"""Derivation of a job's figures from their inputs, compared with the stated ones.

Every step shows its formula with its numbers. A stated figure that does not follow from its inputs
(within the rounding of its decimals) is marked; a figure that cannot be recomputed names the input
that is missing.
"""

from collections.abc import Iterator, Mapping
from math import log10
from typing import Any, Final

from lowtide.metrics.apc import DEFAULT_A, DEFAULT_B, ConsumptionUnit, weighed
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.sam import EnergyUnit, energy_in, sam_name
from lowtide.metrics.sci import unit_word
from lowtide.planning.durations import DurationSource
from lowtide.report.derivation import (
    HALF_JOULE,
    WHOLE_JOULES,
    Derivation,
    make_step,
    number_text,
)
from lowtide.units import format_duration, joules_to_kwh

DURATION_RULES: Final[dict[str, str]] = {
    DurationSource.DECLARED: "as declared",
    DurationSource.LEARNT: "from the latest runs of the series",
    DurationSource.DEFAULT: "by default, since none is declared and too few runs have finished",
}
NAME_WIDTH: Final = 16
"""Least width of the column of names."""
DIFFERENCE_RATIO: Final = 2e-4
"""Tolerance of a difference of two masses, as a share of the larger: both were rounded."""


def explain_figures(job: JobFigures) -> tuple[Derivation, ...]:
    """Return the steps from joules to SCI, saving, power and cost per unit."""
    return tuple(_steps(job))


def explain_metrics(job: JobFigures, manifest: Mapping[str, Any]) -> tuple[Derivation, ...]:
    """Return SAM and APC with the parameters of the job's own spec.

    A parameter that the spec leaves out has the API's default.
    """
    spec = manifest.get("spec") or {}
    chosen, weights = ((spec.get("metrics") or {}).get(key) or {} for key in ("sam", "apc"))
    alpha, beta = float(chosen.get("alpha", 5)), float(chosen.get("beta", 5))
    unit = EnergyUnit(chosen.get("unit", "Wh"))
    energy = None if job.energy_joules is None else energy_in(unit, job.energy_joules)
    steps = [
        make_step(
            sam_name(alpha, beta, unit),
            f"{beta:g} * {{accuracy}}^{alpha:g} / log10({{energy}} {unit})",
            "",
            # At or below one unit of energy the logarithm is not positive, and SAM is not defined.
            {"accuracy": job.accuracy, "energy": energy if energy and energy > 1 else None},
            lambda v: beta * v["accuracy"] ** alpha / log10(v["energy"]),
            _stated(job, "SAM"),
            rounding={"energy": energy_in(unit, HALF_JOULE)},
        )
    ]
    a = float(weights.get("alpha", DEFAULT_A))
    b = float(weights.get("beta", DEFAULT_B[ConsumptionUnit.WH_PER_HOUR]))
    steps.append(
        make_step(
            "APC",
            f"{{accuracy}} / ({b:g} * {{power}} * ({1 - a:g} * (1 - {{accuracy}}) + {a:g}) + 1)",
            "",
            {"accuracy": job.accuracy, "power": job.mean_power_watts},
            lambda v: weighed(v["accuracy"], v["power"], a, b),
            _stated(job, "APC"),
            rounding=power_rounding(job),
        )
    )
    return tuple(steps)


def power_rounding(job: JobFigures) -> Mapping[str, float]:
    """Return the rounding of a mean power that is made of whole joules."""
    seconds = job.powered_seconds
    return {"power": HALF_JOULE / seconds} if seconds else {}


def _stated(job: JobFigures, family: str) -> float | None:
    metric = job.metric(family)
    return None if metric is None else metric.value


def plan_lines(manifest: Mapping[str, Any]) -> list[str]:
    """Return the lines about the plan: reason, times, expected saving."""
    plan = (manifest.get("status") or {}).get("plan") or {}
    rate = f"{plan.get('currency')}/kWh"
    rows = [
        ("now because", plan.get("explanation")),
        ("duration", _duration(plan)),
        ("", plan.get("durationNote")),
        ("planned start", plan.get("start")),
        ("run now", _with_unit(plan.get("runNowGramsPerKwh"), "g/kWh expected")),
        ("as planned", _with_unit(plan.get("plannedGramsPerKwh"), "g/kWh expected")),
        ("expected saving", _with_unit(plan.get("expectedSavingPercent"), "%")),
        ("objective", plan.get("objective")),
        ("", plan.get("objectiveNote")),
        ("price at once", _with_unit(plan.get("runNowPricePerKwh"), rate)),
        (
            "price planned",
            _with_unit(plan.get("plannedPricePerKwh"), rate),
        ),
        ("alternatives", plan.get("alternatives")),
        ("forecast", plan.get("forecastSource")),
        ("deadline", plan.get("deadline")),
        ("latest start", plan.get("latestStart")),
    ]
    return [f"{label:<16} {value}" for label, value in rows if value is not None]


def render(job: JobFigures, steps: tuple[Derivation, ...]) -> list[str]:
    """Return the steps for people, one or two lines each."""
    lines = [f"{job.name}: every figure from its inputs"]
    width = max([NAME_WIDTH, *(len(step.name) for step in steps)])
    for step in steps:
        if step.value is None:
            lines.append(f"  {step.name:<{width}} not known: {', '.join(step.missing)} missing")
            continue
        lines.append(f"  {step.name:<{width}} {step.text}  = {step.formula}")
        if step.agrees is False:
            lines.append(f"  {'':<{width}} DIFFERS from the stated {step.stated_text}")
    if job.mock:
        lines.append("  a stand-in replaced the GPU: these numbers are not real")
    return lines


def to_json(job: JobFigures, steps: tuple[Derivation, ...]) -> dict[str, Any]:
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


def _steps(job: JobFigures) -> Iterator[Derivation]:
    shares = [share.energy_joules for share in job.shares]
    if shares:
        formula = " + ".join(number_text(joules) for joules in shares)
        yield make_step(
            "energy", formula, "J", {"parts": 1.0}, lambda _: sum(shares), job.energy_joules,
            HALF_JOULE * (len(shares) + 1),
        )  # fmt: skip
    energy, seconds = job.energy_joules, job.powered_seconds
    o, m, r = job.operational_grams, job.embodied_grams, job.functional_units
    unit = unit_word(job.functional_unit or "unit")
    overhead = "" if job.pue is None else f"{job.pue:g} * "
    yield make_step(
        "energy in kWh", "{energy} J / 3 600 000", "kWh", {"energy": energy},
        lambda v: joules_to_kwh(v["energy"]), None,
    )  # fmt: skip
    yield make_step(
        "mean power", "{energy} J / {time} s", "W", {"energy": energy, "time": seconds or None},
        lambda v: v["energy"] / v["time"], job.stated_power_watts, rounding=WHOLE_JOULES,
    )  # fmt: skip
    yield make_step(
        "mean intensity", f"{{O}} g / ({overhead}{{energy}} J / 3 600 000)", "g/kWh",
        {"O": o, "energy": energy or None},
        lambda v: v["O"] / (joules_to_kwh(v["energy"]) * (job.pue or 1.0)),
        job.stated_grams_per_kwh, rounding=WHOLE_JOULES,
    )  # fmt: skip
    yield make_step(
        "C = O + M", "{O} + {M}", "gCO2eq", {"O": o, "M": m}, lambda v: v["O"] + v["M"], None
    )
    yield make_step(
        "SCI = C / R", "({O} + {M}) / {R}", f"gCO2eq/{unit}", {"O": o, "M": m, "R": r or None},
        lambda v: (v["O"] + v["M"]) / v["R"], job.sci_grams_per_unit,
    )  # fmt: skip
    now = job.run_now_grams
    yield make_step(
        "avoided", "{run_now} - {O}", "gCO2eq", {"run_now": now, "O": o},
        lambda v: v["run_now"] - v["O"], job.avoided_grams, DIFFERENCE_RATIO * (now or 0.0),
    )  # fmt: skip
    yield make_step(
        "avoided percent", "({run_now} - {O}) / {run_now} * 100", "%",
        {"run_now": now or None, "O": o},
        lambda v: (v["run_now"] - v["O"]) / v["run_now"] * 100, job.avoided_percent,
    )  # fmt: skip


def _duration(plan: Mapping[str, Any]) -> str | None:
    """Return the running time that was planned with, and the rule that gave it."""
    seconds = plan.get("expectedDurationSeconds")
    if seconds is None:
        return None
    rule = DURATION_RULES.get(plan.get("durationSource") or "")
    return format_duration(seconds) + ("" if rule is None else f", {rule}")


def _with_unit(value: object, unit: str) -> str | None:
    return None if value is None else f"{value} {unit}"
