"""Sources of the node, put together as the settings describe.

Each source finds out when it is read whether the node has it: a driver may come later, a socket may
vanish.
"""

import logging
import os
import time

from lowtide.meters.calls import CallLog
from lowtide.meters.cgroup import CgroupMeters
from lowtide.meters.dcgm import DcgmPage
from lowtide.meters.errors import UnknownMeterError
from lowtide.meters.interfaces import HostMeters
from lowtide.meters.node_power import NodePower, make_meter
from lowtide.meters.nvml import NvmlMeters
from lowtide.meters.rapl import RaplMeters
from lowtide_exporter.activity import ActivityReader
from lowtide_exporter.demo import DemoNode
from lowtide_exporter.errors import ExporterSettingsError
from lowtide_exporter.loop import NodeSources
from lowtide_exporter.owners.api_server import ApiServer
from lowtide_exporter.owners.claims import ClaimResolver
from lowtide_exporter.owners.job_directory import JobDirectory
from lowtide_exporter.owners.kubelet import DeviceOwners, Kubelet
from lowtide_exporter.owners.pods import PodWatcher
from lowtide_exporter.owners.top_owners import TopOwners
from lowtide_exporter.settings import ExporterSettings, host_in_url

_log = logging.getLogger(__name__)


def close_sources(sources: NodeSources) -> None:
    """Let go of devices and connections."""
    if isinstance(sources.pods, PodWatcher):
        sources.pods.stop()
    if isinstance(sources.top_owners, TopOwners):
        sources.top_owners.stop()
    if sources.node_power is not None:
        sources.node_power.stop()
    if sources.owners is not None:
        sources.owners.close()
    sources.meters.close()


def node_sources(settings: ExporterSettings, calls: CallLog) -> NodeSources:
    """Return the sources of this node; the pod watcher is started."""
    meters = NvmlMeters(settings.nvml_library, settings.allow_mock, calls)
    return NodeSources(
        meters=meters,
        owners=_device_owners(settings),
        pods=_pod_watcher(settings),
        top_owners=_top_owners(settings),
        host=_host_meters(settings),
        activity=_activity_reader(settings, meters),
        node_power=_node_power(settings),
    )


def demo_sources() -> NodeSources:
    """Return the made-up node of `--demo`."""
    node = DemoNode(time.time() - time.monotonic())
    return NodeSources(meters=node, owners=node, pods=node)


def _device_owners(settings: ExporterSettings) -> DeviceOwners | None:
    """Return the source of the holders of GPUs, None where there is none."""
    if settings.job_directory:
        return JobDirectory(settings.job_directory)
    if settings.kubelet_socket:
        kubelet = Kubelet(settings.kubelet_socket, settings.resource_names)
        return ClaimResolver(kubelet, _api_server(settings), settings.node_name)
    return None


def _activity_reader(settings: ExporterSettings, meters: NvmlMeters) -> ActivityReader:
    """Return what measures shared GPUs."""
    names = (name.strip() for name in settings.mps_gpus.split(","))
    return ActivityReader(
        processes=meters,
        dcgm=DcgmPage(settings.dcgm_page) if settings.dcgm_url else None,
        procfs=settings.procfs,
        mps_gpus=frozenset(name for name in names if name),
        process_period_seconds=settings.process_period_seconds,
    )


def _host_meters(settings: ExporterSettings) -> HostMeters:
    """Return the meters of CPU packages and of the pods that use them."""
    cgroup_root = settings.cgroup_root or f"{settings.sysfs}/fs/cgroup"
    return HostMeters(RaplMeters(settings.sysfs), CgroupMeters(cgroup_root, settings.procfs))


def _node_power(settings: ExporterSettings) -> NodePower | None:
    """Return a started reader of the node's own meter, None where none is named."""
    if not settings.node_power:
        return None
    try:
        meter = make_meter(
            settings.node_power,
            sysfs=settings.sysfs,
            credentials_file=settings.node_power_credentials_file,
            ca_file=settings.node_power_ca_file,
        )
    except UnknownMeterError as error:
        raise ExporterSettingsError(str(error)) from None
    reader = NodePower(meter)
    reader.start()
    return reader


def _pod_watcher(settings: ExporterSettings) -> PodWatcher | None:
    """Return a started watcher, None where no node name or no API server is known."""
    api = _api_server(settings)
    if api is None:
        if settings.kubelet_socket and not settings.job_directory:
            _log.warning("no API server or node name: pods have no UID and end by absence")
        return None
    watcher = PodWatcher(api=api, node_name=settings.node_name)
    watcher.start()
    return watcher


def _top_owners(settings: ExporterSettings) -> TopOwners | None:
    """Return a started finder of top owners, None where no API server is asked."""
    api, resources = _api_server(settings), settings.owner_resources_by_kind
    if api is None or not resources:
        return None
    owners = TopOwners(api, resources)
    owners.start()
    return owners


def _api_server(settings: ExporterSettings) -> ApiServer | None:
    """Return the API server to ask about this node, None where either is not known."""
    server = settings.api_server
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{part}") for part in ("HOST", "PORT"))
    if not server and host:
        server = f"https://{host_in_url(host)}:{port or 443}"
    if not server or not settings.node_name:
        return None
    return ApiServer(server, settings.api_token_file, settings.api_ca_file)
