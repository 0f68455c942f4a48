"""Price providers: the documented answers, negative prices, gaps, units, currencies, DST days."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter

from lowtide.grid.errors import BadAnswer, GridError, NoData, Unavailable
from lowtide.grid.providers.factory import Throttles
from lowtide.prices.providers.entsoe import read_prices_document
from lowtide.prices.providers.factory import build_price_provider
from lowtide.prices.settings import PriceProviderSettings

START = datetime(2026, 3, 28, 23, tzinfo=UTC)
"""Midnight of 29 March in Berlin, a day of 23 hours."""
HOUR = timedelta(hours=1)
DAY = (START, START + 23 * HOUR)


def provider(server, kind, *, currency="EUR", **more):
    settings = {"kind": kind} | ({"url": server.url} if server else {}) | more
    parsed = TypeAdapter(PriceProviderSettings).validate_python(settings)
    return build_price_provider(parsed, zone="DE", currency=currency, throttles=Throttles())


def values(series):
    return [point.per_kwh for point in series.points]


def energy_charts(prices, *, unit="EUR / MWh", step=3600, **more):
    seconds = [int(START.timestamp()) + step * i for i in range(len(prices))]
    return {"license_info": "", "unix_seconds": seconds, "price": prices, "unit": unit} | more


def test_energy_charts_gives_prices_per_mwh(server):
    """84 EUR/MWh are 0.084 EUR/kWh; a negative price is real, a null is missing."""
    server.gives_json(energy_charts([84, -12.5, 0, None]))

    series = provider(server, "energy-charts", zone="DE-LU").published("DE", *DAY)

    assert values(series) == [0.084, -0.0125, 0.0, None]
    assert (series.currency, series.source) == ("EUR", "energy-charts")
    asked = server.asked[0]
    assert (asked.path, asked.query["bzn"]) == ("/price", "DE-LU")
    assert asked.query["start"] == "2026-03-28T23:00:00Z"


def test_a_day_of_23_hours_in_quarters_is_read_in_full(server):
    """92 quarter-hours from midnight to midnight in Berlin."""
    server.gives_json(energy_charts(list(range(92)), step=900))

    points = provider(server, "energy-charts", zone="DE-LU").published("DE", *DAY).points

    assert len(points) == 92
    assert points[-1].end == START + 23 * HOUR
    assert {p.end - p.start for p in points} == {HOUR / 4}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(energy_charts([1], unit="CHF / MWh"), BadAnswer, id="currency"),
        pytest.param(energy_charts([1, 2], unit="EUR / kWh"), BadAnswer, id="unit"),
        pytest.param(energy_charts([1, 2]) | {"price": [1]}, BadAnswer, id="lengths"),
        pytest.param(energy_charts([1, 2]) | {"unix_seconds": [9e12, 9e12]}, BadAnswer, id="ms"),
        pytest.param(energy_charts([None, None]), NoData, id="nulls"),
        pytest.param(energy_charts([1e9, "x"]), NoData, id="impossible"),
        pytest.param({"unit": "EUR / MWh"}, NoData, id="empty"),
        pytest.param([], BadAnswer, id="list"),
    ],
)
def test_an_unusable_answer_of_energy_charts_is_an_error(server, content, error):
    """Nothing of the kind becomes a price."""
    server.gives_json(content)

    with pytest.raises(error):
        provider(server, "energy-charts").published("DE", *DAY)


def rate(begin, pence, *, minutes=30, end=True, payment=None):
    until = begin + timedelta(minutes=minutes)
    return {
        "value_exc_vat": pence,
        "value_inc_vat": pence * 1.05,
        "valid_from": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
        "valid_to": f"{until:%Y-%m-%dT%H:%M:%SZ}" if end else None,
        "payment_method": payment,
    }


def octopus(server, **more):
    settings = {"zone": "C", "product": "AGILE-24-10-01", "currency": "GBP"} | more
    return provider(server, "octopus", **settings)


def test_octopus_gives_pence_newest_first(server):
    """20 p with 5 % tax are 0.21 pounds; a plunge to -2 p is -0.021."""
    half = HOUR / 2
    server.gives_json({"next": None, "results": [rate(START + half, -2), rate(START, 20)]})

    series = octopus(server).published("DE", START, START + HOUR)

    assert values(series) == pytest.approx([0.21, -0.021])
    assert series.currency == "GBP"
    asked = server.asked[0]
    assert asked.path == (
        "/v1/products/AGILE-24-10-01/electricity-tariffs/E-1R-AGILE-24-10-01-C/standard-unit-rates/"
    )
    assert asked.query["period_from"] == "2026-03-28T23:00:00Z"


def test_octopus_without_tax_and_for_direct_debit(server):
    """The rate for another way of payment is left out; null means until further notice."""
    results = [
        rate(START, 30, payment="NON_DIRECT_DEBIT"),
        rate(START, 25, end=False, payment="DIRECT_DEBIT"),
    ]
    server.gives_json({"next": None, "results": results})

    series = octopus(server, vat_included=False).published("DE", START, START + 4 * HOUR)

    assert values(series) == [0.25]
    assert series.points[0].end == START + 4 * HOUR


def test_octopus_with_two_rates_at_one_time_is_refused(server):
    """Which one is valid cannot be guessed."""
    server.gives_json(
        {"next": None, "results": [rate(START, 20, minutes=90), rate(START + HOUR, 30)]}
    )

    with pytest.raises(BadAnswer, match="two rates"):
        octopus(server).published("DE", START, START + 2 * HOUR)


def prices_document(*series, currency="EUR", unit="MWH"):
    """A Publication_MarketDocument; a series is (prices, resolution, sequence, positions)."""
    parts = []
    for prices, resolution, sequence, positions in series:
        minutes = {"PT60M": 60, "PT15M": 15}[resolution]
        places = positions or range(1, len(prices) + 1)
        count = max(places) if positions is None else 4
        end = START + count * timedelta(minutes=minutes)
        points = "".join(
            f"<Point><position>{p}</position><price.amount>{v}</price.amount></Point>"
            for p, v in zip(places, prices, strict=True)
        )
        order = (
            "<classificationSequence_AttributeInstanceComponent.position>"
            f"{sequence}</classificationSequence_AttributeInstanceComponent.position>"
            if sequence
            else ""
        )
        parts.append(
            f"<TimeSeries><mRID>1</mRID>{order}<currency_Unit.name>{currency}"
            f"</currency_Unit.name><price_Measure_Unit.name>{unit}</price_Measure_Unit.name>"
            f"<curveType>A03</curveType><Period><timeInterval><start>{START:%Y-%m-%dT%H:%MZ}"
            f"</start><end>{end:%Y-%m-%dT%H:%MZ}</end></timeInterval>"
            f"<resolution>{resolution}</resolution>{points}</Period></TimeSeries>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Publication_MarketDocument '
        'xmlns="urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3">'
        f"{''.join(parts)}</Publication_MarketDocument>"
    ).encode()


def test_entsoe_repeats_left_out_positions(server, monkeypatch):
    """Positions 1 and 4 of 4: the price of the first hour holds for three."""
    monkeypatch.setenv("ENTSOE_TOKEN", "hush")
    server.gives(server.reply(raw=prices_document(([50, -10], "PT60M", None, [1, 4]))))

    series = provider(server, "entsoe", zone="10Y1001A1001A82H", tokenEnv="ENTSOE_TOKEN").published(
        "DE", *DAY
    )

    assert values(series) == [0.05, 0.05, 0.05, -0.01]
    query = server.asked[0].query
    assert (query["documentType"], query["in_Domain"], query["out_Domain"]) == (
        "A44",
        "10Y1001A1001A82H",
        "10Y1001A1001A82H",
    )
    assert query["periodStart"] == "202603282300"


def test_entsoe_takes_the_first_sequence_and_the_finer_step():
    """Quarter-hours of the same hour replace it; the auction of another sequence does not count."""
    body = prices_document(
        ([40, 60], "PT60M", "1", None),
        ([10, 20, 30, 40], "PT15M", "1", None),
        ([99, 99], "PT60M", "2", None),
    )

    points = read_prices_document(body, zone="DE", currency="EUR")

    assert [p.per_kwh for p in points] == [0.01, 0.02, 0.03, 0.04, 0.06]
    assert points[-1].start == START + HOUR


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            prices_document(([1], "PT60M", None, None), currency="PLN"), "'PLN'", id="currency"
        ),
        pytest.param(
            prices_document(([1], "PT60M", None, None), unit="KWH"), "per 'KWH'", id="unit"
        ),
        pytest.param(b"<GL_MarketDocument/>", "of kind", id="another document"),
        pytest.param(b"no", "not XML", id="no XML"),
    ],
)
def test_another_document_of_entsoe_is_refused(body, message):
    """Neither zloty nor load is a price in euro."""
    with pytest.raises(BadAnswer, match=message):
        read_prices_document(body, zone="DE", currency="EUR")


def test_prometheus_gives_what_an_exporter_says(server):
    """Per MWh where the settings say so, and NaN is missing."""
    series = [[(START + i * HOUR).timestamp(), v] for i, v in enumerate(["80", "NaN", "-5"])]
    result = [{"metric": {"zone": "DE"}, "values": series}]
    server.gives_json({"status": "success", "data": {"result": result}})
    source = provider(server, "prometheus", query='p{zone="$zone"}', per="MWh", zone="de")

    assert values(source.published("DE", START, START + 3 * HOUR)) == [0.08, None, -0.005]
    assert server.asked[0].query["query"] == 'p{zone="de"}'


FILE = "time,usd_per_mwh\n2026-03-28T23:00Z,80.5\n2026-03-29T00:00Z,-3\n2026-03-29T01:00Z,\n"


def test_a_file_names_currency_and_unit(tmp_path):
    """A published layout is read as it is; a changed file is read again."""
    path = tmp_path / "prices.csv"
    source = provider(None, "file", path=path, currency="USD")
    with pytest.raises(Unavailable, match=r"prices\.csv cannot be read"):
        source.published("DE", *DAY)

    path.write_text(FILE)

    series = source.published("DE", *DAY)
    assert values(series) == pytest.approx([0.0805, -0.003, None])
    assert series.source == "file (prices.csv)"


def test_a_file_in_another_currency_is_refused(tmp_path):
    """A plan in euro cannot rest on dollars."""
    path = tmp_path / "prices.csv"
    path.write_text(FILE)

    with pytest.raises(BadAnswer, match=r"'USD' .* whose currency is EUR"):
        provider(None, "file", path=path).published("DE", *DAY)


@pytest.mark.parametrize("status", [401, 429, 500])
def test_a_refusal_of_a_service_is_an_error_of_its_kind(server, status):
    """The same errors as for intensity, so the same pauses and conditions."""
    server.gives(server.reply({"message": "not you"}, status=status))

    with pytest.raises(GridError, match=f"answered {status} for zone DE: not you"):
        provider(server, "energy-charts").published("DE", *DAY)
