"""The command `lowtide-exporter`: serve by default, measure hardware on request.

Exit codes: 0 done (also after SIGTERM), 1 failed, 2 wrong use.
"""

import logging
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Final

from lowtide.meters.calls import CallLog
from lowtide.meters.errors import MockRefusedError
from lowtide_exporter.books.ledger import NodeLedger
from lowtide_exporter.books.state_file import StateFile, read_boot_id
from lowtide_exporter.errors import ExporterError, ExporterSettingsError
from lowtide_exporter.hardware.command import main as measure_hardware
from lowtide_exporter.loop import ExporterLoop, LoopParts
from lowtide_exporter.node import close_sources, demo_sources, node_sources
from lowtide_exporter.page.server import ExporterServer, Renderer
from lowtide_exporter.settings import ExporterSettings, parse_settings

_log = logging.getLogger("lowtide_exporter")

_NEVER_SECONDS: Final = 3600.0
"""The server thread ends with the process, so it need not wake up to check whether to stop."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the exporter and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["measure-hardware"]:
        return measure_hardware(words[1:])
    try:
        settings = parse_settings(words)
    except ExporterSettingsError as error:
        print(f"lowtide-exporter: {error}\nSee lowtide-exporter --help.", file=sys.stderr)
        return 2
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        serve(settings, _stop_on_signals())
    except (ExporterError, MockRefusedError) as error:
        print(f"lowtide-exporter: {error}", file=sys.stderr)
        return 2 if isinstance(error, ExporterSettingsError) else 1
    except OSError as error:
        print(f"lowtide-exporter: cannot serve: {error}", file=sys.stderr)
        return 1
    return 0


def serve(settings: ExporterSettings, stop: threading.Event) -> None:
    """Read and serve until `stop` is set.

    Raises:
        ExporterError: a setting is unusable.
        MockRefusedError: the NVML library is a stand-in, which was not allowed.
        OSError: the port is not available.
    """
    calls = CallLog()
    sources = demo_sources() if settings.demo else node_sources(settings, calls)
    ledger = NodeLedger(
        retention_seconds=settings.retention_seconds,
        retained_max=settings.retained_pods_max,
        silence_max_seconds=settings.silence_max_seconds,
        mapping_period_seconds=settings.kubelet_period_seconds,
        expects_uids=sources.pods is not None,
    )
    loop = ExporterLoop(
        LoopParts(
            ledger=ledger,
            sources=sources,
            calls=calls,
            state=_state_file(settings),
            period_seconds=settings.period_seconds,
            mapping_period_seconds=settings.kubelet_period_seconds,
            host_period_seconds=settings.slow_period_seconds,
        )
    )
    server = ExporterServer(
        settings, Renderer(loop.snapshot, lambda: loop.ticks), lambda: loop.ticks > 0
    )
    is_complete = False
    try:
        if loop.restore():
            _log.info("totals continue from %s", settings.state_file)
        loop.tick()  # a refused stand-in ends the program before anything is served
        threading.Thread(
            target=server.serve_forever, args=(_NEVER_SECONDS,), name="http", daemon=True
        ).start()
        _log.info("serving on port %d", server.port)
        loop.run(stop)
        is_complete = True
    finally:
        if loop.ticks:  # a run that saw nothing must not replace an earlier one's state
            loop.save(is_complete=is_complete)
        server.server_close()
        close_sources(sources)


def _state_file(settings: ExporterSettings) -> StateFile | None:
    """Return the file that keeps totals over a restart, None where they are not kept."""
    if not settings.state_file:
        return None
    return StateFile(settings.state_file, read_boot_id(settings.procfs))


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


if __name__ == "__main__":
    sys.exit(main())
