"""Queries of a panel with their variables replaced, and names of series from their labels.

The variables have Grafana's meaning. A chosen name enters a query as an escaped literal of a
regular expression inside quotes, so that no name can change a query.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lowtide.report.dashboards.model import Dashboard, Panel, PanelKind, Query

EVERYTHING: Final = ".*"
OVER_TIME: Final = (PanelKind.TIMESERIES, PanelKind.STACKED)
_METRIC: Final = re.compile(r"\b((?:[a-z_]+:)?lowtide_[a-z0-9_]+(?::[a-z0-9_]+)?)\b")
_FIELD: Final = re.compile(r"\{\{\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*\}\}")
_SPECIAL: Final = re.compile(r"([\\.+*?()|\[\]{}^$])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Values of the variables; a name of `None` means all."""

    range_seconds: int
    """Length of the time shown."""
    rate_seconds: int
    """Window of rates; at least four scrape intervals."""
    namespace: str | None = None
    trainingjob: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A query for Prometheus: over the time shown, or at its end."""

    expression: str
    over_time: bool


def resolve(expression: str, choice: Choice) -> str:
    """Return the expression with its variables replaced."""
    for name, value in (
        ("$__rate_interval", f"{choice.rate_seconds}s"),
        ("$__range", f"{choice.range_seconds}s"),
        ("$namespace", _pattern(choice.namespace)),
        ("$trainingjob", _pattern(choice.trainingjob)),
    ):
        expression = expression.replace(name, value)
    return expression


def question(panel: Panel, query: Query, choice: Choice) -> Question:
    """Return one query of a panel as Prometheus is asked it."""
    return Question(resolve(query.expression, choice), panel.kind in OVER_TIME)


def questions(boards: Iterable[Dashboard], choice: Choice) -> tuple[Question, ...]:
    """Return the queries of some dashboards, each once."""
    asked = (
        question(panel, query, choice)
        for board in boards
        for panel in board.panels
        for query in panel.queries
    )
    return tuple(dict.fromkeys(asked))


def metrics_of(panel: Panel) -> tuple[str, ...]:
    """Return the names of Lowtide's metrics in a panel's queries, recorded ones too, in order."""
    found = (name for query in panel.queries for name in _METRIC.findall(query.expression))
    return tuple(dict.fromkeys(found))


def name_of(labels: Mapping[str, str], legend: str) -> str:
    """Return the name of a series; without a legend, its labels (empty where it has none)."""
    if legend:
        return _FIELD.sub(lambda field: labels.get(field[1], ""), legend).strip()
    return " ".join(value for name, value in sorted(labels.items()) if name != "__name__")


def _pattern(name: str | None) -> str:
    """Return the text between the quotes of a regular expression matcher."""
    if name is None:
        return EVERYTHING
    return json.dumps(_SPECIAL.sub(r"\\\1", name), ensure_ascii=False)[1:-1]
