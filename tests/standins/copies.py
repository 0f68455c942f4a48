"""Copies of documents, faster than `copy.deepcopy`: thousands of cases wait for them."""

from typing import TypeVar

T = TypeVar("T")


def copied(document: T) -> T:
    """Return a copy of what JSON may hold; what is neither list nor dictionary is immutable."""
    if type(document) is dict:
        return {key: copied(value) for key, value in document.items()}  # type: ignore[return-value]
    if type(document) is list:
        return [copied(value) for value in document]  # type: ignore[return-value]
    return document
