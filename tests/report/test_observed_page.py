"""The page of `lowtide report` in a real headless Chromium: figures, picture, phone, dark.

Marked slow: it starts a browser. Names are hostile, because tenants choose them.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from lowtide.accounts.observed import ObservedReport, observe
from lowtide.accounts.usage import PodUsage, Usage, WorkloadKey
from lowtide.accounts.waiting import Assumptions
from lowtide.accounts.workload_zones import WorkloadZone, ZoneSource
from lowtide.accounts.zone_past import ZonePast, kept_apart
from lowtide.energy.integration import PodEnergy
from lowtide.energy.profile import EnergyInterval, EnergyProfile, Span
from lowtide.grid.series import AverageSeries, Factor, IntensitySeries, Point
from lowtide.prices.series import PricePoint, PriceSeries
from lowtide.report.observed_document import observed_document
from lowtide.report.observed_page_data import observed_page
from lowtide.report.observed_text import observed_text

pytestmark = pytest.mark.slow

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOSTILE = "</script><script>alert(1)</script>"
LONG = "a-name-as-long-as-kubernetes-allows-" * 6


def use(name: str, day: int, kind: str = "Job") -> Usage:
    """Return the use of a pod that ran two hours from 10 h on, 1 kWh each."""
    span = Span(MONDAY + timedelta(days=day, hours=10), MONDAY + timedelta(days=day, hours=12))
    profile = EnergyProfile((EnergyInterval(span.start, span.end, 2 * 3.6e6),))
    energy = PodEnergy(
        pod_uid=f"u-{name}-{day}",
        total_joules=profile.total_joules,
        parts=(),
        profile=profile,
        run=span,
        segments=1,
        final=True,
        energy_coverage_ratio=1.0,
        time_coverage_ratio=1.0,
        warnings=(),
    )
    workload = WorkloadKey("ml", kind, name, f"o-{name}-{day}")
    pod = PodUsage(
        name=name, uid=energy.pod_uid, node="n", workload=workload, energy=energy, held_seconds={}
    )
    return Usage(pods=(pod,), profile=profile)


def past(grid: IntensitySeries | None, currency: str | None = None) -> ZonePast:
    """Return the past of a grid without a forecast; electricity costs 0.25 where it has a price."""
    prices = None
    if currency is not None and grid is not None:
        points = tuple(PricePoint(point.start, point.end, 0.25) for point in grid.points)
        prices = PriceSeries(zone=grid.zone, source="test", points=points, currency=currency)
    return ZonePast(
        zone=None if grid is None else grid.zone,
        intensity=grid,
        prices=prices,
        forecast_at=lambda _: None,
        forecasts="no forecast",
    )


IN_DE = WorkloadZone("DE", ZoneSource.DEFAULT)


def report(names: tuple[str, ...]) -> ObservedReport:
    """Return a report of nine days of a grid that is clean at night."""
    points = tuple(
        Point(at, at + timedelta(hours=1), 100.0 if at.hour < 6 else 400.0)
        for at in (MONDAY + timedelta(hours=h) for h in range(9 * 24))
    )
    grid = AverageSeries(zone="DE", source="test", points=points)
    assumed = Assumptions(
        window=Span(MONDAY, MONDAY + timedelta(days=8)),
        max_delay=timedelta(hours=24),
        now=MONDAY + timedelta(days=9),
    )
    usages = [use(name, day) for day in range(8) for name in names]
    return observe("ml", usages, lambda _: IN_DE, lambda _: past(grid, "EUR"), assumed)


@pytest.fixture(scope="module")
def page(browser: WebDriver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """The page of sixteen runs."""
    file: Path = tmp_path_factory.mktemp("page") / "ml.html"
    file.write_text(observed_page(report((HOSTILE, LONG)), None), encoding="utf-8")
    browser.get_log("browser")
    browser.get(file.as_uri())
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_runs_of_two_weeks_are_drawn_where_they_ran_and_would_have_run(page: WebDriver) -> None:
    """16 runs, each saves three quarters at best; without a forecast no planner is drawn."""
    runs = page.find_elements(By.CSS_SELECTOR, ".run")

    assert len(runs) == 16
    assert all("best 600 g (75 %)" in run.text for run in runs)
    assert len(page.find_elements(By.CSS_SELECTOR, ".bar.ran")) == 16
    assert len(page.find_elements(By.CSS_SELECTOR, ".bar.best")) == 16
    assert not page.find_elements(By.CSS_SELECTOR, ".bar.plan")
    ran, best = (
        page.find_element(By.CSS_SELECTOR, f".run .bar.{kind}").rect for kind in ("ran", "best")
    )
    # From 10 h to the next midnight are 14 of 9 or fewer days of 24 h.
    assert best["x"] > ran["x"] + ran["width"]
    weeks = [head.text for head in page.find_elements(By.TAG_NAME, "h3")]
    assert weeks == ["2026-W10", "2026-W11"]


def test_money_stands_beside_grams(page: WebDriver) -> None:
    """32 kWh at 0.25 EUR; without a forecast nothing is known of what the planner would save."""
    figures = page.find_element(By.TAG_NAME, "main").text.lower()

    assert "paid for electricity" in figures
    assert "8.00 eur" in figures
    heads = [head.text.lower() for head in page.find_elements(By.TAG_NAME, "th")]
    assert "money saved" in heads


def test_hostile_names_are_text(page: WebDriver) -> None:
    """A name cannot leave its place, and nothing is complained about."""
    assert HOSTILE.lower() in page.find_element(By.TAG_NAME, "main").text.lower()
    assert page.get_log("browser") == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_a_phone_and_a_desk_in_both_themes(
    page: WebDriver, width: int, theme: str
) -> None:
    """Nothing is cut off to the side, and text stands out from its background."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page.execute_script(
        f"document.documentElement.dataset.theme = '{theme}'; dispatchEvent(new Event('resize'))"
    )

    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    paper, ink = page.execute_script(
        "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
    )
    light = [sum(map(int, colour[4:-1].split(","))) for colour in (paper, ink)]
    assert abs(light[0] - light[1]) > 3 * 150


def test_a_report_without_a_judged_run_has_an_answer_and_no_picture() -> None:
    """The first line says that nothing is known, the last ones why."""
    window = Span(MONDAY, MONDAY + timedelta(days=7))
    assumed = Assumptions(window=window, max_delay=timedelta(hours=24), now=window.end)
    found = observe(
        "ml",
        [use("web", 0, "Deployment")],
        lambda _: WorkloadZone(None, ZoneSource.DEFAULT),
        lambda _: past(None),
        assumed,
    )

    text = observed_text(found, None)
    assert text.startswith("Namespace ml: for none of 1 runs is it known")
    assert "because it is to run all the time" in text
    assert "Grams are not known" in text


def hours(zone: str, grams: float, factor: Factor = Factor.LIFE_CYCLE) -> IntensitySeries:
    """Return nine days of a zone that is always the same."""
    points = tuple(
        Point(at, at + timedelta(hours=1), grams)
        for at in (MONDAY + timedelta(hours=h) for h in range(9 * 24))
    )
    return replace(AverageSeries(zone=zone, source="test", points=points), factor=factor)


def of_two_zones(first: ZonePast, second: ZonePast) -> ObservedReport:
    """Return the report of one job of 2 kWh in each zone."""
    assumed = Assumptions(
        window=Span(MONDAY, MONDAY + timedelta(days=7)),
        max_delay=timedelta(hours=24),
        now=MONDAY + timedelta(days=9),
    )
    pasts = {one.zone: one for one in kept_apart([first, second])}
    zones = {"a": WorkloadZone(first.zone, ZoneSource.DEFAULT)}
    zones["b"] = WorkloadZone(second.zone, ZoneSource.NAMESPACE)
    usages = [use("a", 0), use("b", 1)]
    return observe("ml", usages, lambda one: zones[one.name], lambda zone: pasts[zone], assumed)


def test_each_workload_is_priced_in_its_own_zone() -> None:
    """2 kWh at 400 g and 2 kWh at 50 g are 800 g and 100 g, 900 g together."""
    found = of_two_zones(
        past(hours("DE", 400.0), "EUR"), past(hours("FR", 50.0, Factor.UNKNOWN), "EUR")
    )

    document = observed_document(found, None)
    grams = {row["owner_name"]: (row["zone"], row["operational_grams"]) for row in document["rows"]}
    assert grams == {"a": ("DE", pytest.approx(800)), "b": ("FR", pytest.approx(100))}
    assert document["total"]["operational_grams"] == pytest.approx(900)
    assert (document["total"]["electricity_cost"], document["currency"]) == (1.0, "EUR")
    assert (document["zone"], [one["zone"] for one in document["zones"]]) == (None, ["DE", "FR"])
    lines = observed_text(found, None).splitlines()
    assert lines[2].split()[:4] == ["WEEK", "WORKLOAD", "ZONE", "RUNS"]
    assert [line.split()[2] for line in lines[3:5]] == ["DE", "FR"]
    assert any("intensity of zone FR (direct or life-cycle is not stated)" in x for x in lines)
    assert [row["zone_sources"] for row in document["rows"]] == [["default"], ["namespace"]]
    assert (
        "- Zones of workloads: 1 by the annotation lowtide.dev/zone of the namespace, "
        "1 by --zone or the operator's default." in lines
    )


def test_zones_of_two_kinds_of_emissions_are_not_added() -> None:
    """Life-cycle grams stay, direct ones are not known, and the reason names both."""
    found = of_two_zones(past(hours("DE", 400.0)), past(hours("FR", 50.0, Factor.DIRECT)))

    document = observed_document(found, None)
    assert [row["operational_grams"] for row in document["rows"]] == [pytest.approx(800), None]
    assert document["total"]["operational_grams"] == pytest.approx(800)
    assert (
        "Grams of zone FR are not known: intensities of two kinds never meet, it is average "
        "(direct) and that of DE is average (life-cycle)."
    ) in document["basis"]


def test_money_of_two_zones_with_two_currencies_is_not_added() -> None:
    """Each row has its own, the total none."""
    found = of_two_zones(past(hours("DE", 400.0), "EUR"), past(hours("GB", 200.0), "GBP"))

    document = observed_document(found, None)
    costs = [(row["electricity_cost"], row["currency"]) for row in document["rows"]]
    assert costs == [(0.5, "EUR"), (0.5, "GBP")]
    assert (document["total"]["electricity_cost"], document["currency"]) == (None, None)


def test_the_page_draws_the_intensity_of_each_zone(browser: WebDriver, tmp_path: Path) -> None:
    """Two curves with their names, and a column that says where a workload ran."""
    found = of_two_zones(past(hours("DE", 400.0)), past(hours("FR", 50.0)))
    file = tmp_path / "two.html"
    file.write_text(observed_page(found, None), encoding="utf-8")

    browser.get(file.as_uri())

    tops = [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".curve .top")]
    assert tops == ["carbon intensity of DE, top 400 g/kWh", "carbon intensity of FR, top 50 g/kWh"]
    heads = [one.text.lower() for one in browser.find_elements(By.CSS_SELECTOR, "th")]
    assert heads[:3] == ["workload", "zone", "runs"]
    assert browser.get_log("browser") == []
