"""Self-contained page: one HTML file with its style, scripts and data inside.

A page loads nothing from the network (its content security policy forbids it). Texts enter as data
inside a script element of type JSON, escaped so that they can never end that element.
"""

import importlib.resources
import json
from collections.abc import Mapping
from typing import Any, Final

DATA_MARK: Final = "/*DATA*/"


def fill_page(folder: str, parts: Mapping[str, str], data: Mapping[str, Any]) -> str:
    """Return `page.html` of a folder of this package with its marks replaced.

    Args:
        folder: directory below `lowtide.report`.
        parts: mark in the page to the name of the file that takes its place.
        data: what takes the place of `/*DATA*/`, as JSON; finite numbers only.
    """
    here = importlib.resources.files("lowtide.report") / folder
    page = (here / "page.html").read_text(encoding="utf-8")
    for mark, name in parts.items():
        page = page.replace(mark, (here / name).read_text(encoding="utf-8"))
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Inside a script element only these could end it or open a comment.
    safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return page.replace(DATA_MARK, safe)
