"""Assembly of a zone's chain of cached providers from its settings.

Nothing is asked here, so an unreachable service or a missing file is not an error.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from lowtide.grid.cache import CachedProvider, SeriesCache
from lowtide.grid.chain import Chain
from lowtide.grid.climatology import Climatology, read_climatology
from lowtide.grid.provider_settings import ProviderSettings
from lowtide.grid.providers.factory import Throttles, build_provider
from lowtide.grid.settings import ZoneSettings
from lowtide.grid.storage import StorageError, read_text
from lowtide.grid.trace_columns import TraceFileError

REFRESH: Final = timedelta(seconds=300)
"""How often a zone without providers is looked at."""

log = logging.getLogger(__name__)


def build_chain(
    zone: str,
    settings: ZoneSettings,
    *,
    started: datetime,
    cache: SeriesCache,
    throttles: Throttles,
) -> Chain:
    """Return the zone's providers in the settings' order.

    The second one of a kind is called `kind-2`, and so on. `started` is when replays begin that do
    not name a time themselves; `throttles` is shared by all zones of a program.
    """
    providers: list[CachedProvider] = []
    for one in settings.providers:
        provider = build_provider(
            one, zone=zone, signal=settings.signal, started=started, throttles=throttles
        )
        same = sum(other.name == provider.name for other in providers)
        label = provider.name if same == 0 else f"{provider.name}-{same + 1}"
        providers.append(
            CachedProvider(
                provider,
                cache,
                refresh=_refresh(one),
                label=label,
                identity=one.model_dump_json(),
            )
        )
    return Chain(providers)


def shortest_refresh(settings: ZoneSettings) -> timedelta:
    """Return how often the zone is worth looking at: as often as its most frequent provider."""
    return min((_refresh(one) for one in settings.providers), default=REFRESH)


def load_climatology(zone: str, settings: ZoneSettings) -> Climatology | None:
    """Return the zone's table; one that cannot be read is left out with a warning."""
    table = settings.climatology
    if table is None:
        return None
    try:
        lines = (read_text(table.path) or "").splitlines()
        return read_climatology(lines, origin=table.origin)
    except (TraceFileError, StorageError, OSError) as error:
        log.warning("the climatology of zone %s is not used: %s", zone, error)
        return None


def _refresh(settings: ProviderSettings) -> timedelta:
    return timedelta(seconds=settings.refresh_seconds)
