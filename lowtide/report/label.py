"""The energy label of a training job, in the form people know from appliances.

Arrows A to E with the compound letter large, four pictograms (energy, time, accuracy, size) each
with its number and its own letter, what was measured with which sources, and a QR code to the
report. Letters and arrow lengths carry the meaning, so it prints well in black and white; what is
not known reads "n.a." on grey, and a stand-in's numbers say so in large type.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import segno

from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.letters import Letter
from lowtide.metrics.properties import PROPERTIES
from lowtide.metrics.rating import Rating
from lowtide.report.drawing import Anchor, Drawing, Polygon, Text, fitted, rectangle
from lowtide.units import format_duration, format_energy, format_significant

WIDTH, HEIGHT, MARGIN = 298.0, 560.0, 16.0
INK, PAPER, GREY = "#111111", "#ffffff", "#9a9a9a"
COLOURS: Final = {
    Letter.A: "#1a7f37",
    Letter.B: "#74b62e",
    Letter.C: "#ffd60a",
    Letter.D: "#f48c06",
    Letter.E: "#c1121f",
}
LIGHT_LETTERS: Final = frozenset({Letter.A, Letter.E})
"""Letters whose colour is dark enough for white type."""

BOLT: Final = (((10, 0), (2, 13), (8, 13), (6, 22), (16, 8), (10, 8)),)
CLOCK: Final = (
    ((6, 0), (14, 0), (20, 6), (20, 14), (14, 20), (6, 20), (0, 14), (0, 6), (6, 0), (7, 2.5),
     (2.5, 7), (2.5, 13), (7, 17.5), (13, 17.5), (17.5, 13), (17.5, 7), (13, 2.5), (7, 2.5)),
    ((9, 4), (11, 4), (11, 9.5), (15, 12), (14, 13.7), (9, 10.6)),
)  # fmt: skip
CHECK: Final = (((0, 11), (4, 7), (8, 12), (17, 2), (20, 5), (8, 19)),)
STACK: Final = (
    ((0, 0), (20, 0), (20, 5), (0, 5)),
    ((0, 7.5), (20, 7.5), (20, 12.5), (0, 12.5)),
    ((0, 15), (20, 15), (20, 20), (0, 20)),
)
"""Outlines of the pictograms in a box of 20 points."""

Shapes = list[Polygon | Text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictogram:
    """A quarter of the label: a word, a number with unit, a letter."""

    word: str
    number: str | None
    letter: Letter | None
    icon: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelContent:
    """Everything on a label; `None` shows as n.a."""

    title: str
    subtitle: str
    environment: str
    letter: Letter | None
    pictograms: tuple[Pictogram, Pictogram, Pictogram, Pictogram]
    basis: str
    sources: str
    issued: str
    url: str | None
    mock: bool = False


def content_of(
    job: JobFigures, rating: Rating | None, *, issued: date, url: str | None
) -> LabelContent:
    """Return what a job's label says; without a rating the letters of its status."""
    letters: Mapping[str, Letter | None] = (
        {key: Letter[letter] for key, letter in job.letters.items()}
        if rating is None
        else {p.key: p.letter for p in rating.properties}
    )
    letter = rating.letter if rating is not None else (Letter[job.label] if job.label else None)
    size = job.properties.get("parameters")
    basis = "not rated: no reference set"
    if rating is not None:
        reference = rating.reference
        basis = f"rated against {reference.name} ({reference.rows} rows), {rating.compound}"
        if rating.mode != "correct":
            basis += f", {rating.mode} mode"
        if rating.reason is not None:
            basis += f"; no letter: {rating.reason}"
    elif job.label and job.reference:
        rows = "" if job.reference_rows is None else f" ({job.reference_rows} rows)"
        basis = f"rated by the operator against {job.reference}{rows}"
    elif job.label:
        basis = "letter from the job's status"
    elif job.label_reason:
        basis = f"not rated: {job.label_reason}"
    return LabelContent(
        title=job.model or job.name,
        subtitle=f"training on {job.dataset or 'n.a.'}" + (f" · {job.name}" if job.model else ""),
        environment=job.environment or "environment n.a.",
        letter=letter,
        pictograms=(
            Pictogram(
                word="energy",
                icon=BOLT,
                number=None if job.energy_joules is None else format_energy(job.energy_joules),
                letter=letters.get("training_energy"),
            ),
            Pictogram(
                word="time",
                icon=CLOCK,
                number=None
                if job.duration_seconds is None
                else format_duration(job.duration_seconds),
                letter=letters.get("training_time"),
            ),
            Pictogram(
                word="top-1 accuracy",
                icon=CHECK,
                number=None if job.accuracy is None else f"{job.accuracy:.1%}",
                letter=letters.get("accuracy_top1"),
            ),
            Pictogram(
                word=PROPERTIES["parameters"].label,
                icon=STACK,
                number=None if size is None else f"{format_significant(size)} M",
                letter=letters.get("parameters"),
            ),
        ),
        basis=basis,
        sources=_sources(job),
        issued=issued.isoformat(),
        url=url,
        mock=job.mock,
    )


def draw_label(content: LabelContent) -> Drawing:
    """Return the label as a drawing of 298 by 560 points."""
    shapes: Shapes = [rectangle(0, 0, WIDTH, HEIGHT, fill=PAPER, stroke=INK)]
    shapes += _heading(content)
    shapes += _arrows(content.letter, top=112)
    for index, pictogram in enumerate(content.pictograms):
        column, row = index % 2, index // 2
        shapes += _pictogram(pictogram, x=MARGIN + column * 135, y=292 + row * 84)
    shapes += _footer(content)
    if content.mock:
        shapes += [
            rectangle(MARGIN, 86, WIDTH - 2 * MARGIN, 18, fill=INK),
            _text(WIDTH / 2, 99, "STAND-IN GPU: NUMBERS ARE NOT REAL", 10, Anchor.MIDDLE, PAPER),
        ]
    letter = "not rated" if content.letter is None else f"rated {content.letter.name}"
    return Drawing(WIDTH, HEIGHT, f"Energy label of {content.title}: {letter}", tuple(shapes))


def _heading(content: LabelContent) -> Shapes:
    usable = WIDTH - 2 * MARGIN
    title, title_size = fitted(content.title, 22, usable)
    subtitle, subtitle_size = fitted(content.subtitle, 10, usable)
    environment, environment_size = fitted(content.environment, 10, usable)
    return [
        rectangle(0, 0, WIDTH, 20, fill=INK),
        Text(MARGIN, 14, "LOWTIDE ENERGY LABEL", 10, bold=True, fill=PAPER),
        Text(WIDTH - MARGIN, 14, content.issued, 10, Anchor.END, fill=PAPER),
        Text(MARGIN, 46, title, title_size, bold=True, fill=INK),
        Text(MARGIN, 62, subtitle, subtitle_size, fill=INK),
        Text(MARGIN, 76, environment, environment_size, fill=INK),
    ]


def _arrows(letter: Letter | None, *, top: float) -> Shapes:
    shapes: Shapes = []
    for one in Letter:
        y, length = top + one * 34, 70 + one * 22
        right = MARGIN + length
        points = ((MARGIN, y), (right, y), (right + 13, y + 13), (right, y + 26), (MARGIN, y + 26))
        ink = PAPER if one in LIGHT_LETTERS else INK
        shapes += [Polygon(points, COLOURS[one], INK)]
        shapes += [Text(MARGIN + 8, y + 20, one.name, 20, bold=True, fill=ink)]
    row = 2 if letter is None else letter
    y, right = top + row * 34, WIDTH - MARGIN
    left = right - 74
    points = (
        (left, y + 13),
        (left + 18, y - 6),
        (right, y - 6),
        (right, y + 32),
        (left + 18, y + 32),
    )
    shapes.append(Polygon(points, GREY if letter is None else INK, INK))
    word, size = ("n.a.", 18.0) if letter is None else (letter.name, 34.0)
    shapes.append(Text(right - 28, y + 13 + size * 0.36, word, size, Anchor.MIDDLE, True, PAPER))
    return shapes


def _pictogram(pictogram: Pictogram, *, x: float, y: float) -> Shapes:
    fill = "#e4e4e4" if pictogram.letter is None else COLOURS[pictogram.letter]
    ink = PAPER if pictogram.letter in LIGHT_LETTERS else INK
    word, word_size = fitted(pictogram.word, 10, 92)
    number, number_size = fitted(pictogram.number or "n.a.", 20, 84)
    letter = "-" if pictogram.letter is None else pictogram.letter.name
    return [
        rectangle(x, y, 131, 78, fill=fill, stroke=INK),
        Text(x + 8, y + 17, word, word_size, fill=ink),
        *(
            Polygon(tuple((x + 104 + px, y + 8 + py) for px, py in outline), fill=ink)
            for outline in pictogram.icon
        ),
        Text(x + 8, y + 54, number, number_size, bold=True, fill=ink),
        rectangle(x + 101, y + 42, 24, 28, fill=PAPER, stroke=INK),
        Text(x + 113, y + 64, letter, 20, Anchor.MIDDLE, bold=True, fill=INK),
    ]


def _footer(content: LabelContent) -> Shapes:
    top, side = 466.0, 72.0
    code = segno.make(content.url or _facts(content), error="l", micro=False)
    matrix = tuple(code.matrix)
    module = side / (len(matrix) + 2)
    left = WIDTH - MARGIN - side
    shapes: Shapes = [rectangle(left, top, side, side, fill=PAPER)]
    for row, line in enumerate(matrix):
        shapes += [
            rectangle(
                left + (column + 1) * module, top + (row + 1) * module, module, module, fill=INK
            )
            for column, dark in enumerate(line)
            if dark
        ]
    room = WIDTH - 2 * MARGIN - side - 10
    lines = [content.sources, content.basis, content.url or "The code holds this label as text."]
    for index, text in enumerate(_wrapped(lines, room)):
        shapes.append(Text(MARGIN, top + 10 + index * 9.5, text, 7.5, fill=INK))
    return shapes


def _facts(content: LabelContent) -> str:
    """Return the label as a line of text, for the code of a label without an address."""
    letter = "n.a." if content.letter is None else content.letter.name
    numbers = (f"{p.word} {p.number or 'n.a.'}" for p in content.pictograms)
    mock = "STAND-IN GPU; " if content.mock else ""
    return f"{mock}{content.title}: {letter}; {', '.join(numbers)}; {content.issued}"


def _wrapped(texts: list[str], width: float) -> list[str]:
    """Return at most eight lines that fit, broken at spaces."""
    lines: list[str] = []
    for text in texts:
        line = ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if line and fitted(longer, 7.5, width, least=7.5)[0] != longer:
                lines.append(line)
                longer = word
            line = longer
        lines.append(fitted(line, 7.5, width, least=7.5)[0])
    return lines[:8]


def _sources(job: JobFigures) -> str:
    components = ", ".join(job.boundary or ()) or "n.a."
    kind = (job.energy_kind or "method n.a.").lower()
    qualities = f" ({', '.join(job.qualities)})" if job.qualities else ""
    coverage = "" if job.coverage_ratio is None else f", coverage {job.coverage_ratio:.0%}"
    return f"Energy of {components}: {kind}{qualities}{coverage}."


def _text(x: float, y: float, text: str, size: float, anchor: Anchor, fill: str) -> Text:
    return Text(x, y, text, size, anchor, bold=True, fill=fill)
