"""Sizes of an elastic job in words: planned, run and counted with. Text in, text out.

A job of fixed size has none of these lines.
"""

from collections import defaultdict
from collections.abc import Iterator

from pydantic import ValidationError

from lowtide.accounts.hardware_hours import hardware_money
from lowtide.lenient_fields import mapping, mappings, moment
from lowtide.records.fields import Manifest, number, text
from lowtide.trainingjob.scaling import ScalingStatus, scaling_from
from lowtide.trainingjob.spec import Price
from lowtide.units import format_duration


def size_facts(status: Manifest, spec: Manifest) -> Iterator[tuple[str, str]]:
    """Yield label and words of what the status knows of a job's sizes."""
    plan = mapping(status.get("plan"))
    planned = [number(part.get("replicas")) for part in mappings(plan.get("segments"))]
    if sizes := [round(size) for size in planned if size]:
        yield "sizes", f"{replicas(sizes)} planned{_planned_hours(plan, spec)}"
    if words := _ran_at(status):
        yield "ran at", words
    try:
        known = ScalingStatus.model_validate(plan.get("scaling"))
    except ValidationError:
        return
    scaling = scaling_from(known)
    if scaling is not None:
        yield "scaling", scaling.sentence


def at_base(status: Manifest) -> str:
    """Return at which size a run at submission is counted, as the end of a sentence."""
    base = _base(status)
    return "" if base is None else f" with {count_of_replicas(base)}"


def hardware_fact(status: Manifest) -> Iterator[tuple[str, str]]:
    """Yield what the hardware of an elastic job cost, and would have cost at one size."""
    cost = mapping(status.get("cost"))
    paid, run_now = number(cost.get("instance")), number(cost.get("runNowInstance"))
    if paid is not None and run_now is not None:
        currency = text(cost.get("currency"))
        yield (
            "hardware",
            f"{paid:g} {currency}; {run_now:g} {currency} for the same work{at_base(status)}",
        )


def replicas(sizes: list[int]) -> str:
    """Return a range of sizes in words."""
    least, most = min(sizes), max(sizes)
    return count_of_replicas(least) if least == most else f"{least} to {most} replicas"


def count_of_replicas(count: int) -> str:
    """Return a number of replicas in words."""
    return "1 replica" if count == 1 else f"{count} replicas"


def _planned_hours(plan: Manifest, spec: Manifest) -> str:
    """Return the hours of all planned replicas together, and the price of their hardware."""
    hours = 0.0
    for part in mappings(plan.get("segments")):
        start, end = moment(part.get("start")), moment(part.get("end"))
        if start is not None and end is not None:
            hours += (end - start).total_seconds() / 3600 * (number(part.get("replicas")) or 0)
    if hours <= 0:
        return ""
    words = f", {hours:.1f} replica hours"
    try:
        price = Price.model_validate(spec.get("price"))
    except ValidationError:
        return words
    money = hardware_money(price, 3600 * hours)
    return words if money is None else f"{words}, {money:.2f} {price.currency} of hardware"


def _ran_at(status: Manifest) -> str:
    """Return for how long the job ran at each size; empty where it has not ended an attempt."""
    seconds: dict[int, float] = defaultdict(float)
    changes, before = 0, None
    for attempt in mappings(status.get("attempts")):
        size = number(attempt.get("replicas"))
        start, end = moment(attempt.get("start")), moment(attempt.get("end"))
        if not size or start is None:
            continue
        changes += before is not None and size != before
        before = size
        if end is not None:
            seconds[round(size)] += (end - start).total_seconds()
    if not seconds:
        return ""
    times = [
        f"{format_duration(seconds[size])} with {count_of_replicas(size)}"
        for size in sorted(seconds)
    ]
    ending = "" if not changes else f"; {changes} change{'s' if changes > 1 else ''} of size"
    return ", ".join(times) + ending


def _base(status: Manifest) -> int | None:
    found = (number(one.get("baseReplicas")) for one in mappings(status.get("attempts")))
    return next((round(base) for base in found if base), None)
