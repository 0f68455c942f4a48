"""The page without Grafana as data: queries, names, scales, gaps and reasons."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import promql_parser
import pytest

from lowtide.report.dashboard_page import (
    MOCK,
    Curve,
    Findings,
    QueryAnswer,
    page_data,
    reason,
    render_dashboards,
)
from lowtide.report.dashboards import DASHBOARDS, Dashboard, Panel, PanelKind, PanelUnit, Query
from lowtide.report.dashboards.queries import (
    Choice,
    Question,
    metrics_of,
    name_of,
    questions,
    resolve,
)
from lowtide.report.dashboards.scales import scale_of

START = datetime(2026, 3, 2, tzinfo=UTC)
EPOCH = START.timestamp()
CHOICE = Choice(range_seconds=120, rate_seconds=120)
STEP_SECONDS = 60


def board(*panels: Panel) -> Dashboard:
    """Return a dashboard of these panels."""
    return Dashboard(uid="lowtide-x", title="Lowtide / X", question="?", panels=panels)


def panel(kind: PanelKind, unit: PanelUnit, *queries: Query) -> Panel:
    """Return a panel whose place does not matter."""
    return Panel(title="T", description="D.", kind=kind, unit=unit, queries=queries)


def findings(
    answers: Mapping[Question, QueryAnswer], names: frozenset[str] | None = None
) -> Findings:
    """Return what was found in two minutes, a value a minute."""
    return Findings(
        start=START,
        end=START + timedelta(seconds=120),
        step_seconds=STEP_SECONDS,
        choice=CHOICE,
        source="http://prometheus:9090",
        answers=answers,
        names=names,
    )


def only_panel(shown: Panel, answers: Mapping[Question, QueryAnswer]) -> dict[str, Any]:
    """Return the data of the one panel of a page."""
    (data,) = page_data([board(shown)], findings(answers))["boards"][0]["panels"]
    found: dict[str, Any] = data
    return found


@pytest.mark.parametrize("name", ["bert", "a.b", 'x"} or up{a="', "back\\slash", "a|b"])
def test_a_name_in_a_query_matches_itself_and_nothing_else(name: str) -> None:
    """Whatever the name holds, the query is one selector whose pattern is the literal name."""
    choice = Choice(range_seconds=60, rate_seconds=60, namespace=name)

    text = resolve('lowtide_gpu_info{namespace=~"$namespace"}', choice)

    parsed = promql_parser.parse(text)
    assert isinstance(parsed, promql_parser.VectorSelector)
    (matcher,) = parsed.matchers.matchers
    assert re.fullmatch(matcher.value, name)
    assert not re.fullmatch(matcher.value, name + "x")


@pytest.mark.parametrize("question", questions(DASHBOARDS, CHOICE), ids=lambda q: q.expression[:40])
def test_no_variable_is_left_in_a_question(question: Question) -> None:
    """Every variable is replaced, and what Prometheus gets parses."""
    assert "$" not in question.expression
    promql_parser.parse(question.expression)


def test_series_are_called_as_their_legend_says() -> None:
    """A label that a series lacks leaves nothing; without a legend the labels are the name."""
    labels = {"__name__": "m", "zone": "DE", "signal": "Average"}

    assert name_of(labels, "{{zone}} {{signal}}") == "DE Average"
    assert name_of(labels, "{{missing}} planned") == "planned"
    assert name_of(labels, "") == "Average DE"


@pytest.mark.parametrize(
    ("unit", "largest", "label", "divisor"),
    [
        pytest.param(PanelUnit.JOULES, 7.2e6, "kWh", 3.6e6, id="2 kWh"),
        pytest.param(PanelUnit.JOULES, 26_807.0, "Wh", 3.6e3, id="7.4 Wh"),
        pytest.param(PanelUnit.GRAMS, -0.27, "mg", 1e-3, id="mass below a gram, negative"),
        pytest.param(PanelUnit.RATIO, 0.98, "%", 0.01, id="share"),
        pytest.param(PanelUnit.SECONDS, 7200.0, "h", 3600, id="two hours"),
        pytest.param(PanelUnit.WATTS, 0.0, "W", 1, id="nothing at all"),
        pytest.param(PanelUnit.COUNT, 3.0, "", 1, id="no unit"),
    ],
)
def test_scale_follows_the_largest_value(
    unit: PanelUnit, largest: float, label: str, divisor: float
) -> None:
    """One unit for a panel: the largest that its largest value reaches (1 kWh is 3.6 MJ)."""
    scale = scale_of(unit, [0.0, largest])

    assert (scale.label, scale.divisor) == (label, divisor)


def test_curve_keeps_its_gaps() -> None:
    """A moment without a sample, or with NaN, is unknown and never 0."""
    shown = panel(
        PanelKind.TIMESERIES, PanelUnit.WATTS, Query("lowtide_gpu_power_watts", "{{uuid}}")
    )
    points = ((EPOCH, 1000.0), (EPOCH + 60, float("nan")), (EPOCH + 120, 2000.0))
    answers = {
        Question("lowtide_gpu_power_watts", over_time=True): QueryAnswer(
            (Curve({"uuid": "GPU-1"}, points),)
        )
    }

    data = only_panel(shown, answers)

    assert data["unit"] == "kW"
    assert data["series"] == [{"name": "GPU-1", "values": [1.0, None, 2.0]}]


def test_several_queries_of_a_table_meet_in_the_row_of_their_job() -> None:
    """A cell that no query knows stays empty."""
    shown = panel(PanelKind.TABLE, PanelUnit.NONE, Query("lowtide_a", "a"), Query("lowtide_b", "b"))
    one = {"namespace": "ml", "trainingjob": "one"}
    two = {"namespace": "ml", "trainingjob": "two"}
    answers = {
        Question("lowtide_a", over_time=False): QueryAnswer(
            (Curve(two, ((EPOCH, 3.0),)), Curve(one, ((EPOCH, 1.0),)))
        ),
        Question("lowtide_b", over_time=False): QueryAnswer((Curve(one, ((EPOCH, 2.0),)),)),
    }

    data = only_panel(shown, answers)

    assert data["columns"] == ["a", "b"]
    assert data["rows"] == [
        {"name": "ml/one", "values": [1.0, 2.0]},
        {"name": "ml/two", "values": [3.0, None]},
    ]


@pytest.mark.parametrize(
    ("expression", "order"), [("topk(15, m)", [3.0, 2.0, 1.0]), ("bottomk(15, m)", [1.0, 2.0, 3.0])]
)
def test_ranking_begins_with_what_it_asks_for(expression: str, order: list[float]) -> None:
    """The lowest SCI first, the highest SAM first, whatever order Prometheus answers in."""
    shown = panel(PanelKind.BARS, PanelUnit.NONE, Query(expression, "{{trainingjob}}"))
    curves = tuple(
        Curve({"trainingjob": name}, ((EPOCH, value),))
        for name, value in (("a", 2.0), ("b", 3.0), ("c", 1.0))
    )

    data = only_panel(shown, {Question(expression, over_time=False): QueryAnswer(curves)})

    assert [row["value"] for row in data["values"]] == order


def test_too_many_series_keep_the_largest_and_say_how_many_there_were() -> None:
    """A page of a thousand GPUs stays readable."""
    shown = panel(PanelKind.TIMESERIES, PanelUnit.WATTS, Query("lowtide_m", "{{uuid}}"))
    curves = tuple(Curve({"uuid": f"{n:03}"}, ((EPOCH, float(n)),)) for n in range(100))

    data = only_panel(shown, {Question("lowtide_m", over_time=True): QueryAnswer(curves)})

    assert data["of"] == 100
    assert [one["name"] for one in data["series"]] == [f"{n:03}" for n in range(60, 100)]


OPERATOR = "lowtide_operator_info"


@pytest.mark.parametrize(
    ("expression", "names", "words"),
    [
        pytest.param("lowtide_trainer_loss", {OPERATOR}, "no training pod was scraped", id="train"),
        pytest.param("lowtide_trainingjob_sam", {OPERATOR}, "has no such figure", id="no figure"),
        pytest.param("lowtide_trainingjob_sam", set(), "does not scrape the operator", id="no op"),
        pytest.param("lowtide_gpu_info", {OPERATOR}, "scrapes no exporter", id="no exporter"),
        pytest.param(
            "lowtide_gpu_info", {"lowtide_source_up"}, "exporter has not counted this", id="no gpu"
        ),
        pytest.param(
            "lowtide_gpu_info", {"lowtide_gpu_info"}, "no value for this choice", id="other choice"
        ),
        pytest.param("lowtide_gpu_info", None, "returned nothing", id="Prometheus cannot say"),
    ],
)
def test_panel_without_data_says_why(expression: str, names: set[str] | None, words: str) -> None:
    """The reason names who should have delivered the series."""
    shown = panel(PanelKind.STAT, PanelUnit.NONE, Query(expression))

    said = reason(shown, [QueryAnswer()], None if names is None else frozenset(names))

    assert words in said


def test_refused_query_is_the_reason_of_its_panel_alone() -> None:
    """The words of Prometheus stand in the panel; the others are drawn."""
    shown = panel(PanelKind.STAT, PanelUnit.NONE, Query("lowtide_a"))
    other = panel(PanelKind.STAT, PanelUnit.NONE, Query("lowtide_b"))
    answers = {
        Question("lowtide_a", over_time=False): QueryAnswer(error="too many samples."),
        Question("lowtide_b", over_time=False): QueryAnswer((Curve({}, ((EPOCH, 1.0),)),)),
    }

    first, second = page_data([board(shown, other)], findings(answers))["boards"][0]["panels"]

    assert first["empty"] == "too many samples."
    assert second["values"] == [{"name": "", "value": 1.0}]


def test_stand_ins_are_named_at_the_head_of_the_page() -> None:
    """Figures of mock GPUs are never shown without saying so."""
    mock = {MOCK: QueryAnswer((Curve({}, ((EPOCH, 2.0),)),))}

    assert page_data(DASHBOARDS, findings(mock))["mock"] is True
    assert page_data(DASHBOARDS, findings({}))["mock"] is False


def test_page_asks_no_network_and_cannot_be_broken_by_a_label() -> None:
    """A label with markup stays inside the data; no address is loaded from anywhere."""
    shown = panel(PanelKind.STAT, PanelUnit.NONE, Query("lowtide_a", "{{trainingjob}}"))
    curve = Curve({"trainingjob": "</script><script>alert(1)</script>"}, ((EPOCH, 1.0),))
    answers = {Question("lowtide_a", over_time=False): QueryAnswer((curve,))}

    page = render_dashboards([board(shown)], findings(answers))

    assert "<script>alert" not in page
    assert "default-src 'none'" in page
    assert not re.search(r'(src|href)="(?!#)', page)
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert json.loads(text)["boards"][0]["panels"][0]["values"][0]["name"].startswith("</script>")


def test_every_panel_names_its_metrics() -> None:
    """A panel without a metric of Lowtide could not say why it is empty."""
    assert all(metrics_of(one) for board_ in DASHBOARDS for one in board_.panels)
