"""Text of `lowtide explain`: why a job waits, or how it ended.

Every figure is read from the job's status and none computed again, so a person reads what the
operator decided with. Times are in the reader's zone. A figure that the status lacks is left out,
and the condition that says why is shown instead.
"""

from collections.abc import Iterator
from datetime import datetime, tzinfo

from lowtide.lenient_fields import mapping, mappings, moment
from lowtide.records.fields import Manifest, conditions, is_true, number, text
from lowtide.records.inference import inference_words
from lowtide.report.factor_words import words_of_factor
from lowtide.report.sizes import at_base, hardware_fact, size_facts
from lowtide.units import format_duration, format_energy, format_mass, joules_to_kwh

LABEL_WIDTH = 11
GOOD = {
    "Valid": "True",
    "ForecastAvailable": "True",
    "DeadlineAtRisk": "False",
    "Failed": "False",
    "Resizable": "True",
}
"""Conditions with the status that needs no line."""
QUIET_REASONS = {"", "NotLookedAt", "NotMeasuredYet", "NotEnded"}


def explain(manifest: Manifest, *, now: datetime, zone: tzinfo | None = None) -> str:
    """Return the story of one TrainingJob in several lines, the most important one first.

    Args:
        manifest: the object as the API server returns it.
        now: the present.
        zone: the reader's time zone; the machine's own when absent.
    """
    status = mapping(manifest.get("status"))
    name = text(mapping(manifest.get("metadata")).get("name"))
    if not status:
        return f"{name}: the operator has not looked at it yet; is it running?"
    lines = [_headline(name, status, manifest, now, zone), ""]
    facts = _facts(status, mapping(manifest.get("spec")), now, zone)
    lines += [f"  {label:<{LABEL_WIDTH}}{words}" for label, words in facts]
    lines += [f"  {line}" for line in _troubles(manifest)]
    return "\n".join(lines).rstrip()


def _state(word: str) -> str:
    """Return a state for a sentence; a reason of a pod (ImagePullBackOff) stays as it is."""
    return word.lower() if word == word.capitalize() else f"held up by {word}"


def _headline(
    name: str, status: Manifest, manifest: Manifest, now: datetime, zone: tzinfo | None
) -> str:
    plan, found = mapping(status.get("plan")), conditions(manifest)
    state = _state(text(mapping(status.get("display")).get("state")) or "New")
    attempts = list(mappings(status.get("attempts")))
    if is_true(found, "Failed"):
        return f"{name} failed: {text(found['Failed'].get('message')) or 'no reason was given'}"
    if is_true(found, "Complete"):
        return f"{name} is complete: it ran {_ran(attempts, zone)}."
    if attempts and (start := moment(attempts[0].get("start"))):
        since = format_duration((now - start).total_seconds())
        return f"{name} is {state}; it first started at {_clock(start, now, zone)}, {since} ago."
    start = moment(plan.get("start"))
    if start is None:
        sentence = text(plan.get("explanation"))
        return f"{name} is {state}" + (f": {sentence}." if sentence else ".")
    wait = (start - now).total_seconds()
    if wait <= 0:
        return f"{name} is {state}: {text(plan.get('explanation')) or 'it starts now'}."
    sentence = f"{name} waits until {_clock(start, now, zone)} (in {format_duration(wait)})"
    saving = number(plan.get("expectedSavingPercent"))
    if saving is None:
        return f"{sentence}."
    return f"{sentence} because that is expected to save {_saving(plan, saving)}."


def _saving(plan: Manifest, percent: float) -> str:
    joules, before = number(plan.get("expectedJoules")), number(plan.get("runNowGramsPerKwh"))
    if joules is None or before is None:
        return f"{percent:.0f} %"
    grams = joules_to_kwh(joules) * before * percent / 100
    return f"{format_mass(grams)} CO2eq ({percent:.0f} %)"


def _facts(
    status: Manifest, spec: Manifest, now: datetime, zone: tzinfo | None
) -> Iterator[tuple[str, str]]:
    """Yield label and words of every line that the status has figures for."""
    plan = mapping(status.get("plan"))
    if (planned := number(plan.get("plannedGramsPerKwh"))) is not None:
        yield "planned", f"{planned:.0f} g/kWh  {_segments(plan, now, zone)}"
    if (run_now := number(plan.get("runNowGramsPerKwh"))) is not None:
        yield "at once", f"{run_now:.0f} g/kWh  if it had started when it was submitted"
    if (seconds := number(plan.get("expectedDurationSeconds"))) is not None:
        source = text(plan.get("durationSource")).lower() or "declared"
        yield "duration", f"{format_duration(seconds)}, {source}"
    if source := text(plan.get("forecastSource")):
        made = moment(plan.get("forecastGeneratedAt"))
        age = "" if made is None else f", {format_duration((now - made).total_seconds())} old"
        yield "forecast", f"{source}{age}"
    if (deadline := moment(plan.get("deadline"))) is not None:
        latest = moment(plan.get("latestStart"))
        words = _clock(deadline, now, zone)
        if latest is not None:
            words += f", latest start {_clock(latest, now, zone)}"
        yield "deadline", words
    yield from _money_planned(plan)
    yield from size_facts(status, spec)
    yield from _told(mapping(status.get("target")), now)
    yield from _results(status)
    if change := text(plan.get("wouldChange")):
        yield "changes by", change


def _told(target: Manifest, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what a workload of others says of itself, with the age of its words."""
    words = [text(target.get("said"))]
    if (percent := number(target.get("progressPercent"))) is not None:
        words.append(f"{percent:.0f} % done")
        if (left := number(target.get("remainingSeconds"))) is not None:
            words.append(f"{format_duration(left)} left")
        if (at := moment(target.get("progressAt"))) is not None:
            words.append(f"reported {format_duration((now - at).total_seconds())} ago")
    if said := ", ".join(filter(None, words)):
        yield f"{text(target.get('kind'))} says", said


def _overhead_words(carbon: Manifest) -> str:
    """Return the overhead of the data centre in the grams; nothing where none was to be had."""
    if (factor := number(carbon.get("pue"))) is not None:
        return f", PUE {factor:.4g} ({text(carbon.get('pueKind')).lower() or 'kind not stated'})"
    return ", without the PUE, which is not known" if carbon.get("pueMessage") else ""


def _money_planned(plan: Manifest) -> Iterator[tuple[str, str]]:
    """Yield what the plan minimises, what it expects to pay, and what else could be chosen."""
    objective, currency = text(plan.get("objective")), text(plan.get("currency"))
    if objective in ("Cost", "Both"):
        tonne = number(plan.get("pricePerTonne"))
        yield (
            "minimises",
            ("money" if tonne is None else f"money, with {tonne:g} {currency} per tonne of CO2eq"),
        )
    elif note := text(plan.get("objectiveNote")):
        yield "minimises", f"carbon alone: {note}"
    planned, run_now = number(plan.get("plannedPricePerKwh")), number(plan.get("runNowPricePerKwh"))
    if planned is not None and run_now is not None:
        percent = number(plan.get("expectedMoneySavingPercent"))
        share = "" if percent is None else f", {percent:.0f} % less"
        yield "price", f"{planned:g} instead of {run_now:g} {currency}/kWh{share}"
    if others := text(plan.get("alternatives")):
        yield "instead", others


def _bill(status: Manifest) -> Iterator[tuple[str, str]]:
    """Yield what was paid for electricity and saved, and how much of the possible that was."""
    bill = mapping(status.get("electricity"))
    currency = text(bill.get("currency"))
    if (paid := number(bill.get("paid"))) is not None:
        mean = number(bill.get("meanPricePerKwh"))
        rate = "" if mean is None else f" at {mean:g} {currency}/kWh"
        yield "paid", f"{paid:g} {currency} for electricity{rate}, prices of {bill.get('source')}"
    if (saved := number(bill.get("saved"))) is not None:
        percent = number(bill.get("savedPercent"))
        share = "" if percent is None else f" ({percent:.0f} %)"
        verb = "saved" if saved >= 0 else "paid more"
        yield verb, f"{abs(saved):g} {currency}{share} against running at once"
    run_now, least = number(bill.get("runNowWeighed")), number(bill.get("leastWeighed"))
    reach = number(bill.get("reachPercent"))
    if run_now is not None and least is not None and reach is not None:
        yield (
            "objective",
            (
                f"{run_now - least:g} {currency} of the objective at best, knowing the future; "
                f"{reach:.0f} % of it was reached"
            ),
        )
    elif message := text(bill.get("message")):
        yield "bill", message


def _results(status: Manifest) -> Iterator[tuple[str, str]]:
    energy, carbon = mapping(status.get("energy")), mapping(status.get("carbon"))
    if (joules := number(energy.get("totalJoules"))) is not None:
        kind = text(energy.get("kind")).lower()
        mock = ", from a stand-in" if energy.get("mock") else ""
        yield "energy", f"{format_energy(joules)} {kind}{mock}".rstrip()
    if words := _review_words(status):
        yield "predicted", words
    if words := inference_words(status):
        yield "inference", words
    if (grams := number(carbon.get("totalGrams"))) is not None:
        mean = number(carbon.get("meanGramsPerKwh"))
        suffix = "" if mean is None else f" at {mean:.0f} g/kWh"
        signal = text(carbon.get("signal")).lower()
        where = f"{signal} intensity of {carbon.get('zone')}"
        if factor := text(carbon.get("factor")):
            where += f" ({words_of_factor(factor)})"
        yield "carbon", f"{format_mass(grams)}{suffix}, {where}{_overhead_words(carbon)}"
    sci = mapping(status.get("sci"))
    if (score := number(sci.get("gramsPerUnit"))) is not None:
        range_ = mapping(sci.get("uncertainty"))
        low, high = number(range_.get("low")), number(range_.get("high"))
        spread = ""
        if low is not None and high is not None:
            spread = f" ({format_mass(low)} to {format_mass(high)} in 95 of 100 cases)"
        yield "SCI", f"{format_mass(score)} per {text(sci.get('functionalUnit')) or 'unit'}{spread}"
    efficiency = mapping(status.get("efficiency"))
    if letter := text(efficiency.get("label")):
        rows = number(efficiency.get("referenceRows"))
        behind = "" if rows is None else f" ({rows:.0f} rows)"
        against = text(efficiency.get("reference"))
        yield "label", f"{letter} against {against}{behind}" if against else letter
    elif why := text(efficiency.get("message")):
        yield "label", f"none: {why}"
    counterfactual = mapping(status.get("counterfactual"))
    if (avoided := number(counterfactual.get("avoidedGrams"))) is not None:
        percent = number(counterfactual.get("avoidedPercent"))
        share = "" if percent is None else f" ({percent:.0f} %)"
        verb = "avoided" if avoided >= 0 else "added"
        words = f"{format_mass(abs(avoided))}{share} against running at once{at_base(status)}"
        yield verb, words
    yield from _possible(counterfactual)
    yield from _bill(status)
    yield from hardware_fact(status)
    if (joules := number(counterfactual.get("restartJoules"))) is not None:
        yield "restarts", f"{format_energy(joules)} for resuming after pauses, in the energy above"


def _review_words(status: Manifest) -> str:
    """Return how good the first prediction was, quantity by quantity; empty without a review."""
    names = {"energyJoules": "energy", "grams": "grams", "runSeconds": "time", "money": "cost"}
    parts = []
    for entry in mappings(mapping(status.get("prediction")).get("review")):
        name, error = names.get(text(entry.get("quantity"))), number(entry.get("errorPercent"))
        if name is None or error is None:
            continue
        way = "too much" if error > 0 else "too little"
        held = "within" if entry.get("held") is True else "outside"
        parts.append(f"{name} {abs(error):.2g} % {way}, {held} its interval")
    return "; ".join(parts)


def _possible(counterfactual: Manifest) -> Iterator[tuple[str, str]]:
    """Yield the best possible saving, or why it is not known."""
    run_now = number(counterfactual.get("runNowGrams"))
    least = number(counterfactual.get("clairvoyantGrams"))
    reach = number(counterfactual.get("reachPercent"))
    if run_now is not None and least is not None and reach is not None:
        share = f" ({100 * (1 - least / run_now):.0f} %)" if run_now else ""
        yield (
            "possible",
            f"{format_mass(run_now - least)}{share} at best, knowing the future; "
            f"{reach:.0f} % of it was reached",
        )
    elif message := text(counterfactual.get("message")):
        yield "possible", message


def _troubles(manifest: Manifest) -> Iterator[str]:
    """Yield one line per condition that is not as it should be, with its message."""
    found = conditions(manifest)
    expected = GOOD | ({"Measured": "True"} if is_true(found, "Complete") else {})
    for name, good in expected.items():
        condition = found.get(name, {})
        reason, value = text(condition.get("reason")), condition.get("status")
        if value in (None, good) or reason in QUIET_REASONS:
            continue
        yield f"{name}={value}  {reason}  {text(condition.get('message'))}".rstrip()


def _segments(plan: Manifest, now: datetime, zone: tzinfo | None) -> str:
    spans = [
        (start, end)
        for entry in mappings(plan.get("segments"))
        if (start := moment(entry.get("start"))) and (end := moment(entry.get("end")))
    ]
    if not spans:
        return ""
    first, last = spans[0][0], spans[-1][1]
    count = "one segment" if len(spans) == 1 else f"{len(spans)} segments"
    return f"{_clock(first, now, zone)} to {_clock(last, now, zone)}, {count}"


def _ran(attempts: list[Manifest], zone: tzinfo | None) -> str:
    times = [
        (start, end)
        for entry in attempts
        if (start := moment(entry.get("start"))) and (end := moment(entry.get("end")))
    ]
    if not times:
        return "at a time that is not known"
    first, last = times[0][0], times[-1][1]
    running = sum((end - start).total_seconds() for start, end in times)
    stretches = "" if len(times) == 1 else f" in {len(times)} stretches"
    return (
        f"{format_duration(running)}{stretches}, from {_clock(first, last, zone, date=True)} "
        f"to {_clock(last, first, zone)}"
    )


def _clock(when: datetime, reference: datetime, zone: tzinfo | None, *, date: bool = False) -> str:
    """Return a local time, with the date where it is another day than the reference."""
    local, other = when.astimezone(zone), reference.astimezone(zone)
    near = abs((when - reference).total_seconds()) < 3600
    clock = local.strftime("%H:%M:%S" if near else "%H:%M")
    return clock if local.date() == other.date() and not date else f"{local:%Y-%m-%d} {clock}"
