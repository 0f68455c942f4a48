"""Names of the product: one meaning each, and every room explained."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    ROOT / "lowtide",
    ROOT / "operator" / "lowtide_operator",
    ROOT / "exporter" / "lowtide_exporter",
    ROOT / "trainer" / "lowtide_trainer",
)


@cache
def modules() -> dict[Path, ast.Module]:
    """The syntax trees of all modules of the programs and the library."""
    paths = [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]
    return {path: ast.parse(path.read_text()) for path in paths}


def class_names(tree: ast.Module) -> list[str]:
    """Public classes at the top level of a module."""
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]


def test_a_public_class_name_exists_once() -> None:
    """A reader who meets a class knows which one it is without looking at the imports."""
    places = defaultdict(list)
    for path, tree in modules().items():
        for name in class_names(tree):
            places[name].append(str(path.relative_to(ROOT)))

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_every_room_says_what_it_is_in_its_first_line() -> None:
    """A newcomer reads the folder listing, then one line."""
    lines = {
        path.parent.relative_to(ROOT): (ast.get_docstring(tree) or "").partition("\n")[0]
        for path, tree in modules().items()
        if path.name == "__init__.py"
    }

    assert [
        str(room) for room, line in lines.items() if not re.fullmatch(r"[A-Z`].+\.", line)
    ] == []
