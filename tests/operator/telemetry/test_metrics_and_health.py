"""The operator's words about itself: metrics page, health page, and kubectl's columns."""

import asyncio
import socket
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError
from standins.ports import free_port

from lowtide.grid.forecast import Forecast, Source
from lowtide.grid.scoring import ForecastScore
from lowtide.grid.series import Factor, Signal
from lowtide.trainingjob.display import display_of
from lowtide.trainingjob.status import TrainingJobStatus
from lowtide_operator.cluster.cache import Cache
from lowtide_operator.cluster.claims import Claims
from lowtide_operator.objects.key import Key
from lowtide_operator.schedule.forecasts import Forecasts
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.tally import Tally
from lowtide_operator.telemetry.forecast_metrics import forecast_families, hourly
from lowtide_operator.telemetry.health import UnhealthyError, check
from lowtide_operator.telemetry.metrics import build_registry
from lowtide_operator.telemetry.metrics_server import serve_metrics
from lowtide_operator.telemetry.provider_metrics import provider_families
from lowtide_operator.workqueue import WorkQueue

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.fixture
def app() -> Any:
    """The parts that the pages read, with clocks that stand still."""
    settings = OperatorSettings.model_validate({"zones": {"DE": {}}})
    moment = [0.0]
    return SimpleNamespace(
        settings=settings,
        leadership=SimpleNamespace(is_held=True),
        claims=Claims(),
        cache=Cache(),
        queue=WorkQueue(clock=lambda: moment[0], random=lambda: 1.0),
        moment=moment,
        tally=Tally(),
        forecasts=Forecasts(settings, clock=lambda: NOON),
        exporters=None,
        clock=lambda: NOON,
    )


def job(name: str = "net", **status: Any) -> dict[str, Any]:
    """Return the body of a TrainingJob."""
    metadata = {
        "name": name,
        "namespace": "ml",
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "creationTimestamp": "2026-11-30T10:00:00Z",
    }
    return {"metadata": metadata, "spec": {"template": {}}, "status": status}


FINISHED: dict[str, Any] = {
    "display": {"state": "Complete"},
    "conditions": [{"type": "Complete", "status": "True"}],
    "attempts": [{"start": "2026-11-30T11:00:00Z", "end": "2026-11-30T12:00:00Z"}],
    "energy": {"totalJoules": 3600000},
    "carbon": {"zone": "DE", "signal": "Average", "operationalGrams": "100.5"},
    "counterfactual": {"clairvoyantGrams": "80", "reachPercent": "75.0"},
    "sci": {"gramsPerUnit": "112.25"},
    "cost": {"currency": "EUR", "energy": "0.3"},
    "electricity": {
        "currency": "USD",
        "paid": "-0.05",
        "runNow": "0.2",
        "saved": "0.25",
        "reachPercent": "60.0",
    },
    "efficiency": {"metrics": [{"name": "SAM5[Wh]", "value": "1.5"}]},
}


def test_every_family_has_a_help_text_and_outcomes_begin_at_zero(app: Any) -> None:
    """Alerts on a rate need a first sample."""
    registry = build_registry(app)
    families = list(registry.collect())
    assert all(family.documentation for family in families)
    label = {"outcome": "error"}
    assert registry.get_sample_value("lowtide_operator_reconciliations_total", label) == 0
    assert registry.get_sample_value("lowtide_operator_status_writes_total", label) == 0


def test_a_finished_job_has_its_figures_and_a_gone_one_none(app: Any) -> None:
    """Read at scrape time from what the API server said."""
    registry = build_registry(app)
    app.cache.remember(job(**FINISHED))
    mine = {"namespace": "ml", "trainingjob": "net"}

    def value(name: str, **labels: str) -> float | None:
        found: float | None = registry.get_sample_value(name, {**mine, **labels})
        return found

    assert value("lowtide_trainingjob_energy_joules") == 3.6e6
    assert value("lowtide_trainingjob_operational_grams") == 100.5
    assert value("lowtide_trainingjob_sci_grams_per_unit") == 112.25
    assert value("lowtide_trainingjob_clairvoyant_grams") == 80
    assert value("lowtide_trainingjob_reach_ratio") == 0.75
    assert value("lowtide_trainingjob_sam") == 1.5
    assert value("lowtide_trainingjob_cost", currency="EUR", kind="energy") == 0.3
    for kind, amount in {"": -0.05, "_run_now": 0.2, "_saved": 0.25}.items():
        kind = f"electricity{kind}"
        assert value("lowtide_trainingjob_cost", currency="USD", kind=kind) == amount
    assert value("lowtide_trainingjob_objective_reach_ratio") == 0.6
    assert value("lowtide_trainingjob_condition", type="Complete", status="True") == 1
    assert value("lowtide_trainingjob_avoided_grams") is None
    app.cache.forget(job())
    assert value("lowtide_trainingjob_energy_joules") is None


def test_the_health_page_fails_when_a_job_waits_for_too_long(app: Any) -> None:
    """A stuck operator is not a healthy one, however well it answers."""
    app.queue.add(Key("ml", "net"))
    app.moment[0] = 299.0
    assert check(app)["queue_oldest_age_seconds"] == 299
    app.moment[0] = 301.0
    with pytest.raises(UnhealthyError, match=r"waited in the queue for 301 s"):
        check(app)


def test_a_standby_is_healthy_and_says_no_job_a_second_time(app: Any) -> None:
    """Its queue fills while another operator leads; sums over both pages count each job once."""
    app.leadership.is_held = False
    app.cache.remember(job(**FINISHED))
    app.queue.add(Key("ml", "net"))
    app.moment[0] = 301.0
    assert check(app)["leads"] == 0
    registry = build_registry(app)
    mine = {"namespace": "ml", "trainingjob": "net"}
    assert registry.get_sample_value("lowtide_trainingjob_energy_joules", mine) is None
    assert registry.get_sample_value("lowtide_operator_leads") == 0


def test_the_health_page_fails_when_the_loop_is_late(app: Any) -> None:
    """Something blocks the event loop."""
    app.tally.loop_lag_seconds = 11.0
    with pytest.raises(UnhealthyError, match=r"late by 11.0 s"):
        check(app)


async def test_the_running_operator_serves_a_page_that_prometheus_can_parse(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """The real page over HTTP, with a job in it."""
    import aiohttp

    port = free_port()
    jobs = ("lowtide.dev/v1alpha1", "trainingjobs")
    api.create(jobs, training_job(schedule={"policy": "Immediate"}))
    async with operator(server={"metricsPort": port, "healthPort": 0}):
        await api.until(lambda: (api.get(*[jobs, "net"]).get("status") or {}).get("attempts"))
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as answer,
        ):
            page = await answer.text()
    families = {family.name for family in text_string_to_metric_families(page)}
    assert {"lowtide_trainingjobs", "lowtide_operator_reconciliations"} <= families


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            {"plan": {"start": "2026-12-01T02:15:00Z", "expectedSavingPercent": "31.4"}},
            ("Waiting", "2026-12-01 02:15Z", None, "~31 %"),
        ),
        (
            {
                "plan": {
                    "start": "2026-12-01T02:15:00Z",
                    "expectedSavingPercent": "31.0",
                    "expectedJoules": 43560000,
                    "runNowGramsPerKwh": "297.0",
                }
            },
            # 12.1 kWh at 297 g/kWh are 3594 g; 31 % of that are 1.11 kg.
            ("Waiting", "2026-12-01 02:15Z", None, "~1.11 kg 31 %"),
        ),
        (
            {
                "energy": {"totalJoules": 10332000},
                "counterfactual": {"avoidedGrams": "410.2", "avoidedPercent": "34.1"},
                "attempts": [{"number": 1, "name": "n", "start": "2026-11-30T11:00:00Z"}],
            },
            ("Starting", "2026-11-30 11:00Z", "2.87 kWh", "410 g 34 %"),
        ),
        (
            {
                "plan": {
                    "start": "2026-12-01T02:15:00Z",
                    "expectedSavingPercent": "-3.1",
                    "expectedMoneySavingPercent": "42.0",
                    "objective": "Cost",
                    "currency": "EUR",
                }
            },
            ("Waiting", "2026-12-01 02:15Z", None, "~-3 %, 42 % of EUR"),
        ),
        (
            {
                "counterfactual": {"avoidedGrams": "410.2", "avoidedPercent": "34.1"},
                "electricity": {"currency": "EUR", "saved": "0.2512", "objective": "Both"},
            },
            ("Waiting", None, None, "410 g 34 %, 0.251 EUR"),
        ),
    ],
)
def test_the_columns_of_kubectl(status: dict[str, Any], expected: tuple[str | None, ...]) -> None:
    """`~` marks what is expected and not yet measured."""
    shown = display_of(TrainingJobStatus.model_validate(status))
    assert (shown.state, shown.start, shown.energy, shown.avoided) == expected


def test_providers_show_their_place_and_what_their_forecasts_were_worth() -> None:
    """The one that would have saved more is asked first; unjudged forecasts have no sample."""
    files = [{"kind": "file", "path": "/a.csv"}, {"kind": "file", "path": "/b.csv"}]
    settings = OperatorSettings.model_validate({"zones": {"DE": {"providers": files}}})
    forecasts = Forecasts(settings, clock=lambda: NOON)
    score = ForecastScore(
        provider="file-2",
        band="0-6h",
        days=15,
        plans=20,
        reach=0.8,
        concordance=None,
        error_grams_per_kwh=12.5,
    )
    forecasts.zones["DE"].scores = (score,)
    families = {family.name: family for family in provider_families(forecasts.zones)}

    def samples(name: str) -> dict[str, float]:
        return {
            sample.labels["provider"]: sample.value
            for sample in families[f"lowtide_operator_provider_{name}"].samples
        }

    assert samples("place") == {"file": 1, "file-2": 2}
    assert samples("realised_saving_ratio") == {"file-2": 0.8}
    assert samples("error_grams_per_kwh") == {"file-2": 12.5}
    assert samples("scored_days") == {"file-2": 15}
    assert samples("concordance_ratio") == {}


async def test_the_operator_compares_a_zones_providers_and_takes_the_better_one_first() -> None:
    """Again and again in the background; plans then use the forecast that saved more."""
    settings = OperatorSettings.model_validate(
        {
            "zones": {"DE": {"providers": [{"kind": "file", "path": f"/{n}.csv"} for n in "ab"]}},
            "forecast": {"refreshSeconds": 0.01, "compareSeconds": 0.02},
        }
    )
    forecasts = Forecasts(settings, clock=lambda: datetime.now(UTC))
    zone = forecasts.zones["DE"]
    rounds = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()

    def compare(_: datetime) -> tuple[ForecastScore, ...]:
        zone.grid.chain = zone.grid.chain.reordered(("file-2", "file"))
        loop.call_soon_threadsafe(rounds.release)
        return ()

    zone.grid.compare = compare  # type: ignore[method-assign]
    task = asyncio.create_task(forecasts.run())
    try:
        async with asyncio.timeout(240):
            for _ in range(3):
                await rounds.acquire()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        forecasts.close()
    assert zone.provider_order == ("file-2", "file")


@pytest.mark.parametrize("dual", [True, False], ids=["both families", "IPv4 only"])
def test_metrics_are_served_where_a_pod_has_its_address(
    dual: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On IPv4 always, on IPv6 where the kernel has it."""
    if dual and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    monkeypatch.setattr("socket.has_dualstack_ipv6", lambda: dual)
    server, thread = serve_metrics(0, CollectorRegistry())
    try:
        for host in ("127.0.0.1", "[::1]") if dual else ("127.0.0.1",):
            address = f"http://{host}:{server.server_port}/metrics"
            with urllib.request.urlopen(address, timeout=240) as answer:
                assert answer.status == 200
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_the_price_of_now_is_a_series_in_its_currency(app: Any) -> None:
    """A tariff of 0.30 with 0.05 of fees and a fifth of tax is 0.42; known for 8 days ahead."""
    prices = {
        "currency": "EUR",
        "feesPerKwh": 0.05,
        "taxRatio": 0.2,
        "providers": [{"kind": "tariff", "perKwh": 0.30}],
    }
    settings = OperatorSettings.model_validate({"zones": {"DE": {}}, "prices": {"DE": prices}})
    app.forecasts = Forecasts(settings, clock=lambda: NOON)
    try:
        assert "lowtide_operator_price_per_kwh{" not in page(app)

        await app.forecasts.prices.refresh("DE")

        shown = page(app)
    finally:
        app.forecasts.close()
    labels = '{currency="EUR",provider="tariff",zone="DE"}'
    assert f"lowtide_operator_price_per_kwh{labels} 0.42" in shown
    assert 'lowtide_operator_prices_available{zone="DE"} 1.0' in shown
    assert 'lowtide_operator_price_published_seconds{zone="DE"} 691200.0' in shown


def test_the_forecast_in_use_is_kept_hour_by_hour_for_those_who_ask_later() -> None:
    """Half hours from 11:30 on, asked at 12:10: hour 0 is 12 to 13 h; an hour cut off is left out.

    By hand: slots 100, 200, 300, 400, 500, 600; 12 h holds 200 and 300, 13 h holds 400 and 500,
    and of 14 h only the first half is known.
    """
    forecast = Forecast(
        zone="DE",
        signal=Signal.AVERAGE,
        start=NOON - timedelta(minutes=30),
        slot_seconds=1800,
        grams_per_kwh=(100.0, 200.0, 300.0, 400.0, 500.0, 600.0),
        spread_grams_per_kwh=(0.0, 10.0, 20.0, 30.0, 40.0, 50.0),
        sources=(Source.PROVIDER,) * 6,
        factor=Factor.LIFE_CYCLE,
    )

    assert list(hourly(forecast, NOON + timedelta(minutes=10))) == [(250.0, 15.0), (450.0, 35.0)]
    zone = SimpleNamespace(known=SimpleNamespace(forecast=forecast))
    families = list(forecast_families({"DE": zone}, NOON, "DE"))  # type: ignore[dict-item]
    samples = [(s.name, s.labels, s.value) for family in families for s in family.samples]
    assert samples[0] == ("lowtide_operator_default_zone_info", {"zone": "DE"}, 1)
    labels = {"zone": "DE", "signal": "Average", "factor": "life-cycle", "ahead_hours": "1"}
    assert ("lowtide_operator_forecast_grams_per_kwh", labels, 450.0) in samples
    assert ("lowtide_operator_forecast_spread_grams_per_kwh", labels, 35.0) in samples


async def test_prices_of_a_provider_that_fails_leave_the_operator_running(
    app: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The failure is logged once; the zone has no price and nothing else happens."""
    source = {"kind": "file", "path": str(tmp_path / "prices.csv")}
    settings = OperatorSettings.model_validate(
        {"zones": {"DE": {}}, "prices": {"DE": {"currency": "EUR", "providers": [source]}}}
    )
    forecasts = Forecasts(settings, clock=lambda: NOON)
    try:
        await forecasts.prices.refresh("DE")
        await forecasts.prices.refresh("DE")
    finally:
        forecasts.close()

    assert forecasts.prices.known["DE"].market is None
    assert "prices.csv cannot be read" in (forecasts.prices.trouble("DE") or "")
    assert not forecasts.prices.is_pending("DE")
    assert caplog.text.count("prices.csv cannot be read") == 1


def test_prices_of_a_zone_that_is_not_there_are_refused() -> None:
    """A misspelt name would otherwise leave a zone without prices in silence."""
    prices = {"currency": "EUR", "providers": [{"kind": "tariff", "perKwh": 0.3}]}

    with pytest.raises(ValidationError, match="'GERMANY', which is not among the zones"):
        OperatorSettings.model_validate({"zones": {"DE": {}}, "prices": {"GERMANY": prices}})


def page(app: Any) -> str:
    """Return the metrics page with its labels in order."""
    return generate_latest(build_registry(app)).decode()
