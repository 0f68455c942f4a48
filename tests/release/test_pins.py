"""The images are made from exactly the wheels that the environment of the tests holds."""

import contextlib
import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "tools" / "images" / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {"core": (), "operator": ("operator",), "exporter": ("exporter",), "trainer": ("trainer",)}


def pinned(name: str) -> dict[str, str]:
    """Version by package of one file of pins."""
    lines = re.findall(r"^([\w.-]+)==([^ ]+)", (PINS / f"{name}.txt").read_text(), re.MULTILINE)
    return {canonicalize_name(package): version for package, version in lines}


def required(extras: tuple[str, ...]) -> list[Requirement]:
    """What `lowtide[extras]` asks for, its own extras resolved."""
    found = [Requirement(text) for text in PROJECT["dependencies"]]
    for extra in extras:
        for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
            own = requirement.name == "lowtide"
            found += required(tuple(requirement.extras)) if own else [requirement]
    return found


@pytest.mark.parametrize("name", EXTRAS)
def test_every_requirement_is_pinned_at_a_version_that_it_allows(name: str) -> None:
    """A requirement that was added or raised needs `tools/pin` again."""
    pins = pinned(name)

    for requirement in required(EXTRAS[name]):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("name", EXTRAS)
def test_images_hold_the_versions_that_the_tests_run_with(name: str) -> None:
    """`constraints.txt` and the pins of the images say the same of every package."""
    tested = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line
    )

    assert pinned(name).items() <= tested.items()


@pytest.mark.parametrize("name", EXTRAS)
def test_every_pin_has_hashes_and_no_address(name: str) -> None:
    """Whichever index serves a wheel, it is the one that was tried."""
    text = (PINS / f"{name}.txt").read_text()
    blocks = re.split(r"\n(?=[\w.-]+==)", text.strip())

    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text


def test_operator_brings_nothing_that_only_the_command_line_draws_with() -> None:
    """Fonts, pictures and terminals have no business beside the rights of the operator."""
    assert not {"fonttools", "fpdf2", "pillow", "rich", "segno"} & pinned("operator").keys()


def test_every_pin_installs_on_the_oldest_python_that_is_promised() -> None:
    """Some packages refuse 3.11.2, which is Debian's, and took `make install` with them."""
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    refusing = {}
    for name, version in re.findall(
        r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE
    ):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            metadata = importlib.metadata.metadata(name)
            asked = metadata.get("Requires-Python") or ""
            if metadata["Version"] == version and not SpecifierSet(asked).contains(oldest):
                refusing[f"{name} {version}"] = asked

    assert refusing == {}
