"""Pods from an API server: list, watch, expiry, refusals, hostile objects."""

import json
import queue
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from lowtide.meters.errors import MalformedAnswerError
from lowtide_exporter.owners.api_server import ApiServer
from lowtide_exporter.owners.pods import PodWatcher, parse_pod
from lowtide_exporter.readings import PodRecord


def pod(name, uid="u1", phase="Running", version="10", **status):
    """A Pod object as the API server sends it."""
    return {
        "metadata": {"name": name, "namespace": "ml", "uid": uid, "resourceVersion": version},
        "spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "1500m"}}}]},
        "status": {"phase": phase, **status},
    }


class ApiStandIn:
    """An API server that lists `items` and streams what is put into `events`."""

    def __init__(self):
        self.items, self.events = [], queue.Queue()
        self.list_status, self.watch_status = 200, 200
        self.requests, self.seen = [], threading.Semaphore(0)

    @contextmanager
    def serve(self):
        handler = type("Handler", (_Handler,), {"api": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            self.events.put(None)
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    api: ApiStandIn

    def do_GET(self):
        query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
        self.api.requests.append((query, self.headers.get("Authorization")))
        self.api.seen.release()
        status = self.api.watch_status if "watch" in query else self.api.list_status
        self.send_response(status)
        self.end_headers()
        if status != 200:
            return
        if "watch" not in query:
            answer = {"metadata": {"resourceVersion": "5"}, "items": self.api.items}
            self.wfile.write(json.dumps(answer).encode())
            return
        while (event := self.api.events.get()) is not None:
            self.wfile.write(json.dumps(event).encode() + b"\n")
            self.wfile.flush()

    def log_message(self, *_):
        pass


@pytest.fixture
def api():
    """An API server stand-in, not yet asked."""
    return ApiStandIn()


@contextmanager
def watching(api, tmp_path):
    """A started watcher of node n1."""
    token = tmp_path / "token"
    token.write_text("secret-token\n")
    with api.serve() as url:
        api_server = ApiServer(url, str(token), str(tmp_path / "none"))
        watcher = PodWatcher(api=api_server, node_name="n1")
        watcher.start()
        try:
            yield watcher
        finally:
            watcher.stop()


def wait_until(condition, tries=12_000):
    """Wait for a condition of the watcher's thread."""
    pause = threading.Event()
    for _ in range(tries):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("the condition did not become true")


def test_pods_of_the_node_are_listed_and_followed(api, tmp_path):
    """Added, changed and deleted pods arrive through the watch."""
    api.items = [pod("a")]
    with watching(api, tmp_path) as watcher:
        wait_until(lambda: watcher.pods)
        api.events.put({"type": "ADDED", "object": pod("b", uid="u2")})
        wait_until(lambda: len(watcher.pods) == 2)
        api.events.put({"type": "MODIFIED", "object": pod("a", phase="Succeeded")})
        wait_until(lambda: any(p.is_terminal for p in watcher.pods))
        api.events.put({"type": "DELETED", "object": pod("b", uid="u2")})
        wait_until(lambda: [p.name for p in watcher.pods] == ["a"])

        assert watcher.is_up


def test_only_pods_of_this_node_are_asked_for_with_the_token(api, tmp_path):
    """The field selector bounds the answer; the watch goes on from the list's version."""
    with watching(api, tmp_path) as watcher:
        wait_until(lambda: watcher.pods is not None and len(api.requests) >= 2)

    (listed, token), (watched, _) = api.requests[:2]
    assert listed == {"fieldSelector": "spec.nodeName=n1"}
    assert watched["fieldSelector"] == "spec.nodeName=n1"
    assert watched["resourceVersion"] == "5"
    assert token == "Bearer secret-token"


def test_an_expired_watch_starts_with_a_new_list(api, tmp_path):
    """The server says 410 in the stream; what was missed is in the list."""
    with watching(api, tmp_path) as watcher:
        wait_until(lambda: watcher.pods == ())
        api.items = [pod("late")]
        error = {"kind": "Status", "code": 410, "message": "too old resource version"}
        api.events.put({"type": "ERROR", "object": error})

        wait_until(lambda: watcher.pods)

        assert [p.name for p in watcher.pods] == ["late"]


def test_a_refusal_leaves_pods_unknown_and_the_secret_out_of_the_log(api, tmp_path, caplog):
    """403 is a missing RBAC rule: it is said once, without the token."""
    api.list_status = 403
    with watching(api, tmp_path) as watcher:
        wait_until(lambda: "403" in watcher.last_error)

        assert watcher.pods is None
        assert not watcher.is_up
    assert "API server answered 403" in caplog.text
    assert "secret-token" not in caplog.text


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(["no object"], id="a list"),
        pytest.param(
            {"type": "ADDED", "object": {"metadata": ["x"]}},
            id="no metadata",
            marks=pytest.mark.slow,
        ),
        pytest.param({"type": "ADDED", "object": "pod"}, id="a text", marks=pytest.mark.slow),
        pytest.param(
            {"type": "ADDED", "object": pod("a", containerStatuses=[3])},
            id="a number",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_garbage_in_the_watch_is_said_and_the_next_list_heals(api, tmp_path, event):
    """The thread that follows the pods must outlive whatever it is told."""
    api.items = [pod("a")]
    with watching(api, tmp_path) as watcher:
        wait_until(lambda: watcher.pods)
        api.events.put(event)
        wait_until(lambda: not watcher.is_up)
        api.items = [pod("b")]
        wait_until(lambda: [p.name for p in watcher.pods] == ["b"])

        assert watcher.is_up


@pytest.mark.slow
def test_a_server_that_ends_every_watch_at_once_is_not_hammered(api, tmp_path):
    """A proxy may do so: one attempt a second, while the pods of the list stay known."""
    api.items = [pod("a")]
    for _ in range(100):
        api.events.put(None)
    began = time.monotonic()
    with watching(api, tmp_path) as watcher:
        wait_until(lambda: len(api.requests) >= 4)
        asked = len(api.requests)
        seconds = time.monotonic() - began

        assert asked <= 2 + seconds  # a list, a watch, and one more in each second
        assert [p.name for p in watcher.pods] == ["a"]


def test_an_unreachable_server_is_not_up(tmp_path):
    """No API server at all: the exporter goes on without UIDs."""
    watcher = PodWatcher(api=ApiServer("http://127.0.0.1:1", "/none", "/none"), node_name="n1")
    watcher.start()

    wait_until(lambda: "refused" in watcher.last_error)
    watcher.stop()

    assert (watcher.is_up, watcher.pods) == (False, None)


def test_times_of_a_finished_pod_are_read():
    """Start is the first start, finish the last finish, cut off to whole seconds."""
    ended = {"startedAt": "2026-11-22T10:00:01Z", "finishedAt": "2026-11-22T10:01:16Z"}
    other = {"startedAt": "2026-11-22T10:00:02Z", "finishedAt": "2026-11-22T10:01:10Z"}
    statuses = [{"state": {"terminated": ended}}, {"state": {"terminated": other}}]

    record = parse_pod(pod("a", phase="Succeeded", containerStatuses=statuses))

    assert record == PodRecord(
        namespace="ml",
        name="a",
        uid="u1",
        is_terminal=True,
        started_at=1795341601.0,  # date -u -d 2026-11-22T10:00:01Z +%s
        finished_at=1795341676.0,
        containers=("main",),
        cpu_request_cores=1.5,
    )


@pytest.mark.parametrize(
    ("owners", "uid"),
    [
        ([{"kind": "Job", "controller": True}], "u-net"),
        ([{"kind": "ReplicaSet", "controller": True}], ""),
        ([{"kind": "Job"}], ""),
        (None, ""),
        ("no list", ""),
    ],
)
def test_a_pod_works_for_a_trainingjob_only_if_a_job_controls_it(owners, uid):
    """Any user may write a label on a pod, so a label alone does not count."""
    item = pod("a")
    item["metadata"] |= {
        "labels": {"lowtide.dev/trainingjob-uid": "u-net"},
        "ownerReferences": owners,
    }

    assert parse_pod(item).trainingjob_uid == uid


def test_a_pod_starts_when_the_kubelet_takes_it_in():
    """Devices are its own from then on, while its image is still being pulled."""
    running = {"state": {"running": {"startedAt": "2026-11-22T10:00:09Z"}}}

    record = parse_pod(pod("a", startTime="2026-11-22T10:00:01Z", containerStatuses=[running]))

    assert record.started_at == 1795341601.0


def test_a_restarted_container_does_not_end_its_pod():
    """A finished container of a running pod is a restart: no finish time."""
    last = {"terminated": {"startedAt": "2026-11-22T10:00:01Z", "finishedAt": "2026-11-22T10:01Z"}}
    statuses = [{"state": {"running": {"startedAt": "2026-11-22T10:02:00Z"}}, "lastState": last}]

    record = parse_pod(pod("a", containerStatuses=statuses))

    assert (record.is_terminal, record.finished_at) == (False, None)
    assert record.started_at == 1795341601.0


@pytest.mark.parametrize(
    "item", [{}, {"metadata": {"uid": "u"}}, {"metadata": {"name": "a", "namespace": "b"}}]
)
def test_an_object_that_is_not_a_pod_is_refused(item):
    """A pod without UID, name or namespace cannot be accounted for."""
    with pytest.raises(MalformedAnswerError, match="pod without"):
        parse_pod(item)
