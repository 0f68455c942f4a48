"""`lowtide dashboard`: its questions to Prometheus over HTTP, its page, and its refusals."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import Result

from lowtide.cli.dashboard import step_seconds

Run = Callable[..., Result]
TIMES = ("--from", "2026-03-02T00:00Z", "--to", "2026-03-02T01:00Z")
START = 1_772_409_600.0  # 2026-03-02T00:00:00Z


class FakePrometheus(ThreadingHTTPServer):
    """Knows one series; keeps the questions it was asked."""

    request_queue_size = 64
    """With the five of the default some of the questions at once wait a second to be let in."""

    daemon_threads = True
    asked: list[tuple[str, dict[str, str], str | None]]
    status: int
    names_status: int


class Handler(BaseHTTPRequestHandler):
    """The three routes that are used."""

    server: FakePrometheus

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer a query."""
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def do_GET(self) -> None:
        """Answer the question for names."""
        self._answer(urlsplit(self.path).query)

    def _answer(self, form: str) -> None:
        asked = {key: values[0] for key, values in parse_qs(form).items()}
        route = urlsplit(self.path).path.removeprefix("/api/v1/")
        self.server.asked.append((route, asked, self.headers.get("Authorization")))
        labels = {"zone": "DE", "signal": "Average"}
        known = asked.get("query") == "lowtide_operator_intensity_grams_per_kwh"
        data: Any = ["lowtide_operator_intensity_grams_per_kwh", "lowtide_operator_info"]
        if route == "query":
            result = [{"metric": labels, "value": [START, "131"]}] if known else []
            data = {"resultType": "vector", "result": result}
        if route == "query_range":
            values = [[START, "297"], [START + 1800, "112"]]
            data = {
                "resultType": "matrix",
                "result": [{"metric": labels, "values": values}] if known else [],
            }
        content = json.dumps({"status": "success", "data": data}).encode()
        status = self.server.status
        if route == "label/__name__/values" and self.server.names_status != 200:
            status = self.server.names_status
        if status != 200:
            content = b"no"
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server() -> Iterator[FakePrometheus]:
    """A Prometheus on a free port of the loopback."""
    fake = FakePrometheus(("127.0.0.1", 0), Handler)
    fake.asked, fake.status, fake.names_status = [], 200, 200
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    fake.shutdown()
    thread.join()
    fake.server_close()


@pytest.fixture
def url(server: FakePrometheus) -> str:
    """Address of the Prometheus."""
    return f"http://127.0.0.1:{server.server_port}"


def data_of(page: Path) -> dict[str, Any]:
    """Return the data inside a page."""
    (text,) = re.findall(r'id="data">(.*?)</script>', page.read_text(), re.S)
    found: dict[str, Any] = json.loads(text)
    return found


def test_page_holds_what_prometheus_answered(lowtide: Run, url: str, tmp_path: Path) -> None:
    """The curve is in the page at its moments, and the empty panels say why."""
    page = tmp_path / "page.html"

    result = lowtide("dashboard", "-o", str(page), "--prometheus", url, *TIMES)

    assert (result.exit_code, result.stdout) == (0, "")
    data = data_of(page)
    panels = {one["title"]: one for one in data["boards"][0]["panels"]}
    values = panels["Carbon intensity"]["series"][0]["values"]
    assert (data["from"], data["step"], data["count"]) == (START, 30, 121)
    assert (values[0], values[60], values[1]) == (297, 112, None)
    assert panels["Intensity now"]["values"] == [{"name": "DE Average", "value": 131}]
    assert "Prometheus scrapes no exporter" in panels["Power now"]["empty"]


def test_server_that_lists_no_names_is_drawn_all_the_same(
    lowtide: Run, url: str, server: FakePrometheus, tmp_path: Path
) -> None:
    """Not every server that answers PromQL lists names: the reasons are then less exact."""
    server.names_status, page = 404, tmp_path / "page.html"

    result = lowtide("dashboard", "-o", str(page), "--prometheus", url, *TIMES)

    assert result.exit_code == 0
    panels = {one["title"]: one for one in data_of(page)["boards"][0]["panels"]}
    assert panels["Intensity now"]["values"] == [{"name": "DE Average", "value": 131}]
    assert "returned nothing" in panels["Power now"]["empty"]


def test_choice_of_a_job_reaches_the_queries(
    lowtide: Run, url: str, server: FakePrometheus, tmp_path: Path
) -> None:
    """A dot in a name matches a dot only."""
    page = tmp_path / "page.html"
    chosen = ("--namespace", "team", "--job", "bert.v2")

    lowtide("dashboard", "-o", str(page), "--prometheus", url, *TIMES, *chosen)

    asked = [form["query"] for route, form, _ in server.asked if route.startswith("query")]
    assert 'lowtide_trainingjob_energy_joules{namespace=~"team", trainingjob=~"bert\\\\.v2"}' in (
        asked
    )
    assert data_of(page)["chosen"] == {"namespace": "team", "job": "bert.v2"}


def test_token_is_sent_and_never_written(
    lowtide: Run, url: str, server: FakePrometheus, tmp_path: Path
) -> None:
    """The bearer token goes with every question, and is not in the page."""
    page, token = tmp_path / "page.html", tmp_path / "token"
    token.write_text("s3cret\n")
    arguments = ("dashboard", "-o", str(page), "--prometheus", url, *TIMES)

    lowtide(*arguments, "--prometheus-token-file", str(token))

    assert {header for _, _, header in server.asked} == {"Bearer s3cret"}
    assert "s3cret" not in page.read_text()


def test_refused_without_token_names_the_option(
    lowtide: Run, url: str, server: FakePrometheus, tmp_path: Path
) -> None:
    """A Prometheus behind a login is one sentence and exit code 1; nothing is written."""
    server.status, page = 401, tmp_path / "page.html"

    result = lowtide("dashboard", "-o", str(page), "--prometheus", url, *TIMES)

    assert result.exit_code == 1
    assert f"{url} answered 401 without JSON: give --prometheus-token-file" in result.stderr
    assert not page.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("--job", 'x"}'), "not a valid object name", id="name"),
        pytest.param(("--from", "24"), "not a duration", id="bare number"),
        pytest.param(
            ("--from", "2027-01-01T00:00Z", "--to", "2026-01-01T00:00Z"), "before", id="order"
        ),
        pytest.param(("--prometheus", "ftp://x"), "not an http or https address", id="scheme"),
        pytest.param(("--prometheus", "http://u:p@x"), "--prometheus-token-file", id="secret"),
    ],
)
def test_wrong_use_says_what_would_be_right(
    lowtide: Run, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    """Exit code 2, one sentence, and nothing is asked or written."""
    result = lowtide("dashboard", "-o", str(tmp_path / "page.html"), *arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        pytest.param(timedelta(minutes=10), 30, id="no finer than the samples"),
        pytest.param(timedelta(days=10), 2880, id="864,000 s in 300 steps"),
    ],
)
def test_step_follows_the_time_shown(span: timedelta, expected: int) -> None:
    """At most about 300 values a curve, none between two scrapes."""
    assert step_seconds(span, timedelta(seconds=30)) == expected
