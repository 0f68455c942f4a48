"""VictoriaMetrics beside Prometheus: it scrapes the page, and every rule and query agrees.

Both are real. Past samples are imported into both, because an hour of them needs no hour then.
Each is asked every recording rule, every alert and every query of the dashboards.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from standins.alert_cases import CASES, PRESENT, AlertCase
from standins.pages import serving
from standins.promql.notation import past_of
from standins.promql.past import samples_for
from standins.promql.stores import Labels, Past, Store, prometheus, victoria_metrics

from lowtide import names
from lowtide.report.dashboards import DASHBOARDS
from lowtide.report.dashboards.queries import Choice, questions
from lowtide_exporter.page.catalogue import FAMILIES
from lowtide_exporter.page.exposition import TextWriter
from lowtide_exporter.page.snapshot import Snapshot

pytestmark = [pytest.mark.slow, pytest.mark.beside_cluster]

NOW = 1_790_000_000 // 3600 * 3600
"""A time of the steady samples; the alerts' follow, a third of a day each."""
CASE_SECONDS = 8 * 3600
CONDITION = re.compile(r"[>=]=? |unless|absent\(")
ALL_OF_OURS = '{__name__=~"lowtide_.+"}'


@dataclass(frozen=True, slots=True)
class Both:
    """The two stores, and what they are asked."""

    prometheus: Store
    victoria_metrics: Store
    expressions: dict[str, str]
    """Expressions of alerts by name; recorded series are written out."""
    others: list[str]
    """Every expression of a rule and of a dashboard."""

    def values(self, expression: str, moment: float) -> tuple[dict[Labels, float], ...]:
        """Return what each of them answers."""
        return self.prometheus.at(expression, moment), self.victoria_metrics.at(expression, moment)


@pytest.fixture(scope="module")
def both(
    victoria_metrics_program: Path,
    promtool: Path,
    rules_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Both]:
    """Prometheus and VictoriaMetrics with the same samples."""
    rules = [
        rule
        for group in yaml.safe_load(rules_file.read_text())["groups"]
        for rule in group["rules"]
    ]
    choice = Choice(range_seconds=1800, rate_seconds=240)
    asked = [question.expression for question in questions(DASHBOARDS, choice)]
    others = list(dict.fromkeys([rule["expr"] for rule in rules] + asked))
    recorded = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
    past = [*samples_for([*others, *recorded], NOW), *_of_cases()]
    expressions = {
        rule["alert"]: _written_out(rule["expr"], recorded) for rule in rules if "alert" in rule
    }
    one, other = (tmp_path_factory.mktemp(name) for name in ("prometheus", "victoriametrics"))
    with (
        prometheus(promtool.parent, one, past) as first,
        victoria_metrics(victoria_metrics_program, other, past) as second,
    ):
        yield Both(first, second, expressions, others)


def _of_cases() -> list[Past]:
    """Return the samples of all cases of alerts, each in a time of its own; a series once."""
    joined: dict[tuple[str, Labels], list[tuple[int, float]]] = {}
    for number, case in enumerate(CASES):
        series = case.series if case.alert == "OperatorDown" else PRESENT | case.series
        for text, notation in series.items():
            past = past_of(text, notation, _start_of(number))
            key = past.name, tuple(sorted(past.labels.items()))
            joined.setdefault(key, []).extend(past.samples)
    return [Past(name, dict(labels), samples) for (name, labels), samples in joined.items()]


def _start_of(number: int) -> int:
    return NOW + (number + 1) * CASE_SECONDS


def _written_out(expression: str, recorded: dict[str, str]) -> str:
    for name, text in recorded.items():
        expression = expression.replace(name, f"({text})")
    return expression


def test_every_rule_and_every_query_gives_the_same(both: Both) -> None:
    """Labels and values; VictoriaMetrics also keeps the metric's name where Prometheus drops it."""
    different = {
        expression: found
        for expression in both.others
        if not _agree(*(found := both.values(expression, NOW)))
    }

    assert different == {}


def test_most_of_what_is_asked_has_an_answer(both: Both) -> None:
    """Two empty answers agree too: only conditions that do not hold may be empty."""
    empty = [text for text in both.others if not both.prometheus.at(text, NOW)]

    assert [text for text in empty if not CONDITION.search(text)] == []


def test_raw_samples_are_the_same(both: Both) -> None:
    """The operator integrates them: an hour, and a second that no sample falls into."""
    selector = names.METRIC_POD_ENERGY + '{namespace="ml"}[3600s]'

    found = [s.stored(selector, NOW + 1) for s in (both.prometheus, both.victoria_metrics)]

    assert found[0]
    assert found[0] == found[1]


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.alert for case in CASES])
def test_every_alert_holds_and_ends_for_both(both: Both, number: int) -> None:
    """At the minute at which it fires, and at the one at which it has resolved."""
    case: AlertCase = CASES[number]
    expression = both.expressions[case.alert]

    fires, resolved = (
        both.values(expression, _start_of(number) + 60 * minute)
        for minute in (case.fires_minute, case.resolved_minute)
    )

    assert fires[0]
    assert _agree(*fires)
    assert _agree(*resolved)


def test_both_scrape_the_same_from_the_exporters_page(
    victoria_metrics_program: Path, promtool: Path, tmp_path: Path
) -> None:
    """Every metric of the catalogue, with its labels and its value."""
    labelled = {
        family.name: ((tuple("x" for _ in family.labels), 1.5 + number),)
        for number, family in enumerate(FAMILIES)
    }
    page = TextWriter().write(Snapshot(labelled), openmetrics=False)
    one, other = tmp_path / "prometheus", tmp_path / "victoriametrics"
    one.mkdir()
    other.mkdir()
    with (
        serving(page) as target,
        prometheus(promtool.parent, one, targets=[target]) as first,
        victoria_metrics(victoria_metrics_program, other, targets=[target]) as second,
    ):
        found = [_awaited(store, len(FAMILIES)) for store in (first, second)]

    assert found[0] == found[1]


def _awaited(store: Store, count: int) -> dict[Labels, float]:
    """Return our series once a store has as many as were scraped."""
    until = time.monotonic() + 120
    while len(found := store.at(ALL_OF_OURS, time.time())) < count:
        assert time.monotonic() < until, f"{len(found)} of {count} series"
        time.sleep(0.2)
    return found


def _agree(one: dict[Labels, float], other: dict[Labels, float]) -> bool:
    first, second = _without_name(one), _without_name(other)
    return first.keys() == second.keys() and all(
        second[labels] == pytest.approx(value, rel=1e-6) for labels, value in first.items()
    )


def _without_name(found: dict[Labels, float]) -> dict[Labels, float]:
    return {tuple(p for p in key if p[0] != "__name__"): value for key, value in found.items()}
