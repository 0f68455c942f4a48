"""Configuration and command lines of the node: containerd, kubelet, kube-proxy, GPU plugin."""

import json
import re
from pathlib import Path

from singlenode.binaries import Binaries
from singlenode.commands import run
from singlenode.layout import (
    ADDRESS,
    DNS_SERVICE,
    KUBELET_ROOT,
    NODE,
    POD_NETWORK,
    Layout,
)

PAUSE_IMAGE = "lowtide.dev/pause:test"

_CAP_SYS_RESOURCE = 24  # linux/capability.h

_CONTAINERD = """\
version = 2
root = "{root}"
state = "{state}"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
]
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = {restrict_oom_score_adj}
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_plugins}"
    conf_dir = "{cni_config}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = "{state}/runc"
"""


def containerd(layout: Layout, binaries: Binaries) -> list[str]:
    """Write containerd's configuration; return its arguments."""
    configuration = layout.config / "containerd.toml"
    configuration.write_text(
        _CONTAINERD.format(
            root=layout.state / "containerd/root",
            state=layout.state / "containerd/state",
            socket=layout.containerd_socket,
            pause=PAUSE_IMAGE,
            restrict_oom_score_adj=str(not may_lower_oom_score()).lower(),
            cni_plugins=binaries.network_plugins,
            cni_config=layout.config / "cni",
            snapshotter=_snapshotter(layout.state),
        )
    )
    return [str(binaries.containerd), "--config", str(configuration), "--log-level=warn"]


def may_lower_oom_score(status: Path = Path("/proc/self/status")) -> bool:
    """Return whether this machine grants CAP_SYS_RESOURCE.

    Some virtual machines do not, and then runc cannot start a sandbox that wants to be killed
    later than others: "can't get final child's PID from pipe: EOF".
    """
    match = re.search(r"^CapEff:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)
    return match is not None and bool(int(match[1], 16) >> _CAP_SYS_RESOURCE & 1)


def _snapshotter(directory: Path) -> str:
    """Return the snapshotter for the file system of `directory`: overlays do not nest."""
    kind = run(["stat", "--file-system", "--format=%T", directory]).strip()
    return "native" if kind == "overlayfs" else "overlayfs"


def kubelet(layout: Layout) -> list[str]:
    """Write the kubelet's configuration; return its arguments."""
    pki = layout.pki
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": str(layout.config / "resolv.conf"),
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        # The disk and the memory are shared with the build machine: nothing here may evict.
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "100Mi",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "100Mi",
            "imagefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,  # images are imported, and could not be pulled again
        "nodeStatusUpdateFrequency": "2s",  # shows the GPUs soon after their registration
        "podLogsDir": str(layout.state / "pod-logs"),
        "volumePluginDir": str(layout.state / "volume-plugins"),
        "staticPodPath": "",
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "logging": {"verbosity": 1},
    }
    path = layout.config / "kubelet.json"
    path.write_text(json.dumps(configuration, indent=2))
    return [
        "kubelet",
        f"--config={path}",
        f"--kubeconfig={pki / 'kubelet.kubeconfig'}",
        f"--root-dir={KUBELET_ROOT}",
        f"--hostname-override={NODE}",
        f"--node-ip={ADDRESS}",
    ]


def kube_proxy(layout: Layout) -> list[str]:
    """Write kube-proxy's configuration; return its arguments."""
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.pki / "proxy.kubeconfig")},
        "hostnameOverride": NODE,
        "mode": "iptables",
        "clusterCIDR": POD_NETWORK,
        "conntrack": {"maxPerCore": 0, "min": 0},  # leaves the host's own limits alone
        "metricsBindAddress": "127.0.0.1:10249",
        "healthzBindAddress": "127.0.0.1:10256",
    }
    path = layout.config / "kube-proxy.json"
    path.write_text(json.dumps(configuration, indent=2))
    return ["kube-proxy", f"--config={path}"]


def gpu_plugin(binaries: Binaries, gpus: int) -> list[str]:
    """Return the arguments of the plugin that registers `gpus` GPUs at the kubelet."""
    return [
        str(binaries.gpuplugin),
        f"-gpus={gpus}",
        f"-directory={KUBELET_ROOT / 'device-plugins'}",
    ]
