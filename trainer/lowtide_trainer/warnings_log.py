"""Warnings of a training, logged; `logging` is loaded by the first one."""

from __future__ import annotations


def warn(name: str, sentence: str, *values: object) -> None:
    """Log a warning of the module of this name."""
    import logging

    logging.getLogger(name).warning(sentence, *values)
