"""View of a plan for people: one sentence, the figures behind it, and a small chart.

Text in, text out: no terminal, no colour, no clock. A figure that is not known is left out, and
times carry their zone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from lowtide.grid.errors import Failure
from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.series import Factor
from lowtide.planning.types import Plan, Request
from lowtide.report.curve import chart_rows, column_times, marks, size_marks
from lowtide.units import format_duration, format_time_column

CHART_HEIGHT: Final = 6
MARGIN: Final = 20
PARTS_MAX: Final = 3
"""Changes of the source that are named; a forecast with gaps may have thousands."""
WIDTH_MAX: Final = 110
WORDS: Final = {
    Source.PROVIDER: "provider",
    Source.PROFILE: "own profile",
    Source.CLIMATOLOGY: "climatology",
    Source.FLAT: "no information (flat)",
}


def plan_text(
    now: datetime,
    request: Request,
    plan: Plan,
    forecast: Forecast | None,
    failures: Sequence[Failure],
    alternatives: str = "",
    *,
    width: int,
) -> str:
    """Return the whole view, at most `width` columns wide where that is possible."""
    lines = [f"The job {plan.explanation}.", ""]
    lines += [f"  {name:<13}{text}" for name, text in _figures(now, request, plan, forecast)]
    if alternatives:
        lines.append(f"  {'otherwise':<13}{alternatives}")
    lines += [f"  {'trouble':<13}{failure.message}" for failure in failures]
    if forecast is not None:
        lines += ["", *chart(now, request, plan, forecast, width=width)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _figures(
    now: datetime, request: Request, plan: Plan, forecast: Forecast | None
) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if forecast is not None:
        rows.append(("now", f"{forecast.grams_per_kwh[0]:.0f} g/kWh expected in this slot"))
    if plan.run_now_grams_per_kwh is not None:
        rows.append(("run now", f"{plan.run_now_grams_per_kwh:.0f} g/kWh over the whole run"))
    if plan.planned_grams_per_kwh is not None and plan.saving_ratio is not None:
        saving = _change(plan.saving_ratio) or "no saving"
        planned = f"{plan.planned_grams_per_kwh:.0f} g/kWh{_energy(plan)}"
        rows.append(("planned", f"{planned}, {saving}"))
    if plan.planned_price_per_kwh is not None and plan.run_now_price_per_kwh is not None:
        words = _change(plan.money_saving_ratio)
        price = f"{plan.planned_price_per_kwh:.3g} {plan.currency}/kWh"
        rows.append(("price", f"{price}, {words}" if words else price))
    for index, segment in enumerate(plan.segments):
        span = f"{format_time_column(segment.start)} to {format_time_column(segment.end)}"
        length = format_duration((segment.end - segment.start).total_seconds())
        size = "" if segment.replicas is None else f", {_replicas(segment.replicas)}"
        rows.append(("runs" if index == 0 else "", f"{span}, {length}{size}"))
    if forecast is not None:
        rows.append(("forecast", _provenance(now, forecast)))
    rows.append(("deadline", format_time_column(request.deadline)))
    rows.append(("latest start", _latest_start(now, plan)))
    if plan.would_change:
        rows.append(("would change", plan.would_change))
    return rows


def _energy(plan: Plan) -> str:
    """Return how much more energy the sizes of an elastic job take, where that is known."""
    planned, at_once = plan.planned_grams_per_kwh, plan.run_now_grams_per_kwh
    if plan.replicas is None or not planned or not at_once or plan.saving_ratio is None:
        return ""
    return f" over {(1 - plan.saving_ratio) * at_once / planned:.2f} times the energy"


def _replicas(count: int) -> str:
    return "1 replica" if count == 1 else f"{count} replicas"


def _change(saving_ratio: float | None) -> str:
    """Return the saving in words, empty where nothing changes or nothing is known."""
    percent = f"{100 * abs(saving_ratio or 0.0):.1f}"
    if saving_ratio is None or percent == "0.0":
        return ""
    return f"{percent} % {'less' if saving_ratio > 0 else 'more'}"


def _latest_start(now: datetime, plan: Plan) -> str:
    spare = (plan.latest_start - now).total_seconds()
    length = format_duration(abs(spare))
    when = f"in {length}" if spare >= 0 else f"{length} ago, so the deadline may be missed"
    return f"{format_time_column(plan.latest_start)}, {when}"


def _provenance(now: datetime, forecast: Forecast) -> str:
    """Return the sources in order, each with the time at which it ends."""
    parts: list[str] = []
    position = 0
    runs = [(source, len(list(same))) for source, same in groupby(forecast.sources)]
    for index, (source, count) in enumerate(runs):
        position += count
        name = WORDS[source]
        if source is Source.PROVIDER and forecast.provider is not None:
            name = forecast.provider
            if forecast.generated_at is not None:
                age = max(0.0, (now - forecast.generated_at).total_seconds())
                name += f" ({format_duration(age)} old)"
        if index < len(runs) - 1:
            end = forecast.start + timedelta(seconds=position * forecast.slot_seconds)
            name += f" to {format_time_column(end)}"
        parts.append(name)
    if len(parts) > PARTS_MAX:
        names = dict.fromkeys(WORDS[source] for source, _ in runs[PARTS_MAX:])
        parts[PARTS_MAX:] = [f"then {' and '.join(names)} in turns"]
    kind = "" if forecast.factor is Factor.UNKNOWN else f" ({forecast.factor} emissions)"
    return f"{forecast.signal} intensity{kind}: " + "; ".join(parts)


def chart(
    now: datetime, request: Request, plan: Plan, forecast: Forecast, *, width: int
) -> list[str]:
    """Return intensity over time from now to the deadline, and the planned segments below it."""
    last = max([request.deadline, *(segment.end for segment in plan.segments)])
    end = min(forecast.end, last)
    if end <= now:
        return []
    slots = max(1, round((end - now).total_seconds() / forecast.slot_seconds))
    columns = max(10, min(width, WIDTH_MAX) - MARGIN)
    # A slot wider than one column is easier to read than one that is cut in half.
    columns = slots * (columns // slots) if slots <= columns else columns
    times = column_times(now, end, columns=columns)
    values = [_at(forecast, moment) for moment in times]
    rows = chart_rows(values, height=CHART_HEIGHT)
    top = max(values)
    labels = [
        f"{top * (CHART_HEIGHT - row) / CHART_HEIGHT:6.0f}" if row % 2 == 0 else " " * 6
        for row in range(CHART_HEIGHT)
    ]
    lines = [f"  {label} ┤{row}" for label, row in zip(labels, rows, strict=True)]
    lines[0] += "  g/kWh"
    spans = [(segment.start, segment.end) for segment in plan.segments]
    lines.append(f"{'planned':>8}  {marks(times, spans)}")
    sized = [(segment.start, segment.end, segment.replicas) for segment in plan.segments]
    if any(segment.replicas is not None for segment in plan.segments):
        lines.append(f"{'replicas':>8}  {size_marks(times, sized)}")
    lines.append(f"{'UTC':>8}  {_time_axis(now, end, columns)}")
    return lines


def _at(forecast: Forecast, moment: datetime) -> float:
    index = int((moment - forecast.start).total_seconds() // forecast.slot_seconds)
    return forecast.grams_per_kwh[min(max(index, 0), len(forecast.grams_per_kwh) - 1)]


def _time_axis(start: datetime, end: datetime, columns: int) -> str:
    """Return the times at which columns start, as close together as they fit."""
    pattern = "%H:%M:%S" if end - start < timedelta(minutes=10) else "%d %H:%M"
    size = len(start.strftime(pattern)) + 2
    step = (end - start) / columns
    return "".join(
        (start + column * step).strftime(pattern).ljust(size)
        for column in range(0, columns - size + 3, size)
    )
