"""A real Alertmanager of the cluster's Prometheus, which is told of it and of the chart's rules.

Both are processes of the host. Prometheus gets its configuration with two sections more and reads
it again; `close` puts the former one back.
"""

import contextlib
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from clients import RunningCluster
from singlenode.layout import PROMETHEUS_URL, Layout

PORT = 9093
EVALUATION_SECONDS = 2
START_SECONDS = 240


class Inbox(ThreadingHTTPServer):
    """Keeps every notification that Alertmanager sends."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.received: list[dict[str, Any]] = []


class _Receiver(BaseHTTPRequestHandler):
    server: Inbox

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def do_POST(self) -> None:
        """Keep a notification."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(json.loads(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """A running Alertmanager, and the notifications that it has sent."""

    url: str
    inbox: Inbox = field(repr=False)

    def alerts(self, name: str) -> list[dict[str, Any]]:
        """Return the alerts of this name that it holds."""
        found: list[dict[str, Any]] = _get(f"{self.url}/api/v2/alerts")
        return [alert for alert in found if alert["labels"]["alertname"] == name]

    def notified(self, name: str, status: str) -> list[dict[str, Any]]:
        """Return the alerts of this name and status that it has sent."""
        return [
            alert
            for notice in list(self.inbox.received)
            for alert in notice["alerts"]
            if alert["labels"]["alertname"] == name and alert["status"] == status
        ]


@contextlib.contextmanager
def running(
    cluster: RunningCluster, layout: Layout, rules: dict[str, Any], workplace: Path
) -> Iterator[Alertmanager]:
    """Run an Alertmanager that gets the alerts of `rules` from the cluster's Prometheus."""
    inbox = Inbox()
    thread = threading.Thread(target=inbox.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    hook = f"http://127.0.0.1:{inbox.server_port}/"
    configuration = {
        "route": {
            "receiver": "people",
            "group_by": ["alertname"],
            "group_wait": "1s",
            "group_interval": "1s",
        },
        "receivers": [{"name": "people", "webhook_configs": [{"url": hook}]}],
    }
    (workplace / "alertmanager.yaml").write_text(yaml.safe_dump(configuration))
    (workplace / "rules.yaml").write_text(yaml.safe_dump(rules))
    debian = cluster.programs.debian
    program = subprocess.Popen(
        [
            # Debian's build looks for its templates where the package would be installed; it is
            # only unpacked, so it gets its own view of /usr/share. It dies with the tests.
            "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c",
            'mount -t overlay overlay -o "lowerdir=$0:/usr/share" /usr/share && exec "$@"',
            str(debian / "usr/share"),
            str(debian / "usr/bin/prometheus-alertmanager"),
            f"--config.file={workplace / 'alertmanager.yaml'}",
            f"--storage.path={workplace / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{PORT}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        manager = Alertmanager(f"http://127.0.0.1:{PORT}", inbox)
        await_answer(f"{manager.url}/-/ready")
        with _told(layout.config / "prometheus.json", workplace / "rules.yaml"):
            yield manager
    finally:
        program.terminate()
        program.wait(timeout=20)
        inbox.shutdown()
        thread.join()
        inbox.server_close()


@contextlib.contextmanager
def _told(configuration: Path, rules: Path) -> Iterator[None]:
    """Tell Prometheus of the rules and of the Alertmanager, for a while."""
    before = configuration.read_text()
    more = {
        "rule_files": [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{PORT}"]}]}]},
    }
    configuration.write_text(json.dumps(json.loads(before) | more))
    try:
        _reload()
        yield
    finally:
        configuration.write_text(before)
        _reload()


def _reload() -> None:
    request = urllib.request.Request(f"{PROMETHEUS_URL}/-/reload", method="POST")
    with urllib.request.urlopen(request, timeout=20):
        pass


def await_answer(url: str) -> None:
    """Return when an address answers with success."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)
