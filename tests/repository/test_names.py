"""Names of the product: one meaning each, none unused, every room explained."""

import ast
import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    ROOT / "lowtide",
    ROOT / "operator" / "lowtide_operator",
    ROOT / "exporter" / "lowtide_exporter",
    ROOT / "trainer" / "lowtide_trainer",
)
CALLED_FROM_OUTSIDE = {
    "answer_kubectl",  # entry point of kubectl's completion
    "main",  # entry points
}


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


def defined_names(tree: ast.Module) -> list[str]:
    """Functions, classes and constants that a module defines, and members of enums.

    A member whose text people write in a manifest or an option is used by them.
    """
    names = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(b) for b in node.bases):
            names += [
                name
                for member in node.body
                for name in assigned_names(member)
                if not (
                    isinstance(member, ast.Assign)
                    and isinstance(member.value, ast.Constant)
                    and str(member.value.value) in people_write()
                )
            ]
        names += assigned_names(node)
    return [name for name in names if not name.startswith("__")]


@cache
def people_write() -> str:
    """The reference pages and the definition: every word that a user may write."""
    pages = [*(ROOT / "docs" / "reference").glob("*.md"), *(ROOT / "crds").glob("*.yaml")]
    return "\n".join(page.read_text() for page in pages)


def assigned_names(node: ast.stmt) -> list[str]:
    """Names that an assignment binds."""
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def test_a_public_class_name_exists_once() -> None:
    """A reader who meets a class knows which one it is without looking at the imports."""
    places = defaultdict(list)
    for path, tree in modules().items():
        for name in class_names(tree):
            places[name].append(str(path.relative_to(ROOT)))

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_every_name_is_used_or_promised() -> None:
    """What only tests use is exported from its package's face, and so written down, or deleted."""
    words: Counter[str] = Counter()
    promised: set[str] = set()
    for tool in (ROOT / "tools").glob("*.py"):
        words.update(re.findall(r"\w+", tool.read_text()))
    for path, tree in modules().items():
        words.update(re.findall(r"\w+", path.read_text()))
        for node in tree.body:
            if isinstance(node, ast.Assign) and assigned_names(node) == ["__all__"]:
                promised.update(ast.literal_eval(node.value))

    unused = {
        f"{path.relative_to(ROOT)}: {name}"
        for path, tree in modules().items()
        for name in defined_names(tree)
        if words[name] == 1 and name not in promised | CALLED_FROM_OUTSIDE
    }
    assert unused == set()


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
