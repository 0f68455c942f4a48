"""Search for a font on this machine for texts that the built-in ones cannot show.

PDF readers have fonts for Latin-1 only, and so has the drawing library. A name in another script
is shown with the first font here that has all of its characters; the part that is needed is
embedded in the PDF. Where no font has them, the caller names the missing characters.
"""

import functools
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from fontTools.ttLib import TTFont, TTLibError

FILES_MAX: Final = 400
"""Most fonts that are searched; the preferred families come first."""
PREFERRED: Final = ("dejavusans.", "notosans-regular", "liberationsans-regular", "arial")
SUFFIXES: Final = frozenset({".ttf", ".otf", ".ttc"})


def font_folders() -> tuple[Path, ...]:
    """Return the folders in which this system keeps fonts."""
    home = Path.home()
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "Fonts",)
    if sys.platform == "darwin":
        return (Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts")
    return (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts")


def is_latin(text: str) -> bool:
    """Return whether the built-in fonts have every character."""
    return all(ord(character) < 256 for character in text)


def font_for(text: str, folders: Sequence[Path]) -> Path | None:
    """Return a font that has every character of `text`, or `None`."""
    needed = frozenset(map(ord, text)) - {ord(" ")}
    return next((path for path in _fonts(tuple(folders)) if needed <= _characters(path)), None)


@functools.cache
def _fonts(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    found = [path for folder in folders for path in _files(folder)]
    return tuple(sorted(found, key=_rank)[:FILES_MAX])


def _files(folder: Path) -> Iterator[Path]:
    for base, _, names in os.walk(folder):
        yield from (Path(base) / name for name in names if Path(name).suffix.lower() in SUFFIXES)


def _rank(path: Path) -> tuple[int, bool, str]:
    name = path.name.lower()
    place = next((i for i, start in enumerate(PREFERRED) if name.startswith(start)), len(PREFERRED))
    unusual = any(word in name for word in ("bold", "italic", "oblique", "mono", "light", "thin"))
    return place, unusual, str(path)


@functools.cache
def _characters(path: Path) -> frozenset[int]:
    """Return the characters of a font; none of a file that cannot be read."""
    try:
        with path.open("rb") as file, TTFont(file, fontNumber=0, lazy=True) as font:
            return frozenset(font.getBestCmap() or {})
    except (TTLibError, OSError, ValueError, AssertionError, KeyError):
        return frozenset()
