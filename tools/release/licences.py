"""Licences of everything that the images hold, with their texts, as each package ships them."""

import importlib.metadata
from collections.abc import Iterable

from bills import Package, licence

HEAD = """\
Lowtide is under the Apache License 2.0. Its images hold the packages below, each under its own
licence; texts are those that the packages bring.
"""


def text(packages: Iterable[Package]) -> str:
    """Return one document; a text that several packages share is printed once."""
    parts, seen = [HEAD], {}
    for package in packages:
        title = (
            f"{package.name} {package.version}: {licence(package).words or 'licence not stated'}"
        )
        parts.append(f"{'=' * 78}\n{title}\n")
        for name, content in _texts(package):
            if content in seen:
                parts.append(f"--- {name}: the same text as of {seen[content]}\n")
                continue
            seen[content] = f"{package.name}, {name}"
            parts.append(f"--- {name}\n{content}\n")
    return "\n".join(parts)


def _texts(package: Package) -> list[tuple[str, str]]:
    """Return names and contents of the licence files in a package's metadata."""
    try:
        files = importlib.metadata.files(package.name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    wanted = ("LICEN", "COPYING", "NOTICE", "AUTHORS")
    return sorted(
        (str(file).partition(".dist-info/")[2], file.locate().read_text(errors="replace").strip())
        for file in files
        if ".dist-info/" in str(file) and file.name.upper().startswith(wanted)
    )
