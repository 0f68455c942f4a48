"""Why a service refused, in its own words: found in the body of an error, shortened and safe.

The words end up in status, events and logs, so they are one line of printable text of limited
length, without markup, addresses, what was sent as a secret, or anything that looks like one.
"""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import Final

BODY_MAX_BYTES: Final = 16 * 1024
"""Bytes of an error's body that are looked at."""
REASON_MAX_CHARACTERS: Final = 160
SECRET_MIN_CHARACTERS: Final = 4
_FIELDS: Final = ("message", "detail", "details", "error_description", "error", "title", "reason")
_ADDRESS: Final = re.compile(r"\bhttps?://\S+", re.IGNORECASE)
_TOKEN: Final = re.compile(r"(?=[\w.~+/=-]*\d)[\w.~+/=-]{20,}")
"""Long runs without a space that hold a digit: tokens, keys and identifiers of requests."""


def stated_reason(body: bytes, *, secrets: Iterable[str] = ()) -> str:
    """Return what the body of an error says, or an empty text where it says nothing usable.

    `secrets` are texts that were sent and must not come back.
    """
    text = body[:BODY_MAX_BYTES].decode("utf-8", "replace").strip()
    found = _from_json(text) if text[:1] in ("{", "[") else _from_text(text)
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= SECRET_MIN_CHARACTERS:
            found = found.replace(secret, "[removed]")
    return in_one_line(found)


def in_one_line(text: str) -> str:
    """Return foreign text as one short line without addresses and without long tokens."""
    text = _TOKEN.sub("[removed]", _ADDRESS.sub("[address]", text))
    words = "".join(c if c.isprintable() else " " for c in text).split()
    line = " ".join(words).rstrip(".")
    if len(line) > REASON_MAX_CHARACTERS:
        line = f"{line[: REASON_MAX_CHARACTERS - 1].rstrip()}…"
    return line


def _from_json(text: str) -> str:
    try:
        return _worded(json.loads(text))
    except (ValueError, RecursionError):
        return ""


def _worded(content: object, depth: int = 3) -> str:
    """Return the first field that is usually a reason, also of an object within."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and content and depth:
        return _worded(content[0], depth - 1)
    if not isinstance(content, dict) or not depth:
        return ""
    words = (_worded(content.get(name), depth - 1) for name in _FIELDS)
    return next((found for found in words if found), "")


def _from_text(text: str) -> str:
    """Return plain text as it is, and the reason of an XML document; nothing of a web page."""
    if not text.startswith("<"):
        return text
    if "<!DOCTYPE" in text or "<html" in text.lower():
        return ""
    try:
        root = ET.fromstring(text)
    except ET.ParseError:
        return ""
    return root.findtext(".//{*}Reason/{*}text", default="")
