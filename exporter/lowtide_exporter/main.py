"""The command `lowtide-exporter`: serve by default, measure hardware on request.

Exit codes: 0 done (also after SIGTERM), 1 failed, 2 wrong use.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from lowtide_exporter.activity import ActivityReader
from lowtide_exporter.calls import CallLog
from lowtide_exporter.collector import SnapshotCollector
from lowtide_exporter.errors import ExporterError, SettingsError
from lowtide_exporter.hardware.command import main as measure_hardware
from lowtide_exporter.jobs import JobDirectory
from lowtide_exporter.ledger import NodeLedger
from lowtide_exporter.loop import ExporterLoop
from lowtide_exporter.owners import DeviceOwners, Kubelet
from lowtide_exporter.pods import PodWatcher
from lowtide_exporter.server import ExporterServer, Renderer
from lowtide_exporter.settings import Settings, parse_settings
from lowtide_exporter.sources import HostMeters
from lowtide_exporter.sources.cgroup import CgroupMeters
from lowtide_exporter.sources.dcgm import DcgmPage
from lowtide_exporter.sources.nvml import NvmlMeters
from lowtide_exporter.sources.rapl import RaplMeters
from lowtide_exporter.state import StateFile, read_boot_id

_log = logging.getLogger("lowtide_exporter")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the exporter and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["measure-hardware"]:
        return measure_hardware(words[1:])
    try:
        settings = parse_settings(words)
    except SettingsError as error:
        print(f"lowtide-exporter: {error}\nSee lowtide-exporter --help.", file=sys.stderr)
        return 2
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        serve(settings, _stop_on_signals())
    except ExporterError as error:
        print(f"lowtide-exporter: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    except OSError as error:
        print(f"lowtide-exporter: cannot serve: {error}", file=sys.stderr)
        return 1
    return 0


def serve(settings: Settings, stop: threading.Event) -> None:
    """Read and serve until `stop` is set.

    Raises:
        ExporterError: a setting is unusable, or the NVML library is a refused stand-in.
        OSError: the port cannot be had.
    """
    calls = CallLog()
    ledger = NodeLedger(
        retention_seconds=settings.retention_seconds,
        retained_max=settings.retained_pods_max,
        mapping_max_age_seconds=settings.mapping_max_age_seconds,
    )
    meters = NvmlMeters(settings.nvml_library, settings.allow_mock, calls)
    owners = _device_owners(settings)
    pods = _pod_watcher(settings)
    loop = ExporterLoop(
        ledger=ledger,
        meters=meters,
        owners=owners,
        pods=pods,
        calls=calls,
        host=_host_meters(settings),
        state=_state_file(settings),
        activity=_activity_reader(settings, meters),
        host_period_seconds=settings.slow_period_seconds,
        period_seconds=settings.period_seconds,
        mapping_period_seconds=settings.kubelet_period_seconds,
    )
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(loop.snapshot))
    server = ExporterServer(
        settings, Renderer(registry, lambda: loop.ticks), lambda: loop.ticks > 0
    )
    try:
        if loop.restore():
            _log.info("totals continue from %s", settings.state_file)
        loop.tick()  # a refused stand-in ends the program before anything is served
        threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
        _log.info("serving on port %d", server.port)
        loop.run(stop)
    finally:
        loop.save()
        server.server_close()
        if pods is not None:
            pods.stop()
        if owners is not None:
            owners.close()
        meters.close()


def _device_owners(settings: Settings) -> DeviceOwners | None:
    """Return who tells which GPU belongs to whom, None where nobody does."""
    if settings.job_directory:
        return JobDirectory(settings.job_directory)
    if settings.kubelet_socket:
        return Kubelet(settings.kubelet_socket, settings.resource_names)
    return None


def _activity_reader(settings: Settings, meters: NvmlMeters) -> ActivityReader:
    """Return what measures shared GPUs."""
    names = (name.strip() for name in settings.mps_gpus.split(","))
    return ActivityReader(
        processes=meters,
        dcgm=DcgmPage(settings.dcgm_url) if settings.dcgm_url else None,
        procfs=settings.procfs,
        mps_gpus=frozenset(name for name in names if name),
        process_period_seconds=settings.process_period_seconds,
    )


def _state_file(settings: Settings) -> StateFile | None:
    """Return where totals are kept over a restart, None where they are not."""
    if not settings.state_file:
        return None
    return StateFile(settings.state_file, read_boot_id(settings.procfs))


def _host_meters(settings: Settings) -> HostMeters:
    """Return the meters of CPU packages and of who uses them."""
    cgroup_root = settings.cgroup_root or f"{settings.sysfs}/fs/cgroup"
    return HostMeters(RaplMeters(settings.sysfs), CgroupMeters(cgroup_root, settings.procfs))


def _pod_watcher(settings: Settings) -> PodWatcher | None:
    """Return a started watcher, None where no node name or no API server is known."""
    server = settings.api_server
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}") for part in ("HOST", "PORT"))
    if not server and host:
        server = f"https://{f'[{host}]' if ':' in host else host}:{port or 443}"
    if not server or not settings.node_name:
        _log.warning("no API server or node name: pods have no UID and end by absence")
        return None
    watcher = PodWatcher(
        server=server,
        node_name=settings.node_name,
        token_file=settings.api_token_file,
        ca_file=settings.api_ca_file,
    )
    watcher.start()
    return watcher


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


if __name__ == "__main__":
    sys.exit(main())
