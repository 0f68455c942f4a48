"""ENTSO-E: XML with its curve types, and the intensity derived from it by hand calculation."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide.grid.credentials import Credential
from lowtide.grid.errors import BadAnswer, GridError, NoData
from lowtide.grid.providers.answers import Origin
from lowtide.grid.providers.entsoe import EntsoE
from lowtide.grid.providers.entsoe_documents import read_document
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.series import Signal

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROUND_FACTORS = {"B02": 1000.0, "B04": 400.0, "B14": 0.0, "B16": 0.0, "B19": 0.0, "B10": 0.0}


def series(values, kind=None, *, resolution="PT60M", curve="A01", out=False, positions=None):
    """One TimeSeries that begins at START; `out` makes it consumption."""
    step = {"PT15M": timedelta(minutes=15), "PT60M": HOUR}[resolution]
    positions = positions or range(1, len(values) + 1)
    length = (
        len(values)
        if curve == "A01" and positions == ["x"]
        else (max(positions) if curve == "A01" else 4)
    )
    points = "".join(
        f"<Point><position>{p}</position><quantity>{v}</quantity></Point>"
        for p, v in zip(positions, values, strict=True)
    )
    domain = "outBiddingZone_Domain.mRID" if out else "inBiddingZone_Domain.mRID"
    psr = f"<MktPSRType><psrType>{kind}</psrType></MktPSRType>" if kind else ""
    end = START + length * step
    return (
        f"<TimeSeries><{domain}>10Y1001A1001A82H</{domain}><curveType>{curve}</curveType>{psr}"
        f"<Period><timeInterval><start>{START:%Y-%m-%dT%H:%MZ}</start>"
        f"<end>{end:%Y-%m-%dT%H:%MZ}</end></timeInterval>"
        f"<resolution>{resolution}</resolution>{points}</Period></TimeSeries>"
    )


def document(*content):
    return (
        '<?xml version="1.0" encoding="UTF-8"?><GL_MarketDocument '
        'xmlns="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0">'
        f"<createdDateTime>2026-03-01T00:30:00Z</createdDateTime>{''.join(content)}"
        "</GL_MarketDocument>"
    ).encode()


ACKNOWLEDGEMENT = (
    b'<Acknowledgement_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-1:'
    b'acknowledgementdocument:7:0"><Reason><code>999</code><text>No matching data found'
    b"</text></Reason></Acknowledgement_MarketDocument>"
)


@pytest.fixture
def provider(server, monkeypatch) -> EntsoE:
    monkeypatch.setenv("ENTSOE_TOKEN", "hush")
    client = HttpClient(name="ENTSO-E", base_url=f"{server.url}/api", sleep=lambda _: None)
    return EntsoE(
        client=client,
        origin=Origin(name="entsoe", signal=Signal.AVERAGE, remark="derived"),
        credential=Credential(variable="ENTSOE_TOKEN"),
        zone_codes={"DE": "10Y1001A1001A82H"},
        factors_grams_per_kwh=ROUND_FACTORS,
    )


def hours(body, kind=""):
    return list(read_document(body, zone="DE").megawatts.get(kind, {}).values())


def test_a_left_out_position_repeats_in_curve_a03(server):
    """Positions 1 and 3 of 4 mean 100, 100, 300, 300."""
    body = document(series([100, 300], curve="A03", positions=[1, 3]))

    assert hours(body) == [100, 100, 300, 300]


def test_a_left_out_position_is_missing_in_other_curves(server):
    """Nothing is repeated where the document does not say so."""
    assert len(hours(document(series([100, 300], positions=[1, 3])))) == 2


def test_quarter_hours_become_hours_by_their_mean():
    """100, 200, 300, 400 MW are 250 MW over the hour; three quarters do not make an hour."""
    assert hours(document(series([100, 200, 300, 400], resolution="PT15M"))) == [250]
    assert hours(document(series([100, 200, 300], resolution="PT15M"))) == []


def test_pumping_is_not_generation():
    """A consumption series of pumped storage is left out."""
    body = document(series([50], "B10"), series([70], "B10", out=True))

    assert hours(body, "B10") == [50]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(ACKNOWLEDGEMENT, NoData, id="acknowledgement"),
        pytest.param(b"<html><body>Sign in</body></html>", BadAnswer, id="HTML"),
        pytest.param(b"{}", BadAnswer, id="JSON"),
        pytest.param(b"", BadAnswer, id="empty"),
        pytest.param(
            b'<!DOCTYPE x [<!ENTITY a "aaaa">]><GL_MarketDocument>&a;</GL_MarketDocument>',
            BadAnswer,
            id="entities",
        ),
        pytest.param(document(series([5], positions=["x"])), BadAnswer, id="position"),
    ],
)
def test_another_document_is_refused(body, error):
    """No data is said so, anything else is an error."""
    with pytest.raises(error):
        read_document(body, zone="DE")


@pytest.mark.parametrize("bad", [-120, -0.4, "NaN", "much", "inf", ""])
def test_a_bad_quantity_is_missing_for_itself_alone(bad):
    """A plant's own use for one hour must not take the other hours away."""
    assert hours(document(series([100, bad, 300]))) == [100, 300]


def test_a_bad_quantity_that_repeats_is_missing_as_often():
    """Position 3 is left out in curve A03 and means the negative value before it."""
    body = document(series([100, -5, 300], curve="A03", positions=[1, 2, 4]))

    assert hours(body) == [100, 300]


def test_what_the_platform_says_is_part_of_the_error():
    """The reason of the acknowledgement tells what to do about it."""
    with pytest.raises(NoData, match=r"reason 999: No matching data found\)"):
        read_document(ACKNOWLEDGEMENT, zone="DE")


def test_derives_actual_intensity_from_generation(server, provider):
    """600 MW lignite at 1000 and 400 MW sun at 0: 600 g/kWh; later 100 and 900: 100 g/kWh."""
    server.gives(server.reply(raw=document(series([600, 100], "B02"), series([400, 900], "B16"))))

    result = provider.actuals("DE", START, START + 2 * HOUR)

    assert [p.grams_per_kwh for p in result.points] == [600, 100]
    assert result.source == "entsoe (derived)"
    assert server.asked[0].query == {
        "securityToken": "hush",
        "documentType": "A75",
        "processType": "A16",
        "in_Domain": "10Y1001A1001A82H",
        "periodStart": "202603010000",
        "periodEnd": "202603010200",
    }


def test_an_hour_with_an_unpublished_type_is_missing(server, provider):
    """Without its lignite the second hour would look perfectly clean."""
    server.gives(server.reply(raw=document(series([600], "B02"), series([400, 900], "B16"))))

    points = provider.actuals("DE", START, START + 2 * HOUR).points

    assert [(p.start, p.grams_per_kwh) for p in points] == [(START, 600)]


def test_derives_a_forecast_from_load_wind_and_sun(server, provider):
    """What wind and sun leave of the load runs at the residual mix of the last day.

    300 MW lignite and 100 MW nuclear: 750 g/kWh. Load 1000 with 400 MW of wind and sun leaves
    60 %: 450 g/kWh; load 1000 with 900 leaves 10 %: 75 g/kWh.
    """
    server.gives(
        server.reply(raw=document(series([1000, 1000], out=True))),
        server.reply(raw=document(series([300, 500], "B16"), series([100, 400], "B19"))),
        server.reply(
            raw=document(series([300], "B02"), series([100], "B14"), series([999], "B16"))
        ),
    )

    result = provider.forecast("DE", START + timedelta(minutes=40))

    assert [p.grams_per_kwh for p in result.points] == pytest.approx([450, 75])
    assert result.generated_at == START + timedelta(minutes=30)
    assert [a.query["documentType"] for a in server.asked] == ["A65", "A69", "A75"]
    assert server.asked[0].query["outBiddingZone_Domain"] == "10Y1001A1001A82H"


def test_a_forecast_hour_without_wind_is_missing(server, provider):
    """An unpublished wind forecast is not a calm."""
    server.gives(
        server.reply(raw=document(series([1000, 1000], out=True))),
        server.reply(raw=document(series([400, 900], "B16"), series([0.0], "B19"))),
        server.reply(raw=document(series([300], "B02"), series([100], "B14"))),
    )

    points = provider.forecast("DE", START).points

    assert [p.grams_per_kwh for p in points] == [pytest.approx(450), None]


def test_more_wind_than_load_is_unknown_and_not_clean(server, provider):
    """The plants that must run then are beyond the model."""
    server.gives(
        server.reply(raw=document(series([1000, 1000], out=True))),
        server.reply(raw=document(series([400, 1200], "B19"))),
        server.reply(raw=document(series([300], "B02"))),
    )

    points = provider.forecast("DE", START).points

    assert [p.grams_per_kwh for p in points] == [pytest.approx(600), None]


def test_an_unknown_production_type_is_named(server, provider):
    """A type without a factor cannot be left out: it would be clean."""
    server.gives(server.reply(raw=document(series([600], "B02"), series([1], "B99"))))

    with pytest.raises(BadAnswer, match="B99"):
        provider.actuals("DE", START, START + HOUR)


def test_the_token_never_shows(server, provider):
    """It sits in the query, so no error may carry the URL."""
    server.gives(server.reply(status=500))

    with pytest.raises(GridError) as caught:
        provider.forecast("DE", START)

    assert "hush" not in str(caught.value)
    assert "hush" not in repr(provider)
