"""`lowtide where`: in which of several grid zones a job would emit least, and when.

Every zone is planned by itself, by the operator's own planner, with the same constraints; then the
plans are ranked (`lowtide.planning.places`), as the operator's dispatcher ranks clusters.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from lowtide.cli.durations import DURATION, DURATION_OR_ZERO, MOMENT
from lowtide.cli.moving import moving_options
from lowtide.cli.options import trace_options
from lowtide.cli.outlook import DEFAULT_SLACK, Outlook, outlook_for, request_for
from lowtide.cli.price_options import objective_options
from lowtide.cli.price_outlook import prices_at
from lowtide.cli.zone_files import zone_file
from lowtide.grid.series import Factor
from lowtide.planning import Objective, ObjectiveKind, PlanningError
from lowtide.planning.moving import Moving
from lowtide.planning.places import Place, in_order, incomparable, known_places, place_of
from lowtide.report.factor_words import words_of_factor
from lowtide.units import format_time_column, format_timestamp


@dataclass(frozen=True, slots=True)
class TraceOfZone:
    """A zone's trace as the options describe it; without a file the zone's service is asked."""

    path: Path | None
    moment: datetime | None
    times_are_utc: bool
    factor: str | None


@click.command("where")
@click.option("--zone", "zones", multiple=True, required=True, help="A grid zone; repeat.")
@click.option("--duration", type=DURATION, required=True, help="Running time at full power.")
@click.option("--slack", type=DURATION_OR_ZERO, help="Longest useful wait [24h].")
@click.option(
    "--trace",
    "traces",
    multiple=True,
    metavar="ZONE=FILE",
    help="CSV with the intensity of a zone, as for `lowtide plan`: no network is used for it.",
)
@click.option(
    "--prices",
    multiple=True,
    metavar="ZONE=FILE",
    help="CSV with the prices of a zone, as for `lowtide plan`.",
)
@objective_options
@moving_options
@trace_options
@click.option("--at", "moment", type=MOMENT, help="Plan as if it were this time of the traces.")
@click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Operator settings (YAML) with the zones' providers.",
)
@click.option("--output", "-o", type=click.Choice(["table", "json"]), default="table")
def command(
    zones: tuple[str, ...],
    duration: timedelta,
    slack: timedelta | None,
    traces: tuple[str, ...],
    prices: tuple[str, ...],
    objective: Objective,
    moving: Moving | None,
    times_are_utc: bool,
    factor: str | None,
    moment: datetime | None,
    settings: Path | None,
    output: str,
) -> None:
    r"""Show in which of several zones a job would emit least.

    \b
    Examples:
      lowtide where --zone DE --zone FR --zone PL --duration 4h
      lowtide where --zone DE --zone GB --duration 4h --settings settings.yaml --output json
      lowtide where --zone DE --zone FR --duration 4h --prices DE=de.csv --prices FR=fr.csv \
        --objective both --price-per-tonne 100
      lowtide where --zone DE --zone FR --duration 4h --data 200 --data-at DE --energy 40 \
        --grams-per-gb 20

    The zone that costs least in the objective comes first: the cleanest one, the cheapest one, or
    the one with the least sum. Moving data counts where --data and its costs are given. Exit
    code 1 means that no zone could be planned, or that their intensities are of different kinds.
    """
    files = dict(zone_file("--trace", text) for text in traces)
    priced = dict(zone_file("--prices", text) for text in prices)
    if objective.needs_prices and set(zones) - set(priced):
        raise click.UsageError("--objective cost and both need --prices of every zone")
    if moment is not None and set(zones) - set(files):
        raise click.UsageError("--at needs a --trace of every zone: another time does not compare")
    if (times_are_utc or factor) and not files:
        raise click.UsageError("--utc and --factor describe a --trace")
    places = [
        _place(
            zone,
            TraceOfZone(files.get(zone), moment, times_are_utc, factor),
            settings,
            duration,
            DEFAULT_SLACK if slack is None else slack,
            priced.get(zone),
            objective,
            moving,
        )
        for zone in dict.fromkeys(zones)
    ]
    known = known_places(places, objective)
    if not known:
        reasons = "; ".join(f"{place.zone}: {place.reason}" for place in places)
        raise click.ClickException(f"no zone can be planned: {reasons}")
    if (why := incomparable(known, objective)) is not None:
        raise click.ClickException(why)
    places = in_order(places, objective)
    if output == "json":
        click.echo(json.dumps([_document(place, objective) for place in places], indent=2))
    else:
        click.echo("\n".join(_lines(places, objective)))


def _place(
    zone: str,
    trace: TraceOfZone,
    settings: Path | None,
    duration: timedelta,
    slack: timedelta,
    prices: Path | None,
    objective: Objective,
    moving: Moving | None,
) -> Place:
    """Return the plan in one zone; a zone that cannot be planned stays in the list."""
    at = trace.moment if trace.path is not None else None
    try:
        outlook: Outlook = (
            outlook_for(zone, None, None, False, settings, None)
            if trace.path is None
            else outlook_for(zone, trace.path, at, trace.times_are_utc, None, None, trace.factor)
        )
        request = request_for(
            outlook.now, duration, None, slack, None, replace_with={"objective": objective}
        )
        known = prices_at(
            prices,
            outlook.now,
            outlook.beside,
            replayed=at is not None,
            utc=trace.times_are_utc,
        )
    except (click.ClickException, PlanningError) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        return Place(zone, zone, None, None, message, moving=moving)
    trouble = "; ".join(failure.message for failure in outlook.failures)
    return place_of(
        zone,
        zone,
        outlook.now,
        request,
        outlook.forecast,
        known,
        trouble=trouble,
        moving=moving,
    )


def _document(place: Place, objective: Objective) -> dict[str, Any]:
    made = place.made
    return {
        "zone": place.zone,
        "signal": place.signal,
        "factor": place.factor,
        "start": None if made is None else format_timestamp(made.segments[0].start),
        "planned_grams_per_kwh": place.grams_per_kwh,
        "run_now_grams_per_kwh": None if made is None else made.run_now_grams_per_kwh,
        "planned_price_per_kwh": place.price_per_kwh,
        "currency": place.currency,
        "objective": objective.kind.lower(),
        "objective_per_kwh": place.cost_per_kwh(objective),
        "moving_grams": None if place.moving is None else place.moving.grams(place.zone),
        "moving_money": None if place.moving is None else place.moving.money(place.zone),
        "reason": place.reason,
    }


def _moving_words(place: Place) -> str:
    """Return what moving the data there costs; nothing where none are moved."""
    moving = place.moving
    if moving is None or place.zone == moving.home:
        return ""
    grams, price = moving.grams_per_gb, moving.price_per_gb
    parts = [] if grams is None else [f"{moving.grams(place.zone):.0f} g"]
    if price is not None:
        parts.append(f"{moving.money(place.zone):.3g} {place.currency or ''}".rstrip())
    return f"  + {' and '.join(parts)} for moving {moving.gigabytes:g} GB"


def _lines(places: list[Place], objective: Objective) -> list[str]:
    width = max(len("zone"), *(len(place.zone) for place in places))
    priced = any(place.price_per_kwh is not None for place in places)
    head = f"{'zone':<{width}}  g/kWh  start              at once"
    lines = [f"{head:<{width + 37}}  price" if priced else head]
    for place in places:
        cost = place.cost_per_kwh(objective)
        if place.made is None or place.grams_per_kwh is None or cost is None:
            lines.append(f"{place.zone:<{width}}      –  {place.reason}")
            continue
        now = place.made.run_now_grams_per_kwh
        at_once = "–" if now is None else f"{now:.0f} g/kWh"
        start = format_time_column(place.made.segments[0].start)
        price = place.price_per_kwh
        paid = "" if price is None else f"{price:.3g} {place.currency}/kWh"
        line = f"{place.zone:<{width}}  {place.grams_per_kwh:5.0f}  {start}  {at_once:<9}  {paid}"
        lines.append(line.rstrip() + _moving_words(place))
    best = places[0]
    kind = (best.signal or "kind not stated").lower()
    first = {
        ObjectiveKind.CARBON: "the cleanest",
        ObjectiveKind.COST: "the cheapest",
        ObjectiveKind.BOTH: f"the best at {objective.price_per_tonne or 0:g} a tonne",
    }[objective.kind]
    included = _factor_words(known_places(places, objective))
    return [*lines, "", f"{best.zone} is {first}; {kind} intensity ({included}), as expected now"]


def _factor_words(known: list[Place]) -> str:
    """Return which emissions the ranked intensities include, and for which zones it is unknown."""
    stated = next((one.factor for one in known if one.factor is not Factor.UNKNOWN), None)
    silent = [one.zone for one in known if one.factor is Factor.UNKNOWN]
    if stated is None or not silent:
        return words_of_factor(stated)
    return f"{words_of_factor(stated)}; not stated for {', '.join(silent)}"
