"""The explorer's first screen, pictures and label, seen in a real headless Chromium."""

import base64
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import segno
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.letters import Letter
from lowtide.report.explorer import render_page
from lowtide.report.explorer_jobs import job_data
from lowtide.report.label import draw_label
from lowtide.report.label_content import LabelContent, Pictogram, content_of

pytestmark = pytest.mark.slow
DAY = date(2026, 12, 1)


def job(name: str, *, joules: float | None, accuracy: float, **changes: Any) -> JobFigures:
    """Return a finished run of ten minutes on one H200."""
    return replace(
        JobFigures(
            name=name,
            model=name,
            dataset="digits",
            environment="H200",
            accuracy=accuracy,
            energy_joules=joules,
            duration_seconds=600,
            operational_grams=0.48,
            embodied_grams=0.11,
            sci_grams_per_unit=0.59,
            functional_unit="TrainingJob",
            signal="Average",
            zone="DE",
            energy_kind="Measured",
            boundary=("gpu",),
            qualities=("counter",),
            coverage_ratio=0.998,
        ),
        **changes,
    )


ALIKE = tuple(
    job(f"net-{number}", joules=15_000 + 10 * number, accuracy=0.861 + 0.0001 * number)
    for number in range(5)
)
"""Five runs whose energies differ by less than three in a thousand."""


def opened(browser: WebDriver, folder: Path, jobs: Sequence[JobFigures], address: str = "") -> None:
    path = folder / "page.html"
    path.write_text(render_page(job_data(jobs, origin="a test"), issued=DAY), encoding="utf-8")
    browser.get("about:blank")
    browser.get(f"{path.as_uri()}{address}")
    WebDriverWait(browser, 20).until(lambda b: b.execute_script("return !!window.lowtide"))


@pytest.fixture
def page(browser: WebDriver, tmp_path: Path) -> Iterator[WebDriver]:
    """Open a page of five runs alike; afterwards the console must be empty."""
    opened(browser, tmp_path, ALIKE)
    yield browser
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def element(page: WebDriver, name: str) -> Any:
    return page.find_element(By.ID, name)


def hovered(page: WebDriver, number: int) -> str:
    """Return the tooltip over a point of the scatter."""
    spot = page.execute_script("return lowtide.view().placed[arguments[0]]", number)
    canvas = element(page, "scatter")
    box = page.execute_script(
        "arguments[0].scrollIntoView(); const b = arguments[0].getBoundingClientRect();"
        "return [b.width, b.height]",
        canvas,
    )
    ActionChains(page).move_to_element_with_offset(
        canvas, round(spot["px"] - box[0] / 2), round(spot["py"] - box[1] / 2)
    ).perform()
    tip = element(page, "tooltip")
    WebDriverWait(page, 10).until(lambda _: tip.is_displayed())
    return str(tip.text)


def test_the_story_names_the_frugal_and_the_accurate(browser: WebDriver, tmp_path: Path) -> None:
    """2 kWh for 70 % and 5 kWh for 80 %: 2.5 times the energy for 10 points."""
    jobs = [
        job("small", joules=7.2e6, accuracy=0.7),
        job("large", joules=18e6, accuracy=0.8),
    ]
    opened(browser, tmp_path, jobs)

    story = element(browser, "story").text

    assert "Least energy: small (2 kWh, 70.0 %)" in story
    assert "most accurate: large (5 kWh, 80.0 %), 2.5 times the energy for 10 points" in story


def test_the_story_compares_only_jobs_with_a_known_energy(
    browser: WebDriver, tmp_path: Path
) -> None:
    """One of unknown energy may be more accurate than the one that is named."""
    jobs = [
        job("small", joules=7.2e6, accuracy=0.7),
        job("large", joules=18e6, accuracy=0.8),
        job("unmetered", joules=None, accuracy=0.9),
    ]
    opened(browser, tmp_path, jobs)

    story = element(browser, "story").text

    assert "most accurate of those with a known energy: large" in story


def test_the_ranking_shows_energy_second_and_the_environment(page: WebDriver) -> None:
    """Joules of a few watt-hours are shown in Wh: 15,000 J are 4.17 Wh."""
    heads = [head.text for head in page.find_elements(By.CSS_SELECTOR, "#ranking th")]
    first = page.find_elements(By.CSS_SELECTOR, "#ranking tbody tr:first-child td")

    assert heads[:2] == ["job", "energy, Wh"]
    assert "environment" in heads
    assert first[1].text == "4.17"


def test_a_click_anywhere_in_a_row_opens_its_card(page: WebDriver) -> None:
    """The cell of the accuracy is not a button, but works."""
    cells = page.find_elements(By.CSS_SELECTOR, "#ranking tbody tr:nth-child(3) td")
    name = cells[0].text
    cells[3].click()

    assert element(page, "card").find_element(By.TAG_NAME, "h2").text == name


def test_a_tooltip_has_the_name_and_the_numbers(page: WebDriver) -> None:
    """Name, letter, both axes and the score."""
    said = hovered(page, 0)

    for words in ("net-0", "rated", "4.17", "86.1 %", "SCI 0.59 g per TrainingJob"):
        assert words in said


@pytest.mark.parametrize(
    ("low", "high", "log"),
    [
        pytest.param(4.17, 4.18, True, id="few runs alike, logarithmic"),
        pytest.param(0.8610, 0.8614, False, id="accuracies alike"),
        pytest.param(17.0, 120.0, True, id="a decade"),
        pytest.param(1e-6, 1e9, True, id="fifteen decades"),
        pytest.param(-3.0, 5.0, False, id="across zero"),
        pytest.param(1e7, 1.0001e7, False, id="large and alike"),
    ],
)
def test_an_axis_always_has_ticks_that_differ(
    page: WebDriver, low: float, high: float, log: bool
) -> None:
    """At least two inside the range, no two with the same text."""
    found = page.execute_script("return ticksOf(...arguments)", low, high, log)

    texts = [tick["text"] for tick in found]
    assert len(found) >= 2
    assert len(set(texts)) == len(texts)
    for tick in found:
        assert low * (1 - 1e-9) - 1e-12 <= tick["value"] <= high * (1 + 1e-9) + 1e-12
        assert float(tick["text"]) == pytest.approx(tick["value"], rel=1e-6, abs=1e-12)


def test_the_legend_names_only_what_is_drawn(browser: WebDriver, tmp_path: Path) -> None:
    """Two runs: no letters, no shading, one environment."""
    opened(
        browser, tmp_path, [job("a", joules=2e4, accuracy=0.8), job("b", joules=3e4, accuracy=0.7)]
    )

    legend = element(browser, "legend").text

    assert "not rated" in legend
    for absent in ("shapes", "background", "compound rating", "dashed"):
        assert absent not in legend


def test_a_part_can_be_zoomed_into_and_left_again(page: WebDriver) -> None:
    """The address keeps the part; by key and by button."""
    canvas = element(page, "scatter")
    before = page.execute_script("return lowtide.view().scales.x.edges")
    canvas.send_keys("+")
    closer = page.execute_script("return lowtide.view().scales.x.edges")

    assert closer[1] - closer[0] < 0.8 * (before[1] - before[0])
    assert "zoom=" in page.current_url
    element(page, "unzoom").click()
    assert page.execute_script("return lowtide.view().scales.x.edges") == before
    canvas.send_keys("+", "0")
    assert page.execute_script("return lowtide.view().scales.x.edges") == before


def test_a_rectangle_drawn_with_the_mouse_is_zoomed_into(page: WebDriver) -> None:
    """From the middle to the lower right: a quarter of the picture remains."""
    canvas = element(page, "scatter")
    before = page.execute_script("return lowtide.view().scales.y.edges")
    page.execute_script("arguments[0].scrollIntoView()", canvas)
    actions = ActionChains(page).move_to_element(canvas).click_and_hold()
    actions.move_by_offset(150, 60).release().perform()

    after = page.execute_script("return lowtide.view().scales.y.edges")
    assert after[1] - after[0] < 0.6 * (before[1] - before[0])


def test_apc_is_scaled_to_its_points_and_has_a_colour_bar(page: WebDriver) -> None:
    """The lines of other accuracies do not press the points together."""
    page.execute_script("lowtide.set({tab: 'apc'})")
    spots = page.execute_script("return lowtide.view().apcPlaced.map((p) => p.py)")
    height = page.execute_script("return document.getElementById('apc').clientHeight")
    page.execute_script("lowtide.set({kind: 'grid'})")
    bar = page.execute_script(
        "const c = document.getElementById('apc'), r = c.width / c.clientWidth;"
        "const pen = c.getContext('2d'); const seen = new Set();"
        "for (let y = 30; y < c.clientHeight - 60; y += 8)"
        "  seen.add([...pen.getImageData((c.clientWidth - 71) * r, y * r, 1, 1).data].join());"
        "return seen.size"
    )

    assert max(spots) - min(spots) > height / 2
    assert bar > 10


def flat(shapes: Sequence[Any]) -> list[Any]:
    """Return shapes as lists of plain values, lengths to a millionth of a point."""
    found: list[Any] = []
    for shape in shapes:
        one = asdict(shape) if not isinstance(shape, dict) else shape
        if "text" in one:
            found.append([one["text"], round(one["x"], 6), round(one["y"], 6), one["size"],
                          str(one["anchor"]), one["bold"], one["fill"]])  # fmt: skip
        else:
            points = [[round(x, 6), round(y, 6)] for x, y in one["points"]]
            found.append([points, one["fill"], one["stroke"]])
    return found


def in_page(content: LabelContent) -> dict[str, Any]:
    """Return a label's content as the page's script takes it: letters are numbers."""

    def number(letter: Letter | None) -> int | None:
        return None if letter is None else int(letter)

    return {
        **asdict(content),
        "letter": number(content.letter),
        "pictograms": [asdict(p) | {"letter": number(p.letter)} for p in content.pictograms],
    }


LONG = "a-very-long-name-of-a-network-with-many-parts-" * 3


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({}, id="not rated"),
        pytest.param({"letter": Letter.C, "reason": ""}, id="rated"),
        pytest.param({"title": LONG, "subtitle": LONG, "environment": "x " * 90}, id="long"),
        pytest.param({"title": "模型 Ünïcode ы", "mock": True}, id="other scripts, stand-in"),
        pytest.param({"url": "https://example.org/runs/7"}, id="address"),
    ],
)
def test_the_label_is_the_command_s(page: WebDriver, content: dict[str, Any]) -> None:
    """Every shape, text and module of the code at the same place in the same colour."""
    usual = content_of(ALIKE[0], None, issued=DAY, url=None)
    energy, *others = usual.pictograms
    rated = (replace(energy, letter=Letter.A), *others)
    assert all(isinstance(one, Pictogram) for one in rated)
    wanted = replace(usual, pictograms=rated, **content)

    shapes = page.execute_script("return labelShapes(arguments[0])", in_page(wanted))

    assert flat(shapes) == flat(draw_label(wanted).shapes)


def test_a_saved_label_has_what_the_command_s_has(page: WebDriver) -> None:
    """Data set, date, sources, set and code of the chosen run."""
    page.execute_script("lowtide.set({sel: '0'})")
    content = page.execute_script(
        "const item = chosen(); return labelContent(item, lowtide.view().settings)"
    )
    texts = " ".join(
        one["text"]
        for one in page.execute_script("return labelShapes(arguments[0])", content)
        if "text" in one
    )

    for words in (
        "training on digits",
        "H200",
        "2026-12-01",
        "measured (counter), coverage 99.8 %",
        "the best of its group (5 rows: digits, H200)",
        "0.590 g",
        "SCI per job",
    ):
        assert words in texts


@pytest.mark.parametrize("length", [1, 13, 25, 60, 100, 180, 300, 500])
def test_the_code_is_the_command_s(page: WebDriver, length: int) -> None:
    """Module by module, in versions 1 to 18."""
    text = ("Ab ü; 4.31 kWh, " * 40)[:length]
    code = segno.make(
        text, error="m", boost_error=False, micro=False, mode="byte", encoding="utf-8"
    )

    found = page.execute_script("return qrCode(arguments[0])", text)

    assert found == [[module == 1 for module in row] for row in code.matrix]


@pytest.mark.parametrize("tab", ["overview", "apc", "epochs", "shape"])
@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_nothing_is_wider_than_the_screen(page: WebDriver, width: int, tab: str) -> None:
    """Phone to large screen, with a chosen run."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)  # type: ignore[attr-defined]
    try:
        page.execute_script("lowtide.set({tab: arguments[0], sel: '1'})", tab)
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        for chosen in ("1", ""):
            # What a panel cuts off makes the page no wider.
            wider = page.execute_script(
                "lowtide.set({sel: arguments[0]}); return [...document.querySelectorAll("
                "'#card, #card .scroll')].map((e) => e.scrollWidth - e.clientWidth)",
                chosen,
            )
            assert max(wider) <= 1, (chosen, wider)
        page.execute_script("lowtide.set({sel: '1'})")
        if width == 390:
            # Every value of a row is there, each with the title of its column. One script reads
            # them: the page draws itself again after a change of size.
            cells = page.execute_script(
                "return [...document.querySelectorAll('#ranking tbody tr:first-child td')]"
                ".map((cell) => [cell.dataset.title, cell.getClientRects().length])"
            )
            assert all(boxes > 0 for _, boxes in cells)
            assert "energy, Wh" in [title for title, _ in cells]
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})  # type: ignore[attr-defined]


def test_print_shows_every_row_on_a4(browser: WebDriver, tmp_path: Path) -> None:
    """Sixty runs, of which the screen shows fifty, on pages of 210 by 297 mm, in light colours."""
    jobs = [job(f"net-{n:02}", joules=1e4 + n, accuracy=0.8) for n in range(60)]
    opened(browser, tmp_path, jobs, "#theme=dark")

    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    rows = len(browser.find_elements(By.CSS_SELECTOR, "#ranking tbody tr"))
    theme = browser.execute_script("return document.documentElement.dataset.theme")
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    after = len(browser.find_elements(By.CSS_SELECTOR, "#ranking tbody tr"))
    sheet = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True}
    printed = base64.b64decode(
        browser.execute_cdp_cmd("Page.printToPDF", sheet)["data"]  # type: ignore[attr-defined]
    )

    assert (rows, after, theme) == (60, 50, "light")
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", io.BytesIO(printed).read())
    assert boxes
    for wide, high in boxes:
        assert float(wide) == pytest.approx(595, abs=2)
        assert float(high) == pytest.approx(842, abs=2)


def test_keys_walk_through_points_and_rows(page: WebDriver) -> None:
    """The picture takes arrow keys; the name in a row is a button."""
    element(page, "scatter").send_keys(Keys.ARROW_RIGHT)
    by_key = element(page, "card").find_element(By.TAG_NAME, "h2").text
    page.find_element(By.CSS_SELECTOR, '#ranking [data-job="3"]').send_keys(Keys.ENTER)

    assert by_key == "net-0"
    assert element(page, "card").find_element(By.TAG_NAME, "h2").text == "net-3"
