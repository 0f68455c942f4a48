"""The dashboards for VictoriaMetrics' own interface, made from `lowtide.report.dashboards`.

Its pages draw nothing but curves over the time shown, and have no variables: every panel is one of
all namespaces and jobs, a moment becomes the hours until it, and windows have a fixed length.
"""

import json

from lowtide.report.dashboards import Dashboard, Panel, PanelUnit
from lowtide.report.dashboards.queries import Choice, resolve

ALL_JOBS = Choice(range_seconds=86_400, rate_seconds=300)
"""Sums over the time shown become those of the day before each moment; rates are of five minutes,
which holds four scrapes at any interval up to 75 seconds."""
UNITS = {
    PanelUnit.JOULES: "J",
    PanelUnit.WATTS: "W",
    PanelUnit.GRAMS: "g",
    PanelUnit.GRAMS_PER_KWH: "g/kWh",
    PanelUnit.SECONDS: "s",
    PanelUnit.PER_SECOND: "1/s",
    PanelUnit.TIME: "h",
}
"""Text behind the numbers of an axis; ratios, counts and scores have none."""


def text(board: Dashboard) -> str:
    """Return the file of one dashboard, for the folder that `-vmui.customDashboardsPath` names."""
    # One row, since all but the first are folded when the page opens.
    row = {"title": board.question, "panels": [_panel(panel) for panel in board.panels]}
    document = {"title": board.title, "rows": [row]}
    return json.dumps(document, indent=2) + "\n"


def _panel(panel: Panel) -> dict[str, object]:
    """Return one panel; a width is in twelfths of the page there."""
    said = [panel.description]
    if any("$__range" in query.expression for query in panel.queries):
        said.append("Over the day before each moment.")
    if panel.unit is PanelUnit.TIME:
        said.append("As hours from each moment; negative once it is past.")
    return {
        "title": panel.title,
        "description": " ".join(said),
        "unit": UNITS.get(panel.unit, ""),
        "expr": [_expression(panel, query.expression) for query in panel.queries],
        "alias": [query.legend or panel.title for query in panel.queries],
        "width": max(panel.width // 2, 4),  # no figure alone: a curve needs the room
    }


def _expression(panel: Panel, expression: str) -> str:
    resolved = resolve(expression, ALL_JOBS)
    return f"(({resolved}) - time()) / 3600" if panel.unit is PanelUnit.TIME else resolved
