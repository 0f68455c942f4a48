"""The cluster comes and goes whole, whatever happens to its starter."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import footprint
import pytest
from clients import RunningCluster
from singlenode.binaries import Binaries
from singlenode.layout import SOURCES, Layout
from singlenode.node import PAUSE_IMAGE
from singlenode.processes import read_pid_file

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

Starter = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Starter]:
    """A function that starts the tool with arguments; what still runs is killed afterwards."""
    started: list[subprocess.Popen[str]] = []

    def starter(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(SOURCES), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A suite that runs in the background has Ctrl-C switched off; the tool has not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield starter
    for process in started:
        process.kill()
        process.communicate()


def tool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the tool to its end."""
    return subprocess.run(
        [sys.executable, str(SOURCES), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def await_process(layout: Layout, name: str, *, of: "subprocess.Popen[str]") -> None:
    """Wait until the starting cluster has the process `name`."""
    pid_file = layout.pids / f"{name}.pid"
    deadline = time.monotonic() + 240
    while read_pid_file(pid_file) is None:
        assert of.poll() is None, of.communicate()[1]
        assert time.monotonic() < deadline, f"{name} was not started in 240 s"
        time.sleep(0.05)


@pytest.mark.usefixtures("programs")
def test_ctrl_c_while_starting_removes_everything(vacant_machine: Layout, start: Starter) -> None:
    """An interrupted start ends by itself with nothing left; no `down` is needed."""
    before = footprint.take()
    process = start("up")
    await_process(vacant_machine, "kube-apiserver", of=process)

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert (process.returncode, footprint.take().new_since(before)) == (130, {}), said


@pytest.mark.usefixtures("programs")
def test_down_removes_what_a_killed_starter_left(vacant_machine: Layout, start: Starter) -> None:
    """SIGKILL of the starter leaves its processes running; `down` finds them all."""
    before = footprint.take()
    process = start("up")
    await_process(vacant_machine, "kubelet", of=process)
    process.kill()
    process.wait()
    assert read_pid_file(vacant_machine.pids / "etcd.pid") is not None

    done = tool("down")

    assert (done.returncode, footprint.take().new_since(before)) == (0, {}), done.stderr


def test_next_up_replaces_a_killed_one_and_ends_whole_on_sigterm(
    vacant_machine: Layout, start: Starter, programs: Binaries
) -> None:
    """With a pod running on a cluster that took the place of a wreck, SIGTERM removes it all."""
    before = footprint.take()
    wreck = start("up")
    await_process(vacant_machine, "containerd", of=wreck)
    wreck.kill()
    wreck.wait()

    process = start("up", "--foreground", "--gpus", "1")
    assert process.stdout is not None
    kubeconfig = process.stdout.readline().strip()
    run_pause_pod(programs, kubeconfig)
    process.terminate()
    process.communicate(timeout=60)

    assert footprint.take().new_since(before) == {}


def run_pause_pod(programs: Binaries, kubeconfig: str) -> None:
    """Run a pod that holds a GPU and a host port, so that there is something to remove."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "sleeper"},
        "spec": {
            "containers": [
                {
                    "name": "pause",
                    "image": PAUSE_IMAGE,
                    "resources": {"limits": {"nvidia.com/gpu": 1}},
                    "ports": [{"containerPort": 80, "hostPort": 18080}],
                }
            ]
        },
    }
    for arguments, text in (
        (["create", "-f", "-"], json.dumps(pod)),
        (["wait", "--for=condition=Ready", "pod/sleeper", "--timeout=240s"], None),
    ):
        subprocess.run(
            [programs.kubectl, f"--kubeconfig={kubeconfig}", *arguments],
            check=True,
            capture_output=True,
            text=True,
            input=text,
            timeout=270,
        )


@pytest.mark.parametrize(
    "state",
    [pytest.param([], id="same state directory"), pytest.param(["--state"], id="another one")],
)
def test_second_cluster_is_refused_in_one_sentence(
    cluster: RunningCluster, state: Sequence[str], tmp_path: Path
) -> None:
    """The address, the firewall and the kubelet's directory exist once per machine."""
    if cluster.layout is None:
        pytest.skip("the cluster is not on this machine")

    done = tool(*state, *([str(tmp_path / "other")] if state else []), "up")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: a test cluster is already on this machine, started ")
    assert str(cluster.layout.state) in done.stderr
    assert not (tmp_path / "other").exists()


def test_status_names_every_process(cluster: RunningCluster) -> None:
    """A running cluster is reported with each of its processes, and status 0."""
    if cluster.layout is None:
        pytest.skip("the cluster is not on this machine")

    done = tool("status")

    assert done.returncode == 0
    assert "not running" not in done.stdout
    for name in ("etcd", "kube-apiserver", "kubelet", "containerd", "prometheus", "gpuplugin"):
        assert name in done.stdout
