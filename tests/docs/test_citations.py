"""Citations: a page that code or a page cites is there, and a publication can be opened."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "docs" / "explanation" / "sources.md"
TEXTS = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".js", ".go", ".c", ".tpl", ".txt", ".sh"}

CITED_PAGE = re.compile(r"(?<![\w/.-])(docs/[\w./-]+\.md)(?:#([\w-]+))?")
UNOPENABLE = re.compile(
    r"\b(?:planning|measurement|metrics|kubernetes|workloads?|architecture|design) papers?\b"
    r"|\b(?:of|in|by|from) the paper\b|\bthe paper(?:'s| (?:says|wants|gives|demands))"
    r"|\bpapers?,? (?:section|§|\d)",
    re.I,
)
AUTHORS = re.compile(r"\b([A-Z]\w+) et al\b")


def tracked() -> list[Path]:
    """Return the text files of the project; ignored ones are not part of it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("the files of the project are only known in a git checkout")
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    return [path for path in paths if path.suffix in TEXTS and path.is_file()]


def running_text(path: Path) -> str:
    """Return a file with each line break, and a comment's mark after it, as one space."""
    return re.sub(r"\s*\n\s*(?:(?:#|//|\*)\s+)?", " ", path.read_text("utf-8", "replace"))


def test_every_cited_page_and_heading_exists(anchors: Callable[[Path], set[str]]) -> None:
    """A page, or a page with #heading, from the root of the checkout; in comments too."""
    dead = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked()
        for match in CITED_PAGE.finditer(path.read_text("utf-8", "replace"))
        if not (ROOT / match[1]).is_file()
        or (match[2] and match[2] not in anchors(ROOT / match[1]))
    ]

    assert dead == []


def test_no_citation_names_a_paper_that_is_not_here() -> None:
    """A source is a page of docs/ or a publication by its authors."""
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked()
        if path != Path(__file__)
        for match in UNOPENABLE.finditer(running_text(path))
    ]

    assert found == []


def test_every_publication_that_is_cited_is_in_the_list_of_sources() -> None:
    """A name with "et al." has a section in the list, which says what publication that is."""
    listed = set(re.findall(r"^## (\w+)", SOURCES.read_text("utf-8"), re.M))
    cited = {
        author
        for path in tracked()
        for author in AUTHORS.findall(path.read_text("utf-8", "replace"))
    }

    assert cited - listed == set()


def test_every_source_can_be_opened() -> None:
    """Each section of the list has an address."""
    sections = re.split(r"^## ", SOURCES.read_text("utf-8"), flags=re.M)[1:]

    assert [one.splitlines()[0] for one in sections if "<https://" not in one] == []
