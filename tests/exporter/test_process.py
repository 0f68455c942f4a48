"""The installed command as a child process: scraped, parsed, ended."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client.parser import text_string_to_metric_families
from standins.nvml.control import Control, gpu_uuid

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "lowtide_exporter.main", "--listen-address", "127.0.0.1"]


@pytest.fixture
def environment(tmp_path):
    """An environment without a cluster, with a control file of two GPUs."""
    control = Control.create(tmp_path / "state", 2)
    control.close()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LOWTIDE_", "KUBERNETES_"))}
    return kept | {"LOWTIDE_MOCK_STATE": str(tmp_path / "state")}


@contextmanager
def exporter(environment, *arguments):
    """A running exporter; yields (process, url) once it serves."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"serving on port (\d+)", line):
                yield process, f"http://127.0.0.1:{found[1]}"
                break
        else:
            pytest.fail("the exporter did not serve:\n" + "".join(lines))
    finally:
        process.kill()
        process.communicate(timeout=240)


def scrape(url):
    """Return samples as {(name, labels): value}."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=240) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }


def wait_for(condition):
    """Wait up to two minutes for a condition of the child."""
    pause = threading.Event()
    for _ in range(2_400):
        if (value := condition()) is not None:
            return value
        pause.wait(0.05)
    return pytest.fail("the condition did not become true")


def test_the_command_serves_pods_of_a_real_socket(environment, nvml_library, kubelet):
    """From gRPC and NVML to text: a pod's joules, labelled as mock, ended by SIGTERM with 0."""
    kubelet.give("ml", "job", gpu_uuid(0), container="trainer")
    arguments = [
        *("--nvml-library", str(nvml_library), "--allow-mock", "--period-seconds", "0.05"),
        *("--kubelet-period-seconds", "0.05", "--kubelet-socket", str(kubelet.socket)),
    ]

    def joules(url):
        found = {
            dict(labels)["part"]: value
            for (name, labels), value in scrape(url).items()
            if name == "lowtide_pod_energy_joules_total"
        }
        return found if found.get("active", 0) > 0 else None

    with exporter(environment, *arguments) as (process, url):
        energy = wait_for(lambda: joules(url))
        samples = scrape(url)
        process.send_signal(signal.SIGTERM)
        code = process.wait(240)

    assert energy["active"] > 0
    assert samples["lowtide_attribution_residual_joules", frozenset({("component", "gpu")})] == 0
    sources = {dict(labels)["source"] for name, labels in samples if name == "lowtide_gpu_info"}
    assert sources == {"mock"}
    assert code == 0


def test_the_command_refuses_a_stand_in_without_the_flag(environment, nvml_library):
    """Found by the loader like the real one, it is still recognised: exit code 1, one sentence."""
    searched = environment | {"LD_LIBRARY_PATH": str(nvml_library.parent)}

    result = subprocess.run(
        [*COMMAND, "--port", "0"], env=searched, capture_output=True, text=True, timeout=120
    )

    assert result.returncode == 1
    assert "the NVML library is a stand-in" in result.stderr
    assert "--allow-mock" in result.stderr
    assert result.stdout == ""


def test_the_command_serves_a_node_without_gpus(environment):
    """No driver, no kubelet: it says so and stays useful."""
    with exporter(environment, "--kubelet-socket", "/nowhere/kubelet.sock") as (_, url):
        samples = scrape(url)

    down = {
        dict(labels)["source"]
        for (name, labels), value in samples.items()
        if name == "lowtide_source_up" and value == 0
    }
    assert {"nvml", "kubelet", "api"} <= down
    assert not any(name == "lowtide_gpu_energy_joules_total" for name, _ in samples)


@contextmanager
def dcgm_page(host, text):
    """A dcgm-exporter of a node with this address; yields its port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = type("Server", (ThreadingHTTPServer,), {"address_family": family})
    try:
        server = kind((host, 0), Page)
    except OSError as error:
        pytest.skip(f"this machine has no {host}: {error}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_command_asks_the_nodes_dcgm_exporter_for_mig_activity(
    environment, nvml_library, kubelet, tmp_path, host
):
    """At the node's address, as the chart gives it: one busy instance gets all active energy."""
    control = Control(tmp_path / "state")
    control.set_instances(0, [(7, 1, 16), (1, 4, 64)])
    busy, idle = control.instance_uuid(0, 0), control.instance_uuid(0, 1)
    control.close()
    kubelet.give("ml", "busy", busy, container="trainer")
    kubelet.give("ml", "idle", idle, container="trainer")
    page = "".join(
        f'DCGM_FI_PROF_GR_ENGINE_ACTIVE{{gpu="0",UUID="{gpu_uuid(0)}",GPU_I_ID="{i}"}} {ratio}\n'
        for i, ratio in ((7, 0.9), (1, 0.0))
    )
    arguments = [
        *("--nvml-library", str(nvml_library), "--allow-mock", "--period-seconds", "0.05"),
        *("--kubelet-period-seconds", "0.05", "--kubelet-socket", str(kubelet.socket)),
    ]

    def weighted(url):
        found = {
            dict(labels)["pod"]: value
            for (name, labels), value in scrape(url).items()
            if name == "lowtide_pod_energy_joules_total"
            and dict(labels).items() >= {"method": "mig_weighted", "part": "active"}.items()
        }
        return found if found.get("busy", 0) > 0 else None

    with dcgm_page(host, page) as port:
        variables = environment | {
            "LOWTIDE_DCGM_URL": f"http://$(NODE_ADDRESS):{port}/metrics",
            "LOWTIDE_NODE_ADDRESS": host,
        }
        with exporter(variables, *arguments) as (_, url):
            energy = wait_for(lambda: weighted(url))
            samples = scrape(url)

    assert energy.get("idle", 0) == 0
    assert samples["lowtide_source_up", frozenset({("source", "dcgm")})] == 1


def test_a_taken_port_is_said_in_one_sentence(environment, nvml_library):
    """No traceback for what an administrator can mend."""
    with exporter(environment) as (_, url):
        port = url.rsplit(":", 1)[1]
        result = subprocess.run(
            [*COMMAND, "--port", port], env=environment, capture_output=True, text=True, timeout=120
        )

    assert result.returncode == 1
    assert "cannot serve" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_exporter_imports_nothing_heavy():
    """Its memory budget has no room for numpy, pydantic, torch, requests or protobuf."""
    program = (
        "import sys, lowtide_exporter.main; "
        "heavy = {'numpy', 'pydantic', 'torch', 'requests', 'aiohttp', 'google.protobuf'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )

    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )

    assert result.stdout.strip() == "[]"


def test_the_demo_serves_without_gpu_and_cluster(environment):
    """A node to look at, all of it labelled mock."""
    with exporter(environment, "--demo") as (_, url):
        samples = scrape(url)

    info = [dict(labels) for name, labels in samples if name == "lowtide_gpu_info"]
    assert len(info) == 4
    assert {labels["source"] for labels in info} == {"mock"}


def test_state_is_kept_over_a_termination(environment, nvml_library, kubelet, tmp_path):
    """SIGTERM writes the totals; the next process goes on from them."""
    kubelet.give("ml", "job", gpu_uuid(0))
    arguments = [
        *("--nvml-library", str(nvml_library), "--allow-mock", "--period-seconds", "0.05"),
        *("--kubelet-period-seconds", "0.05", "--kubelet-socket", str(kubelet.socket)),
        *("--state-file", str(tmp_path / "state.json")),
    ]

    def joules(url):
        values = [v for (n, _), v in scrape(url).items() if n == "lowtide_pod_energy_joules_total"]
        return sum(values) or None

    with exporter(environment, *arguments) as (process, url):
        before = wait_for(lambda: joules(url))
        process.send_signal(signal.SIGTERM)
        process.wait(240)
    with exporter(environment, *arguments) as (_, url):
        after = wait_for(lambda: joules(url))

    assert after >= before
