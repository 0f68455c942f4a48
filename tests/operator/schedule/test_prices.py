"""Prices of a zone in the operator: what plans are made by, and what a source that is away does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lowtide.grid.series import Signal
from lowtide.planning import Forecast, Source
from lowtide.prices.fusion import IntensityBeside
from lowtide.trainingjob.spec import Grid
from lowtide_operator.schedule.forecasts import Forecasts
from lowtide_operator.settings import OperatorSettings

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def written(path: Path, first: datetime, values: list[float]) -> None:
    """Write hourly prices as a market's file has them."""
    rows = [f"{(first + k * HOUR).isoformat()},{value}" for k, value in enumerate(values)]
    path.write_text("\n".join(["time,eur_per_mwh", *rows]) + "\n")


def forecasts_of(path: Path, clock: Clock, **more: Any) -> Forecasts:
    """Return the zones of an operator: one with prices from a file, one without."""
    source = {"kind": "file", "path": str(path), "refreshSeconds": 1}
    prices: dict[str, Any] = {"currency": "EUR", "feesPerKwh": 0.1, "providers": [source]}
    document = {"zones": {"DE": {}, "FR": {}}, "prices": {"DE": prices}, **more}
    return Forecasts(OperatorSettings.model_validate(document), clock=clock)


def intensity(start: datetime, slots: int = 48) -> Forecast:
    """Return a forecast on half hours."""
    return Forecast(
        zone="DE",
        signal=Signal.AVERAGE,
        start=start,
        slot_seconds=1800,
        grams_per_kwh=(300.0,) * slots,
        spread_grams_per_kwh=(0.0,) * slots,
        sources=(Source.PROVIDER,) * slots,
    )


async def test_prices_are_fused_on_the_slots_of_the_intensity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published for three hours at 50, 100 and -50 EUR/MWh, fees of 0.10 on top; then forecast."""
    clock, file = Clock(), tmp_path / "prices.csv"
    written(file, NOON, [50.0, 100.0, -50.0])
    forecasts = forecasts_of(file, clock)
    monkeypatch.setattr(
        forecasts.prices, "_intensity_of", lambda zone: IntensityBeside(None, intensity(NOON))
    )
    news: list[str] = []
    forecasts.on_news = news.append
    try:
        assert forecasts.view(Grid(zone="DE")).prices_pending_until == NOON + timedelta(seconds=60)
        await forecasts.prices.refresh("DE")
        view = forecasts.view(Grid(zone="DE"))
    finally:
        forecasts.close()

    assert view.prices is not None
    assert view.price_trouble is None
    assert view.prices_pending_until is None
    assert (view.prices.slot_seconds, len(view.prices.price_per_kwh)) == (1800, 48)
    assert view.prices.price_per_kwh[:6] == pytest.approx((0.15, 0.15, 0.2, 0.2, 0.05, 0.05))
    assert view.prices.published_until == NOON + 3 * HOUR
    assert news == ["DE"]


async def test_a_source_that_is_away_after_a_restart_leaves_what_it_published(
    tmp_path: Path,
) -> None:
    """A published price is final: plans go on by it, and the failure is known."""
    clock, file = Clock(), tmp_path / "prices.csv"
    written(file, NOON, [50.0] * 12)
    first = forecasts_of(file, clock, historyDirectory=str(tmp_path / "history"))
    try:
        await first.prices.refresh("DE")
    finally:
        first.close()
    file.unlink()
    clock.now += timedelta(minutes=10)

    second = forecasts_of(file, clock, historyDirectory=str(tmp_path / "history"))
    try:
        await second.prices.refresh("DE")
        view = second.view(Grid(zone="DE"))
    finally:
        second.close()

    assert second.prices.known["DE"].failures
    assert view.prices is not None
    assert view.prices.published_until == NOON + 12 * HOUR


async def test_a_zone_without_prices_says_so_and_waits_for_none(tmp_path: Path) -> None:
    """Its jobs are planned by carbon alone from the first moment on."""
    forecasts = forecasts_of(tmp_path / "none.csv", Clock())
    try:
        view = forecasts.view(Grid(zone="FR"))
    finally:
        forecasts.close()

    assert (view.prices, view.prices_pending_until) == (None, None)
    assert view.price_trouble == "zone FR has no prices in the operator's settings"


async def test_jobs_are_planned_by_the_same_object_until_a_part_of_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plans made by an outlook need not be made again while it stays."""
    clock, file = Clock(), tmp_path / "prices.csv"
    written(file, NOON, [50.0] * 12)
    forecasts, known = forecasts_of(file, clock), intensity(NOON)
    monkeypatch.setattr(forecasts, "newest", lambda zone: known)
    try:
        before = forecasts.outlook("DE")
        await forecasts.prices.refresh("DE")
        after = forecasts.outlook("DE")
        await forecasts.prices.refresh("DE")
        again = forecasts.outlook("DE")
    finally:
        forecasts.close()

    assert before is not None
    assert before.prices is None
    assert after is not None
    assert after.prices is not None
    assert again is after


async def test_what_was_paid_is_told_with_fees_and_from_the_past(tmp_path: Path) -> None:
    """0.10 on top of 0.05; hours that were not published are not there."""
    clock, file = Clock(), tmp_path / "prices.csv"
    written(file, NOON - 2 * HOUR, [50.0, 20.0, 30.0])
    forecasts = forecasts_of(file, clock)
    try:
        await forecasts.prices.refresh("DE")
        paid = forecasts.paid_between("DE", NOON - 3 * HOUR, NOON)
        none = forecasts.paid_between("FR", NOON - 3 * HOUR, NOON)
    finally:
        forecasts.close()

    assert none is None
    assert paid is not None
    assert [point.per_kwh for point in paid.points] == pytest.approx([0.15, 0.12])
