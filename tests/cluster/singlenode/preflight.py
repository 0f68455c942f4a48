"""Checks, before anything is touched, whether this machine can run the cluster."""

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

_LONGEST_SOCKET = 107
"""Characters of a socket's path; with the final zero the kernel's 108 bytes (unix(7))."""

_LONGEST_ENDING = ".ttrpc"
"""Suffix that containerd appends to the name of its socket."""


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
    check_state_directory(layout.state)


def check_state_directory(state: Path) -> None:
    """Raise UnsupportedMachineError if sockets below `state` have paths that are too long."""
    longest = len(str(Layout(state, state).containerd_socket)) + len(_LONGEST_ENDING)
    if longest > _LONGEST_SOCKET:
        raise UnsupportedMachineError(
            f"the state directory {state} is too long for the path of a socket: choose one that "
            f"is {longest - _LONGEST_SOCKET} characters shorter"
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
