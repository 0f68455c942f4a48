"""Second opinions: the services' own Python clients read the same answers, and agree.

`entsoe-py` and `watttime` are written by others from the same documentation. Where they agree with
the providers here on every value, a misreading would have to be shared by both.
"""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from entsoe.mappings import PSRTYPE_MAPPINGS
from entsoe.parsers import parse_generation, parse_loads, parse_prices
from hypothesis import given, settings
from hypothesis import strategies as st
from watttime import WattTimeForecast, WattTimeHistorical

from lowtide.grid.credentials import Credential
from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.entsoe_documents import NO_TYPE, read_document
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.providers.watttime import Session, WattTime
from lowtide.grid.series import Signal
from lowtide.prices.providers.entsoe import read_prices_document
from lowtide.units import lb_per_mwh_to_grams_per_kwh

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
STEPS = {"PT15M": HOUR / 4, "PT30M": HOUR / 2, "PT60M": HOUR}

pytestmark = [
    pytest.mark.slow,  # pandas, which the clients need, takes a second to come
    # Both are the clients' own: one parses XML as HTML, and pandas is about to change.
    pytest.mark.filterwarnings("ignore::bs4.XMLParsedAsHTMLWarning"),
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),
]
FEW = settings(max_examples=15, deadline=None)
"""The clients parse slowly, and a misreading does not hide in rare values."""


def period(values, resolution, *, start=START, label="quantity", left_out=()):
    """A Period; places in `left_out` are not sent, where their value repeats the one before."""
    end = start + len(values) * STEPS[resolution]
    points = "".join(
        f"<Point><position>{place}</position><{label}>{value}</{label}></Point>"
        for place, value in enumerate(values, 1)
        if place not in left_out
    )
    return (
        f"<Period><timeInterval><start>{start:%Y-%m-%dT%H:%MZ}</start>"
        f"<end>{end:%Y-%m-%dT%H:%MZ}</end></timeInterval>"
        f"<resolution>{resolution}</resolution>{points}</Period>"
    )


def series(periods, *, kind=None, curve="A01", consumes=False, price=False):
    """A TimeSeries in the order of elements that the platform sends."""
    domain = "outBiddingZone_Domain.mRID" if consumes else "inBiddingZone_Domain.mRID"
    psr = f"<MktPSRType><psrType>{kind}</psrType></MktPSRType>" if kind else ""
    money = (
        "<currency_Unit.name>EUR</currency_Unit.name>"
        "<price_Measure_Unit.name>MWH</price_Measure_Unit.name>"
        if price
        else "<quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name>"
    )
    return (
        f'<TimeSeries><mRID>1</mRID><businessType>A01</businessType><{domain} codingScheme="A01">'
        f"10Y1001A1001A82H</{domain}>{money}<curveType>{curve}</curveType>{psr}"
        f"{''.join(periods)}</TimeSeries>"
    )


def document(*parts, kind="GL_MarketDocument"):
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><{kind} xmlns="urn:iec62325.351:tc57wg16:451-6">'
        f"<mRID>x</mRID><createdDateTime>2026-03-01T00:30:00Z</createdDateTime>{''.join(parts)}"
        f"</{kind}>"
    )


def hourly_means(column):
    """Return the hours of a column of entsoe-py for which every slot has a value."""
    step = column.index[1] - column.index[0] if len(column) > 1 else pd.Timedelta(hours=1)
    groups = column.dropna().groupby(column.dropna().index.floor("h"))
    whole = pd.Timedelta(hours=1) // step
    return {hour.to_pydatetime(): values.mean() for hour, values in groups if len(values) == whole}


megawatts = st.lists(st.integers(0, 30000), min_size=24, max_size=24)


@FEW
@given(st.dictionaries(st.sampled_from(["B02", "B04", "B11", "B16", "B19"]), megawatts, min_size=1))
def test_generation_by_type_is_read_alike(mix):
    """Any mix of types in quarter-hours over six hours."""
    xml = document(*(series([period(v, "PT15M")], kind=k) for k, v in mix.items()))

    ours = read_document(xml.encode(), zone="DE").megawatts
    theirs = parse_generation(xml)

    assert set(ours) == set(mix)
    for kind in mix:
        column = theirs[PSRTYPE_MAPPINGS[kind]]
        column = column["Actual Aggregated"] if isinstance(column, pd.DataFrame) else column
        assert ours[kind] == pytest.approx(hourly_means(column))


def test_pumping_is_told_from_generation_alike():
    """The client has a column of its own for what is consumed; it is not generation here either."""
    xml = document(
        series([period([50, 60], "PT60M")], kind="B10"),
        series([period([70, 80], "PT60M")], kind="B10", consumes=True),
    )

    ours = read_document(xml.encode(), zone="DE").megawatts["B10"]
    theirs = parse_generation(xml)["Hydro Pumped Storage"]["Actual Aggregated"]

    assert ours == pytest.approx(hourly_means(theirs))


@FEW
@given(megawatts, st.sampled_from(["PT15M", "PT30M", "PT60M"]))
def test_load_is_read_alike(values, resolution):
    """In every resolution that the platform uses."""
    xml = document(series([period(values, resolution)]))

    ours = read_document(xml.encode(), zone="DE").megawatts[NO_TYPE]

    assert ours == pytest.approx(hourly_means(parse_loads(xml)["Forecasted Load"]))


@FEW
@given(
    st.lists(st.integers(-500, 4000), min_size=24, max_size=24),
    st.sampled_from(["PT15M", "PT60M"]),
    st.sets(st.integers(2, 24)),
)
def test_prices_with_left_out_positions_are_read_alike(prices, resolution, left_out):
    """Curve A03 of two days, negative prices among them: a left-out position repeats."""
    days = [
        period(prices, resolution, label="price.amount", left_out=left_out),
        period(
            prices[::-1],
            resolution,
            start=START + 24 * STEPS[resolution],
            label="price.amount",
            left_out=left_out,
        ),
    ]
    xml = document(
        *(series([day], curve="A03", price=True) for day in days),
        kind="Publication_MarketDocument",
    )

    ours = read_prices_document(xml.encode(), zone="DE", currency="EUR")
    theirs = parse_prices(xml)[{"PT15M": "15min", "PT60M": "60min"}[resolution]]

    assert [p.start for p in ours] == [moment.to_pydatetime() for moment in theirs.index]
    assert [p.per_kwh * 1000 for p in ours] == pytest.approx(theirs.tolist())


def rates(values, **meta):
    """The documented answer of WattTime."""
    return {
        "data": [
            {"point_time": f"{START + i * HOUR / 12:%Y-%m-%dT%H:%M:%S+00:00}", "value": value}
            for i, value in enumerate(values)
        ],
        "meta": {
            "data_point_period_seconds": 300,
            "region": "CAISO_NORTH",
            "signal_type": "co2_moer",
            "units": "lbs_co2_per_mwh",
            "model": {"date": "2026-02-01"},
            "warnings": [],
        }
        | meta,
    }


@pytest.fixture
def ours(server, monkeypatch) -> WattTime:
    monkeypatch.setenv("WT_PASSWORD", "pw")
    client = HttpClient(name="WattTime", base_url=server.url, sleep=lambda _: None)
    session = Session(client, "user", Credential(variable="WT_PASSWORD"))
    origin = Origin(name="watttime", signal=Signal.MARGINAL, zero_possible=True)
    return WattTime(client=client, session=session, origin=origin)


def asked_alike(server, ours_asked):
    """Return whether the client asked for the same thing as the provider did."""
    (theirs,) = [one for one in server.asked if one.path.startswith("/v3/")]
    shared = theirs.query.keys() & ours_asked.query.keys() - {"start", "end"}
    return theirs.path == ours_asked.path and all(
        theirs.query[name] == ours_asked.query[name] for name in shared
    )


@pytest.mark.parametrize("past", [True, False])
def test_emission_rates_are_read_and_asked_for_alike(server, ours, past):
    """One hour in five minutes: the client's pounds are the provider's grams."""
    answer = rates([900.0 + i for i in range(12)], generated_at=f"{START:%Y-%m-%dT%H:%M:%S+00:00}")
    replies = (server.reply({"token": "t"}), server.reply(answer))

    server.gives(*replies)
    read = (
        ours.actuals("CAISO_NORTH", START, START + HOUR)
        if past
        else ours.forecast("CAISO_NORTH", START)
    )
    ours_asked = server.asked[-1]

    server.gives(*replies)
    client = (WattTimeHistorical if past else WattTimeForecast)("user", "pw")
    client.url_base = server.url
    frame = (
        client.get_historical_pandas(START, START + HOUR, "CAISO_NORTH")
        if past
        else client.get_forecast_pandas("CAISO_NORTH", horizon_hours=72)
    )

    assert [p.start for p in read.points] == [
        moment.to_pydatetime() for moment in pd.to_datetime(frame["point_time"])
    ]
    assert [p.grams_per_kwh for p in read.points] == pytest.approx(
        [lb_per_mwh_to_grams_per_kwh(value) for value in frame["value"]]
    )
    assert asked_alike(server, ours_asked)
