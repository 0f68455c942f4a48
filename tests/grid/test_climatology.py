"""The table of usual hours, and that it comes last."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lowtide.grid.climatology import read_climatology
from lowtide.grid.forecast import Source
from lowtide.grid.series import Signal
from lowtide.grid.settings import ZoneSettings
from lowtide.grid.trace_columns import TraceFileError
from lowtide.grid.zone import build_zones

NOW = datetime(2026, 2, 28, 22, 20, tzinfo=UTC)


def table() -> list[str]:
    """All 288 hours: 100 x month + hour."""
    rows = [f"{m},{h},{100 * m + h}" for m in range(1, 13) for h in range(24)]
    return ["month,hour,g_per_kwh", *rows]


def test_hours_follow_the_calendar():
    """From 22:20 on the last of February: 222, 223, then the hours of March."""
    series = read_climatology(table(), origin="ENTSO-E 2020 to 2024").series(
        "DE", Signal.AVERAGE, NOW, NOW + timedelta(hours=3)
    )

    assert [p.grams_per_kwh for p in series.points] == [222, 223, 300, 301]
    assert series.source == "climatology (ENTSO-E 2020 to 2024)"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param([], "first line", id="empty"),
        pytest.param(table()[:-1], "287 of 288", id="hour missing"),
        pytest.param([*table(), "1,0,5"], "line 290 repeats", id="doubled"),
        pytest.param([*table()[:-1], "12,24,5"], "line 289", id="hour 24"),
        pytest.param([*table()[:-1], "12,23,-5"], "line 289", id="negative"),
        pytest.param([*table()[:-1], "12,23"], "three numbers", id="short"),
    ],
)
def test_an_incomplete_table_is_refused(lines, message):
    """A hole would be a clean hour or a crash."""
    with pytest.raises(TraceFileError, match=message):
        read_climatology(lines, origin="x")


def zone_with(path: Path):
    settings = ZoneSettings.model_validate({"climatology": {"path": str(path), "origin": "x"}})
    return build_zones({"DE": settings}, started=NOW)["DE"]


def test_a_new_installation_plans_by_it(tmp_path):
    """Without provider and history every slot is the usual one, and says so."""
    path = tmp_path / "usual.csv"
    path.write_text("\n".join(table()))

    fused = zone_with(path).refresh(NOW).forecast(NOW)

    assert set(fused.sources) == {Source.CLIMATOLOGY}
    assert fused.grams_per_kwh[:3] == pytest.approx((222, 223, 300))


def test_a_table_that_cannot_be_read_is_left_out(tmp_path, caplog):
    """The zone is then unknown, and jobs run at once."""
    assert zone_with(tmp_path / "missing.csv").refresh(NOW).forecast(NOW) is None
    assert "climatology of zone DE is not used" in caplog.text
