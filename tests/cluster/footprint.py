"""What a machine shows of a cluster, seen from outside of the tool that is being tested."""

import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

_DIRECTORIES = ("/etc", "/etc/cni", "/opt", "/run", "/run/netns", "/var/lib", "/var/log")
# Buildah keeps notes on image layers there, whatever storage it is given.
_BUILDAH = Path("/var/lib/containers")
_KERNEL_SETTINGS = ("net/ipv4/ip_forward", "vm/overcommit_memory", "kernel/panic")
_WORDS = ("containerd", "kubelet", "kube-", "etcd", "coredns", "gpuplugin", "prometheus")
# Another terminal may build images at the same time; that is not the cluster's.
_FOREIGN_MOUNTS = ("/lowtide/images/", "/lowtide/base-image/")
# Nor is an API server without nodes, and its etcd, that a benchmark runs beside the tests.
_FOREIGN_ARGUMENTS = {"--endpoint-reconciler-type=none", "--name=own"}
# Nor is what another test has started on a folder of its own.
_FOREIGN_FOLDER = "/pytest-of-"


@dataclass(frozen=True, slots=True)
class Footprint:
    """Everything that a cluster adds to a machine; equal before and after is what we want."""

    processes: frozenset[str]
    mounts: frozenset[str]
    addresses: frozenset[str]
    firewall_rules: frozenset[str]
    control_groups: frozenset[str]
    directory_entries: frozenset[str]
    kernel_settings: frozenset[str]

    def new_since(self, before: "Footprint") -> dict[str, list[str]]:
        """Return by kind what is here now and was not before; empty when nothing is left."""
        added = {
            field.name: sorted(getattr(self, field.name) - getattr(before, field.name))
            for field in fields(self)
        }
        return {kind: things for kind, things in added.items() if things}


def take() -> Footprint:
    """Look at the machine now."""
    return Footprint(
        processes=frozenset(_processes()),
        mounts=frozenset(
            point
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if not any(word in (point := line.split()[4]) for word in _FOREIGN_MOUNTS)
        ),
        addresses=frozenset(
            # `lo inet 127.0.0.1/8`: interface, family and address, without life times
            " ".join(line.split()[1:4])
            for line in _output("ip", "-o", "addr").splitlines()
        )
        | frozenset(line.split()[1] for line in _output("ip", "-o", "link").splitlines()),
        firewall_rules=frozenset(
            f"{command} {line.split('[')[0].strip()}"
            for command in ("iptables-save", "ip6tables-save")
            for line in _output(command).splitlines()
            if line.startswith("-A") or (line.startswith(":") and " - " in line)
        ),
        control_groups=frozenset(
            str(path) for path in Path("/sys/fs/cgroup").glob("**/kubepods*") if path.is_dir()
        ),
        directory_entries=frozenset(
            str(path)
            for directory in _DIRECTORIES
            if Path(directory).is_dir()
            for path in Path(directory).iterdir()
            if path != _BUILDAH
        ),
        kernel_settings=frozenset(
            f"{name}={path.read_text().strip()}"
            for name in _KERNEL_SETTINGS
            if (path := Path("/proc/sys") / name).exists()
        ),
    )


def _processes() -> list[str]:
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                arguments = (directory / "cmdline").read_text().split("\0")
            except OSError:
                continue
            if not _FOREIGN_ARGUMENTS.isdisjoint(arguments):
                continue
            if any(_FOREIGN_FOLDER in argument for argument in arguments):
                continue
            if any(
                argument.endswith("/pause") or word in argument
                for argument in arguments[:2]
                for word in _WORDS
            ):
                found.append(" ".join([directory.name, *arguments[:3]]))
    return found


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
