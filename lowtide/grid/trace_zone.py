"""Zone of one trace that a person named: its file is read once, also where it is a pipe."""

from datetime import datetime, timedelta
from pathlib import Path

from lowtide.grid.cache import CachedProvider, SeriesCache
from lowtide.grid.chain import Chain
from lowtide.grid.history import HistoryStore
from lowtide.grid.provider_settings import FileSettings
from lowtide.grid.providers.factory import origin_of
from lowtide.grid.providers.file import FileProvider
from lowtide.grid.series import Signal
from lowtide.grid.trace import GridTrace, Replay
from lowtide.grid.vintages import SPACING, VintageStore
from lowtide.grid.zone import ZoneGrid


def zone_of_trace(
    zone: str, path: Path, trace: GridTrace, signal: Signal, *, now: datetime
) -> ZoneGrid:
    """Return a zone that replays a trace that was read before, in the trace's own time.

    The file at `path` is named and not read again; what follows `now` stays unknown.
    """
    settings = FileSettings(kind="file", path=path, factor=trace.factor)
    provider = FileProvider(
        path,
        zone=zone,
        origin=origin_of(settings, signal),
        replay=Replay(now, now),
        known=trace,
    )
    refresh = timedelta(seconds=settings.refresh_seconds)
    cached = CachedProvider(provider, SeriesCache(None), refresh=refresh, label="file", identity="")
    return ZoneGrid(
        zone,
        signal,
        Chain([cached]),
        history=HistoryStore(None),
        vintages=VintageStore(None, spacing=SPACING),
        refresh=refresh,
    )
