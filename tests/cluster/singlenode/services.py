"""CoreDNS and Prometheus: processes of the host, known in the cluster by a Service each.

As processes they need no image and no node to be ready, and Prometheus keeps the samples of
pods that are gone. Their Services have no selector; the EndpointSlices name the node's address.
"""

import json
import sys
from pathlib import Path

from singlenode.binaries import Binaries
from singlenode.layout import (
    ADDRESS,
    API_PORT,
    DNS_PORT,
    DNS_SERVICE,
    NETWORK,
    PROMETHEUS_PORT,
    Layout,
)

Manifest = dict[str, object]

_COREFILE = """\
.:{port} {{
    bind {address}
    errors
    ready {address}:8181
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 5
    }}
    forward . {resolver}
    cache 5
}}
"""


def coredns(layout: Layout, binaries: Binaries) -> list[str]:
    """Write the Corefile; return CoreDNS's arguments.

    Names outside of the cluster go to the host's own resolver.
    """
    corefile = layout.config / "Corefile"
    corefile.write_text(
        _COREFILE.format(
            port=DNS_PORT,
            address=ADDRESS,
            kubeconfig=layout.pki / "coredns.kubeconfig",
            resolver="/etc/resolv.conf",
        )
    )
    return [str(binaries.coredns), "-conf", str(corefile)]


def prometheus(layout: Layout, binaries: Binaries, interval_seconds: int) -> list[str]:
    """Write Prometheus's configuration; return its arguments.

    Every running pod with the annotation `prometheus.io/scrape: "true"` is scraped, at the port
    and path that `prometheus.io/port` and `prometheus.io/path` name. `honor_labels` keeps the
    namespace and pod that the exporter writes: they are those of the measured pod, not its own.
    """
    annotation = "__meta_kubernetes_pod_annotation_prometheus_io_"
    configuration = {
        "global": {
            "scrape_interval": f"{interval_seconds}s",
            "scrape_timeout": f"{interval_seconds}s",
            "evaluation_interval": f"{interval_seconds}s",
        },
        "scrape_configs": [
            {
                "job_name": "pods",
                "honor_labels": True,
                "file_sd_configs": [{"files": [str(_targets(layout))]}],
                "relabel_configs": [
                    {
                        "source_labels": [f"{annotation}scrape"],
                        "action": "keep",
                        "regex": "true",
                    },
                    {
                        "source_labels": ["__meta_kubernetes_pod_phase"],
                        "action": "drop",
                        "regex": "Pending|Succeeded|Failed|Completed",
                    },
                    {
                        "source_labels": ["__meta_kubernetes_pod_ip", f"{annotation}port"],
                        "regex": "([^;]+);([0-9]+)",
                        "replacement": "$1:$2",
                        "target_label": "__address__",
                    },
                    {
                        "source_labels": [f"{annotation}path"],
                        "regex": "(.+)",
                        "target_label": "__metrics_path__",
                    },
                    {
                        "source_labels": ["__meta_kubernetes_namespace"],
                        "target_label": "namespace",
                    },
                    {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
                    {"source_labels": ["__meta_kubernetes_pod_node_name"], "target_label": "node"},
                ],
            }
        ],
    }
    path = layout.config / "prometheus.json"
    path.write_text(json.dumps(configuration, indent=2))
    return [
        str(binaries.prometheus),
        f"--config.file={path}",
        f"--storage.tsdb.path={layout.state / 'prometheus'}",
        f"--web.listen-address={ADDRESS}:{PROMETHEUS_PORT}",
        "--web.enable-lifecycle",
        "--web.enable-admin-api",
        "--log.level=warn",
    ]


def discovery(layout: Layout) -> list[str]:
    """Return the arguments of the process that tells Prometheus of the pods."""
    pki = layout.pki
    return [
        sys.executable,
        "-I",
        str(Path(__file__).with_name("discovery.py")),
        f"https://{ADDRESS}:{API_PORT}",
        str(pki / "ca.crt"),
        str(pki / "prometheus.crt"),
        str(pki / "prometheus.key"),
        str(_targets(layout)),
    ]


def _targets(layout: Layout) -> Path:
    return layout.config / "targets.json"


def manifests() -> list[Manifest]:
    """Return the Services of both, and the roles by which they read the API."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}},
        *_service(
            "kube-system",
            "kube-dns",
            [("dns", 53, DNS_PORT, "UDP"), ("dns-tcp", 53, DNS_PORT, "TCP")],
            cluster_ip=DNS_SERVICE,
        ),
        *_service("monitoring", "prometheus", [("http", PROMETHEUS_PORT, PROMETHEUS_PORT, "TCP")]),
        *_reader("coredns", {"": ["services", "pods", "namespaces"]}),
        *_reader("prometheus", {"": ["pods", "nodes"]}),
    ]


def _service(
    namespace: str,
    name: str,
    ports: list[tuple[str, int, int, str]],
    cluster_ip: str | None = None,
) -> list[Manifest]:
    """Return a Service without selector, and the EndpointSlice that leads it to the node."""
    spec: Manifest = {
        "ports": [
            {"name": port_name, "port": port, "targetPort": target, "protocol": protocol}
            for port_name, port, target, protocol in ports
        ]
    }
    if cluster_ip:
        spec["clusterIP"] = cluster_ip
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{name}-{NETWORK}",
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": True}}],
            "ports": [
                {"name": port_name, "port": target, "protocol": protocol}
                for port_name, _, target, protocol in ports
            ],
        },
    ]


def _reader(name: str, resources: dict[str, list[str]]) -> list[Manifest]:
    """Return a role to read `resources` (by API group) and its binding to the component."""
    rules = [
        {"apiGroups": [group], "resources": kinds, "verbs": ["get", "list", "watch"]}
        for group, kinds in {**resources, "discovery.k8s.io": ["endpointslices"]}.items()
    ]
    metadata = {"name": f"lowtide:{name}"}
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": metadata,
            "rules": rules,
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": f"lowtide:{name}",
            },
            "subjects": [
                {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "User",
                    "name": f"lowtide:{name}",
                }
            ],
        },
    ]
