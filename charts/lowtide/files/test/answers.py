"""Program of `helm test`: one line per component and its answer; exit code 1 when one is missing.

Standard library only, because it runs in the operator's image as a plain script.
"""

import json
import os
import socket
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

TIMEOUT_SECONDS = 10
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SCRAPED = 'lowtide_operator_exporters{state="answering"}'
"""Present only with directScrape."""


def page(url: str, token: str = "") -> str:
    """Return the body of `url`, an address that the chart wrote; the token is sent if given."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        return answer.read().decode()


def own_token() -> str:
    """Return the token of this pod's ServiceAccount; empty where the page is open to all."""
    return (ACCOUNT / "token").read_text() if "METRICS_AUTHENTICATION" in os.environ else ""


def addresses(host: str) -> list[str]:
    """Return every address behind a headless service, as a URL has it: one per ready pod."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return sorted({f"[{ip}]" if ":" in ip else ip for ip in (str(entry[4][0]) for entry in found)})


def operator() -> str:
    """Return what the operator's health page says, and how many exporters it scrapes itself."""
    host = os.environ["OPERATOR"]
    page(f"http://{host}:8080/healthz")
    lines = page(f"http://{host}:9090/metrics", own_token()).splitlines()
    count = sum(line.startswith("lowtide_operator_") for line in lines)
    if not count:
        raise ValueError("its metrics page holds no series named lowtide_operator_*")
    scraped = [line.split()[-1] for line in lines if line.startswith(SCRAPED)]
    directly = f", scrapes {float(scraped[0]):.0f} exporters itself" if scraped else ""
    return f"healthy, {count} series{directly}"


def exporter() -> str:
    """Return how many exporters answer, and what they see."""
    pods = addresses(os.environ["EXPORTER"])
    devices = 0
    for pod in pods:
        text = page(f"http://{pod}:9400/metrics")
        devices += sum(line.startswith("lowtide_gpu_info{") for line in text.splitlines())
    return f"{len(pods)} ready, {devices} GPUs seen"


def api() -> str:
    """Return how many TrainingJobs the API server lists in the release's namespace."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    namespace = os.environ["RELEASE_NAMESPACE"]
    request = urllib.request.Request(
        f"https://{host}:{port}/apis/lowtide.dev/v1alpha1/namespaces/{namespace}/trainingjobs",
        headers={"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}"},
    )
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context) as answer:
        return f"trainingjobs.lowtide.dev is served, {len(json.load(answer)['items'])} here"


CHECKS: dict[str, tuple[Callable[[], str], str]] = {
    "api server": (api, "is the CRD trainingjobs.lowtide.dev installed (crds.enabled)?"),
    "operator": (operator, "kubectl logs deployment/…-operator says why"),
    "exporter": (exporter, "does exporter.nodeSelector match a node with a GPU?"),
}


def main() -> int:
    """Return 0 when every component of the release answered."""
    failed = False
    for name, (check, hint) in CHECKS.items():
        if name == "exporter" and "EXPORTER" not in os.environ:
            continue
        try:
            print(f"{name}: {check()}")
        except (OSError, ValueError, urllib.error.URLError) as error:
            failed = True
            print(f"{name}: no answer ({error}); {hint}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
