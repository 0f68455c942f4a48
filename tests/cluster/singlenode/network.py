"""The node's address, the pods' network, and their removal.

What the kernel had before is written down when a cluster starts (`Before`), so that removal takes
away only what was added: firewall chains, addresses, links and kernel settings.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from singlenode.commands import run
from singlenode.errors import CommandFailedError
from singlenode.layout import ADDRESS, BRIDGE, NETWORK, POD_NETWORK

BEFORE = "before.json"
"""Name of the record in the state directory; it is there once anything was started."""

_TABLES = ("nat", "filter", "mangle", "raw")
_OUR_PREFIXES = ("KUBE-", "CNI-")

_KERNEL_SETTINGS = (
    # Written by the bridge plugin, kube-proxy and the kubelet.
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "net/bridge/bridge-nf-call-iptables",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
)


@dataclass(frozen=True, slots=True)
class Before:
    """State of the machine before the cluster."""

    chains: tuple[str, ...]
    """`command table chain`, one string each."""
    kernel_settings: dict[str, str]

    @classmethod
    def record(cls, path: Path) -> None:
        """Write down the machine's state; an existing record is the older truth and stays."""
        if path.exists():
            return
        settings = {
            name: text
            for name in _KERNEL_SETTINGS
            if (text := _read(Path("/proc/sys") / name)) is not None
        }
        chains = tuple(" ".join(chain) for chain in _our_chains())
        path.write_text(json.dumps(asdict(cls(chains, settings))))

    @classmethod
    def load(cls, path: Path) -> "Before":
        """Return the record, an empty one if the cluster died before it was written."""
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError):
            return cls((), {})
        return cls(tuple(content["chains"]), content["kernel_settings"])


def create(config_directory: Path, state_directory: Path) -> None:
    """Add the node's address and write the configuration that containerd gives CNI."""
    if ADDRESS not in run(["ip", "-4", "-o", "addr", "show", "dev", "lo"]):
        run(["ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo"])
    config_directory.mkdir(parents=True)
    configuration = {
        "cniVersion": "0.4.0",
        "name": NETWORK,
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,  # a pod may reach itself through its Service
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(state_directory / "addresses"),
                    "ranges": [[{"subnet": POD_NETWORK}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    (config_directory / "10-lowtide.conflist").write_text(json.dumps(configuration, indent=2))


def remove(before: Before) -> None:
    """Take away addresses, links, chains and settings that the cluster brought."""
    if BRIDGE in run(["ip", "-o", "link", "show"]):
        run(["ip", "link", "delete", BRIDGE])
    if ADDRESS in run(["ip", "-4", "-o", "addr", "show", "dev", "lo"]):
        run(["ip", "addr", "delete", f"{ADDRESS}/32", "dev", "lo"])
    _remove_chains(set(before.chains))
    for name, text in before.kernel_settings.items():
        path = Path("/proc/sys") / name
        if _read(path) not in {None, text}:
            path.write_text(text)


def _our_chains() -> list[tuple[str, str, str]]:
    """Return (command, table, chain) of every chain that Kubernetes or CNI may have made."""
    return [
        (command, table, line.split()[1])
        for command in ("iptables", "ip6tables")
        for table in _TABLES
        for line in _rules(command, table)
        if line.startswith("-N ") and line.split()[1].startswith(_OUR_PREFIXES)
    ]


def _rules(command: str, table: str) -> list[str]:
    """Return the table in the form of `iptables -S`; a table that the kernel lacks is empty."""
    try:
        return run([command, "-w", "5", "-t", table, "-S"]).splitlines()
    except CommandFailedError:
        return []


def _remove_chains(kept: set[str]) -> None:
    """Remove our chains but for `kept`, with the rules that lead to them."""
    for command in ("iptables", "ip6tables"):
        for table in _TABLES:
            rules = _rules(command, table)
            doomed = [
                chain
                for line in rules
                if line.startswith("-N ")
                and (chain := line.split()[1]).startswith(_OUR_PREFIXES)
                and f"{command} {table} {chain}" not in kept
            ]
            if not doomed:
                continue
            jumps = [
                line.replace("-A ", "-D ", 1)
                for line in rules
                if line.startswith("-A ")
                and line.split()[1] not in doomed
                and _target(line) in doomed
            ]
            # One transaction: every rule into the chains, their content, then the chains.
            script = [
                f"*{table}",
                *jumps,
                *(f"-F {chain}" for chain in doomed),
                *(f"-X {chain}" for chain in doomed),
                "COMMIT",
            ]
            run(
                [f"{command}-restore", "--noflush", "-w", "5"],
                input_text="\n".join(script) + "\n",
            )


def _target(rule: str) -> str:
    """Return the chain that a rule jumps to, empty if none."""
    words = rule.split()
    for option in ("-j", "-g"):
        if option in words:
            return words[words.index(option) + 1]
    return ""


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
