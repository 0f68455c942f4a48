"""Hooks of MkDocs: what the site has besides the pages of `docs/`.

The navigation is the list in `docs/README.md`, so that a page is announced in one place. Every
command gets a page of its own, cut from the generated `docs/reference/commands.md`, whose headings
stay where links to them lead. Files of the checkout that pages link to come along.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = "reference/commands.md"
OUTSIDE = {"CHANGELOG.md": "changelog.md", "LICENSE": "license.txt"}
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
CELL = re.compile(r"<td\b[^>]*>.*?</td>", re.DOTALL)
CODE = re.compile(r"(?<=<code>)[^<]+(?=</code>)")
STYLE = "assets/tables.css"
TABLES = """\
.md-typeset td code { word-break: normal; }
@media (max-width: 30em) {
  .md-typeset table:not([class]) :is(th, td) { min-width: 0; padding: 0.6em 0.5em; }
}
"""
"""The theme breaks code anywhere: on a phone a column of names would be cut within words."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the navigation of the sections and links of `docs/README.md`."""
    sections = (ROOT / "docs" / "README.md").read_text().split("\n## ")
    nav: list[dict[str, object]] = [{"Home": "README.md"}]
    for section in sections[1:]:
        title, _, text = section.partition("\n")
        entries: list[dict[str, object]] = []
        for name, target in LINK.findall(text):
            page = OUTSIDE.get(target.removeprefix("../"), target)
            label = re.sub(r"\s+", " ", name).replace("`", "")
            label = label[0].upper() + label[1:]
            pages = [{command: command_page(command)} for command in commands()]
            entries.append({label: [COMMANDS, *pages] if page == COMMANDS else page})
        nav.append({title: entries})
    config.nav = nav
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add one page for each command, and the files from outside `docs/`."""
    for command, text in commands().items():
        page = command_page(command)
        files.append(
            File.generated(config, page, content=f"---\nhide: [toc]\n---\n# {command}\n\n{text}\n")
        )
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    files.append(File.generated(config, STYLE, content=TABLES))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links that leave `docs/` at what the site has of them, or at nothing but a name."""
    here = Path(page.file.src_uri).parent
    if page.file.src_uri == COMMANDS:
        return index_of_commands(markdown)

    def replaced(match: re.Match[str]) -> str:
        name, target = match[1], match[2]
        path, mark, heading = target.partition("#")
        if "://" in target or not path.startswith("../"):
            return match[0]
        leads_to = (ROOT / "docs" / here / path).resolve()
        if leads_to.is_relative_to(ROOT / "docs"):
            return match[0]
        outside = str(leads_to.relative_to(ROOT))
        if outside in OUTSIDE:
            up = "../" * len(here.parts)
            return f"[{name}]({up}{OUTSIDE[outside]}{mark}{heading})"
        return name if "`" in name else f"{name} (`{outside}`)"

    return LINK.sub(replaced, markdown)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the names in a table's cells break between their words, and nowhere else."""
    return CELL.sub(lambda cell: CODE.sub(lambda name: breakable(name[0]), cell[0]), html)


def breakable(name: str) -> str:
    """Return a name with marks where a line may end: `exporter.<wbr>host<wbr>PID`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[./=])(?=\w)|(?<=_)(?=[^\W_])", "<wbr>", name)


def commands() -> dict[str, str]:
    """Return the text on each command, by its name."""
    parts = re.split(r"^## ", (ROOT / "docs" / COMMANDS).read_text(), flags=re.MULTILINE)[1:]
    return {name: text.strip() for name, _, text in (part.partition("\n") for part in parts)}


def command_page(command: str) -> str:
    """Return the page of a command: `reference/commands/calc-sam.md` of `lowtide calc sam`."""
    return f"reference/commands/{command.removeprefix('lowtide ').replace(' ', '-')}.md"


def index_of_commands(markdown: str) -> str:
    """Return the page of all commands: what each does, with a link."""
    head = markdown.partition("\n## ")[0]
    parts = []
    for command, text in commands().items():
        lines = text.split("\n\n")
        said = " ".join(lines[1].split()) if len(lines) > 1 else ""
        link = command_page(command).removeprefix("reference/")
        parts.append(f"## {command}\n\n{said} [Options and examples]({link}).\n")
    return head + "\n\n" + "\n".join(parts)
