"""Fixtures of the documentation's tests."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
HEADING = re.compile(r"^#+ (.+)$", re.M)
LINKED = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def _anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get: lower case, no punctuation, hyphens."""
    found = set()
    for heading in HEADING.findall(FENCED.sub("", page.read_text("utf-8"))):
        text = LINKED.sub(r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-"))
    return found


@pytest.fixture
def anchors() -> Callable[[Path], set[str]]:
    """Return the function from a page to its anchors."""
    return _anchors
