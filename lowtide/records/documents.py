"""Text of files, and the JSON or YAML in it, read strictly.

What a lenient parser would change without a word is refused: a name given twice, an alias that
makes a document grow or contain itself, a number that is none, a depth or a size that no report
has. A YAML text that looks like a date stays a text.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

from lowtide.records.errors import ReportError, shown

DOCUMENTS: Final = (".json", ".yaml", ".yml")
"""Suffixes of JSON and YAML files."""
MOST_BYTES: Final = 256 * 2**20
"""Size of a table or JSON file that is still read."""
MOST_YAML_BYTES: Final = 16 * 2**20
"""YAML takes a hundred times as long as JSON to read."""
TOO_LONG: Final = "for integer string conversion"
"""Part of Python's message about an integer of too many digits."""
MOST_DEPTH: Final = 64
"""Levels of objects and lists inside each other; a TrainingJob has about fifteen."""


def read_text(path: Path) -> str:
    """Return the text of a file, without a byte order mark.

    Raises:
        ReportError: the file cannot be read, is too large, or is not UTF-8 text.
    """
    try:
        if not path.is_file():
            raise ReportError(f"{path} is not a regular file")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ReportError(f"{path} has {size} bytes, more than {MOST_BYTES}")
        raw = path.read_bytes()
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror or error}") from error
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise ReportError(f"{path} is not UTF-8 text: byte {error.start} cannot be read") from error


def parse_document(path: Path) -> Any:
    """Return the content of a JSON or YAML file, by its suffix.

    Raises:
        ReportError: the file cannot be read or parsed.
    """
    text = read_text(path)
    if path.suffix.lower() == ".json":
        return parse_json(text, str(path))
    return parse_yaml(text, str(path))


def parse_json(text: str, where: str) -> Any:
    """Return the content of a JSON text.

    Raises:
        ReportError: the text is not JSON, names a field twice, or is nested too deeply.
    """
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except RecursionError as error:
        raise ReportError(f"{where} is nested more than {MOST_DEPTH} levels deep") from error
    except ValueError as error:
        raise ReportError(f"{where} {_fault('is not JSON', error)}") from error
    _require_depth(data, where)
    return data


def parse_yaml(text: str, where: str) -> Any:
    """Return the content of a YAML text; JSON is YAML too.

    Raises:
        ReportError: the text is not YAML, uses an alias, names a field twice, or is too large or
            nested too deeply.
    """
    if len(text) > MOST_YAML_BYTES:
        raise ReportError(
            f"{where} has {len(text)} characters of YAML, more than {MOST_YAML_BYTES}: use JSON"
        )
    # The nesting is checked on the stream of events, before the parser builds anything of it.
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent):
                raise ReportError(f"{where} uses the YAML alias *{event.anchor}: write it out")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_DEPTH:
                raise ReportError(f"{where} is nested more than {MOST_DEPTH} levels deep")
        return yaml.load(text, Loader=_Loader)
    except ReportError:
        raise
    except RecursionError as error:
        raise ReportError(f"{where} is nested more than {MOST_DEPTH} levels deep") from error
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise ReportError(f"{where} {_fault('is neither JSON nor YAML', error)}") from error


def _require_depth(data: Any, where: str) -> None:
    level: list[Any] = [data]
    for _ in range(MOST_DEPTH + 1):
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise ReportError(f"{where} is nested more than {MOST_DEPTH} levels deep")


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the name {shown(key)} stands twice in one object")
        found[key] = value
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


def _fault(what: str, error: Exception) -> str:
    """Return what is wrong with a text; an integer that is too long is legal in both languages."""
    if TOO_LONG in str(error):
        return f"holds an integer of more than {sys.get_int_max_str_digits()} digits"
    return f"{what}: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    """Return the first line of a parser's message with the line of the text, where it says so."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if mark is not None and problem:
        return f"line {mark.line + 1}: {problem}"[:200]
    return text[:200]


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # the C loader where PyYAML has it
    """The safe loader without dates, sexagesimal numbers, merge keys and repeated names."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool | None):
            raise yaml.constructor.ConstructorError(
                None, None, "a name must be a text", key_node.start_mark
            )
        if key in found:
            raise yaml.constructor.ConstructorError(
                None, None, f"the name {shown(key)} stands twice", key_node.start_mark
            )
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _integer(loader: Any, node: yaml.ScalarNode) -> int | str:
    text = str(loader.construct_scalar(node))
    # YAML 1.1 reads 1:30 as 90 and 010 as 8; neither is what a person means.
    plain = text.lstrip("+-")
    if not plain.isascii() or not plain.isdecimal() or (plain != "0" and plain.startswith("0")):
        return text
    return int(text)


def _float(loader: Any, node: yaml.ScalarNode) -> float | str:
    text = str(loader.construct_scalar(node))
    try:
        return float(text) if "_" not in text else text
    except ValueError:
        return (
            float(yaml.SafeLoader.construct_yaml_float(loader, node)) if "." in text[:2] else text
        )


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":merge"))
    ]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}
