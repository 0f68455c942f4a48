"""Decision pages: one decision each, dated, short, and listed in the index."""

import re
from datetime import date
from pathlib import Path

from for_each import for_each

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "decisions"
INDEX = DECISIONS / "README.md"
TEMPLATE = DECISIONS / "template.md"
PAGES = sorted(set(DECISIONS.glob("*.md")) - {INDEX, TEMPLATE})
LINES_MAX = 12
WORDS_MAX = 220

PAGE = re.compile(
    r"# (?P<title>[^\n]+)\n\n"
    r"Date: (?P<date>[\d-]+|YYYY-MM-DD)\. Status: (?P<status>[^\n]+)\.\n\n"
    r"\*\*Context\.\*\* [^\n]+\n\n"
    r"\*\*Decision\.\*\* [^\n]+\n\n"
    r"\*\*Consequence\.\*\* [^\n]+\n"
)
ROW = re.compile(r"^\| ([\d-]+) \| \[(.+?)\]\(([\w.-]+)\) \| (.+) \|$", re.M)
STATUS = re.compile(r"accepted|superseded by \[[^\]]+\]\(([\w-]+\.md)\)")
each_page = for_each("page", PAGES)


def fields(page: Path) -> dict[str, str]:
    """Return title, date and status; fail where a field is missing."""
    match = PAGE.fullmatch(page.read_text("utf-8"))
    assert match, f"{page.name} lacks the fields of template.md, or their order"
    return match.groupdict()


@each_page
def test_a_decision_has_date_status_context_decision_and_consequence(page):
    """A later reader must see when it was made, and whether it still holds."""
    found = fields(page)

    date.fromisoformat(found["date"])
    status = STATUS.fullmatch(found["status"])
    assert status, found["status"]
    assert status[1] is None or (DECISIONS / status[1]) in PAGES


@each_page
def test_a_decision_is_short(page):
    """Measurements belong into docs/explanation."""
    text = page.read_text("utf-8")

    assert len(text.splitlines()) <= LINES_MAX
    assert len(text.split()) <= WORDS_MAX


def test_the_index_lists_each_decision_once_as_its_page_says():
    """Date, title and status in the table are those of the page."""
    said = [
        (found["date"], found["title"], page.name, found["status"])
        for page in PAGES
        for found in [fields(page)]
    ]

    assert sorted(ROW.findall(INDEX.read_text("utf-8"))) == sorted(said)


def test_the_template_has_the_fields_itself():
    """Copying it gives a page that these tests accept once the date is filled in."""
    assert fields(TEMPLATE)["status"] == "accepted"
