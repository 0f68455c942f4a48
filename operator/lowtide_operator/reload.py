"""Reload of a changed settings file without a restart, where that is safe.

A file that cannot be used changes nothing: the settings in force stay, the fault is logged and
counted. Fields that need a restart (ports, zones, addresses) keep their value and are named.
"""

import asyncio
import logging
from pathlib import Path
from typing import Final

from lowtide_operator.app import App
from lowtide_operator.settings import RELOADABLE, OperatorSettings
from lowtide_operator.settings_file import OperatorSettingsError, load_settings

LOG: Final = logging.getLogger(__name__)
PERIOD_SECONDS: Final = 10.0


def merged(
    current: OperatorSettings, fresh: OperatorSettings
) -> tuple[OperatorSettings, frozenset[str]]:
    """Return the settings with every reloadable field of `fresh`, and what needs a restart."""
    changed = {
        name
        for name in OperatorSettings.model_fields
        if getattr(current, name) != getattr(fresh, name)
    }
    taken = {name: getattr(fresh, name) for name in changed & RELOADABLE}
    return current.model_copy(update=taken), frozenset(changed - RELOADABLE)


async def follow_settings(app: App, path: Path) -> None:
    """Watch the settings file until cancelled; a mounted ConfigMap changes by a symbolic link."""
    before = _content(path)
    while True:
        await asyncio.sleep(PERIOD_SECONDS)
        content = _content(path)
        if content is not None and content != before:
            before = content
            apply_settings(app, path)


def apply_settings(app: App, path: Path) -> None:
    """Load the settings file again and look at every job with the new settings."""
    try:
        fresh = load_settings(path)
    except OperatorSettingsError as error:
        app.tally.settings_reload_failures += 1
        LOG.error("settings are kept as they were: %s", error)
        return
    app.settings, left = merged(app.settings, fresh)
    if left:
        LOG.warning("a restart is needed for changed settings: %s", ", ".join(sorted(left)))
    app.desk.room_changed()
    LOG.info("settings were read again from %s", path)
    for key in app.cache.all_keys():
        app.queue.add(key)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
