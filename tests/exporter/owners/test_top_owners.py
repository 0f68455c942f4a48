"""Top owners of pods, asked of a stand-in of the API server that speaks HTTP."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lowtide.ownership import OwnerReference, controller_of
from lowtide_exporter.owners.api_server import ApiServer
from lowtide_exporter.owners.top_owners import KNOWN_MAX, LEVELS_MAX, TopOwners
from lowtide_exporter.settings import DEFAULT_OWNER_RESOURCES, parse_owner_resources

RESOURCES = parse_owner_resources(DEFAULT_OWNER_RESOURCES)
REPLICA_SET = OwnerReference("apps", "v1", "ReplicaSet", "web-7f", "u-rs")
JOB = OwnerReference("batch", "v1", "Job", "net-w-0", "u-job")


def reference(kind, name, uid, api_version="apps/v1", controller=True):
    """An owner reference as the API server writes it."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": controller,
    }


class Objects:
    """Stand-in of an API server: metadata by path, and every path that was asked."""

    def __init__(self):
        self.metadata = {}
        self.asked = []
        self.accepted = []
        self.status = 200

    def put(self, path, uid, *owners):
        self.metadata[path] = {"uid": uid, "ownerReferences": list(owners)}

    @contextmanager
    def serve(self):
        handler = type("Handler", (_Handler,), {"objects": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    objects: Objects

    def do_GET(self):
        self.objects.asked.append(self.path)
        self.objects.accepted.append(self.headers["Accept"])
        found = self.objects.metadata.get(self.path)
        status = self.objects.status if self.objects.status != 200 else (200 if found else 404)
        body = json.dumps({"metadata": found}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def objects():
    """A stand-in without objects."""
    return Objects()


@pytest.fixture
def clock():
    """A clock that the test sets."""
    return [1000.0]


@pytest.fixture
def owners(objects, clock):
    """A finder that asks when the test says so."""
    with objects.serve() as url:
        yield TopOwners(ApiServer(url, "/none", "/none"), RESOURCES, clock=lambda: clock[0])


def found(owners, controller, calls=LEVELS_MAX):
    """The top owner after at most so many calls."""
    for _ in range(calls):
        owner = owners.of("ml", controller)
        if owner is not None:
            return owner
        owners.ask_next()
    return owners.of("ml", controller)


def test_the_deployment_behind_a_replica_set_is_found_with_one_call(objects, owners):
    """Both levels are asked, because a Deployment may be owned too; each pod after that is free."""
    objects.put(
        "/apis/apps/v1/namespaces/ml/replicasets/web-7f",
        "u-rs",
        reference("Deployment", "web", "u-d"),
    )
    objects.put("/apis/apps/v1/namespaces/ml/deployments/web", "u-d")

    owner = found(owners, REPLICA_SET)
    again = [owners.of("ml", REPLICA_SET) for _ in range(50)]

    assert (owner.kind, owner.name, owner.uid) == ("Deployment", "web", "u-d")
    assert again == [owner] * 50
    assert len(objects.asked) == 2
    assert all("PartialObjectMetadata" in accept for accept in objects.accepted)


def test_a_trainjob_is_found_behind_its_job_and_its_jobset(objects, owners):
    """Pod > Job > JobSet > TrainJob: the last is no kind that is asked, so it is the top."""
    jobset = reference("JobSet", "net", "u-js", "jobset.x-k8s.io/v1alpha2")
    trainjob = reference("TrainJob", "net", "u-tj", "trainer.kubeflow.org/v1alpha1")
    objects.put("/apis/batch/v1/namespaces/ml/jobs/net-w-0", "u-job", jobset)
    objects.put("/apis/jobset.x-k8s.io/v1alpha2/namespaces/ml/jobsets/net", "u-js", trainjob)

    owner = found(owners, JOB)

    assert (owner.group, owner.kind, owner.uid) == ("trainer.kubeflow.org", "TrainJob", "u-tj")


def test_a_kind_that_is_not_asked_is_the_top_without_a_call(objects, owners):
    """A DaemonSet, or a kind of another team."""
    daemon_set = OwnerReference("apps", "v1", "DaemonSet", "agent", "u-ds")

    assert owners.of("ml", daemon_set) == daemon_set
    assert objects.asked == []


def test_an_object_of_the_same_name_is_not_the_owner(objects, owners):
    """The ReplicaSet was deleted and made again: its uid differs, its owner proves nothing."""
    objects.put(
        "/apis/apps/v1/namespaces/ml/replicasets/web-7f",
        "other",
        reference("Deployment", "web", "u-d"),
    )

    assert found(owners, REPLICA_SET) == REPLICA_SET


def test_a_refusal_leaves_the_last_known_owner_and_is_asked_again_after_ten_minutes(
    objects, owners, clock, caplog
):
    """Without the right, pods are shown under their ReplicaSet; the log says so once per kind."""
    objects.status = 403
    other = OwnerReference("apps", "v1", "ReplicaSet", "api-1", "u-rs2")

    assert found(owners, REPLICA_SET) == REPLICA_SET
    assert found(owners, other) == other
    assert caplog.text.count("403") == 1

    objects.status = 200
    objects.put(
        "/apis/apps/v1/namespaces/ml/replicasets/web-7f",
        "u-rs",
        reference("Deployment", "web", "u-d"),
    )
    objects.put("/apis/apps/v1/namespaces/ml/deployments/web", "u-d")
    clock[0] += 599
    assert owners.of("ml", REPLICA_SET) == REPLICA_SET
    clock[0] += 2
    owners.of("ml", REPLICA_SET)
    owners.ask_next()
    assert found(owners, REPLICA_SET).kind == "Deployment"


def test_a_server_that_fails_leaves_the_owner_unknown_and_is_not_hammered(clock):
    """An outage says nothing about owners; the next try comes half a minute later."""
    owners = TopOwners(
        ApiServer("http://127.0.0.1:1", "/none", "/none"), RESOURCES, lambda: clock[0]
    )

    owners.of("ml", REPLICA_SET)
    owners.ask_next()

    assert owners.of("ml", REPLICA_SET) is None
    assert not owners._pending
    clock[0] += 31
    assert owners.of("ml", REPLICA_SET) is None
    assert owners._pending


def test_owners_in_a_circle_end(objects, owners):
    """Two objects that control each other: a fault of somebody's controller, bounded here."""
    a, b = reference("ReplicaSet", "a", "u-a"), reference("ReplicaSet", "b", "u-b")
    objects.put("/apis/apps/v1/namespaces/ml/replicasets/a", "u-a", b)
    objects.put("/apis/apps/v1/namespaces/ml/replicasets/b", "u-b", a)

    owner = found(owners, controller_of({"ownerReferences": [a]}))

    assert owner.name in ("a", "b")
    assert len(objects.asked) == 2


def test_what_is_remembered_is_bounded(objects, owners, monkeypatch):
    """A tenant who makes ever new Jobs costs a call each, and no memory."""
    monkeypatch.setattr("lowtide_exporter.owners.top_owners.KNOWN_MAX", 10)
    objects.status = 404
    for number in range(30):
        found(owners, OwnerReference("batch", "v1", "Job", f"j{number}", f"u{number}"))

    assert len(owners._parents) == 10
    assert KNOWN_MAX == 4096


def test_the_thread_asks_by_itself(objects):
    """Started, the finder answers without anyone's help."""
    objects.put(
        "/apis/apps/v1/namespaces/ml/replicasets/web-7f",
        "u-rs",
        reference("Deployment", "web", "u-d"),
    )
    objects.put("/apis/apps/v1/namespaces/ml/deployments/web", "u-d")
    with objects.serve() as url:
        owners = TopOwners(ApiServer(url, "/none", "/none"), RESOURCES)
        owners.start()
        pause = threading.Event()
        for _ in range(6_000):
            if (owner := owners.of("ml", REPLICA_SET)) is not None:
                break
            pause.wait(0.02)
        owners.stop()

    assert owner.name == "web"


@pytest.mark.parametrize(
    "references",
    [
        None,
        "no list",
        [],
        [reference("Job", "a", "u", controller=False)],
        [{"kind": "Job", "controller": True}],
        [reference("Job", "a" * 254, "u")],
        [reference("Job", 5, "u")],
    ],
)
def test_a_reference_that_is_not_whole_or_does_not_control_is_none(references):
    """Anyone may add further references to a pod; only the controller counts."""
    assert controller_of({"ownerReferences": references}) is None
