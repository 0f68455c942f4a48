"""`make site`: every link leads somewhere, and the pages ask no other host for anything."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOADED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=\"?(https?:[^\" >]+)")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built for one version after an older one and another one were there."""
    output = tmp_path_factory.mktemp("site")
    for old in ("0.0.9", "0.0.10", "main"):
        (output / old).mkdir()
    command = [sys.executable, ROOT / "tools" / "site", "--output", output]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return output


def pages(site: Path) -> Path:
    """The folder of the newest version."""
    return site / json.loads((site / "versions.json").read_text())[0]["version"]


def test_versions_are_listed_newest_first(site: Path) -> None:
    """0.0.10 is newer than 0.0.9, and what is no number comes last."""
    listed = json.loads((site / "versions.json").read_text())

    assert [one["version"] for one in listed][1:] == ["0.0.10", "0.0.9", "main"]
    assert [one["aliases"] for one in listed] == [["latest"], [], [], []]
    assert f"url={pages(site).name}/index.html" in (site / "index.html").read_text()


def test_every_command_has_a_page_that_the_list_leads_to(site: Path) -> None:
    """The headings of the generated reference are pages, and still headings of the list."""
    listed = (pages(site) / "reference" / "commands.html").read_text()
    headings = re.findall(
        r"^## lowtide (.+)$", (ROOT / "docs/reference/commands.md").read_text(), re.MULTILINE
    )

    assert len(headings) > 20
    for name in (heading.replace(" ", "-") for heading in headings):
        assert (pages(site) / "reference" / "commands" / f"{name}.html").is_file()
        assert f'href="commands/{name}.html"' in listed
        assert f'id="lowtide-{name}"' in listed


def test_names_in_tables_break_between_words(site: Path) -> None:
    """On a phone a column of names is narrow, and the theme would cut them at any letter."""
    text = (pages(site) / "reference" / "chart-values.html").read_text()
    style = (pages(site) / "assets" / "tables.css").read_text()

    assert "<td><code>image.<wbr>pull<wbr>Policy</code></td>" in text
    assert re.search(r'<link rel="stylesheet" href="\.\./assets/tables\.css"', text)
    assert "td code { word-break: normal; }" in style


def test_search_finds_pages_by_their_text(site: Path) -> None:
    """The index holds the pages, the changelog among them, and no page is empty."""
    entries = json.loads((pages(site) / "search" / "search_index.json").read_text())["docs"]
    places = {one["location"].partition("#")[0] for one in entries}

    assert {"how-to/install.html", "changelog.html", "reference/commands/plan.html"} <= places


def test_pages_load_nothing_from_another_host(site: Path) -> None:
    """The site works in a closed network, and tells no other host who reads it."""
    asked = {
        address
        for page in pages(site).rglob("*.html")
        for address in LOADED.findall(page.read_text())
        if not address.startswith("https://lowtide.dev/")
    }

    assert asked == set()
