"""Devices held through Dynamic Resource Allocation."""

import io
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from standins.nvml.control import gpu_uuid

from lowtide.meters.errors import SourceError
from lowtide_exporter.owners.api_server import ApiServer
from lowtide_exporter.owners.claims import ClaimResolver, parse_slices
from lowtide_exporter.owners.kubelet import Kubelet
from lowtide_exporter.readings import Allocation, ClaimedDevice

DRIVER, POOL = "gpu.nvidia.com", "node-1"
GPU_0 = ClaimedDevice(DRIVER, POOL, "gpu-0")


def at_once(work):
    """Do at once what otherwise has a thread of its own."""
    work()


def slices(nested=False):
    """A list of slices with one GPU and one device that has no UUID."""
    attributes = {"uuid": {"string": gpu_uuid(0)}, "productName": {"string": "H100"}}
    described = {"attributes": attributes}
    devices = [
        {"name": "gpu-0", **({"basic": described} if nested else described)},
        {"name": "odd", "attributes": {"index": {"int": 1}}},
    ]
    return {"items": [{"spec": {"driver": DRIVER, "pool": {"name": POOL}, "devices": devices}}]}


@contextmanager
def api_server(versions):
    """An API server that knows slices in these versions; yields (ApiServer, requests)."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            url = urlsplit(self.path)
            requests.append((url.path, parse_qs(url.query)))
            known = url.path.split("/")[3] in versions
            self.send_response(200 if known else 404)
            self.end_headers()
            if known:
                self.wfile.write(json.dumps(slices()).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield ApiServer(f"http://127.0.0.1:{server.server_port}", "/none", "/none"), requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Listed:
    """An owner list with one claim."""

    def __init__(self, *claims):
        self.table = (Allocation("ml", "dra", "main", (), (), claims),)

    def allocations(self):
        return self.table

    def advertised_replicas(self):
        return {}

    def close(self):
        pass


@pytest.mark.parametrize("nested", [False, True], ids=["v1", "v1beta1"])
def test_slices_tell_the_uuid_of_a_device(nested):
    """Both shapes of the API; a device without UUID does not appear."""
    assert parse_slices(slices(nested)) == {GPU_0: gpu_uuid(0)}


@pytest.mark.parametrize("body", [{}, {"items": None}, {"items": [{}]}, {"items": [{"spec": {}}]}])
def test_slices_without_devices_tell_nothing(body):
    """Nothing is guessed from what is not there."""
    assert parse_slices(body) == {}


def test_the_kubelets_claims_are_read(kubelet, kubelet_messages):
    """Driver, pool and name of each claimed device, beside devices of the old kind."""
    claim = kubelet_messages["ClaimResource"](
        driver_name=DRIVER, pool_name=POOL, device_name="gpu-0"
    )
    held = kubelet_messages["DynamicResource"](
        claim_name="c", claim_namespace="ml", claim_resources=[claim]
    )
    pod = kubelet.pod("ml", "dra", container="main")
    pod.containers[0].dynamic_resources.append(held)
    kubelet.pods.append(pod)
    client = Kubelet(str(kubelet.socket), frozenset())

    found = client.allocations()
    client.close()

    assert found == (Allocation("ml", "dra", "main", (), (), (GPU_0,)),)


def test_a_claimed_gpu_is_held_like_any_other():
    """An older server knows an older version of the API; the node's slices suffice."""
    with api_server({"v1beta1"}) as (api, requests):
        (item,) = ClaimResolver(Listed(GPU_0), api, "node-1", start=at_once).allocations()

    assert item.device_ids == (gpu_uuid(0),)
    assert [path.split("/")[3] for path, _ in requests] == ["v1", "v1beta2", "v1beta1"]
    assert requests[0][1] == {"fieldSelector": ["spec.nodeName=node-1"]}


def test_an_unknown_device_is_not_guessed_and_not_asked_for_each_second(caplog):
    """Its energy stays free; the API server is asked again after half a minute."""
    now = [0.0]
    with api_server({"v1"}) as (api, requests):
        owners = ClaimResolver(
            Listed(ClaimedDevice(DRIVER, POOL, "gpu-9")), api, "node-1", lambda: now[0], at_once
        )
        for second in range(40):
            now[0] = float(second)
            assert owners.allocations()[0].device_ids == ()

    assert len(requests) == 2
    assert "claimed devices of no known GPU" in caplog.text


@pytest.mark.parametrize("body", [{"items": ["x"]}, {"items": [{"spec": 3}]}, {"items": 5}])
def test_malformed_slices_are_said_and_tell_nothing(body, caplog):
    """The exporter goes on without them."""

    class Api:
        def get(self, *_):
            return io.BytesIO(json.dumps(body).encode())

    (item,) = ClaimResolver(Listed(GPU_0), Api(), "node-1", start=at_once).allocations()

    assert item.device_ids == ()
    assert "malformed" in caplog.text


def test_no_tick_waits_for_the_api_server(caplog):
    """While the slices are read, the holders are not known; then they are, or the log says so."""
    started = []

    class Slow:
        def get(self, path, query, seconds):
            raise SourceError("no answer")

    owners = ClaimResolver(
        Listed(ClaimedDevice(DRIVER, POOL, "gpu-0")), Slow(), "node-1", start=started.append
    )
    for _ in range(2):
        with pytest.raises(SourceError, match="being read"):
            owners.allocations()
    (read,) = started
    read()

    (item,) = owners.allocations()
    assert item.device_ids == ()
    assert "claimed devices of no known GPU" in caplog.text
