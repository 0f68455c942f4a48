"""Series as text, whole files, and names."""

from datetime import UTC, datetime, timedelta

import pytest

from lowtide.grid.series import Factor, MarginalSeries, Point, Signal
from lowtide.grid.storage import (
    StorageError,
    file_name,
    read_text,
    series_from_text,
    series_to_text,
    write_atomically,
)

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_series_survives_its_text():
    """Type, zone, source, times, missing values and estimates come back as they were."""
    series = MarginalSeries(
        zone="CAISO_NORTH",
        source="watttime",
        points=(
            Point(START, START + timedelta(seconds=7.2), 298.4),
            Point(START + timedelta(seconds=7.2), START + timedelta(seconds=14.4), None),
            Point(START + timedelta(hours=1), START + timedelta(hours=2), 0.0, estimated=True),
        ),
        factor=Factor.DIRECT,
        fetched_at=START + timedelta(minutes=3),
        generated_at=START,
    )

    assert series_from_text(series_to_text(series)) == series


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text[:-5], id="cut off"),
        pytest.param(lambda text: text.replace('"version":1', '"version":2'), id="version"),
        pytest.param(lambda text: text.replace("Average", "Both"), id="signal"),
        pytest.param(lambda text: text.replace(",300,", ",-300,"), id="negative"),
        pytest.param(lambda text: text.replace(",3600,", ",7200,"), id="overlap"),
        pytest.param(lambda text: "", id="empty"),
    ],
)
def test_damaged_text_is_an_error(hourly, damage):
    """A history that was tampered with is not believed."""
    text = series_to_text(hourly(START, [300, 310]))

    with pytest.raises(StorageError):
        series_from_text(damage(text))


@pytest.mark.slow
def test_a_month_of_five_minutes_fits_a_config_map(hourly):
    """30 days of 288 slots stay below half of the 1 MiB that a ConfigMap may have."""
    series = hourly(START, [298.4] * 30 * 288, step=timedelta(minutes=5))

    assert len(series_to_text(series)) < 512 * 1024


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    """Nothing half-written is ever seen, and no scrap is left behind."""
    path = tmp_path / "deep" / "x.json"
    write_atomically(path, "old")

    def broken(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")

    assert read_text(path) == "old"
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]


def test_names_are_safe_and_different():
    """A zone cannot leave its folder, and no two zones share a file."""
    names = [
        file_name(zone, Signal.AVERAGE, "a")
        for zone in ("DE", "D/E", "../DE", "D_E", "D_2f_E", "", "Ü", "D.E")
    ]

    assert len(set(names)) == len(names)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzDEA0123456789_-.") for name in names)
    assert not any("/" in name or ".." in name[1:] for name in names)
