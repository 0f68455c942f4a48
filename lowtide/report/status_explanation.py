"""Derivation of figures in a status from other figures in it: sums, ranges, times, letters.

The TrainingJob holds all inputs, the price and the reference values included, so a figure can be
checked without the operator's settings or the reference set. The formulas are those of
`lowtide.metrics`; only the inputs are read here.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import fsum
from typing import Any, Final

from pydantic import ValidationError

from lowtide.lenient_fields import mapping, mappings
from lowtide.metrics.apc import DEFAULT_A, DEFAULT_B, DEFAULT_B_COST, ConsumptionUnit, weighed
from lowtide.metrics.compound import Compound, compound_letter
from lowtide.metrics.efficiency import Measures, Parameters, efficiency
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.letters import Letter, check_boundaries, letter_of
from lowtide.metrics.properties import PROPERTIES, Direction
from lowtide.metrics.result import MetricError, Result
from lowtide.metrics.sci import unit_word
from lowtide.metrics.uncertainty import Bounds, sci_uncertainty
from lowtide.records.epochs import epoch_measures
from lowtide.records.fields import Manifest, number, text
from lowtide.report.derivation import WHOLE_JOULES, Derivation, make_step
from lowtide.report.explanation import power_rounding
from lowtide.trainingjob.results import TrainingStatus
from lowtide.trainingjob.scores import EfficiencyStatus, RatedProperty

PER_HOUR: Final = ConsumptionUnit.WH_PER_HOUR


def explain_status(job: JobFigures, manifest: Mapping[str, Any]) -> tuple[Derivation, ...]:
    """Return the derivations whose inputs are in the status itself."""
    status, spec = mapping(manifest.get("status")), mapping(manifest.get("spec"))
    return tuple(
        step
        for steps in (
            _sums(job, status),
            _embodied(job, status),
            _range(job, status),
            _priced(job, status, spec),
            _billed(job, status),
            _times(job, status, spec),
            _letters(status),
        )
        for step in steps
    )


def _sums(job: JobFigures, status: Manifest) -> Iterator[Derivation]:
    attempts = list(mappings(status.get("attempts")))
    for name, field, unit, stated in (
        ("energy, attempts", "energyJoules", "J", job.energy_joules),
        ("O, attempts", "operationalGrams", "gCO2eq", job.operational_grams),
    ):
        parts = [number(attempt.get(field)) for attempt in attempts]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts) > 1:
            formula = " + ".join(f"{part:g}" for part in known)
            yield _computed(name, formula, unit, fsum(known), stated, slack=len(known))


def _embodied(job: JobFigures, status: Manifest) -> Iterator[Derivation]:
    carbon = mapping(status.get("carbon"))
    each = number(carbon.get("embodiedGramsPerGpu"))
    life = number(carbon.get("embodiedLifespanSeconds"))
    held = number(mapping(status.get("energy")).get("gpuSeconds"))
    if each is None or not life or held is None:
        return
    yield make_step(
        "M = TiR x TE / EL", "{held} GPU s * {each} g / {life} s", "gCO2eq",
        {"held": held, "each": each, "life": life},
        lambda v: v["held"] * v["each"] / v["life"], job.embodied_grams, rounding={"held": 0.05},
    )  # fmt: skip


def _range(job: JobFigures, status: Manifest) -> Iterator[Derivation]:
    given = mapping(mapping(status.get("sci")).get("uncertainty"))
    keys = ("energyRatio", "embodiedLowGrams", "embodiedHighGrams")
    ratio, low, high = (number(given.get(key)) for key in keys)
    o, m, r = job.operational_grams, job.embodied_grams, job.functional_units
    if ratio is None or low is None or high is None or o is None or m is None or not r:
        return
    intensity = number(given.get("intensityRatio"))
    bounds = Bounds(m, min(low, m), max(high, m))
    found = sci_uncertainty(
        operational_grams=o,
        embodied=bounds,
        functional_units=r,
        energy_ratio=ratio,
        intensity_ratio=intensity,
    )
    unit = f"gCO2eq/{unit_word(job.functional_unit or 'unit')}"
    spread = f"{100 * ratio:.0f} %"
    spread += "" if intensity is None else f" and {100 * intensity:.0f} %"
    down, up = max(0.0, found.low), found.high
    basis = f"root of squares: O ± {spread}, M"
    yield _computed("SCI, low", f"SCI - {basis} down to {low:g} g", unit, down, job.sci_low)
    yield _computed("SCI, high", f"SCI + {basis} up to {high:g} g", unit, up, job.sci_high)


def _priced(job: JobFigures, status: Manifest, spec: Manifest) -> Iterator[Derivation]:
    cost, price = mapping(status.get("cost")), mapping(spec.get("price"))
    currency = text(cost.get("currency"))
    per_hour = number(cost.get("pricePerHour", price.get("perHour")))
    tariff = number(cost.get("pricePerKilowattHour", price.get("perKilowattHour")))
    if per_hour is not None:
        yield make_step(
            "cost, hardware", f"{per_hour:g} {currency} * {{time}} s / 3600", currency,
            {"time": job.powered_seconds},
            lambda v: per_hour * v["time"] / 3600, number(cost.get("instance")),
        )  # fmt: skip
    if tariff is None:
        return
    yield make_step(
        "cost, energy", f"{tariff:g} {currency} * {{energy}} J / 3 600 000", currency,
        {"energy": job.energy_joules}, lambda v: tariff * v["energy"] / 3.6e6,
        number(cost.get("energy")), rounding=WHOLE_JOULES,
    )  # fmt: skip
    weights = mapping(mapping(spec.get("metrics")).get("apc"))
    a, b = _weights(weights, DEFAULT_B_COST[PER_HOUR])
    yield make_step(
        "APEC",
        f"{{accuracy}} / ({b:g} * {{power}} W * {tariff / 10:g} cent/Wh"
        f" * ({1 - a:g} * (1 - {{accuracy}}) + {a:g}) + 1)",
        "",
        {"accuracy": job.accuracy, "power": job.mean_power_watts},
        lambda v: weighed(v["accuracy"], v["power"] * tariff / 10, a, b),
        _named(job, "APEC"),
        rounding=power_rounding(job),
    )


def _billed(job: JobFigures, status: Manifest) -> Iterator[Derivation]:
    """Yield the steps from the bill at prices in time to its saving and the objective's reach."""
    bill = mapping(status.get("electricity"))
    currency = text(bill.get("currency"))
    if not bill:
        return
    keys = ("paid", "runNow", "weighed", "runNowWeighed", "leastWeighed")
    paid, now, weighed_, now_weighed, least = (number(bill.get(key)) for key in keys)
    tonne = number(bill.get("pricePerTonne"))
    pue = number(mapping(status.get("carbon")).get("pue")) or 1.0
    yield make_step(
        "electricity, mean price", "{paid} / ({energy} J / 3 600 000)", f"{currency}/kWh",
        {"paid": paid, "energy": job.energy_joules or None},
        lambda v: v["paid"] / (v["energy"] / 3.6e6), number(bill.get("meanPricePerKwh")),
        rounding=WHOLE_JOULES,
    )  # fmt: skip
    yield make_step(
        "electricity, saved", "{now} - {paid}", currency, {"now": now, "paid": paid},
        lambda v: v["now"] - v["paid"], number(bill.get("saved")),
    )  # fmt: skip
    if tonne is not None:
        yield make_step(
            "objective", f"{{paid}} + {tonne:g} {currency}/t * {{O}} g / {pue:g} / 10^6", currency,
            {"paid": paid, "O": job.operational_grams},
            lambda v: v["paid"] + tonne * v["O"] / pue / 1e6, weighed_,
        )  # fmt: skip
    if number(bill.get("reachPercent")) is not None:
        yield make_step(
            "objective, reach", "({now} - {mine}) / ({now} - {least}) * 100", "%",
            {"now": now_weighed, "mine": weighed_, "least": least},
            lambda v: 100 * (v["now"] - v["mine"]) / (v["now"] - v["least"]),
            number(bill.get("reachPercent")),
        )  # fmt: skip


def _times(job: JobFigures, status: Manifest, spec: Manifest) -> Iterator[Derivation]:
    """Yield the times to closest, computed again from the epochs in the status."""
    try:
        training = TrainingStatus.model_validate(status.get("training") or {})
    except ValidationError:
        return
    epochs, _ = epoch_measures(training)
    chosen, cost = mapping(spec.get("metrics")), mapping(status.get("cost"))
    a, b = _weights(mapping(chosen.get("apc")), DEFAULT_B[PER_HOUR])
    _, b_cost = _weights(mapping(chosen.get("apc")), DEFAULT_B_COST[PER_HOUR])
    measures = Measures(
        accuracy=job.accuracy,
        energy_joules=job.energy_joules,
        duration_seconds=job.powered_seconds,
        price_per_kwh=number(cost.get("pricePerKilowattHour")),
        currency=text(cost.get("currency")) or None,
        epochs=epochs,
        target_accuracy=number(chosen.get("targetAccuracy")),
    )
    results = efficiency(measures, Parameters(apc_a=a, apc_b=b, apec_b=b_cost))
    for result in results:
        if result.name.startswith("TTC") and result.value is not None:
            yield _time_step(result, result.value, len(epochs), job)


def _time_step(result: Result, seconds: float, epochs: int, job: JobFigures) -> Derivation:
    formula = (
        f"first of {epochs} entries of the history with closest >= "
        f"{result.parameters['target']:.5g}"
    )
    return _computed(result.name, formula, "s", seconds, _named(job, result.name), slack=0.001)


def _letters(status: Manifest) -> Iterator[Derivation]:
    try:
        section = EfficiencyStatus.model_validate(status.get("efficiency") or {})
    except ValidationError:
        return
    for rated in section.ratings:
        yield from _property(rated)
    rated_letters = [
        (Letter[one.letter], Decimal(one.weight))
        for one in section.ratings
        if one.letter is not None and Decimal(one.weight) > 0
    ]
    if section.label is None or section.compound not in list(Compound) or not rated_letters:
        return
    weighed_letters = ", ".join(f"{letter.name} {weight}" for letter, weight in rated_letters)
    letter = compound_letter(rated_letters, Compound(section.compound))
    if letter is not None:
        yield _letter_step(
            "label", f"{section.compound} of {weighed_letters}", letter, section.label
        )


def _property(rated: RatedProperty) -> Iterator[Derivation]:
    known = PROPERTIES.get(rated.property)
    if known is None or rated.index is None:
        return
    higher = known.better is Direction.HIGHER
    formula = "{value} / {reference}" if higher else "{reference} / {value}"
    yield make_step(
        f"index, {known.label}", formula, "",
        {"value": number(rated.value) or None, "reference": number(rated.reference) or None},
        lambda v: v["value"] / v["reference"] if higher else v["reference"] / v["value"],
        number(rated.index),
    )  # fmt: skip
    try:
        bounds = check_boundaries([float(bound) for bound in rated.boundaries])
        letter = letter_of(float(rated.index), bounds)
    except MetricError:
        return
    if rated.letter is not None:
        edges = " > ".join(rated.boundaries)
        name = f"letter, {known.label}"
        yield _letter_step(name, f"index {rated.index} against {edges}", letter, rated.letter)


def _computed(
    name: str, formula: str, unit: str, value: float, stated: float | None, *, slack: float = 0.0
) -> Derivation:
    """Return a step whose value is computed already."""
    return make_step(name, formula, unit, {}, lambda _: value, stated, slack)


def _letter_step(name: str, formula: str, letter: Letter, stated: str) -> Derivation:
    return Derivation(
        name=name,
        formula=formula,
        value=float(letter),
        unit="letter",
        stated=float(Letter[stated]),
        agrees=letter is Letter[stated],
        letters=True,
    )


def _weights(weights: Manifest, usual: float) -> tuple[float, float]:
    """Return a and b of the spec, else the defaults."""
    a, b = number(weights.get("alpha")), number(weights.get("beta"))
    return DEFAULT_A if a is None else a, usual if b is None else b


def _named(job: JobFigures, name: str) -> float | None:
    return next((metric.value for metric in job.metrics if metric.name == name), None)
