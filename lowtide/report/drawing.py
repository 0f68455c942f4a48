"""Drawing as plain data, and its three formats: SVG, PDF and PNG.

Shapes are listed once and every format draws them alike, so a label is the same on screen, in print
and in a document. Lengths are points (1/72 inch), the origin is the top left. Texts are escaped in
SVG; PDF and PNG show other scripts with a font of the machine. A character that no font here has
becomes a question mark, and `unshown` names it.
"""

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import Final

from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont

from lowtide.report.lettering import font, text_width
from lowtide.report.typefaces import font_folders, font_for, is_latin

PNG_DPI: Final = 300


class Anchor(StrEnum):
    """Point of a text that its x means."""

    START = "start"
    MIDDLE = "middle"
    END = "end"


@dataclass(frozen=True, slots=True)
class Polygon:
    """A filled and optionally outlined polygon; a rectangle is one of four points."""

    points: tuple[tuple[float, float], ...]
    fill: str | None = None
    stroke: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text."""

    x: float
    """Place of the anchor."""
    y: float
    """Height of the baseline."""
    text: str
    """The line; no line breaks."""
    size: float
    """Font size."""
    anchor: Anchor = Anchor.START
    """Which point of the text stands at `x`."""
    bold: bool = False
    """Whether the type is bold."""
    fill: str = "#000000"
    """Colour, `#rrggbb`."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Shapes in painting order on a page; screen readers say `title`."""

    width: float
    height: float
    title: str
    shapes: tuple[Polygon | Text, ...]


def rectangle(
    x: float, y: float, width: float, height: float, *, fill: str | None, stroke: str | None = None
) -> Polygon:
    """Return a rectangle."""
    right, bottom = x + width, y + height
    return Polygon(((x, y), (right, y), (right, bottom), (x, bottom)), fill, stroke)


def to_svg(drawing: Drawing) -> str:
    """Return the drawing as a stand-alone SVG document."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width:g} '
        f'{drawing.height:g}" width="{drawing.width:g}pt" height="{drawing.height:g}pt" '
        'role="img" font-family="Helvetica, Arial, sans-serif">',
        f"<title>{escape(drawing.title)}</title>",
    ]
    lines += [_svg_shape(shape) for shape in drawing.shapes]
    return "\n".join([*lines, "</svg>", ""])


def unshown(drawing: Drawing, folders: Sequence[Path] | None = None) -> str:
    """Return the characters that PDF and PNG cannot show, because no font here has them."""
    places = font_folders() if folders is None else folders
    texts = [shape.text for shape in drawing.shapes if isinstance(shape, Text)]
    lost = [
        character
        for text in texts
        if not is_latin(plain := _plain(text)) and font_for(plain, places) is None
        for character in plain
        if not is_latin(character)
    ]
    return "".join(dict.fromkeys(lost))


def to_pdf(drawing: Drawing, *, folders: Sequence[Path] | None = None) -> bytes:
    """Return the drawing as a PDF of one page in its own size.

    `folders` hold fonts for other scripts than Latin; the system's own where absent.
    """
    places = font_folders() if folders is None else folders
    page = FPDF(unit="pt", format=(drawing.width, drawing.height))
    page.set_title(drawing.title)
    page.set_auto_page_break(False)
    page.add_page()
    for shape in drawing.shapes:
        if isinstance(shape, Text):
            _pdf_text(page, shape, places)
        else:
            _pdf_polygon(page, shape)
    return bytes(page.output())


def to_png(drawing: Drawing, *, dpi: int = PNG_DPI, folders: Sequence[Path] | None = None) -> bytes:
    """Return the drawing as a PNG on white; `folders` as in `to_pdf`."""
    places = font_folders() if folders is None else folders
    scale = dpi / 72
    size = (round(drawing.width * scale), round(drawing.height * scale))
    image = Image.new("RGB", size, "#ffffff")
    brush = ImageDraw.Draw(image)
    for shape in drawing.shapes:
        if isinstance(shape, Text):
            _png_text(brush, shape, scale, places)
        else:
            points = [(x * scale, y * scale) for x, y in shape.points]
            width = max(1, round(scale)) if shape.stroke else 0
            brush.polygon(points, fill=shape.fill, outline=shape.stroke, width=width)
    out = io.BytesIO()
    image.save(out, "PNG", dpi=(dpi, dpi), optimize=True)
    return out.getvalue()


def write_drawing(drawing: Drawing, path: Path) -> None:
    """Write the drawing in the format that the file's suffix names.

    Raises:
        ValueError: the suffix is neither .svg, .pdf nor .png.
        OSError: the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix == ".svg":
        path.write_text(to_svg(drawing), encoding="utf-8")
    elif suffix == ".pdf":
        path.write_bytes(to_pdf(drawing))
    elif suffix == ".png":
        path.write_bytes(to_png(drawing))
    else:
        raise ValueError(f"{path} ends in {suffix!r}: use .svg, .pdf or .png")


def _svg_shape(shape: Polygon | Text) -> str:
    if isinstance(shape, Text):
        weight = ' font-weight="bold"' if shape.bold else ""
        width = text_width(shape.text, shape.size, bold=shape.bold)
        length = f' textLength="{width:.2f}" lengthAdjust="spacingAndGlyphs"' if shape.text else ""
        return (
            f'<text x="{shape.x:g}" y="{shape.y:g}" font-size="{shape.size:g}" '
            f'text-anchor="{shape.anchor}" fill="{shape.fill}"{weight}{length}>'
            f"{escape(shape.text)}</text>"
        )
    points = " ".join(f"{x:g},{y:g}" for x, y in shape.points)
    stroke = f' stroke="{shape.stroke}"' if shape.stroke else ""
    return f'<polygon points="{points}" fill="{shape.fill or "none"}"{stroke}/>'


def _pdf_polygon(page: FPDF, shape: Polygon) -> None:
    if shape.fill:
        page.set_fill_color(*_rgb(shape.fill))
    if shape.stroke:
        page.set_draw_color(*_rgb(shape.stroke))
    style = ("D" if shape.stroke else "") + ("F" if shape.fill else "")
    page.polygon(list(shape.points), style=style or "D")


def _pdf_text(page: FPDF, shape: Text, folders: Sequence[Path]) -> None:
    text, path = _readable(shape.text, folders)
    if path is None:
        page.set_font("Helvetica", style="B" if shape.bold else "", size=shape.size)
    else:
        family = path.stem.lower()
        if family not in page.fonts:
            page.add_font(family, fname=path)
        page.set_font(family, size=shape.size)
    page.set_text_color(*_rgb(shape.fill))
    shift = {Anchor.START: 0.0, Anchor.MIDDLE: 0.5, Anchor.END: 1.0}[shape.anchor]
    page.text(shape.x - page.get_string_width(text) * shift, shape.y, text)


def _png_text(
    brush: ImageDraw.ImageDraw, shape: Text, scale: float, folders: Sequence[Path]
) -> None:
    text, path = _readable(shape.text, folders)
    size = shape.size * scale
    anchor = {Anchor.START: "ls", Anchor.MIDDLE: "ms", Anchor.END: "rs"}[shape.anchor]
    brush.text(
        (shape.x * scale, shape.y * scale),
        text,
        fill=shape.fill,
        font=font(size) if path is None else ImageFont.truetype(path, size),
        anchor=anchor,
        # The font that Pillow ships has one weight; an outline makes it bold.
        stroke_width=round(shape.size * scale / 40) if shape.bold else 0,
        stroke_fill=shape.fill,
    )


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _readable(text: str, folders: Sequence[Path]) -> tuple[str, Path | None]:
    """Return the text in characters that can be shown, and its font; `None` is the built-in one."""
    plain = _plain(text)
    if is_latin(plain):
        return plain, None
    font = font_for(plain, folders)
    if font is not None:
        return plain, font
    return plain.encode("latin-1", "replace").decode("latin-1"), None


def _plain(text: str) -> str:
    """Return the text with signs that Latin-1 lacks replaced by those that it has."""
    known = text.replace("–", "-").replace("…", "...").replace("≥", ">=").replace("≤", "<=")
    return unicodedata.normalize("NFKC", known)
