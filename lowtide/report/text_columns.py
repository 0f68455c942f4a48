"""Columns of text for terminals and files: cells side by side, as wide as the widest of each."""

from collections.abc import Sequence


def text_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line per row; all rows have as many cells as the first."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
