"""Directories of the test cluster, and the addresses it uses.

Two places: the *state* of the one running cluster, removed by `down`, and the *cache* of what
takes minutes to make (binaries, images), which outlives clusters and checkouts. Nothing else
is written, apart from the few system places that `cleanup` names.
"""

import os
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent
"""`tests/cluster`: the Go modules lie here."""

REPOSITORY = SOURCES.parent.parent

NODE = "lowtide-node"
CONTEXT = "lowtide"
BRIDGE = "lowtide0"
NETWORK = "lowtide"
"""Name of the CNI network; CNI puts it into file names and rule comments."""

ADDRESS = "10.250.0.1"
"""The node's address: an alias on `lo`, so that pods reach the host whatever its network is."""

POD_NETWORK = "10.250.1.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"

API_PORT = 6443
ETCD_PORT = 22379
ETCD_PEER_PORT = 22380
DNS_PORT = 1053
PROMETHEUS_PORT = 9090
PROMETHEUS_URL = f"http://{ADDRESS}:{PROMETHEUS_PORT}"

KUBELET_ROOT = Path("/var/lib/kubelet")
"""The kubelet's default: a chart that is installed with its default paths finds its sockets."""


def _base(variable: str, default: str) -> Path:
    """Return the XDG directory of `variable`; relative values are void (XDG specification)."""
    value = os.environ.get(variable, "")
    return Path(value) if value.startswith("/") else Path.home() / default


@dataclass(frozen=True, slots=True)
class Layout:
    """The directories of one cluster; every path below is derived from the two."""

    state: Path
    cache: Path

    @classmethod
    def default(cls, state: Path | None = None) -> "Layout":
        """Return the layout from XDG_STATE_HOME and XDG_CACHE_HOME, or with another `state`."""
        return cls(
            state=state or _base("XDG_STATE_HOME", ".local/state") / "lowtide" / "cluster",
            cache=_base("XDG_CACHE_HOME", ".cache") / "lowtide",
        )

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Keys, certificates and the components' kubeconfigs."""
        return self.state / "pki"

    @property
    def config(self) -> Path:
        """Configuration files of the components."""
        return self.state / "config"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.state / "logs"

    @property
    def pids(self) -> Path:
        """One pid file per process."""
        return self.state / "pids"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens."""
        return self.state / "containerd.sock"
