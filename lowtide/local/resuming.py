"""What a run that is resumed begins with: whether work is left, and the folder it works in."""

import os
from pathlib import Path

from lowtide.local.settling import COMPLETE
from lowtide.local.store import Document


def is_complete(document: Document) -> bool:
    """Return whether a run has ended with success."""
    attempts = document.get("status", {}).get("attempts", [])
    return bool(attempts) and attempts[-1].get("outcome") == COMPLETE


def enter_folder(folder: str | None) -> str | None:
    """Go to the folder that a run was started in; return why that cannot be done."""
    if not folder:
        return None
    try:
        os.chdir(Path(folder))
    except OSError as error:
        return f"the run was started in {folder}, which cannot be entered: {error.strerror}"
    return None
