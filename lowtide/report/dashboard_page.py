"""Page of the dashboards for people without Grafana: the same panels, from the same Prometheus.

Pure: Prometheus' answers come in as data, and the page goes out as text. A panel without data says
why, as far as that can be known. Series are named and scaled here; the page draws them.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from lowtide.report.dashboards.model import Dashboard, Panel, PanelKind, PanelUnit
from lowtide.report.dashboards.queries import (
    OVER_TIME,
    Choice,
    Question,
    metrics_of,
    name_of,
    question,
)
from lowtide.report.dashboards.scales import Scale, scale_of
from lowtide.report.page import fill_page

PARTS: Final = {
    "/*STYLE*/": "style.css",
    "/*FORMAT*/": "format.js",
    "/*CHART*/": "chart.js",
    "/*APP*/": "app.js",
}
MOST_SERIES: Final = 40
"""Series, bars or rows of one panel; the page says how many there were."""
IDENTITY: Final = ("namespace", "trainingjob")


@dataclass(frozen=True, slots=True)
class Curve:
    """One series: its labels and (Unix time, value) pairs; a single pair for a moment."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """Prometheus' answer to a query: series, or one sentence that says why there are none."""

    curves: tuple[Curve, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All answers for one page."""

    start: datetime
    """First moment shown."""
    end: datetime
    """Last moment shown."""
    step_seconds: int
    """Distance of two values of a series."""
    choice: Choice
    """Namespace and job that the reader chose."""
    source: str
    """Address of the Prometheus, without credentials."""
    answers: Mapping[Question, QueryAnswer]
    """Answer to each query; a query that is missing was not asked."""
    names: frozenset[str] | None
    """Lowtide's metrics that it has in this time; `None` where it could not list them."""

    @property
    def count(self) -> int:
        """Return the number of moments shown, both ends included."""
        return int((self.end - self.start).total_seconds() // self.step_seconds) + 1


def render_dashboards(boards: Sequence[Dashboard], found: Findings) -> str:
    """Return the page."""
    return fill_page("dashboard_page", PARTS, page_data(boards, found))


def page_data(boards: Sequence[Dashboard], found: Findings) -> dict[str, Any]:
    """Return the data of the page: times in Unix seconds, values in the unit of their panel."""
    chosen = {"namespace": found.choice.namespace, "job": found.choice.trainingjob}
    return {
        "from": found.start.timestamp(),
        "step": found.step_seconds,
        "count": found.count,
        "source": found.source,
        "chosen": {name: value for name, value in chosen.items() if value is not None},
        "mock": _is_mock(found),
        "boards": [
            {
                "id": board.uid,
                "title": board.title.rpartition("/")[2].strip(),
                "question": board.question,
                "panels": [_panel(panel, found) for panel in board.panels],
            }
            for board in boards
        ],
    }


MOCK: Final = Question('count(lowtide_gpu_info{source="mock"})', over_time=True)
"""Query beside those of the panels: the head of the page names stand-ins."""


def _is_mock(found: Findings) -> bool:
    curves = found.answers.get(MOCK, QueryAnswer()).curves
    return any(value > 0 for curve in curves for _, value in curve.points)


def _panel(panel: Panel, found: Findings) -> dict[str, Any]:
    asked = [question(panel, query, found.choice) for query in panel.queries]
    answers = [
        found.answers.get(one, QueryAnswer(error="This query was not asked.")) for one in asked
    ]
    shown: dict[str, Any] = {
        "title": panel.title,
        "description": panel.description,
        "kind": str(panel.kind),
        "width": panel.width,
        "time": panel.unit is PanelUnit.TIME,
    }
    finite = [_finite(answer) for answer in answers]
    values = [v for answer in finite for curve in answer.curves for _, v in curve.points]
    if not values:
        return shown | {"unit": "", "empty": reason(panel, answers, found.names)}
    scale = scale_of(panel.unit, values)
    draw: Callable[[Panel, list[QueryAnswer], Scale, Findings], dict[str, Any]] = (
        _lines if panel.kind in OVER_TIME else _columns if len(finite) > 1 else _values
    )
    return shown | {"unit": scale.label} | draw(panel, finite, scale, found)


def _finite(answer: QueryAnswer) -> QueryAnswer:
    """Return the answer without NaN and infinity, the results of a division by zero."""
    curves = (
        replace(curve, points=tuple((t, v) for t, v in curve.points if math.isfinite(v)))
        for curve in answer.curves
    )
    return replace(answer, curves=tuple(curve for curve in curves if curve.points))


def _lines(
    panel: Panel, answers: list[QueryAnswer], scale: Scale, found: Findings
) -> dict[str, Any]:
    """Return curves on the common moments; of too many, those with the largest values."""
    curves: list[tuple[str, list[float | None]]] = []
    for query, answer in zip(panel.queries, answers, strict=True):
        for curve in answer.curves:
            values: list[float | None] = [None] * found.count
            for at, value in curve.points:
                slot = round((at - found.start.timestamp()) / found.step_seconds)
                if 0 <= slot < found.count:
                    values[slot] = _short(value / scale.divisor)
            curves.append((name_of(curve.labels, query.legend) or panel.title, values))
    kept = sorted(curves, key=lambda curve: -_height(curve[1]))[:MOST_SERIES]
    kept.sort(key=lambda curve: curve[0])
    return {
        "series": [{"name": name, "values": values} for name, values in kept],
        "of": len(curves),
    }


def _height(values: Iterable[float | None]) -> float:
    return max((abs(value) for value in values if value is not None), default=0.0)


def _values(panel: Panel, answers: list[QueryAnswer], scale: Scale, _: Findings) -> dict[str, Any]:
    """Return names and single values, the largest first; `bottomk` keeps the smallest first."""
    (query,) = panel.queries
    rows = [
        (name_of(curve.labels, query.legend), _short(curve.points[-1][1] / scale.divisor))
        for curve in answers[0].curves
    ]
    if panel.kind is PanelKind.BARS:
        sign = 1 if query.expression.startswith("bottomk") else -1
        rows.sort(key=lambda row: sign * row[1])
    else:
        rows.sort()
    shown = [{"name": name, "value": value} for name, value in rows[:MOST_SERIES]]
    return {"values": shown, "of": len(rows)}


def _columns(panel: Panel, answers: list[QueryAnswer], scale: Scale, _: Findings) -> dict[str, Any]:
    """Return a row per job and a column per query."""
    rows: dict[str, list[float | None]] = {}
    for column, answer in enumerate(answers):
        for curve in answer.curves:
            name = "/".join(filter(None, (curve.labels.get(label) for label in IDENTITY)))
            row = rows.setdefault(name, [None] * len(answers))
            row[column] = _short(curve.points[-1][1] / scale.divisor)
    return {
        "columns": [query.legend for query in panel.queries],
        "rows": [{"name": name, "values": rows[name]} for name in sorted(rows)[:MOST_SERIES]],
        "of": len(rows),
    }


def _short(value: float) -> float:
    """Return the value with ten significant digits, as many as a time needs."""
    return float(f"{value:.10g}")


def reason(panel: Panel, answers: Iterable[QueryAnswer], names: frozenset[str] | None) -> str:
    """Return one sentence that says why a panel has no data."""
    for answer in answers:
        if answer.error:
            return answer.error
    if names is None:
        return "Prometheus returned nothing for this choice and time."
    absent = [name for name in metrics_of(panel) if name not in names]
    if not absent:
        return "The metric exists, but has no value for this choice in this time."
    listed = ", ".join(absent)
    if ":" in absent[0]:
        return f"{listed}: the recording rules of the chart are not loaded, or have no value yet."
    if absent[0].startswith("lowtide_trainer_"):
        return f"{listed}: no training pod was scraped in this time."
    if absent[0].startswith(("lowtide_operator_", "lowtide_trainingjob")):
        if "lowtide_operator_info" in names:
            return f"{listed}: the operator has no such figure of any job yet."
        return f"{listed}: Prometheus does not scrape the operator."
    if any(name.startswith("lowtide_source_") for name in names):
        return f"{listed}: the exporter has not counted this yet."
    return f"{listed}: Prometheus scrapes no exporter."
