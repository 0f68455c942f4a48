"""Prometheus as a source: range queries, lead-time labels, gaps and repeated values."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide.grid.credentials import Credential
from lowtide.grid.errors import BadAnswer, NoData, NotOffered
from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.providers.prometheus import PrometheusProvider
from lowtide.grid.providers.prometheus_queries import PrometheusQueries
from lowtide.grid.series import Signal

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def matrix(*series, labels=None):
    labels = labels or [{}] * len(series)
    result = [
        {
            "metric": {"location": "de"} | more,
            "values": [[START.timestamp() + s, v] for s, v in values],
        }
        for values, more in zip(series, labels, strict=True)
    ]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def provider(server, **more) -> PrometheusProvider:
    client = HttpClient(name="Prometheus", base_url=server.url, sleep=lambda _: None)
    codes = more.pop("zone_codes", {})
    access = {name: more.pop(name) for name in ("headers", "credential") if name in more}
    queries = PrometheusQueries(client=client, step=HOUR, **access)
    origin = Origin(name="prometheus", signal=Signal.AVERAGE)
    settings = {"query": 'intensity{location="$zone"}'} | more
    return PrometheusProvider(
        client=client, origin=origin, zone_codes=codes, queries=queries, **settings
    )


def test_reads_a_range_on_the_slots(server):
    """Start is moved to a slot's beginning, so that points are slots."""
    server.gives_json(matrix([(0, "300.5"), (3600, "310")]))

    points = provider(server).actuals("DE", START + timedelta(minutes=20), START + 2 * HOUR).points

    assert [p.grams_per_kwh for p in points] == [300.5, 310]
    query = server.asked[0].query
    assert server.asked[0].path == "/api/v1/query_range"
    assert (query["query"], query["step"]) == ('intensity{location="DE"}', "3600.0")
    assert float(query["start"]) == START.timestamp()


def test_a_zone_cannot_leave_its_label(server):
    """Quotes, backslashes and line ends of a zone's name are escaped."""
    server.gives_json(matrix([(0, "1"), (3600, "2")]))

    provider(server).actuals('a"} or up{x="\\\n', START, START + 2 * HOUR)

    assert server.asked[0].query["query"] == 'intensity{location="a\\"} or up{x=\\"\\\\\\n"}'


def test_a_scrape_gap_and_nan_are_missing(server):
    """Neither is filled in."""
    server.gives_json(matrix([(0, "300"), (3600, "NaN"), (3 * 3600, "310")]))

    series = provider(server).actuals("DE", START, START + 4 * HOUR)

    assert [series.at(START + i * HOUR) for i in range(4)] == [300, None, None, 310]


def test_a_value_that_does_not_move_is_suspect_after_three_slots(server):
    """An exporter that repeats its last answer must not look like a calm grid."""
    values = ["300", "310", "310", "310", "310", "310", "320"]
    server.gives_json(matrix([(3600 * i, v) for i, v in enumerate(values)]))

    points = provider(server).actuals("DE", START, START + 7 * HOUR).points

    assert [p.grams_per_kwh for p in points] == [300, 310, 310, 310, None, None, 320]


def test_a_query_for_several_series_is_refused(server):
    """Which one is meant cannot be guessed."""
    labels = [{"provider": "Ember"}, {"provider": "ElectricityMaps"}]
    server.gives_json(matrix([(0, "1")], [(0, "2")], labels=labels))

    with pytest.raises(BadAnswer, match=r"matches 2 series, which differ in provider: .* avg"):
        provider(server).actuals("DE", START, START + HOUR)


def test_estimated_and_final_values_of_one_exporter_are_one_series(server):
    """The exporter moves a value from one series to the other; final ones win."""
    labels = [{"is_estimated": "true"}, {"is_estimated": "false"}]
    estimates = [(0, "140"), (3600, "150"), (7200, "160")]
    server.gives_json(matrix(estimates, [(0, "210"), (3600, "211")], labels=labels))

    points = provider(server).actuals("DE", START, START + 3 * HOUR).points

    assert [(p.grams_per_kwh, p.estimated) for p in points] == [
        (210, False),
        (211, False),
        (160, True),
    ]


def test_a_value_that_never_moves_is_said_to_be_constant(server):
    """It is not called zero or negative, and the setting that accepts it is named."""
    server.gives_json(matrix([(3600 * i, "28") for i in range(12)]))
    asked = (START + 3 * HOUR, START + 12 * HOUR)

    with pytest.raises(NoData, match=r"one constant value .* 28 g/kWh .* set constantPossible"):
        provider(server).actuals("DE", *asked)

    points = provider(server, constant_possible=True).actuals("DE", *asked).points
    assert [p.grams_per_kwh for p in points] == [28] * 9


def test_sends_the_headers_that_a_tenant_needs(server):
    """Mimir and Cortex answer no query without X-Scope-OrgID."""
    server.gives_json(matrix([(0, "300"), (3600, "310")]))

    provider(server, headers={"X-Scope-OrgID": "team-a"}).actuals("DE", START, START + 2 * HOUR)

    assert server.asked[0].headers["x-scope-orgid"] == "team-a"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(matrix(), NoData, id="no series"),
        pytest.param({"status": "error", "error": "x"}, BadAnswer, id="error"),
        pytest.param({}, BadAnswer, id="empty"),
        pytest.param(matrix([(0, "zero"), (3600, "")]), NoData, id="no numbers"),
        pytest.param(matrix([(0, "0"), (3600, "-1")]), NoData, id="zero and negative"),
        pytest.param(matrix([(3600, "1"), (0, "2")]), BadAnswer, id="backwards"),
        pytest.param(matrix([(1e300, "1")]), BadAnswer, id="impossible time"),
    ],
)
def test_an_unusable_answer_is_an_error(server, content, error):
    """Nothing of the kind looks clean."""
    server.gives_json(content)

    with pytest.raises(error):
        provider(server).actuals("DE", START, START + 2 * HOUR)


def vector(*samples):
    result = [{"metric": {"time": lead}, "value": [START.timestamp(), v]} for lead, v in samples]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def test_reads_a_forecast_by_its_lead_times(server):
    """The label counts from the present slot; a vector has no order."""
    server.gives_json(vector(("+01:00", "310"), ("+00:00", "300"), ("+02:00", "320")))
    with_forecast = provider(server, forecast_query='f{location="$zone"}')

    series = with_forecast.forecast("DE", START + timedelta(minutes=5))

    assert [p.grams_per_kwh for p in series.points] == [300, 310, 320]
    assert series.points[0].start == START


def test_a_label_that_is_not_a_lead_time_is_refused(server):
    """Without a lead time a value has no slot."""
    server.gives_json(vector(("soon", "310")))

    with pytest.raises(BadAnswer, match="soon"):
        provider(server, forecast_query="f").forecast("DE", START)


def test_without_a_forecast_query_there_is_no_forecast(server):
    """Past values alone still feed a profile."""
    with pytest.raises(NotOffered):
        provider(server).forecast("DE", START)


def test_sends_a_bearer_token_where_one_is_configured(server, monkeypatch):
    """The token travels in the header only."""
    monkeypatch.setenv("PROM_TOKEN", "t")
    server.gives_json(matrix([(0, "300"), (3600, "310")]))

    secured = provider(server, credential=Credential(variable="PROM_TOKEN"))
    secured.actuals("DE", START, START + 2 * HOUR)

    assert server.asked[0].headers["authorization"] == "Bearer t"
