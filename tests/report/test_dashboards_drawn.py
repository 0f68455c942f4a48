"""The dashboards without Grafana in a real headless Chromium: figures, keys, phone, dark.

Marked slow: it starts a browser. The figures are those of an invented afternoon.
"""

import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from lowtide.report.dashboard_page import MOCK, Curve, Findings, QueryAnswer, render_dashboards
from lowtide.report.dashboards import DASHBOARDS
from lowtide.report.dashboards.queries import Choice, Question, metrics_of, questions

pytestmark = pytest.mark.slow

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
STEP_SECONDS, COUNT = 60, 121
CHOICE = Choice(range_seconds=STEP_SECONDS * (COUNT - 1), rate_seconds=240)
EMPTY = "lowtide_trainer_loss"
EMPTY_AND_NARROW = "lowtide_trainingjob_reach_ratio"
JOBS = ("densenet121", "inceptionv3")
PHONE = (390, 844)
DESK = (1400, 950)


def curve(labels: dict[str, str], height: float) -> Curve:
    """Return a wave with a gap of ten minutes in it."""
    return Curve(
        labels,
        tuple(
            (START.timestamp() + i * STEP_SECONDS, height * (1 + 0.5 * math.sin(i / 12)))
            for i in range(COUNT)
            if not 40 <= i < 50
        ),
    )


def invented(question: Question) -> QueryAnswer:
    """Return what a Prometheus could have answered; nothing for the one that is left empty."""
    if EMPTY in question.expression or EMPTY_AND_NARROW in question.expression:
        return QueryAnswer()
    end = START.timestamp() + STEP_SECONDS * (COUNT - 1)
    timestamps = "timestamp_seconds" in question.expression
    found = []
    for number, job in enumerate(JOBS):
        labels = {
            "namespace": "ml",
            "trainingjob": job,
            "pod": f"{job}-1-abcde",
            "zone": "DE",
            "signal": "Average",
            "state": ("Running", "Waiting")[number],
            "component": ("gpu", "cpu")[number],
            "part": ("active", "idle_held")[number],
            "type": "Complete",
            "status": "True",
        }
        labels = {
            name: labels[name] for name in labels if name in kept(question.expression, labels)
        }
        if question.over_time:
            found.append(curve(labels, 100.0 + 50 * number))
        else:
            value = end + 600 * number if timestamps else 0.25 + 0.5 * number
            found.append(Curve(labels, ((end, value),)))
    return QueryAnswer(tuple({frozenset(one.labels.items()): one for one in found}.values()))


def kept(expression: str, labels: Iterable[str]) -> set[str]:
    """Return the labels that an aggregation leaves over; all of them where there is none."""
    if grouped := re.search(r"\bby \(([^)]*)\)", expression):
        return set(grouped[1].split(", "))
    return set() if re.match(r"(sum|count|min|max)\(", expression) else set(labels)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the page lies."""
    asked = questions(DASHBOARDS, CHOICE)
    names = {name for board in DASHBOARDS for panel in board.panels for name in metrics_of(panel)}
    found = Findings(
        start=START,
        end=START + timedelta(seconds=CHOICE.range_seconds),
        step_seconds=STEP_SECONDS,
        choice=CHOICE,
        source="http://prometheus:9090",
        answers={one: invented(one) for one in asked}
        | {MOCK: QueryAnswer((Curve({}, ((START.timestamp(), 2.0),)),))},
        names=frozenset(names - {EMPTY, EMPTY_AND_NARROW}),
    )
    path = tmp_path_factory.mktemp("page") / "dashboards.html"
    path.write_text(render_dashboards(DASHBOARDS, found), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser: WebDriver, address: str) -> Iterator[WebDriver]:
    """Open the page afresh on a desk's screen; afterwards the console must be empty."""
    see(browser, *DESK)
    browser.get("about:blank")
    browser.get(address)
    WebDriverWait(browser, 20).until(lambda b: b.execute_script("return !!window.lowtide"))
    yield browser
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})  # type: ignore[attr-defined]
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})  # type: ignore[attr-defined]


def see(browser: WebDriver, width: int, height: int) -> None:
    """Give the page a screen of this size."""
    browser.execute_cdp_cmd(  # type: ignore[attr-defined]
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700},
    )


def panel(page: WebDriver, board: str, title: str, kind: str = "panel") -> Any:
    """Return the one panel of a dashboard with this title (and kind)."""
    sections = page.find_elements(By.CSS_SELECTOR, f"#lowtide-{board} .panel.{kind}")
    (found,) = [section for section in sections if title_of(section) == title]
    return found


def title_of(section: Any) -> str:
    """Return the title of a panel without its unit."""
    heading = section.find_element(By.TAG_NAME, "h3")
    units = heading.find_elements(By.CLASS_NAME, "unit")
    text: str = heading.text
    return text.removesuffix(units[0].text).strip() if units else text


def test_every_panel_of_every_dashboard_is_there(page: WebDriver) -> None:
    """Title and description of each, in order; nothing is drawn twice."""
    titles = [title_of(one) for one in page.find_elements(By.CLASS_NAME, "panel")]

    assert titles == [one.title for board in DASHBOARDS for one in board.panels]


def test_every_curve_has_a_legend_and_a_unit(page: WebDriver) -> None:
    """As many curves as entries of the legend, and the scaled unit behind the title."""
    for chart in page.find_elements(By.CSS_SELECTOR, ".panel.timeseries, .panel.stacked"):
        if chart.find_elements(By.CLASS_NAME, "empty"):
            continue
        assert chart.find_elements(By.CSS_SELECTOR, "svg .curve")
        assert chart.find_elements(By.CSS_SELECTOR, ".legend li")
    assert panel(page, "job", "Power").find_element(By.CLASS_NAME, "unit").text == "in W"


def test_a_gap_in_the_samples_is_a_gap_in_the_curve(page: WebDriver) -> None:
    """Ten minutes without samples break each of the two curves in two."""
    chart = panel(page, "job", "Accuracy", "timeseries")

    assert len(chart.find_elements(By.CSS_SELECTOR, "svg .curve")) == 2 * len(JOBS)


def test_panel_without_data_says_why(page: WebDriver) -> None:
    """The reason is in the panel, as text."""
    said = panel(page, "job", "Loss").find_element(By.CLASS_NAME, "empty").text

    assert said == f"No data. {EMPTY}: no training pod was scraped in this time."


def test_keys_read_a_curve(page: WebDriver) -> None:
    """Focus begins at the newest moment, the arrow goes to the one before."""
    chart = panel(page, "job", "Power")
    svg = chart.find_element(By.CSS_SELECTOR, ".chart svg")
    readout = chart.find_element(By.CLASS_NAME, "readout")

    page.execute_script("arguments[0].focus()", svg)
    newest = readout.text
    svg.send_keys(Keys.ARROW_LEFT)

    # 150 W * (1 + 0.5 sin(120 / 12)) = 109.2 W, and 100 W accordingly 72.8 W.
    assert "gpu active 72.8 W" in newest
    assert "cpu idle_held 109 W" in newest
    assert readout.text.split(": ")[0] < newest.split(": ")[0]


def test_first_key_leads_to_the_panels_and_links_to_the_dashboards(page: WebDriver) -> None:
    """Tab reaches the link past the head, then each dashboard by name."""
    reached = []
    for _ in range(5):
        page.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(page.switch_to.active_element.text)

    assert reached == ["to the panels", "Cluster", "Job", "Efficiency", "Health"]


def test_values_are_there_as_a_table(page: WebDriver) -> None:
    """What a curve shows can be read as numbers, a row for each moment that has one."""
    chart = panel(page, "job", "Power")

    chart.find_element(By.TAG_NAME, "summary").click()

    WebDriverWait(page, 5).until(lambda _: chart.find_elements(By.CSS_SELECTOR, "details tbody tr"))
    assert len(chart.find_elements(By.CSS_SELECTOR, "details tbody tr")) == COUNT - 10


def test_stand_ins_are_marked(page: WebDriver) -> None:
    """Figures of mock GPUs are not taken for real ones."""
    assert "not real" in page.find_element(By.ID, "mock").text


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_is_wider_than_the_screen(page: WebDriver, size: tuple[int, int]) -> None:
    """The page scrolls down, never sideways, and no panel hides its content."""
    see(page, *size)
    page.execute_script("lowtide.redraw()")

    widths = page.execute_script(
        "return [document.documentElement.scrollWidth, innerWidth,"
        " ...[...document.querySelectorAll('.panel, .empty')]"
        ".map((one) => one.scrollWidth - one.clientWidth)]"
    )

    assert widths[0] <= widths[1] == size[0]
    assert max(widths[2:]) <= 1


CONTRAST = """
const parse = (text) => text.match(/[0-9.]+/g).map(Number);
const light = (text) => parse(text).slice(0, 3).map((c) => c / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (node) => {
  for (let n = node; n; n = n.parentElement) {
    const colour = getComputedStyle(n).backgroundColor;
    if (parse(colour)[3] !== 0) return colour;
  }
  return "rgb(255,255,255)";
};
return [...document.querySelectorAll("h1, h2, h3, p, small, b, a, td, th, li span, button")]
  .filter((node) => node.textContent.trim() && node.offsetParent)
  .map((node) => {
    const [a, b] = [light(getComputedStyle(node).color), light(ground(node))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  });
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page: WebDriver, scheme: str) -> None:
    """WCAG 2.2 success criterion 1.4.3: at least 4.5 to 1, in light and dark."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})  # type: ignore[attr-defined]

    ratios = page.execute_script(CONTRAST)

    assert len(ratios) > 100
    assert min(ratios) >= 4.5


def test_print_cuts_no_list_and_is_light(page: WebDriver) -> None:
    """Even of a dark page: nothing on paper can be scrolled."""
    page.execute_script("document.documentElement.dataset.theme = 'dark'")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})  # type: ignore[attr-defined]

    cut = page.execute_script(
        "return [...document.querySelectorAll('.figures, .legend, .barlist, .scroll')]"
        ".filter((one) => one.scrollHeight > one.clientHeight + 1).length"
    )
    paper = page.execute_script("return getComputedStyle(document.body).backgroundColor")

    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})  # type: ignore[attr-defined]
    assert cut == 0
    assert paper == "rgb(255, 255, 255)"


def test_theme_can_be_switched(page: WebDriver) -> None:
    """The button turns the page dark and back, whatever the system prefers."""
    colour = "return getComputedStyle(document.body).backgroundColor"
    before = page.execute_script(colour)

    page.find_element(By.ID, "theme").click()
    switched = page.execute_script(colour)
    page.find_element(By.ID, "theme").click()

    assert switched != before == page.execute_script(colour)


def test_pictures_are_drawn(page: WebDriver, tmp_path: Path) -> None:
    """A screenshot holds more than an empty ground."""
    picture = tmp_path / "page.png"

    page.save_screenshot(str(picture))

    assert picture.stat().st_size > 20_000
