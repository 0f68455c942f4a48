"""Refusal of a file or an object that finished runs cannot be read from."""


class ReportError(ValueError):
    """A report cannot be read; the message names the file or job, the field and the value."""


def shown(value: object, most: int = 60) -> str:
    """Return a value as it may stand in a sentence: short, and on one line."""
    text = repr(value[: most + 1] if isinstance(value, str) else value)
    return text if len(text) <= most else f"{text[:most]}…"
