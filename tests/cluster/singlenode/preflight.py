"""Says before anything is touched why this machine cannot run the cluster."""

import os
import platform
import socket
from pathlib import Path

from singlenode.errors import OccupiedError, UnsupportedMachineError
from singlenode.layout import ADDRESS, ETCD_PEER_PORT, ETCD_PORT, KUBELET_ROOT, Layout

_PORTS = {
    ETCD_PORT: "etcd",
    ETCD_PEER_PORT: "etcd",
    10248: "a kubelet",
    10249: "kube-proxy",
    10257: "a controller manager",
    10259: "a scheduler",
}

_LONGEST_SOCKET = 100
"""Bytes of a socket's path below the state directory that fit the kernel's 108 (unix(7))."""


def check_machine(layout: Layout) -> None:
    """Raise UnsupportedMachineError, in one sentence, if the cluster cannot run here."""
    if platform.system() != "Linux":
        raise UnsupportedMachineError(
            f"the test cluster needs Linux, this is {platform.system()}: set KUBECONFIG to use "
            "another cluster"
        )
    if os.geteuid() != 0:
        raise UnsupportedMachineError(
            "the test cluster starts containers and needs root: run it as root, or set "
            "KUBECONFIG to use another cluster"
        )
    if not Path("/sys/fs/cgroup").is_dir():
        raise UnsupportedMachineError("the test cluster needs control groups in /sys/fs/cgroup")
    longest = layout.state / "containerd.sock.ttrpc"
    if len(str(longest)) > _LONGEST_SOCKET:
        raise UnsupportedMachineError(
            f"the state directory {layout.state} is too long for a socket's path: choose one "
            f"of at most {_LONGEST_SOCKET - len('/containerd.sock.ttrpc')} characters"
        )


def check_vacant() -> None:
    """Raise OccupiedError if another Kubernetes node, not of our making, is on this machine."""
    if KUBELET_ROOT.is_dir() and any(KUBELET_ROOT.iterdir()):
        raise OccupiedError(
            f"{KUBELET_ROOT} belongs to another Kubernetes node of this machine: stop that "
            "node and remove the directory, or set KUBECONFIG to use its cluster"
        )
    for port, owner in _PORTS.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise OccupiedError(
                    f"port {port} of 127.0.0.1 is taken, probably by {owner} of another "
                    "Kubernetes on this machine: stop it, or set KUBECONFIG to use it"
                ) from error
    if ADDRESS in Path("/proc/net/fib_trie").read_text():
        raise OccupiedError(
            f"the address {ADDRESS} is in use on this machine, and the test cluster needs it"
        )
