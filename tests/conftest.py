"""Settings of all tests: their order, and how long and how hard Hypothesis tries.

No deadline per example: on a busy machine that measures the machine and not the code. The same
examples each time, so that a failure belongs to a change; `--hypothesis-profile=explore` looks
for new ones, and `quick`, of `make test-fast`, takes the first few. Modules that the markers asked
for rule out whole are not even read.
"""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

settings.register_profile("lowtide", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("quick", max_examples=15, deadline=None, derandomize=True)
settings.register_profile("explore", max_examples=500, deadline=None)
settings.load_profile("lowtide")


class IriGrammars(ModuleType):
    """Stand-in for `rfc3987_syntax`, which makes 38 parsers, a second and a half, when imported.

    `jsonschema` imports it, and few of its schemas hold an IRI. At the first, the module comes.
    """

    def is_valid_syntax(self, rule: str, value: str) -> bool:
        """Whether the text is one of this rule, by the real module."""
        sys.modules.pop(self.__name__, None)
        is_valid: bool = importlib.import_module(self.__name__).is_valid_syntax(rule, value)
        return is_valid


sys.modules["rfc3987_syntax"] = IriGrammars("rfc3987_syntax")


@pytest.fixture(scope="session", autouse=True)
def store_of_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep runs that tests measure away from those of the person who tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


TERMS = re.compile(r"\w+( or \w+)+|(not )?\w+( and (not )?\w+)*")
MARK = re.compile(r"pytest\.mark\.(\w+)")
MARKS_OF_A_MODULE = re.compile(r"^pytestmark = .*(?:\n[ \])].*)*", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass over a module without a mark that `-m "MARK and ..."` asks for, or ruled out by `not`.

    Otherwise each process compiles and imports them, and what they import, to deselect them.
    """
    asked = config.option.markexpr
    if collection_path.suffix != ".py" or not TERMS.fullmatch(asked):
        return None
    text = collection_path.read_text(encoding="utf-8")
    marks = set(MARK.findall(text))
    if " or " in asked:
        return None if marks & set(asked.split(" or ")) else True
    terms = asked.split(" and ")
    found = MARKS_OF_A_MODULE.search(text)
    marks_of_all = MARK.findall(found.group()) if found else []
    is_ruled_out = any(f"not {mark}" in terms for mark in marks_of_all)
    lacks_one = not {term for term in terms if term.isidentifier()} <= marks
    return True if is_ruled_out or lacks_one else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits or is slow: no process then waits for a long last test of another."""

    def place(item: pytest.Item) -> int:
        if item.get_closest_marker("waits"):
            return 0
        is_slow = item.get_closest_marker("slow") is not None
        return 1 if is_slow and item.get_closest_marker("cluster") is None else 2

    items.sort(key=place)
