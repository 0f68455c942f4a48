"""The explorer in a real headless Chromium: clicks, keys, re-rating against Python, saving.

Marked slow: it starts a browser. Skipped, with the reason, where Chromium and its driver (Debian
packages chromium, chromium-driver) are not installed.
"""

import base64
import csv
import dataclasses
import io
import json
import random
import re
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import Select, WebDriverWait

from lowtide.metrics.compound import Compound
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.letters import boundaries_from, check_boundaries
from lowtide.metrics.properties import PROPERTIES, TASK_PROPERTIES, Task
from lowtide.metrics.rating import Missing, rate
from lowtide.metrics.reference import ReferenceSet
from lowtide.metrics.sam import EnergyUnit, sam
from lowtide.metrics.strep import compound_index, group_weights
from lowtide.records.imagenet import measurements, published_reference
from lowtide.report import explorer_jobs, explorer_table
from lowtide.report.explorer import render_page, shipped_data
from lowtide.report.explorer_jobs import job_data

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "explorer.html"
    path.write_text(render_page(shipped_data()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser: WebDriver, address: str) -> Iterator[WebDriver]:
    """Open the shipped page afresh; afterwards the console must be empty."""
    open_page(browser, address)
    yield browser
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def open_page(browser: WebDriver, address: str) -> None:
    browser.get("about:blank")
    browser.get(address)
    WebDriverWait(browser, 20).until(lambda b: b.execute_script("return !!window.lowtide"))


def element(page: WebDriver, name: str) -> Any:
    return page.find_element(By.ID, name)


def ask(page: WebDriver, script: str, *arguments: Any) -> Any:
    return page.execute_script(script, *arguments)


def letters_in(page: WebDriver) -> list[str | None]:
    """Return the compound letters of all rows of the shown task, in the data's order."""
    numbers = ask(page, "return lowtide.view().all.map((item) => item.rating.letter)")
    return [None if n is None else "ABCDE"[n] for n in numbers]


def python_letters(
    task: Task,
    *,
    how: Compound,
    missing: Missing = Missing.UNDEFINED,
    weights: dict[str, Decimal] | None = None,
    boundaries: dict[str, list[float]] | None = None,
) -> list[str | None]:
    found = []
    for row in measurements()["rows"]:
        if row["task"] != task:
            continue
        reference: ReferenceSet = published_reference(task, row["environment"])
        reference = dataclasses.replace(
            reference,
            weights={**reference.weights, **(weights or {})},
            boundaries={
                **reference.boundaries,
                **{key: check_boundaries(b) for key, b in (boundaries or {}).items()},
            },
        )
        letter = rate(row["values"], reference, compound=how, missing=missing).letter
        found.append(None if letter is None else letter.name)
    return found


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("how", list(Compound))
def test_ratings_equal_python_s(page: WebDriver, task: Task, how: Compound) -> None:
    """Every compound mode, every row of the shipped set, with and without missing values."""
    for missing in Missing:
        changes = {"task": str(task), "compound": str(how), "missing": str(missing)}
        ask(page, "lowtide.set(arguments[0])", changes)
        assert letters_in(page) == python_letters(task, how=how, missing=missing)


def test_re_rating_with_other_weights_and_boundaries_equals_python_s(page: WebDriver) -> None:
    """Twenty random sets of rules."""
    chance = random.Random(7)
    keys = TASK_PROPERTIES[Task.INFERENCE]
    for _ in range(20):
        weights = {key: Decimal(chance.randrange(0, 21)) / 20 for key in keys}
        boundaries = {
            key: sorted((round(chance.uniform(0.2, 3), 3) for _ in range(4)), reverse=True)
            for key in chance.sample(keys, 3)
        }
        changes = {
            "task": "inference",
            "w": ",".join(f"{key}:{weight}" for key, weight in weights.items()),
            "b": ",".join(f"{k}:{';'.join(map(str, b))}" for k, b in boundaries.items()),
        }
        ask(page, "lowtide.set(arguments[0])", changes)

        expected = python_letters(
            Task.INFERENCE,
            how=Compound.OPTIMISTIC_MEDIAN,
            weights=weights,
            boundaries=boundaries,
        )
        assert letters_in(page) == expected


def test_sam_in_the_ranking_equals_python_s(page: WebDriver) -> None:
    """Alpha 2, beta 3, in kWh."""
    ask(page, "lowtide.set({task: 'training', unit: 'kWh', alpha: '2', beta: '3'})")

    shown = ask(page, "return lowtide.view().all.map((i) => [i.accuracy, i.energy, i.sam])")

    assert len(shown) == 21
    for accuracy, energy, value in shown:
        if energy is None:
            assert value is None
            continue
        expected = sam(accuracy=accuracy, energy=energy, unit=EnergyUnit.KWH, alpha=2, beta=3)
        assert value == pytest.approx(expected.value, rel=1e-12)


def test_a_click_on_a_point_opens_its_card(page: WebDriver) -> None:
    """The card has the model's name, its table and its label, and the address keeps it."""
    spot, name = ask(
        page,
        "const v = lowtide.view();"
        "const i = v.points.findIndex((p) => p.item.row.model === 'VGG16');"
        "return [v.placed[i], v.points[i].item.row.model]",
    )
    ask(
        page,
        "const c = document.getElementById('scatter'); c.scrollIntoView();"
        "const b = c.getBoundingClientRect(); c.dispatchEvent(new MouseEvent('click',"
        "{clientX: b.left + arguments[0].px, clientY: b.top + arguments[0].py, bubbles: true}))",
        spot,
    )

    card = element(page, "card")
    assert card.find_element(By.TAG_NAME, "h2").text == name
    assert "training energy" in card.text
    assert card.find_element(By.TAG_NAME, "svg").get_attribute("aria-label").startswith("Energy")
    assert "sel=" in page.current_url


def test_arrow_keys_walk_through_the_points(page: WebDriver) -> None:
    """Keyboard only: focus the picture, go right twice and left once."""
    canvas = element(page, "scatter")
    canvas.send_keys(Keys.ARROW_RIGHT)
    first = element(page, "card").find_element(By.TAG_NAME, "h2").text
    canvas.send_keys(Keys.ARROW_RIGHT)
    second = element(page, "card").find_element(By.TAG_NAME, "h2").text
    canvas.send_keys(Keys.ARROW_LEFT)

    assert first != second
    assert element(page, "card").find_element(By.TAG_NAME, "h2").text == first


def test_tabs_are_reached_by_keys_and_every_view_draws(page: WebDriver) -> None:
    """Five views; each picture has ink on it."""
    for name, picture in (
        ("apc", "apc"),
        ("epochs", "epochs"),
        ("shape", "star"),
        ("shape", "matrix"),
        ("overview", "scatter"),
    ):
        element(page, f"tab-{name}").send_keys(Keys.ENTER)
        colours = ask(
            page,
            "const c = document.getElementById(arguments[0]);"
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "const s = new Set(); for (let i = 0; i < d.length; i += 4 * 13)"
            "  s.add(d[i] + ',' + d[i + 1] + ',' + d[i + 2]); return s.size",
            picture,
        )
        assert colours > 5, picture


def test_a_link_shows_the_same(browser: WebDriver, address: str, page: WebDriver) -> None:
    """The address holds the state of the screen."""
    Select(element(page, "task")).select_by_value("inference")
    Select(element(page, "x")).select_by_value("parameters")
    Select(element(page, "scale")).select_by_value("index")
    element(page, "find").send_keys("resnet")
    link = page.current_url
    before = ask(page, "return lowtide.view().points.map((p) => [p.item.row.id, p.x, p.y])")

    open_page(browser, link)

    after = ask(browser, "return lowtide.view().points.map((p) => [p.item.row.id, p.x, p.y])")
    assert after == before
    assert len(after) > 5


def test_a_slider_re_rates_at_once(page: WebDriver) -> None:
    """Accuracy alone decides when every other weight is zero."""
    element(page, "tab-rules").click()
    for key in TASK_PROPERTIES[Task.TRAINING]:
        if key != "accuracy_top1":
            slider = page.find_element(By.CSS_SELECTOR, f'[data-weight="{key}"]')
            ask(
                page,
                "arguments[0].value = 0;"
                "arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
                slider,
            )
    pairs = ask(
        page,
        "const v = lowtide.view(); const i = v.keys.indexOf('accuracy_top1');"
        "return v.all.map((item) => [item.rating.letter, item.rating.letters[i]])",
    )
    assert all(compound == own for compound, own in pairs)


def test_wrong_boundaries_are_refused_in_a_sentence(page: WebDriver) -> None:
    """Rising boundaries change nothing."""
    element(page, "tab-rules").click()
    before = letters_in(page)
    field = page.find_element(By.CSS_SELECTOR, '[data-bound="training_energy:0"]')
    field.clear()
    field.send_keys("0.0001", Keys.TAB)

    assert "must be four numbers that do not rise" in element(page, "rules-message").text
    assert letters_in(page) == before


def test_quantiles_of_the_jobs_shown_equal_python_s(page: WebDriver) -> None:
    """Linear interpolation, both sides."""
    ask(page, "lowtide.set({task: 'inference', tab: 'rules'})")
    element(page, "quantiles").click()

    bounds, indices = ask(
        page,
        "const v = lowtide.view(); const i = v.keys.indexOf('inference_energy');"
        "return [v.settings.boundaries.inference_energy, v.shown.map((s) => s.rating.indices[i])]",
    )
    assert bounds == pytest.approx(boundaries_from(indices), rel=1e-12)


def wait_for(path: Path) -> Path:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} was not saved"
        time.sleep(0.05)
    return path


def test_tables_and_pictures_can_be_saved(page: WebDriver, downloads: Path) -> None:
    """CSV and JSON read back; the picture is a PNG of print resolution."""
    for button in ("csv", "json"):
        element(page, button).click()
    page.find_element(By.CSS_SELECTOR, '[data-png="scatter"]').click()

    table = wait_for(downloads / "lowtide.csv").read_text(encoding="utf-8")
    saved = json.loads(wait_for(downloads / "lowtide.json").read_text(encoding="utf-8"))
    picture = wait_for(downloads / "scatter.png").read_bytes()
    rows = list(csv.DictReader(io.StringIO(table)))
    assert len(rows) == len(saved["jobs"]) == 21
    assert [row["model"] for row in rows] == [job["name"] for job in saved["jobs"]]
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20], "big") > 3000


def test_columns_sort_by_keyboard_and_say_so(page: WebDriver) -> None:
    """The header is a button; aria-sort tells the order."""
    page.find_element(By.CSS_SELECTOR, '[data-sort="accuracy"]').send_keys(Keys.ENTER)

    header = page.find_element(By.CSS_SELECTOR, 'th[aria-sort="descending"]')
    accuracies = ask(page, "return sorted().map((item) => item.accuracy)")
    assert header.text.startswith("accuracy")
    assert accuracies == sorted(accuracies, reverse=True)


def test_fits_a_phone_in_light_and_dark(browser: WebDriver, address: str) -> None:
    """No sideways scrolling at 390 pixels; the paper changes with the theme."""
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)  # type: ignore[attr-defined]
    try:
        papers = set()
        for theme in ("light", "dark"):
            open_page(browser, f"{address}#theme={theme}&sel=3")
            assert ask(browser, "return document.documentElement.scrollWidth") <= 390
            papers.add(ask(browser, "return getComputedStyle(document.body).backgroundColor"))
        assert len(papers) == 2
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})  # type: ignore[attr-defined]
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_hostile_texts_and_a_bad_address_do_no_harm(browser: WebDriver, tmp_path: Path) -> None:
    """Names are text, and an address with nonsense shows the usual page."""
    job = JobFigures(
        name="<img src=x onerror=document.title='owned'>",
        model="=cmd()",
        environment="</script>",
        energy_joules=3.6e6,
        accuracy=0.5,
        mock=True,
    )
    path = tmp_path / "page.html"
    path.write_text(render_page(job_data([job], origin="x")), encoding="utf-8")

    open_page(browser, f"{path.as_uri()}#sel=0&task=cooking&w=a:b,c&b=x:1;2&page=-4&sort=?")

    assert browser.title == "Lowtide explorer"
    assert "<img" in element(browser, "card").text
    assert "not real" in element(browser, "mock").text
    assert "'=cmd()" in ask(browser, "return lowtide.toCsv()")
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_scores_of_different_kinds_are_called_not_comparable(
    browser: WebDriver, tmp_path: Path
) -> None:
    """An average and a marginal score stand in one column only with a warning."""
    jobs = [
        JobFigures(
            name=signal,
            energy_joules=3.6e6,
            sci_grams_per_unit=100.0,
            signal=signal,
            functional_unit="TrainingJob",
        )
        for signal in ("Average", "Marginal")
    ]
    path = tmp_path / "page.html"
    path.write_text(render_page(job_data(jobs, origin="x")), encoding="utf-8")

    open_page(browser, path.as_uri())

    note = element(browser, "ranking-note").text
    assert "kind of intensity: Average, Marginal" in note
    assert (
        "Not comparable: the SCI shown is of 2 kinds (Average intensity per TrainingJob; "
        "Marginal intensity per TrainingJob)."
    ) in note


def test_scores_of_direct_and_life_cycle_emissions_are_called_not_comparable(
    browser: WebDriver, tmp_path: Path
) -> None:
    """The note names both, and the card of a job its own."""
    jobs = [
        JobFigures(
            name=f"run-{factor}",
            energy_joules=3.6e6,
            sci_grams_per_unit=100.0,
            signal="Average",
            factor=factor,
            functional_unit="TrainingJob",
        )
        for factor in ("direct", "life-cycle")
    ]
    path = tmp_path / "page.html"
    path.write_text(render_page(job_data(jobs, origin="x")), encoding="utf-8")

    open_page(browser, f"{path.as_uri()}#sel=0")

    note = element(browser, "ranking-note").text
    assert "emissions that the intensity includes: direct, life-cycle" in note
    assert (
        "Not comparable: the SCI shown is of 2 kinds (Average intensity of direct emissions per "
        "TrainingJob; Average intensity of life-cycle emissions per TrainingJob)."
    ) in note
    assert "direct" in element(browser, "card").text


def test_groups_on_the_card_equal_python_s(page: WebDriver) -> None:
    """Mean index of each group, as STREP joins them inside a group."""
    row = next(
        r for r in measurements()["rows"] if r["model"] == "VGG16" and r["task"] == Task.TRAINING
    )
    number = measurements()["rows"].index(row)
    reference = published_reference(Task.TRAINING, row["environment"])
    indices = {p.key: p.index for p in rate(row["values"], reference).properties}

    ask(page, "lowtide.set({task: 'training', sel: arguments[0]})", number)

    shown = ask(
        page,
        "const item = chosen();"
        "return groupsOf(item.rating, view.keys.map((k) => PROPERTY[k]), view.settings)",
    )
    assert {one["name"] for one in shown} == {"Quality", "Resources", "Complexity"}
    for one in shown:
        keys = {key: 1 for key in indices if PROPERTIES[key].group == one["name"]}
        expected = compound_index(indices, group_weights(dict.fromkeys(keys, one["name"])))
        assert one["index"] == pytest.approx(expected, rel=1e-12)
    assert "Complexity" in element(page, "card").text


def test_groups_weigh_alike_by_one_button(page: WebDriver) -> None:
    """Three groups of three, four and two properties: 1/9, 1/12 and 1/6."""
    ask(page, "lowtide.set({task: 'training', tab: 'rules'})")
    element(page, "alike").click()

    weights = ask(page, "return lowtide.view().settings.weights")
    assert weights["parameters"] == pytest.approx(1 / 9, abs=1e-6)
    assert weights["training_energy"] == pytest.approx(1 / 12, abs=1e-6)
    assert weights["accuracy_top5"] == pytest.approx(1 / 6, abs=1e-6)


def test_the_label_can_be_enlarged_and_saved(page: WebDriver, downloads: Path) -> None:
    """A dialog over the page, closed by its button."""
    ask(page, "lowtide.set({task: 'training', sel: '0'})")
    element(page, "enlarge").click()
    dialog = element(page, "label")
    tall = ask(page, "return document.querySelector('dialog svg').getBoundingClientRect().height")
    element(page, "label-svg").click()
    name = ask(page, "return chosen().row.name")
    saved = wait_for(downloads / f"label-{name}.svg").read_text(encoding="utf-8")
    opened = dialog.is_displayed()
    element(page, "label-close").click()

    assert opened
    assert tall > 500
    assert "Energy label of" in saved
    assert not dialog.is_displayed()


def test_a_price_shows_what_a_result_costs(page: WebDriver) -> None:
    """0.30 EUR/kWh: energy times price, and that over a hundred times the accuracy."""
    ask(page, "lowtide.set({task: 'training', kwhprice: '0.3', sort: 'percost', dir: 'up'})")

    shown = ask(page, "return sorted().map((i) => [i.energy, i.accuracy, costOf(i), perPoint(i)])")
    known = [row for row in shown if row[2] is not None]
    assert len(known) == 15
    for energy, accuracy, cost, each in known:
        assert cost == pytest.approx(0.3 * energy)
        assert each == pytest.approx(0.3 * energy / (100 * accuracy))
    assert [row[3] for row in known] == sorted(row[3] for row in known)
    assert "EUR per accuracy point" in element(page, "ranking").text
    assert "EUR per accuracy point" in ask(page, "return lowtide.toCsv()").splitlines()[0]


def test_the_page_prints_as_a_pdf(page: WebDriver) -> None:
    """The test prints as the button does, without its dialog."""
    data = base64.b64decode(page.print_page())

    assert data.startswith(b"%PDF-")
    assert len(data) > 20_000


def test_devices_in_use_stand_side_by_side(browser: WebDriver, tmp_path: Path) -> None:
    """Inference of one model on two devices: two shapes, and the range of a score on the card."""
    jobs = [
        JobFigures(
            name=device,
            model="net",
            dataset="digits",
            environment=device,
            accuracy=0.9,
            energy_joules=3.6e6,
            sci_grams_per_unit=100.0,
            sci_low=90.0,
            sci_high=120.0,
            properties={"inference_energy": joules, "inference_time": 5.0},
        )
        for device, joules in (("board", 3.0), ("desktop", 30.0))
    ]
    path = tmp_path / "page.html"
    path.write_text(render_page(job_data(jobs, origin="x")), encoding="utf-8")

    open_page(browser, f"{path.as_uri()}#task=inference&tab=apc")
    kinds = ask(browser, "return view.apcPoints.map((p) => [p.item.row.name, p.kind, p.x])")
    ask(browser, "lowtide.set({task: 'training', tab: 'overview', sel: '0'})")

    assert kinds == [["board", 0, 3 / 3600], ["desktop", 1, 30 / 3600]]
    assert "90 g to 120 g" in element(browser, "card").text
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_ten_thousand_jobs_open_and_re_rate_quickly(browser: WebDriver, tmp_path: Path) -> None:
    """A page that had become quadratic would take minutes; the limits are far from usual."""
    chance = random.Random(2)
    jobs = []
    for number in range(10_000):
        energy = 10 ** chance.uniform(4, 8)
        jobs.append(
            JobFigures(
                name=f"job-{number}",
                model=chance.choice(["DenseNet-121", "InceptionV3", "ViT-B"]),
                dataset="digits",
                environment=chance.choice(["H200", "A100"]),
                accuracy=chance.uniform(0.3, 0.95),
                energy_joules=energy,
                duration_seconds=energy / chance.uniform(100, 700),
                epochs=chance.randint(1, 90),
                properties={"parameters": chance.uniform(1, 300)},
            )
        )
    path = tmp_path / "big.html"
    path.write_text(render_page(job_data(jobs, origin="a test")), encoding="utf-8")

    opened = []
    for _ in range(3):
        open_page(browser, path.as_uri())
        opened.append(ask(browser, "return lowtide.timings.open"))
    again = ask(
        browser,
        "const found = []; for (let i = 0; i < 12; i += 1) { const t = performance.now();"
        "lowtide.set({w: `training_energy:0.${i + 1}`}); found.push(performance.now() - t); }"
        "return found",
    )

    assert min(opened) < 10_000
    assert min(again) < 1_000
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_a_large_page_holds_the_same_rows_in_columns(
    browser: WebDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures of all jobs as on a small page; texts of as many as are kept, and that is said."""
    chance = random.Random(5)
    jobs = [
        JobFigures(
            name=f"job-{number}",
            model=chance.choice(["DenseNet-121", None]),
            dataset="digits",
            environment=chance.choice(["H200", "A100"]),
            accuracy=chance.choice([0.5, None]),
            energy_joules=chance.uniform(1e4, 1e7),
            duration_seconds=100,
            signal=chance.choice(["Average", None]),
            operational_grams=chance.choice([1.5, None]),
            mock=number == 3,
            properties=chance.choice([{"inference_energy": 2.5}, {}]),
        )
        for number in range(40)
    ]
    path = tmp_path / "page.html"
    rows = []
    for most in (explorer_table.MOST_WHOLE, 10):
        monkeypatch.setattr(explorer_jobs, "MOST_WHOLE", most)
        monkeypatch.setattr(explorer_table, "KEPT", 16)
        path.write_text(render_page(job_data(jobs, origin="x")), encoding="utf-8")
        open_page(browser, path.as_uri())
        rows.append(ask(browser, "return lowtide.data.rows"))
        last = "lowtide.set({task: 'training', sel: arguments[0]})"
        without = next((str(r["id"]) for r in rows[-1] if "label" not in r), "0")
        browser.execute_script(last, without)
        said = element(browser, "card").text

    whole, compact = rows
    for row in whole:
        row["values"] = {k: pytest.approx(v, rel=1e-11) for k, v in row["values"].items()}
    bare = [{k: v for k, v in row.items() if k != "label"} for row in compact]
    assert bare == [{k: v for k, v in row.items() if k != "label"} for row in whole]
    kept = [row["label"] for row in compact if "label" in row]
    assert len(kept) < len(compact)
    assert kept == [w["label"] for w, c in zip(whole, compact, strict=True) if "label" in c]
    assert "lowtide label draws it" in said
    assert f"kept for {len(kept)} of them" in element(browser, "about").text
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_more_points_than_a_picture_has_room_for_are_drawn_as_cells(
    browser: WebDriver, tmp_path: Path
) -> None:
    """The legend says how many jobs a cell holds; every job stays a point to be found."""
    jobs = [
        JobFigures(name=f"job-{n}", energy_joules=1e4 + n % 150, accuracy=(n % 151) / 151)
        for n in range(20_100)
    ]
    path = tmp_path / "page.html"
    path.write_text(render_page(job_data(jobs, origin="x")), encoding="utf-8")
    open_page(browser, path.as_uri())

    legend = element(browser, "legend").text
    assert ask(browser, "return lowtide.view().placed.length") == 20_100
    assert re.search(r"every cell holds 1 to \d+ of them", legend)
    assert "20100 jobs" in element(browser, "page").text
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
