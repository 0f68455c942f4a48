"""Settings of the exporter: one field, one flag, one environment variable.

A field's metadata carries help and unit, so flags, variables and the reference page come from the
same place. A flag wins over its variable, a variable over the default. Nothing here opens a file
or a socket.
"""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final
from urllib.parse import urlsplit

from lowtide import __version__
from lowtide.names import EXPORTER_PORT
from lowtide_exporter.errors import ExporterSettingsError

ENV_PREFIX: Final = "LOWTIDE_"
_SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_SERVICE_LINK: Final = re.compile(r"(tcp|udp|sctp)://")
"""Kubernetes sets LOWTIDE_PORT to such an address where a Service is called `lowtide`."""
NODE_ADDRESS: Final = "$(NODE_ADDRESS)"
"""Stands for the node's address in a URL; replaced here, to put IPv6 addresses in brackets."""
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})


_OWNER_RESOURCE: Final = re.compile(r"([a-z0-9.-]*)/([A-Za-z0-9]+)=([a-z0-9]+)")
DEFAULT_OWNER_RESOURCES: Final = ",".join(
    (
        "apps/ReplicaSet=replicasets",
        "apps/Deployment=deployments",
        "apps/StatefulSet=statefulsets",
        "batch/Job=jobs",
        "jobset.x-k8s.io/JobSet=jobsets",
        "ray.io/RayCluster=rayclusters",
    )
)
"""Between a pod and a Deployment, CronJob, JobSet, TrainJob, RayJob or RayService stand these."""


def _setting(
    default: Any, text: str, *, low: float | None = None, high: float | None = None
) -> Any:
    return field(default=default, metadata={"help": text, "low": low, "high": high})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterSettings:
    """All settings of the exporter; the help of each is its documentation."""

    listen_address: str = _setting(
        "", "address of the HTTP server; empty means all, of both families"
    )
    port: int = _setting(
        EXPORTER_PORT, "port of the HTTP server; 0 takes a free one", low=0, high=65535
    )
    tls_certificate: str = _setting("", "PEM certificate for HTTPS; empty serves plain HTTP")
    tls_key: str = _setting("", "PEM key of the certificate")
    basic_auth_file: str = _setting("", "file with one `user:password` line; empty needs no login")
    period_seconds: float = _setting(
        1.0, "time between two reads of the GPUs, s", low=0.02, high=60
    )
    node_name: str = _setting("", "name of this node; empty asks no API server")
    kubelet_socket: str = _setting(
        "/var/lib/kubelet/pod-resources/kubelet.sock",
        "PodResources socket of the kubelet; empty without Kubernetes",
    )
    kubelet_period_seconds: float = _setting(
        1.0, "time between two questions to the kubelet, s", low=0.02, high=60
    )
    silence_max_seconds: float = _setting(
        300.0,
        "time that energy waits for an answer of the kubelet before it is unmapped, s",
        low=1,
        high=3600,
    )
    gpu_resources: str = _setting(
        "nvidia.com/gpu,nvidia.com/gpu.shared",
        "resource names that mean a GPU, comma-separated; nvidia.com/mig-* always does",
    )
    job_directory: str = _setting(
        "", "without Kubernetes: directory with one file per GPU that lists its job ids"
    )
    api_server: str = _setting("", "URL of the API server; empty takes the one of the cluster")
    api_token_file: str = _setting(f"{_SERVICE_ACCOUNT}/token", "bearer token for the API server")
    api_ca_file: str = _setting(f"{_SERVICE_ACCOUNT}/ca.crt", "CA certificate of the API server")
    owner_resources: str = _setting(
        DEFAULT_OWNER_RESOURCES,
        "objects that are asked for their owner, as `group/Kind=resource`, comma-separated; "
        "empty shows a pod under what controls it",
    )
    retain_seconds: float = _setting(
        300.0, "time that an ended pod stays exported, s", low=1, high=86400
    )
    scrape_interval_seconds: float = _setting(
        30.0,
        "scrape interval of Prometheus; retention is at least three of it, s",
        low=1,
        high=3600,
    )
    retained_pods_max: int = _setting(
        1000, "ended pods kept at most; the oldest are dropped", low=1, high=100000
    )
    sysfs: str = _setting("/sys", "root of sysfs (the host's, where mounted elsewhere)")
    procfs: str = _setting("/proc", "root of procfs")
    cgroup_root: str = _setting("", "root of the cgroup tree; empty means fs/cgroup below sysfs")
    slow_period_seconds: float = _setting(
        10.0, "time between two reads of CPU energy, s", low=0.1, high=60
    )
    process_period_seconds: float = _setting(
        5.0, "time between two process lists of a shared GPU, s", low=1, high=60
    )
    mps_gpus: str = _setting("", "UUIDs of GPUs shared by MPS, comma-separated, or `all`")
    dcgm_url: str = _setting(
        "",
        "metrics page of a dcgm-exporter on this node, which $(NODE_ADDRESS) may stand for; "
        "empty asks none",
    )
    node_address: str = _setting("", "IP address of this node, for $(NODE_ADDRESS) in dcgm_url")
    node_power: str = _setting(
        "",
        "meter of the whole node, as a cross-check: hwmon, psys, or the URL of a Redfish resource",
    )
    node_power_credentials_file: str = _setting(
        "", "file with one `user:password` line for Redfish; empty sends none"
    )
    node_power_ca_file: str = _setting(
        "", "PEM certificates that Redfish is checked against; empty takes the system's"
    )
    state_file: str = _setting("", "file that keeps totals over a restart; empty keeps none")
    nvml_library: str = _setting("", "path of another NVML library; only together with allow_mock")
    allow_mock: bool = _setting(False, "accept an NVML stand-in; its series say source=mock")
    demo: bool = _setting(False, "serve a made-up node; needs no GPU and no cluster")
    log_level: str = _setting("info", "debug, info, warning or error")

    @property
    def retention_seconds(self) -> float:
        """How long an ended pod stays exported."""
        return max(self.retain_seconds, 3 * self.scrape_interval_seconds)

    @property
    def dcgm_page(self) -> str:
        """The URL of the dcgm-exporter's page, with the node's address in it."""
        return self.dcgm_url.replace(NODE_ADDRESS, host_in_url(self.node_address))

    @property
    def owner_resources_by_kind(self) -> dict[tuple[str, str], str]:
        """The resource of each kind that is asked for its owner, by group and kind."""
        return parse_owner_resources(self.owner_resources)

    @property
    def resource_names(self) -> frozenset[str]:
        """The resource names that mean a GPU."""
        return frozenset(name.strip() for name in self.gpu_resources.split(",") if name.strip())


def parse_owner_resources(text: str) -> dict[tuple[str, str], str]:
    """Return the resource by group and kind.

    Raises:
        ExporterSettingsError: an entry has another form.
    """
    found: dict[tuple[str, str], str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = _OWNER_RESOURCE.fullmatch(entry)
        if match is None:
            raise ExporterSettingsError(
                f"--owner-resources has {entry!r}: give group/Kind=resource, for example "
                "batch/Job=jobs"
            )
        found[match[1], match[2]] = match[3]
    return found


def host_in_url(address: str) -> str:
    """Return a host name or IP address as it stands in a URL: IPv6 in brackets."""
    return f"[{address}]" if ":" in address and not address.startswith("[") else address


def environment_name(setting: str) -> str:
    """Return the environment variable of a setting."""
    return ENV_PREFIX + setting.upper()


def parse_settings(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> ExporterSettings:
    """Return the settings of a command line and environment.

    Raises:
        ExporterSettingsError: a value has the wrong type or lies outside its bounds.
    """
    variables = os.environ if environment is None else environment
    given = vars(_parser().parse_args(arguments))
    values: dict[str, Any] = {}
    for item in fields(ExporterSettings):
        if given[item.name] is not None:
            name, text = "--" + item.name.replace("_", "-"), given[item.name]
        else:
            name = environment_name(item.name)
            if name not in variables or _SERVICE_LINK.match(variables[name]):
                continue
            text = variables[name]
        values[item.name] = _convert(name, text, item.default, item.metadata)
    settings = ExporterSettings(**values)
    _check(settings)
    return settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lowtide-exporter",
        description="Count the energy of a GPU node per pod and serve it to Prometheus.",
        epilog="`lowtide-exporter measure-hardware` measures what the meters of a real GPU do.",
    )
    parser.add_argument("--version", action="version", version=f"lowtide-exporter {__version__}")
    for item in fields(ExporterSettings):
        flag, is_switch = "--" + item.name.replace("_", "-"), isinstance(item.default, bool)
        shown = "empty" if item.default == "" else str(item.default)
        text = f"{item.metadata['help']} [{environment_name(item.name)}, default {shown}]"
        parser.add_argument(
            flag,
            metavar=type(item.default).__name__.upper(),
            nargs="?" if is_switch else None,
            const="true" if is_switch else None,
            help=text.replace("%", "%%"),
        )
    return parser


def _convert(name: str, text: str, default: Any, bounds: Mapping[str, Any]) -> Any:
    if isinstance(default, bool):
        if text.strip().lower() in _TRUE | _FALSE:
            return text.strip().lower() in _TRUE
        raise ExporterSettingsError(f"{name} is {text!r}: give 1 or 0")
    if isinstance(default, str):
        return text
    kind = type(default)
    try:
        value = kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise ExporterSettingsError(f"{name} is {text!r}: give {wanted}") from None
    low, high = bounds["low"], bounds["high"]
    if not low <= value <= high:
        raise ExporterSettingsError(f"{name} is {text}: give a value from {low:g} to {high:g}")
    return value


def _check(settings: ExporterSettings) -> None:
    if settings.nvml_library and not settings.allow_mock:
        raise ExporterSettingsError(
            f"--nvml-library is {settings.nvml_library}: another library than the driver's is only "
            "for tests, add --allow-mock"
        )
    parse_owner_resources(settings.owner_resources)
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise ExporterSettingsError(
            "HTTPS needs both --tls-certificate and --tls-key; one is missing"
        )
    if NODE_ADDRESS in settings.dcgm_url and not settings.node_address:
        raise ExporterSettingsError(
            f"--dcgm-url is {settings.dcgm_url}: it needs --node-address, which is empty"
        )
    if settings.dcgm_url and not _is_http(settings.dcgm_page):
        raise ExporterSettingsError(
            f"--dcgm-url is {settings.dcgm_url}: give an address that begins with http:// or "
            "https:// and names a host"
        )
    if settings.log_level.lower() not in ("debug", "info", "warning", "error"):
        raise ExporterSettingsError(
            f"--log-level is {settings.log_level!r}: give debug, info, warning or error"
        )


def _is_http(url: str) -> bool:
    """Return whether this is a usable address of a page, with brackets around an IPv6 host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
