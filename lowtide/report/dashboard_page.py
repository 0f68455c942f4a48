"""The dashboards as one page for people without Grafana: the same panels, from the same Prometheus.

Pure: what Prometheus answered comes in as data, and the page goes out as text. A panel without
data says why, as far as that can be known. Series are named and scaled here; the page draws.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from lowtide.report.dashboards.model import Dashboard, Kind, Panel, Unit
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
class Answer:
    """What Prometheus said to a question: series, or in one sentence why there are none."""

    curves: tuple[Curve, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that was asked and answered."""

    start: datetime
    end: datetime
    step_seconds: int
    choice: Choice
    source: str
    """Address of the Prometheus, as people may see it."""
    answers: Mapping[Question, Answer]
    names: frozenset[str] | None
    """Metrics of Lowtide that it has in this time; `None`: it could not say."""

    @property
    def count(self) -> int:
        """Return how many moments the time shown has, both ends included."""
        return int((self.end - self.start).total_seconds() // self.step_seconds) + 1


def render_dashboards(boards: Sequence[Dashboard], found: Findings) -> str:
    """Return the page."""
    return fill_page("dashboard_page", PARTS, page_data(boards, found))


def page_data(boards: Sequence[Dashboard], found: Findings) -> dict[str, Any]:
    """Return what the page draws: times in Unix seconds, values in the unit of their panel."""
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
"""Asked besides the panels: stand-ins are named at the head of the page."""


def _is_mock(found: Findings) -> bool:
    curves = found.answers.get(MOCK, Answer()).curves
    return any(value > 0 for curve in curves for _, value in curve.points)


def _panel(panel: Panel, found: Findings) -> dict[str, Any]:
    asked = [question(panel, query, found.choice) for query in panel.queries]
    answers = [found.answers.get(one, Answer(error="it was not asked")) for one in asked]
    shown: dict[str, Any] = {
        "title": panel.title,
        "description": panel.description,
        "kind": str(panel.kind),
        "width": panel.width,
        "time": panel.unit is Unit.TIME,
    }
    finite = [_finite(answer) for answer in answers]
    values = [v for answer in finite for curve in answer.curves for _, v in curve.points]
    if not values:
        return shown | {"unit": "", "empty": reason(panel, answers, found.names)}
    scale = scale_of(panel.unit, values)
    draw: Callable[[Panel, list[Answer], Scale, Findings], dict[str, Any]] = (
        _lines if panel.kind in OVER_TIME else _columns if len(finite) > 1 else _values
    )
    return shown | {"unit": scale.label} | draw(panel, finite, scale, found)


def _finite(answer: Answer) -> Answer:
    """Return the answer without NaN and infinity, which mean that nothing could be divided."""
    curves = (
        replace(curve, points=tuple((t, v) for t, v in curve.points if math.isfinite(v)))
        for curve in answer.curves
    )
    return replace(answer, curves=tuple(curve for curve in curves if curve.points))


def _lines(panel: Panel, answers: list[Answer], scale: Scale, found: Findings) -> dict[str, Any]:
    """Return curves on the common moments, the largest first where there are too many."""
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


def _values(panel: Panel, answers: list[Answer], scale: Scale, _: Findings) -> dict[str, Any]:
    """Return names and single values, the largest first; `bottomk` keeps the smallest first."""
    (query,) = panel.queries
    rows = [
        (name_of(curve.labels, query.legend), _short(curve.points[-1][1] / scale.divisor))
        for curve in answers[0].curves
    ]
    if panel.kind is Kind.BARS:
        sign = 1 if query.expression.startswith("bottomk") else -1
        rows.sort(key=lambda row: sign * row[1])
    else:
        rows.sort()
    shown = [{"name": name, "value": value} for name, value in rows[:MOST_SERIES]]
    return {"values": shown, "of": len(rows)}


def _columns(panel: Panel, answers: list[Answer], scale: Scale, _: Findings) -> dict[str, Any]:
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
    """Return the value with ten significant digits: a time needs as many, a page no more."""
    return float(f"{value:.10g}")


def reason(panel: Panel, answers: Iterable[Answer], names: frozenset[str] | None) -> str:
    """Return one sentence why a panel has no data."""
    for answer in answers:
        if answer.error:
            return answer.error
    if names is None:
        return "Prometheus returned nothing for this choice and time."
    absent = [name for name in metrics_of(panel) if name not in names]
    if not absent:
        return "Nothing for this choice in this time; the series themselves are there."
    listed = ", ".join(absent)
    if absent[0].startswith("lowtide_trainer_"):
        return f"{listed}: no training pod was scraped in this time."
    if absent[0].startswith(("lowtide_operator_", "lowtide_trainingjob")):
        if "lowtide_operator_info" in names:
            return f"{listed}: the operator knows no such figure of any job yet."
        return f"{listed}: Prometheus does not scrape the operator."
    if any(name.startswith("lowtide_source_") for name in names):
        return f"{listed}: the exporter has counted nothing of it yet."
    return f"{listed}: Prometheus scrapes no exporter."
