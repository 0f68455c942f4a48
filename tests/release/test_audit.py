"""`make audit`: every pinned package is asked for, and an advisory makes it fail.

The advisories of the public index cannot be had everywhere, so a stand-in answers in the form of
OSV; pip-audit itself is the real one, as `make audit` runs it.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINS = ROOT / "tools" / "images" / "requirements"
PROGRAMS = ("operator", "exporter", "trainer")
ADVISORY = {
    "id": "GHSA-xxxx-test-0000",
    "summary": "an advisory of a stand-in: nothing real",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
        }
    ],
}

pytestmark = pytest.mark.slow


class Advisories:
    """A stand-in for OSV: which packages it was asked for, and which of them it warns of."""

    def __init__(self) -> None:
        """Begin with no advisory."""
        self.asked: set[tuple[str, str]] = set()
        self.affected: set[str] = set()
        self.url = ""

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return what is known of one version of a package."""
        name = question["package"]["name"]
        self.asked.add((name, question["version"]))
        return {"vulns": [ADVISORY]} if name in self.affected else {}


@pytest.fixture
def advisories() -> Iterator[Advisories]:
    """The stand-in, on loopback."""
    made = Advisories()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = json.dumps(made.answer(json.loads(self.rfile.read(length)))).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_port}/v1/query"
        yield made
        server.shutdown()
        thread.join()


def audit(advisories: Advisories, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run `make audit` against the stand-in, with a cache of its own."""
    options = f"-s osv --osv-url {advisories.url} --cache-dir {directory} --progress-spinner off"
    done = subprocess.run(
        ["make", "--no-print-directory", "audit", f"AUDIT={options}"],
        cwd=ROOT, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    if "Failed to fetch" in done.stderr:
        pytest.skip("pip-audit is not cached and cannot be fetched")
    return done


def test_every_pinned_package_is_asked_for(advisories: Advisories, tmp_path: Path) -> None:
    """Without an advisory the command succeeds, and it left no package out."""
    pinned = {
        (re.sub(r"[-_.]+", "-", name).lower(), version)
        for program in PROGRAMS
        for name, version in re.findall(
            r"^([\w.-]+)==(\S+)", (PINS / f"{program}.txt").read_text(), re.MULTILINE
        )
    }

    done = audit(advisories, tmp_path)

    assert done.returncode == 0, done.stderr
    assert "No known vulnerabilities found" in done.stderr
    assert advisories.asked == pinned


def test_an_advisory_fails_the_command_and_says_what_to_raise(
    advisories: Advisories, tmp_path: Path
) -> None:
    """The package, the advisory and the version that mends it are on the screen."""
    advisories.affected = {"jinja2"}

    done = audit(advisories, tmp_path)

    assert done.returncode != 0
    (line,) = (text for text in done.stdout.splitlines() if text.startswith("jinja2"))
    assert re.split(r"\s+", line.strip())[2:] == ["GHSA-xxxx-test-0000", "99"]
