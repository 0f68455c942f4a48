"""The dashboards on the pages of VictoriaMetrics itself (`-vmui.customDashboardsPath`)."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from standins.promql.past import samples_for
from standins.promql.stores import Store, victoria_metrics

from lowtide.report.dashboards import DASHBOARDS

FOLDER = Path(__file__).resolve().parents[2] / "charts" / "lowtide" / "files" / "vmui"
FILES = {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}
EMPTY_BY_NATURE = {"Planned starts", "Conditions"}
"""Jobs that wait, and conditions that are true: the samples here have every job started, and none
of their values is 1."""
NOW = 1_790_000_000 // 3600 * 3600


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Panels of one file, row by row."""
    return [panel for row in board["rows"] for panel in row["panels"]]


EXPRESSIONS = {
    expression: panel["title"]
    for board in FILES.values()
    for panel in panels(board)
    for expression in panel["expr"]
}


def test_pages_have_the_same_panels_in_the_same_order_as_everywhere() -> None:
    """Nothing that Grafana shows is missing here, and nothing is called otherwise."""
    expected = {
        board.uid.removeprefix("lowtide-"): [panel.title for panel in board.panels]
        for board in DASHBOARDS
    }

    assert {n: [p["title"] for p in panels(board)] for n, board in FILES.items()} == expected


def test_panels_fill_whole_lines() -> None:
    """A width is in twelfths there; a panel that did not fit would leave a hole."""
    for board in FILES.values():
        left = 0
        for panel in panels(board):
            left += panel["width"]
            assert left <= 12, panel["title"]
            left %= 12


def test_no_variable_of_grafana_is_left() -> None:
    """There are none there: `$namespace` would be a name that no series has."""
    assert [text for text in EXPRESSIONS if re.search(r"\$\w", text)] == []


@pytest.fixture(scope="module")
def store(
    victoria_metrics_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A real VictoriaMetrics with our pages, and two hours of samples for every metric in them."""
    past = samples_for(EXPRESSIONS, NOW)
    options = [f"-vmui.customDashboardsPath={FOLDER}"]
    with victoria_metrics(
        victoria_metrics_program, tmp_path_factory.mktemp("vmui"), past, options=options
    ) as found:
        yield found


@pytest.mark.slow
def test_victoriametrics_takes_every_field(store: Store) -> None:
    """It answers its own pages with what it understood: a field of another name would be gone."""
    answer = requests.get(f"{store.url}/vmui/custom-dashboards", timeout=240)
    boards = answer.json()["dashboardsSettings"]
    understood = {board["title"]: board for board in boards}

    for board in FILES.values():
        expected = json.loads(json.dumps(board))
        for panel in panels(expected):
            panel["showLegend"] = True  # its own default
            if not panel["unit"]:
                del panel["unit"]  # it leaves out what is empty
        assert understood[board["title"]] == expected


@pytest.mark.slow
def test_a_curve_that_stands_for_no_series_has_a_name(store: Store) -> None:
    """Before the first sample only such curves are there; their legend would be empty."""
    before = NOW - 30 * 86_400
    names = [
        legend(alias, dict(labels))
        for board in FILES.values()
        for panel in panels(board)
        for expression, alias in zip(panel["expr"], panel["alias"], strict=True)
        for labels in store.at(expression, before)
    ]

    assert "none" in names
    assert all(names)


def legend(alias: str, labels: dict[str, str]) -> str:
    """The name that the page gives a curve: the alias with the labels of the series in it."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), alias).strip()


@pytest.mark.slow
def test_every_panel_has_data(store: Store) -> None:
    """Where Grafana would show something, this page does, at the same moment."""
    empty = {title for text, title in EXPRESSIONS.items() if not store.at(text, NOW)}

    assert empty == EMPTY_BY_NATURE
