"""The energy label: what it says, that it fits, and its three forms."""

import io
import json
import re
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image

from lowtide.cli.main import main
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.letters import Letter
from lowtide.metrics.properties import Task
from lowtide.metrics.rating import rate
from lowtide.records.imagenet import measurements, published_reference
from lowtide.records.jobs import from_trainingjob, to_report
from lowtide.records.references import property_values
from lowtide.report.drawing import Anchor, Drawing, Text, to_pdf, to_png, to_svg, unshown
from lowtide.report.label import COLOURS, draw_label
from lowtide.report.label_content import LabelContent, content_of
from lowtide.report.lettering import fitted, text_width, wrapped

DAY = date(2026, 12, 1)
A100 = "A100 x8 - TensorFlow 2.8.0"


def imagenet_reports(folder: Path) -> Path:
    """Write the 15 complete training rows of the shipped set as report files."""
    for row in measurements()["rows"]:
        values = row["values"]
        if row["task"] != Task.TRAINING or values["training_energy"] is None:
            continue
        report = {
            "kind": "JobFigures",
            "name": row["model"].lower(),
            "model": row["model"],
            "dataset": "ImageNet",
            "environment": row["environment"],
            "accuracy": values["accuracy_top1"],
            "energy_joules": values["training_energy"] * 3.6e6,
            "duration_seconds": values["training_time"] * 3600,
            "properties": {"parameters": values["parameters"]},
        }
        (folder / f"{row['model']}.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


def texts(drawing: Drawing) -> list[str]:
    return [shape.text for shape in drawing.shapes if isinstance(shape, Text)]


def label_of(job: dict[str, Any], **changes: Any) -> LabelContent:
    return content_of(from_trainingjob(job), None, issued=DAY, url=None, **changes)


def boxes(drawing: Drawing) -> list[tuple[float, float, float, float]]:
    """Return left, top, right and bottom of every shape."""
    found = []
    for shape in drawing.shapes:
        if isinstance(shape, Text):
            width = text_width(shape.text, shape.size, bold=shape.bold)
            share = {Anchor.START: 0.0, Anchor.MIDDLE: 0.5, Anchor.END: 1.0}[shape.anchor]
            left = shape.x - width * share
            found.append((left, shape.y - shape.size * 0.75, left + width, shape.y))
        else:
            xs, ys = [x for x, _ in shape.points], [y for _, y in shape.points]
            found.append((min(xs), min(ys), max(xs), max(ys)))
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["label", *arguments])


def test_label_shows_letters_of_the_published_reference() -> None:
    """VGG16 on A100: compound and single letters as Fischer et al. 2022 rate them, in mlee mode."""
    row = next(
        r for r in measurements()["rows"] if r["model"] == "VGG16" and r["task"] == Task.TRAINING
    )
    rating = rate(row["values"], published_reference(Task.TRAINING, A100))
    letters = {p.key: p.letter for p in rating.properties}

    # mlee_training.json: VGG16 training energy index 1.1498 > 1.1263: A; top-1 .9340: D.
    assert letters["training_energy"] is Letter.A
    assert letters["accuracy_top1"] is Letter.D


def test_label_carries_numbers_sources_date_and_letter(densenet: dict[str, Any]) -> None:
    """The printed texts can be read off the drawing."""
    shown = texts(draw_label(label_of(densenet)))

    for text in ("DenseNet-121", "4.31 Wh", "3 min 32 s", "86.1 %", "2026-12-01"):
        assert text in shown
    assert shown.count("C") == 2, "the arrow's own letter and the compound"
    assert "Energy of gpu: measured (counter), coverage 100 %." in " ".join(shown)


def test_a_stand_in_s_label_says_so_in_large_type(densenet: dict[str, Any]) -> None:
    """It must not be mistaken for a measurement."""
    mock = texts(draw_label(label_of(densenet)))
    densenet["status"]["energy"]["mock"] = False
    real = texts(draw_label(label_of(densenet)))

    assert "STAND-IN GPU: NUMBERS ARE NOT REAL" in mock
    assert "STAND-IN GPU: NUMBERS ARE NOT REAL" not in real


def test_letters_of_the_status_are_on_the_label(densenet: dict[str, Any]) -> None:
    """The operator rated the job: every pictogram has its own letter, and the set is named."""
    densenet["status"]["efficiency"] |= {
        "reference": "team 2026",
        "referenceRows": 12,
        "ratings": [
            {"property": "training_energy", "letter": "A", "weight": "0.7"},
            {"property": "accuracy_top1", "letter": "E", "weight": "0.8"},
            {"property": "parameters", "weight": "0.4", "reason": "value_missing"},
        ],
    }

    content = label_of(densenet)

    assert content.basis == "Rated by the operator against team 2026 (12 rows)."
    assert [p.letter for p in content.pictograms] == [Letter.A, None, Letter.E, None]


def test_a_job_without_a_letter_says_why_on_its_label(densenet: dict[str, Any]) -> None:
    """The words are those of its status."""
    densenet["status"]["efficiency"] = {"message": "the data set is not reported"}

    content = label_of(densenet)

    assert content.reason == "the data set is not reported"
    assert content.basis == "Compared with no reference set."


def test_a_label_without_a_letter_cannot_be_read_as_rated(densenet: dict[str, Any]) -> None:
    """No colour, no filled arrow: the words NOT RATED, and why."""
    densenet["status"]["efficiency"] = {"message": "the data set is not reported"}

    drawing = draw_label(label_of(densenet))

    assert "NOT RATED" in texts(drawing)
    fills = {getattr(shape, "fill", None) for shape in drawing.shapes}
    assert fills.isdisjoint(COLOURS.values())
    assert drawing.title.endswith("not rated")


def test_carbon_and_sci_are_on_the_label(densenet: dict[str, Any]) -> None:
    """0.48 g of electricity and 0.11 g of hardware are 0.59 g; SCI has its unit and signal."""
    shown = texts(draw_label(label_of(densenet)))

    assert "0.590 g" in shown
    assert "electricity 0.480\u00a0g, hardware 0.110\u00a0g" in " ".join(shown)
    assert "SCI per job" in shown
    assert "average intensity, DE" in shown


def test_a_part_of_the_carbon_that_is_not_known_leaves_no_sum(densenet: dict[str, Any]) -> None:
    """The known part is still named."""
    del densenet["status"]["carbon"]["embodiedGrams"]

    content = label_of(densenet)

    assert content.carbon.number is None
    assert content.carbon.note == "electricity 0.480\u00a0g, hardware n.a."


def test_a_score_follows_from_its_parts_where_none_is_stated() -> None:
    """O 300 g, M 100 g and two units are 200 g per unit."""
    job = JobFigures(
        name="a", operational_grams=300, embodied_grams=100, functional_units=2,
        functional_unit="Epoch", energy_joules=1.0, energy_kind="Measured",
        energy_includes_pue=True,
    )  # fmt: skip

    content = content_of(job, None, issued=DAY, url=None)

    assert content.sci.number == "200 g"
    assert content.sources.endswith("with the data centre's overhead.")


def test_coverage_short_of_everything_is_not_called_100_percent(densenet: dict[str, Any]) -> None:
    """99.96 % rounds to less than all."""
    densenet["status"]["energy"]["energyCoverage"] = "0.9996"

    assert "coverage 99.9 %" in label_of(densenet).sources


def test_a_long_name_is_wrapped_and_whole() -> None:
    """Lines break at spaces, and inside a word only where it alone is too long."""
    assert wrapped("one two three", 10, 45, most=3) == ("one two", "three")
    assert "".join(wrapped("x" * 30, 10, 100, most=9)) == "x" * 30
    assert wrapped("densenet-large", 10, 60, most=2) == ("densenet-", "large")
    assert wrapped("one two three four five", 10, 45, most=2)[-1].endswith("...")


def test_what_is_not_known_reads_n_a(densenet: dict[str, Any]) -> None:
    """A label of a job without figures has no zeros and no letters."""
    densenet["status"] = {}

    drawing = draw_label(label_of(densenet))

    assert texts(drawing).count("n.a.") == 6
    assert "not rated" in drawing.title


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("x", id="short"),
        pytest.param("a-very-long-name-of-a-network-with-many-parts-" * 4, id="long"),
        pytest.param("WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW", id="wide letters"),
    ],
)
def test_everything_stays_on_the_page(densenet: dict[str, Any], name: str) -> None:
    """Long names shrink or end in dots; nothing leaves the sheet."""
    densenet["status"]["training"] |= {"model": name, "dataset": name}
    drawing = draw_label(label_of(densenet))

    for left, top, right, bottom in boxes(drawing):
        assert left >= 0
        assert top >= -0.5
        assert right <= drawing.width + 0.5
        assert bottom <= drawing.height


def test_svg_is_xml_with_a_title_and_escaped_texts(densenet: dict[str, Any]) -> None:
    """A model called <script> is text."""
    densenet["status"]["training"]["model"] = "<script>alert(1)</script> & co"

    root = ElementTree.fromstring(to_svg(draw_label(label_of(densenet))))

    found = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any(text is not None and text.startswith("<script>") for text in found)
    assert root.find("{http://www.w3.org/2000/svg}script") is None
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text is not None
    assert title.text.endswith("rated C")


def test_png_has_the_size_of_the_page_at_300_dpi(densenet: dict[str, Any]) -> None:
    """298 by 650 points are 1242 by 2708 pixels."""
    image = Image.open(io.BytesIO(to_png(draw_label(label_of(densenet)))))

    assert image.size == (1242, 2708)


def test_arrows_differ_without_colour(densenet: dict[str, Any]) -> None:
    """In grey, neighbouring letters differ by more than a tenth of black to white."""
    image = Image.open(io.BytesIO(to_png(draw_label(label_of(densenet)), dpi=72))).convert("L")
    greys = [image.getpixel((70, 154 + row * 34 + 13)) for row in range(5)]

    steps = [abs(a - b) for a, b in pairwise(greys)]  # type: ignore[operator]
    assert min(steps) > 25


@pytest.fixture
def fonts(tmp_path: Path) -> Path:
    """A folder with one font that has four Chinese and Cyrillic letters, all of them a square."""
    names = {ord(character): f"uni{ord(character):04X}" for character in "模型Ы "}
    pen = TTGlyphPen(None)
    for place in ((100, 0), (900, 0), (900, 800), (100, 800)):
        (pen.moveTo if place == (100, 0) else pen.lineTo)(place)
    pen.closePath()
    glyphs = [".notdef", *names.values()]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(glyphs)
    builder.setupCharacterMap(names)
    square = pen.glyph()
    builder.setupGlyf(dict.fromkeys(glyphs, square))
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    folder = tmp_path / "fonts"
    folder.mkdir()
    builder.save(folder / "squares.ttf")
    (folder / "broken.ttf").write_bytes(b"no font")
    return folder


def pages_of(data: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", data))


def test_a_name_in_another_script_is_shown_with_a_font_of_the_machine(
    densenet: dict[str, Any], fonts: Path
) -> None:
    """The used part of the font travels in the PDF, with its text for search and readers."""
    densenet["status"]["training"]["model"] = "模型 Ы"
    drawing = draw_label(label_of(densenet))

    data = to_pdf(drawing, folders=[fonts])

    assert pages_of(data) == 1
    assert b"/FontFile2" in data
    assert b"Squares" in data
    assert unshown(drawing, [fonts]) == ""
    assert to_png(drawing, dpi=72, folders=[fonts]) != to_png(drawing, dpi=72, folders=[])


def test_a_name_that_no_font_has_is_said(densenet: dict[str, Any], fonts: Path) -> None:
    """The label is written nevertheless, with question marks."""
    densenet["status"]["training"]["model"] = "模型 Ünïcode ぬ"
    drawing = draw_label(label_of(densenet))

    data = to_pdf(drawing, folders=[fonts])

    assert pages_of(data) == 1
    assert unshown(drawing, [fonts]) == "模型ぬ"
    assert unshown(drawing, []) == "模型ぬ"


def test_the_command_warns_on_standard_error(
    tmp_path: Path, densenet: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SVG carries the text itself and needs no warning."""
    monkeypatch.setattr("lowtide.report.drawing.font_folders", lambda: ())
    densenet["status"]["training"]["model"] = "模型"
    source = tmp_path / "job.json"
    source.write_text(json.dumps(densenet), encoding="utf-8")

    printed = run(str(source), "-o", str(tmp_path / "label.pdf"))
    drawn = run(str(source), "-o", str(tmp_path / "label.svg"))

    assert "no font here has '模型'" in printed.stderr
    assert (printed.exit_code, printed.stdout, drawn.stderr) == (0, "", "")


@pytest.mark.parametrize("suffix", ["svg", "pdf", "png"])
def test_command_writes_the_form_that_the_suffix_names(
    tmp_path: Path, densenet: dict[str, Any], suffix: str
) -> None:
    """Lowtide label job.json -o label.svg."""
    source = tmp_path / "job.json"
    source.write_text(json.dumps(densenet), encoding="utf-8")
    target = tmp_path / f"label.{suffix}"

    result = run(str(source), "-o", str(target), "--date", "2026-12-01")

    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert target.stat().st_size > 1000


def test_command_rates_against_a_directory_of_reports(tmp_path: Path) -> None:
    """Fifteen runs: the label names the set and how many rows are behind its letters."""
    folder = tmp_path / "reports"
    folder.mkdir()
    imagenet_reports(folder)
    target = tmp_path / "label.svg"

    result = run(str(folder / "ResNet50.json"), "-o", str(target), "--against", str(folder))

    assert result.exit_code == 0, result.stderr
    svg = target.read_text(encoding="utf-8")
    assert "17.8 kWh" in svg
    words = " ".join(re.findall(r">([^<]*)</text>", svg))
    assert "(15 rows: ImageNet," in words


def test_command_takes_a_reference_file(tmp_path: Path) -> None:
    """A set that needs a value the job has not leaves the compound undefined, and says so."""
    folder = tmp_path / "reports"
    folder.mkdir()
    imagenet_reports(folder)
    reference = tmp_path / "reference.json"
    reference.write_text(
        json.dumps(published_reference(Task.TRAINING, A100).to_json()), encoding="utf-8"
    )
    target = tmp_path / "label.svg"

    result = run(str(folder / "ResNet50.json"), "-o", str(target), "--reference", str(reference))

    assert result.exit_code == 0, result.stderr
    assert "value_missing" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["job.json", "-o", "label.gif"], 2, "must end in one of .pdf, .png, .svg"),
        (["job.json"], 2, "Missing option '-o'"),
        (["job.json", "-o", "no/such/folder/label.svg"], 1, "cannot be written"),
        (["job.json", "-o", "x.svg", "--reference", "job.json", "--against", "y"], 2, "not both"),
        (["job.json", "-o", "x.svg", "--reference", "job.json"], 1, "has no field"),
    ],
)
def test_wrong_use_is_one_sentence(
    tmp_path: Path,
    densenet: dict[str, Any],
    arguments: list[str],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 2 for wrong use, 1 for what cannot be done."""
    (tmp_path / "job.json").write_text(json.dumps(densenet), encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    result = run(*arguments)

    assert result.exit_code == code
    assert message in result.stderr


def test_texts_shrink_before_they_are_cut() -> None:
    """A name slightly too long gets smaller, one far too long ends in dots."""
    assert fitted("abc", 10, 100) == ("abc", 10)
    assert fitted("a long name that must shrink", 10, 100)[1] < 10
    assert fitted("x" * 400, 10, 100)[0].endswith("...")


def test_training_properties_are_in_their_units(densenet: dict[str, Any]) -> None:
    """15516 J are 0.00431 kWh, 212 s are 0.0589 h; per epoch where epochs are known."""
    densenet["status"]["training"]["epochs"] = 4
    values = property_values(from_trainingjob(densenet))

    assert values["training_energy"] == pytest.approx(15516 / 3.6e6)
    assert values["training_time"] == pytest.approx(212 / 3600)
    assert values["training_energy_per_epoch"] == pytest.approx(15516 / 3.6e6 / 4)
    assert to_report(from_trainingjob(densenet))["epochs"] == 4
