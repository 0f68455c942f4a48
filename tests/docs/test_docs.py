"""The documentation: links lead somewhere, commands run, examples are valid, names exist."""

import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import click
import jsonschema
import pytest
import yaml
from click.testing import CliRunner
from for_each import for_each

from lowtide import names
from lowtide.cli.main import main
from lowtide.grid.settings import ZoneSettings
from lowtide.trainingjob.display import display_of
from lowtide.trainingjob.models import parse_spec
from lowtide.trainingjob.report import parse_report
from lowtide.trainingjob.status import (
    Attempt,
    Condition,
    CounterfactualStatus,
    EnergyStatus,
    PlanStatus,
    SciStatus,
    TrainingJobStatus,
)
from lowtide.trainingjob.workload_kinds import KINDS, kind_of
from lowtide_exporter.page import catalogue
from lowtide_operator.objects.opt_in import wanted_trainingjob
from lowtide_operator.objects.workloads import gpus_of
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.telemetry.job_metrics import JOB_FIGURES, SUMMED
from lowtide_operator.telemetry.price_metrics import price_families
from lowtide_operator.telemetry.provider_metrics import provider_families

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
README_LINES_MAX = 80
HAND_CHECKED = ROOT / "docs" / "reference" / "metrics.md"
"""Its examples have a test of their own."""

BLOCK = re.compile(r"^```(\w*) *([\w.]*)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
LOWTIDE = re.compile(r"^(?:\.venv/bin/|kubectl )?lowtide (.+)$")
MAKE = re.compile(r"(?:^|`)make ([a-z-]+)", re.M)
SERIES = re.compile(r"\blowtide_[a-z0-9_]+\b(?!\.)")
PACKAGES = {"lowtide_operator", "lowtide_exporter", "lowtide_trainer"}
each_page = for_each("page", PAGES)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    return [text for kind, _, text in BLOCK.findall(page.read_text("utf-8")) if kind == language]


def prose(page: Path) -> str:
    """Return the page without its fenced blocks."""
    return BLOCK.sub("", page.read_text("utf-8"))


def shell_lines(page: Path) -> list[str]:
    """Return the commands of the page's shell blocks, continued lines joined."""
    text = "\n".join(blocks(page, "sh") + blocks(page, "bash")).replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip()]


def refused(command: click.Command, arguments: list[str]) -> str | None:
    """Return why the command line is wrong use, `None` where it is right."""
    try:
        command.make_context(command.name, arguments)
    except click.UsageError as error:
        return error.message
    return None


@each_page
def test_every_link_leads_to_a_file_and_a_heading(page, anchors):
    """A page or heading that moved must not leave a dead link behind."""
    dead = []
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)

    assert dead == []


def test_every_page_can_be_reached_from_the_readme():
    """A page without a link to it is not documentation."""
    seen, waiting = set(), [README]
    while waiting:
        page = waiting.pop().resolve()
        if page in seen:
            continue
        seen.add(page)
        for link in LINK.findall(page.read_text("utf-8")):
            target = (page.parent / link.partition("#")[0]).resolve()
            waiting += target.glob("*.md") if target.is_dir() else [target]
            waiting = [path for path in waiting if path.suffix == ".md" and path.is_file()]

    assert [str(page.relative_to(ROOT)) for page in PAGES if page.resolve() not in seen] == []


def test_readme_fits_one_screen():
    """The first page says what it is, shows it, and ends."""
    assert len(README.read_text("utf-8").splitlines()) <= README_LINES_MAX


@each_page
def test_every_lowtide_command_can_be_parsed(page, monkeypatch):
    """What is shown to be typed has verbs, options and values that exist; files may be missing."""
    monkeypatch.chdir(ROOT)

    for line in shell_lines(page):
        match = LOWTIDE.match(line)
        if match is None:
            continue
        arguments = shlex.split(match[1].partition(" >")[0], comments=True)
        command: click.Command = main
        while isinstance(command, click.Group):
            name, *arguments = arguments
            found = command.get_command(click.Context(command), name)
            assert found is not None, f"{line}: there is no {name}"
            command = found
        refusal = refused(command, arguments)
        assert refusal is None or "does not exist" in refusal, f"{line}: {refusal}"


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if blocks(page, "console") and page != HAND_CHECKED],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_what_a_page_shows_is_what_the_command_prints(page, tmp_path, monkeypatch):
    """The output is equal to the letter; a last line of three dots leaves the rest out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for _, name, text in BLOCK.findall(page.read_text("utf-8")):
        if name:
            (tmp_path / name).write_text(text, encoding="utf-8")

    for block in blocks(page, "console"):
        command, _, shown = block.removeprefix("$ lowtide ").partition("\n")
        result = CliRunner().invoke(main, shlex.split(command), catch_exceptions=False)

        assert result.exit_code == 0, result.output
        if shown.endswith("…\n"):
            assert result.stdout.startswith(shown.removesuffix("…\n"))
        else:
            assert result.stdout == shown


@each_page
def test_every_make_target_exists(page):
    """A verb that was renamed must not live on in a page."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    text = "\n".join([prose(page), *shell_lines(page)])

    assert set(MAKE.findall(text)) <= targets


@each_page
def test_every_file_that_a_command_names_exists(page):
    """Paths of the checkout that are typed in shell blocks are there."""
    roots = ("examples/", "charts/", "tests/", "tools/", "benchmarks/", "operator/", "exporter/")
    typed = {
        word
        for line in shell_lines(page)
        for word in re.split(r"[\s'\"()]+", line)
        if word.startswith(roots)
    }

    assert {path for path in typed if not (ROOT / path).exists()} == set()


@each_page
def test_every_manifest_and_settings_example_is_accepted(page):
    """A TrainingJob or a part of its spec, a workload with our label, a zone, or chart values."""
    schema = json.loads((ROOT / "charts/lowtide/values.schema.json").read_text("utf-8"))
    for text in blocks(page, "yaml"):
        for document in yaml.safe_load_all(text):
            if document.get("kind") == "TrainingJob":
                parse_spec(document["spec"])
            elif "lowtide.dev/schedule" in (document.get("metadata") or {}).get("labels", {}):
                kind = kind_of(KINDS, document["apiVersion"], document["kind"])
                document["metadata"] |= {"namespace": "ml", "uid": "u"}
                made = wanted_trainingjob(kind, document, {})
                assert names.ANNOTATION_FAULT not in made["metadata"]["annotations"]
                assert gpus_of(kind, document).total > 0
            elif set(document) == {"spec"}:
                parse_spec({"template": {}, **document["spec"]})
            elif (
                "receivers" in document
            ):  # of a Collector, run by tests/rules/test_opentelemetry.py
                assert document.keys() == {"receivers", "processors", "exporters", "service"}
            elif set(document) == {"zones"}:
                for zone in document["zones"].values():
                    ZoneSettings.model_validate(zone)
            elif set(document) in ({"zones", "prices"}, {"zones", "pue"}):
                found = OperatorSettings.model_validate(document)
                assert found.prices or found.pue
            else:
                jsonschema.validate(document, schema)


@each_page
def test_every_report_example_can_be_read(page):
    """JSON in these pages is what a training writes, and nothing of it is left out."""
    for text in blocks(page, "json"):
        parsed = parse_report(text)

        assert parsed.report is not None
        assert parsed.faults == ()


@each_page
def test_every_series_mentioned_exists(page):
    """A metric that was renamed must not live on in a page."""
    telemetry = ROOT / "operator/lowtide_operator/telemetry"
    code = [telemetry / "metrics.py", telemetry / "job_metrics.py", ROOT / "lowtide/names.py"]
    code += sorted((ROOT / "charts/lowtide/files/rules").glob("*.yaml"))
    known = {family.name for family in catalogue.FAMILIES}
    known |= {f"lowtide_trainingjob_{name}" for name in JOB_FIGURES}
    known |= {f"lowtide_trainingjobs_{name}" for name in (*SUMMED, "cost")}
    for path in code:
        written = re.findall(r"lowtide_[a-z0-9_]+", path.read_text("utf-8"))
        known |= {*written, *(f"{name}_total" for name in written)}
    own = re.findall(r'f"\{prefix\}_([a-z0-9_]+)"', code[0].read_text("utf-8"))
    known |= {f"lowtide_operator_{name}{suffix}" for name in own for suffix in ("", "_total")}
    counted = re.findall(r'\(\s*"([a-z_]+)",\s*"', code[0].read_text("utf-8"))
    known |= {f"lowtide_operator_{name}_total" for name in counted}
    known |= {family.name for family in provider_families({})}
    known |= {family.name for family in price_families((), {}, (), datetime.now(UTC))}

    mentioned = set(SERIES.findall(page.read_text("utf-8"))) - PACKAGES

    assert {name for name in mentioned if name not in known and not name.endswith("_")} == set()


def test_the_tutorial_shows_the_columns_that_the_operator_writes():
    """The three rows are what statuses with these made-up numbers look like."""
    now = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
    condition = {"reason": "Test", "message": "", "last_transition_time": now}
    running = Condition(type="Running", status="True", **condition)
    complete = Condition(type="Complete", status="True", **condition)

    def plan(start, deadline, **figures):
        return PlanStatus(
            start=datetime.fromisoformat(start),
            deadline=datetime.fromisoformat(deadline),
            **figures,
        )

    statuses = {
        "bert-small": TrainingJobStatus(
            plan=plan("2026-12-01T02:15Z", "2026-12-02T08:00Z", expected_saving_percent="31.2"),
        ),
        # 9.26 kWh at 360 g/kWh are 3.33 kg, of which 18 % are 600 g.
        "densenet121": TrainingJobStatus(
            conditions=(running,),
            attempts=(Attempt(number=1, name="j", start="2026-11-30T23:45:00Z"),),
            plan=plan(
                "2026-11-30T23:45Z",
                "2026-12-01T18:00Z",
                expected_saving_percent="18",
                expected_joules=33_333_333,
                run_now_grams_per_kwh="360",
            ),
            energy=EnergyStatus(total_joules=15_516_000),
        ),
        "inceptionv3": TrainingJobStatus(
            conditions=(complete,),
            attempts=(Attempt(number=1, name="j", start="2026-11-30T11:00:00Z"),),
            plan=plan("2026-11-30T11:00Z", "2026-12-01T11:00Z"),
            energy=EnergyStatus(total_joules=10_332_000),
            sci=SciStatus(grams_per_unit="808", functional_unit="TrainingJob"),
            counterfactual=CounterfactualStatus(avoided_grams="370", avoided_percent="34"),
        ),
    }
    tutorial = ROOT / "docs/tutorial.md"
    table = next(text for text in blocks(tutorial, "text") if "NAME  " in text)
    rows = {line.split()[0]: re.split(r" {2,}", line) for line in table.splitlines()[2:]}

    for name, status in statuses.items():
        shown = display_of(status)
        cells = [shown.state, shown.start, shown.deadline, shown.energy, shown.sci, shown.avoided]
        assert rows[name][1:-1] == [cell for cell in cells if cell]
    assert rows.keys() == statuses.keys()


def test_the_readme_says_what_the_project_needs():
    """The two commands, and the API's own names."""
    text = README.read_text("utf-8")

    assert "make demo" in text
    assert "make test" in text
    assert f"apiVersion: {names.GROUP}/{names.VERSION}" in text
