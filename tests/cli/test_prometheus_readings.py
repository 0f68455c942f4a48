"""Live readings of jobs from Prometheus, over a real HTTP server."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from click.testing import Result
from standins.peers import dripping

from lowtide.cli.prometheus import PrometheusApi, PrometheusApiError, intensities, readings
from lowtide.grid.series import Factor, Signal


class FakePrometheus(ThreadingHTTPServer):
    """Answers each query with the first entry of `answers` whose key the query contains."""

    daemon_threads = True
    answers: dict[str, list[tuple[dict[str, str], str]]]
    status: int
    raw: bytes | None
    authorization: str | None
    form: dict[str, list[str]]


class Handler(BaseHTTPRequestHandler):
    """The one route that is used."""

    server: FakePrometheus

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer an instant query."""
        self.server.form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        query = self.server.form["query"][0]
        self.server.authorization = self.headers.get("Authorization")
        found = next((a for key, a in self.server.answers.items() if key in query), [])
        result = [{"metric": labels, "value": [0, value]} for labels, value in found]
        body: Any = {"status": "success", "data": {"resultType": "vector", "result": result}}
        content = json.dumps(body).encode() if self.server.raw is None else self.server.raw
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server() -> Iterator[FakePrometheus]:
    """A Prometheus on a free port of the loopback."""
    fake = FakePrometheus(("127.0.0.1", 0), Handler)
    fake.answers, fake.status, fake.raw, fake.authorization = {}, 200, None, None
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    fake.shutdown()
    thread.join()
    fake.server_close()


@pytest.fixture
def prometheus(server: FakePrometheus) -> PrometheusApi:
    """A client of it."""
    return PrometheusApi(url=f"http://127.0.0.1:{server.server_port}")


def test_pods_of_one_job_are_put_together(
    server: FakePrometheus, prometheus: PrometheusApi
) -> None:
    """Energy adds up over attempts; of epochs the furthest counts."""
    first = {"namespace": "team", "pod": "bert-1-abcde"}
    second = {"namespace": "team", "pod": "bert-2-fghij"}
    server.answers = {
        "rate(": [(second, "81.5")],
        "pod_energy": [(first, "100"), (second, "50")],
        "epochs_total": [(first, "2"), (second, "3")],
    }

    found = readings(prometheus, rate_seconds=8)

    reading = found["team", "bert"]
    assert (reading.energy_joules, reading.power_watts, reading.epochs) == (150.0, 81.5, 3.0)
    assert reading.accuracy_ratio is None


def test_pods_that_no_job_made_are_left_out(
    server: FakePrometheus, prometheus: PrometheusApi
) -> None:
    """A notebook on the same GPU node is not a training job."""
    server.answers = {"pod_energy": [({"namespace": "team", "pod": "notebook"}, "7")]}

    assert readings(prometheus, rate_seconds=8) == {}


def test_token_is_sent_from_its_file(server: FakePrometheus, tmp_path: Path) -> None:
    """A protected Prometheus gets the bearer token, without the file's last newline."""
    token = tmp_path / "token"
    token.write_text("s3cret\n")

    PrometheusApi(url=f"http://127.0.0.1:{server.server_port}", token_file=token).vector("up")

    assert server.authorization == "Bearer s3cret"


@pytest.mark.parametrize(
    ("status", "raw", "words"),
    [
        pytest.param(401, b"Unauthorized", "answered 401 without JSON", id="refused"),
        pytest.param(400, b'{"status":"error","error":"bad query"}', "bad query", id="error"),
        pytest.param(200, b'{"status":"success","data":{}}', "with a vector", id="other shape"),
    ],
)
def test_unusable_answer_is_one_sentence(
    server: FakePrometheus, prometheus: PrometheusApi, status: int, raw: bytes, words: str
) -> None:
    """The message holds the words of Prometheus."""
    server.status, server.raw = status, raw

    with pytest.raises(PrometheusApiError, match=words):
        prometheus.vector("up")


def test_silent_address_is_one_sentence() -> None:
    """A Prometheus that is not there is reported, not raised through."""
    with pytest.raises(PrometheusApiError, match="does not answer: ConnectionError"):
        PrometheusApi(url="http://127.0.0.1:1").vector("up")


def test_curve_is_what_the_operator_saw(server: FakePrometheus, prometheus: PrometheusApi) -> None:
    """Average and marginal are two curves of their own kind; a gap stays one."""
    begin = datetime(2026, 3, 2, tzinfo=UTC)
    at = begin.timestamp()
    body = {
        "status": "success",
        "data": {
            "result": [
                {
                    "metric": {"zone": "DE", "signal": "Average", "factor": "life-cycle"},
                    "values": [[at, "300"], [at + 30, "NaN"], [at + 60, "120"]],
                },
                {"metric": {"zone": "DE", "signal": "Marginal"}, "values": [[at, "700"]]},
            ]
        },
    }
    server.raw = json.dumps(body).encode()

    average, marginal = intensities(prometheus, start=begin, end=begin + timedelta(hours=1))

    assert (average.signal, marginal.signal) == (Signal.AVERAGE, Signal.MARGINAL)
    assert (average.factor, marginal.factor) == (Factor.LIFE_CYCLE, Factor.UNKNOWN)
    assert average.at(begin) == 300
    assert average.at(begin + timedelta(seconds=30)) is None
    assert average.at(begin + timedelta(seconds=60)) == 120


def test_watch_says_which_emissions_the_factors_include(
    server: FakePrometheus, lowtide: Callable[..., Result], kubectl: Any
) -> None:
    """The provider was changed a minute ago, to one with direct factors: its curve is shown."""
    kubectl.answers({"items": [{"metadata": {"name": "bert", "namespace": "team"}}]})
    at = datetime.now(UTC).timestamp() // 1 - 120
    curves = [("life-cycle", [[at, "400"]]), ("direct", [[at + 60, "300"], [at + 120, "310"]])]
    result = [
        {
            "metric": {"zone": "DE", "signal": "Average", "factor": factor},
            "values": values,
            "value": values[-1],  # the server gives this answer to every question
        }
        for factor, values in curves
    ]
    server.raw = json.dumps({"status": "success", "data": {"result": result}}).encode()

    shown = lowtide("watch", "--once", "--prometheus", f"http://127.0.0.1:{server.server_port}")

    assert "average intensity, direct emissions" in shown.stdout


def test_a_long_curve_asks_for_the_value_of_its_end(
    server: FakePrometheus, prometheus: PrometheusApi
) -> None:
    """An operator that began a minute ago has only that one."""
    end = datetime(2026, 11, 30, 12, 0, 17, tzinfo=UTC)
    now = end + timedelta(microseconds=999_999)

    intensities(prometheus, start=end - timedelta(hours=9, seconds=41), end=now)

    start, step = (float(server.form[name][0]) for name in ("start", "step"))
    assert step > 60
    assert (end.timestamp() - start) % step == 0
    assert 0 <= start - (end - timedelta(hours=9, seconds=41)).timestamp() < step


def test_watch_says_why_there_is_no_curve(
    server: FakePrometheus, lowtide: Callable[..., Result], kubectl: Any
) -> None:
    """The jobs are shown all the same, and the reason stands below them."""
    kubectl.answers({"items": [{"metadata": {"name": "bert", "namespace": "team"}}]})

    result = lowtide("watch", "--once", "--prometheus", f"http://127.0.0.1:{server.server_port}")

    assert result.exit_code == 0
    assert "bert" in result.stdout
    assert "no curve: Prometheus has no intensity of any zone" in result.stdout


def test_a_prometheus_that_drips_is_given_up_at_the_deadline() -> None:
    """Each byte of the header comes in time, the answer never does."""
    with dripping(b"HTTP/1.1 200 OK\r\nX-Long: ") as url:
        server = PrometheusApi(url=url, timeout_seconds=0.5)
        with pytest.raises(PrometheusApiError, match="does not answer"):
            server.vector("up")
