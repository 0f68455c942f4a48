"""Every intensity, and all grams made from one, name the emissions that its factors include.

Direct and life-cycle intensities differ by a third and more, so a number without the word cannot be
compared. The series of the operator are asked from its own page, the rules and the panels as text.
"""

import re
from pathlib import Path

import pytest
import yaml

from lowtide import names
from lowtide.report.dashboards import DASHBOARDS

RULES = Path(__file__).resolve().parents[2] / "charts" / "lowtide" / "files" / "rules"
SERIES = ("lowtide_operator_intensity_grams_per_kwh", names.METRIC_FORECAST)
RECORDED = re.compile(r"\w+:lowtide_\w*grams\w*:\w+")


def rules() -> dict[str, str]:
    """Return the recording rules by name."""
    files = [yaml.safe_load(file.read_text()) for file in RULES.glob("*.yaml")]
    found = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    return {rule["record"]: rule["expr"] for rule in found if "record" in rule}


def test_every_recorded_series_of_grams_keeps_the_factor() -> None:
    """Each is made of an intensity, and takes its label along."""
    of_grams = {name: expr for name, expr in rules().items() if RECORDED.fullmatch(name)}

    assert len(of_grams) >= 3
    assert [name for name, expr in of_grams.items() if "factor" not in expr] == []


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.title)
def test_every_panel_of_intensities_names_the_factor(dashboard) -> None:
    """In the legend, where a person reads it."""
    nameless = [
        panel.title
        for panel in dashboard.panels
        for query in panel.queries
        if any(name in query.expression for name in SERIES) or RECORDED.search(query.expression)
        if "{{factor}}" not in query.legend
    ]

    assert nameless == []
