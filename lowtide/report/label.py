"""Energy label of a training job, in the form people know from appliances.

Arrows A to E with the compound letter large, four pictograms (energy, time, accuracy, size) each
with its number and its own letter, carbon and SCI, the sources of the measurement, the reference
set with its rows, and a QR code to the report. Letters and arrow lengths carry the meaning, so it
prints well in black and white. A label without a letter has no coloured arrow and says why; an
unknown number reads "n.a." on grey, and a stand-in's numbers say so in large type. The explorer
draws the same shapes from the same content (`explorer_page/label.js`); a test holds both equal.
"""

from typing import Final

import segno

from lowtide.metrics.letters import Letter
from lowtide.report.drawing import Anchor, Drawing, Polygon, Text, rectangle
from lowtide.report.label_content import LabelContent, Pictogram, Plain
from lowtide.report.lettering import fitted, paragraph, wrapped

WIDTH, HEIGHT, MARGIN = 298.0, 650.0, 16.0
USABLE: Final = WIDTH - 2 * MARGIN
INK, PAPER, GREY = "#111111", "#ffffff", "#767676"
COLOURS: Final = {
    Letter.A: "#1a7f37",
    Letter.B: "#74b62e",
    Letter.C: "#ffd60a",
    Letter.D: "#f48c06",
    Letter.E: "#c1121f",
}
LIGHT_LETTERS: Final = frozenset({Letter.A, Letter.E})
"""Letters whose colour is dark enough for white type."""
TITLE_SIZES: Final = ((30.0, 1), (22.0, 2), (18.0, 2), (14.0, 3))
"""Font sizes of the title with the most lines at each."""
MOCK_WARNING: Final = "STAND-IN GPU: NUMBERS ARE NOT REAL"
FACTS_TITLE_LENGTH: Final = 80
"""Characters of the title inside the code, which must stay legible in print."""

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
ICONS: Final = (BOLT, CLOCK, CHECK, STACK)
"""Outlines of the four pictograms in a box of 20 points, in their order."""

Shapes = list[Polygon | Text]


def draw_label(content: LabelContent) -> Drawing:
    """Return the label as a drawing of 298 by 650 points."""
    shapes: Shapes = [rectangle(0, 0, WIDTH, HEIGHT, fill=PAPER, stroke=INK)]
    shapes += _heading(content)
    if content.mock:
        shapes += [
            rectangle(MARGIN, 128, USABLE, 18, fill=INK),
            _bold(WIDTH / 2, 141, MOCK_WARNING, 10, Anchor.MIDDLE, PAPER),
        ]
    shapes += _not_rated(content.reason) if content.letter is None else _arrows(content.letter)
    for index, pictogram in enumerate(content.pictograms):
        column, row = index % 2, index // 2
        shapes += _pictogram(pictogram, index, x=MARGIN + column * 135, y=330 + row * 82)
    for index, plain in enumerate((content.carbon, content.sci)):
        shapes += _plain_figure(plain, x=MARGIN + index * 135, y=494)
    shapes += _footer(content)
    letter = "not rated" if content.letter is None else f"rated {content.letter.name}"
    return Drawing(WIDTH, HEIGHT, f"Energy label of {content.title}: {letter}", tuple(shapes))


def code_text(content: LabelContent) -> str:
    """Return the text of the code: the report's address, without one the label's own figures."""
    if content.url:
        return content.url
    letter = "not rated" if content.letter is None else content.letter.name
    numbers = [f"{p.word} {p.number or 'n.a.'}" for p in content.pictograms]
    numbers += [f"{p.word} {p.number or 'n.a.'}" for p in (content.carbon, content.sci)]
    mock = "STAND-IN GPU; " if content.mock else ""
    title = content.title[:FACTS_TITLE_LENGTH]
    return f"{mock}{title}: {letter}; {', '.join(numbers)}; {content.issued}"


def _heading(content: LabelContent) -> Shapes:
    title, size = paragraph(content.title, USABLE, TITLE_SIZES)
    shapes: Shapes = [
        rectangle(0, 0, WIDTH, 20, fill=INK),
        _bold(MARGIN, 14, "LOWTIDE ENERGY LABEL", 10, Anchor.START, PAPER),
        Text(WIDTH - MARGIN, 14, content.issued, 10, Anchor.END, fill=PAPER),
    ]
    y = 24.0
    for line in title:
        y += size * 1.15
        shapes.append(_bold(MARGIN, y, line, size, Anchor.START, INK))
    for text in (content.subtitle, content.environment):
        for line in wrapped(text, 10, USABLE, most=2):
            y += 12
            shapes.append(Text(MARGIN, y + 2, line, 10, fill=INK))
    return shapes


def _arrows(letter: Letter) -> Shapes:
    shapes: Shapes = []
    for one in Letter:
        y, ink = 154.0 + one * 34, PAPER if one in LIGHT_LETTERS else INK
        shapes += [Polygon(_arrow(one), COLOURS[one], INK)]
        shapes += [_bold(MARGIN + 8, y + 20, one.name, 20, Anchor.START, ink)]
    y, right = 154.0 + letter * 34, WIDTH - MARGIN
    left = right - 74
    points = (
        (left, y + 13),
        (left + 18, y - 6),
        (right, y - 6),
        (right, y + 32),
        (left + 18, y + 32),
    )
    shapes.append(Polygon(points, INK, INK))
    shapes.append(_bold(right - 28, y + 25.24, letter.name, 34, Anchor.MIDDLE, PAPER))
    return shapes


def _not_rated(reason: str) -> Shapes:
    """Return the outlines of the arrows without colour, and beside them why none is filled."""
    shapes: Shapes = []
    for one in Letter:
        shapes += [Polygon(_arrow(one), None, GREY)]
        shapes += [Text(MARGIN + 8, 174.0 + one * 34, one.name, 20, fill=GREY)]
    left, room = WIDTH - MARGIN - 120, 120.0
    shapes.append(rectangle(left, 154, room, 92, fill=PAPER, stroke=INK))
    shapes.append(_bold(left + room / 2, 174, "NOT RATED", 16, Anchor.MIDDLE, INK))
    for index, line in enumerate(wrapped(reason, 8, room - 12, most=6)):
        shapes.append(Text(left + 6, 188 + index * 10.0, line, 8, fill=INK))
    return shapes


def _arrow(letter: Letter) -> tuple[tuple[float, float], ...]:
    y, right = 154.0 + letter * 34, MARGIN + 70 + letter * 22
    return (MARGIN, y), (right, y), (right + 13, y + 13), (right, y + 26), (MARGIN, y + 26)


def _pictogram(pictogram: Pictogram, index: int, *, x: float, y: float) -> Shapes:
    fill = "#e4e4e4" if pictogram.letter is None else COLOURS[pictogram.letter]
    ink = PAPER if pictogram.letter in LIGHT_LETTERS else INK
    word, word_size = fitted(pictogram.word, 10, 92)
    number, number_size = fitted(pictogram.number or "n.a.", 20, 88, bold=True)
    letter = "-" if pictogram.letter is None else pictogram.letter.name
    return [
        rectangle(x, y, 131, 78, fill=fill, stroke=INK),
        Text(x + 8, y + 17, word, word_size, fill=ink),
        *(
            Polygon(tuple((x + 104 + px, y + 8 + py) for px, py in outline), fill=ink)
            for outline in ICONS[index]
        ),
        _bold(x + 8, y + 54, number, number_size, Anchor.START, ink),
        rectangle(x + 101, y + 42, 24, 28, fill=PAPER, stroke=INK),
        _bold(x + 113, y + 64, letter, 20, Anchor.MIDDLE, INK),
    ]


def _plain_figure(plain: Plain, *, x: float, y: float) -> Shapes:
    """Return a figure that has no letter, on white."""
    word, word_size = fitted(plain.word, 10, 115)
    number, number_size = fitted(plain.number or "n.a.", 16, 115, bold=True)
    note = wrapped(plain.note, 7.5, 119, most=2)
    return [
        rectangle(x, y, 131, 58, fill=PAPER, stroke=INK),
        Text(x + 8, y + 14, word, word_size, fill=INK),
        _bold(x + 8, y + 33, number, number_size, Anchor.START, INK),
        *(
            Text(x + 8, y + 43.5 + index * 9, line, 7.5, fill=INK)
            for index, line in enumerate(note)
        ),
    ]


def _footer(content: LabelContent) -> Shapes:
    top, side = 560.0, 82.0
    code = segno.make(
        code_text(content), error="m", boost_error=False, micro=False, mode="byte",
        encoding="utf-8",
    )  # fmt: skip
    matrix = tuple(code.matrix)
    module = side / (len(matrix) + 2)
    left = WIDTH - MARGIN - side
    shapes: Shapes = [rectangle(left, top, side, side, fill=PAPER)]
    for row, modules in enumerate(matrix):
        shapes += [
            rectangle(
                left + (column + 1) * module, top + (row + 1) * module, module, module, fill=INK
            )
            for column, dark in enumerate(modules)
            if dark
        ]
    room = USABLE - side - 10
    address = content.url or "The code holds this label as text."
    y = top + 8
    for text, most in ((content.sources, 3), (content.basis, 4), (address, 2)):
        for line in wrapped(text, 7.5, room, most=most):
            shapes.append(Text(MARGIN, y, line, 7.5, fill=INK))
            y += 9
    return shapes


def _bold(x: float, y: float, text: str, size: float, anchor: Anchor, fill: str) -> Text:
    return Text(x, y, text, size, anchor, bold=True, fill=fill)
