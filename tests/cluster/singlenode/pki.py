"""Keys, certificates and kubeconfigs: one authority, one identity per component.

Made anew for each cluster by OpenSSL in well under a second, and removed with it.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from singlenode.commands import run
from singlenode.layout import ADDRESS, API_PORT, API_SERVICE, CONTEXT, NODE

_REQUEST = "[req]\ndistinguished_name=name\n[name]\n"  # keeps out the system's own extensions
_DAYS = "30"


@dataclass(frozen=True, slots=True)
class Identity:
    """A user whom the API server knows by certificate."""

    file: str
    user: str
    groups: tuple[str, ...] = ()


COMPONENTS = (
    Identity("admin", "kubernetes-admin", ("system:masters",)),
    Identity("controller-manager", "system:kube-controller-manager"),
    Identity("scheduler", "system:kube-scheduler"),
    Identity("kubelet", f"system:node:{NODE}", ("system:nodes",)),
    Identity("proxy", "system:kube-proxy"),
    Identity("coredns", "lowtide:coredns"),
    Identity("prometheus", "lowtide:prometheus"),
)

_SERVER_NAMES = (
    f"IP:127.0.0.1,IP:{ADDRESS},IP:{API_SERVICE},DNS:localhost,DNS:kubernetes,"
    "DNS:kubernetes.default,DNS:kubernetes.default.svc,"
    "DNS:kubernetes.default.svc.cluster.local"
)


def create(directory: Path, admin_kubeconfig: Path) -> None:
    """Fill `directory` with the authority, all certificates and the components' kubeconfigs."""
    directory.mkdir(mode=0o700)
    (directory / "request.cnf").write_text(_REQUEST)
    certificate(directory, "ca", "/CN=lowtide-test-cluster", "basicConstraints=critical,CA:TRUE")
    certificate(
        directory,
        "apiserver",
        "/CN=kube-apiserver",
        "extendedKeyUsage=serverAuth",
        f"subjectAltName={_SERVER_NAMES}",
    )
    certificate(
        directory,
        "apiserver-kubelet-client",
        "/O=system:masters/CN=kube-apiserver-kubelet-client",
        "extendedKeyUsage=clientAuth",
    )
    certificate(
        directory,
        "kubelet-server",
        f"/CN={NODE}",
        "extendedKeyUsage=serverAuth",
        f"subjectAltName=IP:{ADDRESS},DNS:{NODE}",
    )
    # Tokens of service accounts are signed with it; the public half verifies them.
    run(["openssl", "genrsa", "-out", directory / "service-account.key", "2048"])
    for identity in COMPONENTS:
        groups = "".join(f"/O={group}" for group in identity.groups)
        certificate(
            directory,
            identity.file,
            f"{groups}/CN={identity.user}",
            "extendedKeyUsage=clientAuth",
        )
        target = (
            admin_kubeconfig
            if identity.file == "admin"
            else directory / f"{identity.file}.kubeconfig"
        )
        _write_kubeconfig(directory, identity, target)


def certificate(directory: Path, name: str, subject: str, *extensions: str) -> None:
    """Write `name`.key and `name`.crt; all but the authority's own are signed by it."""
    authority: list[str | Path] = []
    if name != "ca":
        authority = ["-CA", directory / "ca.crt", "-CAkey", directory / "ca.key"]
        extensions = ("basicConstraints=critical,CA:FALSE", *extensions)
    run(
        [
            "openssl", "req", "-x509", "-config", directory / "request.cnf",
            "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc",
            "-subj", subject, "-days", _DAYS, *authority,
            "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.crt",
            *(part for extension in extensions for part in ("-addext", extension)),
        ]
    )  # fmt: skip


def _write_kubeconfig(directory: Path, identity: Identity, target: Path) -> None:
    """Write a kubeconfig that carries all it needs, so that it can be copied elsewhere."""

    def embedded(name: str) -> str:
        return base64.b64encode((directory / name).read_bytes()).decode()

    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": CONTEXT,
                "cluster": {
                    "server": f"https://{ADDRESS}:{API_PORT}",
                    "certificate-authority-data": embedded("ca.crt"),
                },
            }
        ],
        "users": [
            {
                "name": identity.user,
                "user": {
                    "client-certificate-data": embedded(f"{identity.file}.crt"),
                    "client-key-data": embedded(f"{identity.file}.key"),
                },
            }
        ],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": identity.user}}],
        "current-context": CONTEXT,
    }
    target.touch(mode=0o600)
    target.write_text(json.dumps(kubeconfig, indent=2))  # JSON is YAML
