"""Tells Prometheus of the pods: `python -I discovery.py API CA CERTIFICATE KEY TARGETS`.

Debian builds Prometheus without its Kubernetes service discovery. This process watches the
pods in its place and writes them into a `file_sd` file, under the names of the labels that
`kubernetes_sd_configs` gives (Prometheus documentation, "kubernetes_sd_config", role pod), so
that the rules of the scrape configuration are those of a real installation.

One target per pod, at the pod's address without a port; standard library only, no import of
the rest of this package.
"""

import json
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_WATCH_SECONDS = 300
_RETRY_SECONDS = 1.0


def target(pod: dict[str, Any]) -> dict[str, Any] | None:
    """Return the `file_sd` entry of a pod, or None while it has no address."""
    address = pod.get("status", {}).get("podIP")
    if not address:
        return None
    metadata, meta = pod["metadata"], "__meta_kubernetes_pod_"
    labels = {
        "__meta_kubernetes_namespace": metadata["namespace"],
        f"{meta}name": metadata["name"],
        f"{meta}uid": metadata["uid"],
        f"{meta}ip": address,
        f"{meta}node_name": pod["spec"].get("nodeName", ""),
        f"{meta}phase": pod["status"].get("phase", ""),
    }
    for kind in ("annotation", "label"):
        for name, value in metadata.get(f"{kind}s", {}).items():
            labels[f"{meta}{kind}_{re.sub('[^a-zA-Z0-9_]', '_', name)}"] = value
    return {"targets": [address], "labels": labels}


def watch(api: str, context: ssl.SSLContext) -> Iterator[list[dict[str, Any]]]:
    """Yield all pods after each change, until the server ends the watch."""
    with urllib.request.urlopen(f"{api}/api/v1/pods", timeout=10, context=context) as answer:
        listing = json.load(answer)
    pods = {pod["metadata"]["uid"]: pod for pod in listing["items"]}
    yield list(pods.values())
    since = listing["metadata"]["resourceVersion"]
    url = f"{api}/api/v1/pods?watch=1&resourceVersion={since}&timeoutSeconds={_WATCH_SECONDS}"
    with urllib.request.urlopen(url, timeout=_WATCH_SECONDS + 10, context=context) as events:
        for line in events:
            event = json.loads(line)
            if event["type"] == "ERROR":  # usually: the resource version is too old
                return
            pod = event["object"]
            pods.pop(pod["metadata"]["uid"], None)
            if event["type"] != "DELETED":
                pods[pod["metadata"]["uid"]] = pod
            yield list(pods.values())


def main() -> None:
    """Keep the file at the state of the cluster for ever."""
    api, authority, certificate, key, file_name = sys.argv[1:]
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    file = Path(file_name)
    while True:
        try:
            for pods in watch(api, context):
                entries = [entry for pod in pods if (entry := target(pod))]
                content = json.dumps(sorted(entries, key=lambda entry: entry["targets"]))
                if not file.exists() or file.read_text() != content:
                    partial = file.with_suffix(".partial")
                    partial.write_text(content)
                    partial.rename(file)
        except (OSError, urllib.error.URLError, ValueError) as error:
            print(f"watching again: {error}", file=sys.stderr, flush=True)
        time.sleep(_RETRY_SECONDS)


if __name__ == "__main__":
    main()
