"""The dashboards: structure, queries that parse, and only metrics that the code serves."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from lowtide.report.dashboards import DASHBOARDS, Dashboard
from lowtide.report.dashboards.model import COLUMNS, placed

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "charts/lowtide/files/dashboards").glob("*.json"))
VARIABLES = {"$__rate_interval": "5m", "$__range": "1d", "$namespace": ".*", "$trainingjob": ".*"}
NAME = r"(?:[a-z_]+:)?lowtide_[a-z0-9_]+(?::[a-z0-9_]+)?"
METRIC = re.compile(rf"\b({NAME})\b")
DOCUMENTED = ROOT / "docs" / "reference" / "series.md"
TRAINER_METRICS = {
    "lowtide_trainer_epochs_total",
    "lowtide_trainer_epochs_planned",
    "lowtide_trainer_accuracy_ratio",
    "lowtide_trainer_loss",
}


def expressions(board: Dashboard) -> list[str]:
    """Return every expression with its variables filled in."""
    found = [query.expression for panel in board.panels for query in panel.queries]
    for name, value in VARIABLES.items():
        found = [text.replace(name, value) for text in found]
    return found


def panels(path: Path) -> list[dict[str, Any]]:
    """Return the panels of a committed file."""
    listed: list[dict[str, Any]] = json.loads(path.read_text())["panels"]
    return listed


def test_there_is_one_file_per_dashboard() -> None:
    """Four questions, four files."""
    assert {path.stem for path in FILES} == {"cluster", "efficiency", "health", "job"}


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
def test_every_expression_parses(board: Dashboard) -> None:
    """An expression with a typing error would be an empty panel."""
    for expression in expressions(board):
        promql_parser.parse(expression)


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
def test_every_metric_is_one_that_the_code_serves(board: Dashboard) -> None:
    """The reference is made from the code, so a name that is not in it does not exist."""
    served = set(re.findall(rf"^\| `({NAME})`", DOCUMENTED.read_text(), re.M))

    used = {name for text in expressions(board) for name in METRIC.findall(text)}

    assert used - served - TRAINER_METRICS == set()


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
def test_panels_stay_inside_the_grid_and_apart(board: Dashboard) -> None:
    """No panel is wider than the page, and no two cover each other."""
    boxes = [
        (left, top, left + panel.width, top + panel.height)
        for panel, left, top in placed(board.panels)
    ]

    assert all(left >= 0 and right <= COLUMNS for left, _, right, _ in boxes)
    for a, b in combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_committed_file_follows_the_rules(path: Path) -> None:
    """Ids are unique, every panel has a unit and a description, sources are variables."""
    board, listed = json.loads(path.read_text()), panels(path)

    assert board["uid"] == f"lowtide-{path.stem}"
    assert len(board["uid"]) <= 40
    assert len({panel["id"] for panel in listed}) == len(listed)
    for panel in listed:
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        for holder in (panel, *panel["targets"]):
            assert holder["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_uids_are_unique() -> None:
    """Grafana would overwrite one dashboard by the other."""
    uids = [json.loads(path.read_text())["uid"] for path in FILES]

    assert len(set(uids)) == len(uids)


def test_lists_of_jobs_lead_to_the_page_of_the_job() -> None:
    """From every list of jobs one click shows the job."""
    links = [
        link["url"]
        for path in FILES
        for panel in panels(path)
        for link in panel["fieldConfig"]["defaults"].get("links", [])
    ]

    assert len(links) == sum(panel.links_to_job for board in DASHBOARDS for panel in board.panels)
    assert all(url.startswith("/d/lowtide-job?var-namespace=") for url in links)
