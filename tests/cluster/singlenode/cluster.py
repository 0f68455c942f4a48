"""Starts and removes the cluster of this machine.

`up` either ends with a cluster that answers, or removes what it started and raises. `processes`
runs the programs; `controlplane`, `node` and `services` make their arguments.
"""

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from singlenode import (
    archive,
    binaries,
    cleanup,
    controlplane,
    network,
    node,
    ownership,
    pki,
    preflight,
    processes,
    services,
)
from singlenode.commands import run
from singlenode.errors import CommandFailedError, NotReadyError, OccupiedError
from singlenode.layout import ADDRESS, API_PORT, NODE, PROMETHEUS_URL, Layout
from singlenode.processes import Identity
from singlenode.progress import Progress


@dataclass(frozen=True, slots=True)
class Settings:
    """Options in which two clusters may differ."""

    gpus: int = 2
    """Number of GPUs that the node says it has."""
    scrape_interval_seconds: int = 2
    """How often Prometheus asks each pod."""


def up(
    layout: Layout,
    settings: Settings,
    progress: Progress,
    *,
    bound: Identity | None = None,
) -> binaries.Binaries:
    """Start the cluster and return the programs it was made of.

    With `bound`, the cluster is worth keeping only as long as that process lives: after it the
    next `up` removes it.

    Raises:
        OccupiedError: another cluster is on this machine.
        UnsupportedMachineError: the machine lacks something that cannot be installed.
        NotReadyError: a part did not come up; its log's end is in the message.
    """
    preflight.check_machine(layout)
    refuse_second()
    programs = binaries.provide(layout, progress)
    with ownership.exclusive():
        refuse_second()
        _remove_abandoned(layout, progress)
        preflight.check_vacant()
        owner = ownership.claim(layout.state)
        try:
            _start(layout, settings, programs, progress)
            ownership.complete(owner, bound)
        except BaseException:
            progress.step("removing what was started")
            cleanup.remove(layout)
            ownership.release()
            raise
    progress.step(f"ready: {layout.kubeconfig}")
    return programs


def down(layout: Layout, progress: Progress) -> bool:
    """Remove the machine's cluster, whatever its state; return whether there was one."""
    preflight.check_machine(layout)
    with ownership.exclusive():
        owner = ownership.current()
        places = {layout.state, Path(owner.state)} if owner else {layout.state}
        found = [place for place in places if place.exists()]
        for place in found:
            progress.step(f"removing the cluster of {place}")
            cleanup.remove(Layout(state=place, cache=layout.cache))
        cleanup.unmount_builds(layout)
        ownership.release()
    return bool(found)


def refuse_second() -> None:
    """Raise OccupiedError if a cluster in use is on this machine.

    `up` checks this itself; callers that first build images check before, not minutes later.
    """
    owner = ownership.current()
    if owner is not None and not owner.is_abandoned and _some_process_runs(owner):
        raise OccupiedError(
            f"a test cluster is already on this machine, {owner}: use it, or remove it with "
            "`python tests/cluster down`"
        )


def _some_process_runs(owner: ownership.Owner) -> bool:
    """Return whether the cluster is more than files: after a reboot it is not."""
    layout = Layout(state=Path(owner.state), cache=Path())
    return not owner.complete or bool(processes.running(layout.pids.glob("*.pid")))


def _remove_abandoned(layout: Layout, progress: Progress) -> None:
    owner = ownership.current()
    places = {layout.state, Path(owner.state)} if owner else {layout.state}
    for place in places:
        if place.exists():
            progress.step(f"removing what a killed starter left in {place}")
            cleanup.remove(Layout(state=place, cache=layout.cache))
    ownership.release()


def _start(
    layout: Layout, settings: Settings, programs: binaries.Binaries, progress: Progress
) -> None:
    """Start everything; each part as soon as what it needs is there."""
    layout.state.mkdir(parents=True, mode=0o700)
    network.Before.record(layout.state / network.BEFORE)
    for directory in (layout.config, layout.logs, layout.pids):
        directory.mkdir()

    progress.step("starting etcd, containerd and the API server")
    network.create(layout.config / "cni", layout.state)
    (layout.config / "resolv.conf").write_text(_resolvers())
    _launch(layout, "containerd", node.containerd(layout, programs), programs)
    _launch(layout, "etcd", _component(programs, controlplane.etcd(layout)), programs)
    pki.create(layout.pki, layout.kubeconfig)
    _launch(
        layout, "kube-apiserver", _component(programs, controlplane.api_server(layout)), programs
    )
    archive.import_image(
        archive.single_binary_image(programs.pause, node.PAUSE_IMAGE, layout.state / "pause.tar"),
        layout,
        programs,
    )
    _await(layout, "kube-apiserver", lambda: _api_is_ready(layout), seconds=60)

    progress.step("starting the node")
    for name, arguments in (
        ("kube-controller-manager", controlplane.controller_manager(layout)),
        ("kube-scheduler", controlplane.scheduler(layout)),
        ("kubelet", node.kubelet(layout)),
        ("kube-proxy", node.kube_proxy(layout)),
    ):
        _launch(layout, name, _component(programs, arguments), programs)
    _launch(layout, "gpuplugin", node.gpu_plugin(programs, settings.gpus), programs)
    _apply(layout, programs, services.manifests())
    _launch(layout, "coredns", services.coredns(layout, programs), programs)
    _launch(layout, "discovery", services.discovery(layout), programs)
    _launch(
        layout,
        "prometheus",
        services.prometheus(layout, programs, settings.scrape_interval_seconds),
        programs,
    )

    progress.step("waiting for the node, its GPUs, DNS and Prometheus")
    _await(layout, "coredns", lambda: _answers(f"http://{ADDRESS}:8181/ready"), seconds=30)
    _await(layout, "prometheus", lambda: _answers(f"{PROMETHEUS_URL}/-/ready"), seconds=30)
    _await(layout, "kubelet", lambda: _node_is_ready(layout, programs, settings.gpus), seconds=60)
    _await(
        layout,
        "kube-controller-manager",
        lambda: _exists(layout, programs, "serviceaccount/default"),
        seconds=30,
    )


def set_gpus(layout: Layout, programs: binaries.Binaries, gpus: int) -> None:
    """Let the node advertise `gpus` GPUs; return when it does.

    Raises:
        NotReadyError: it still advertises another number after a minute.
    """
    if _node_is_ready(layout, programs, gpus):
        return
    pid_file = layout.pids / "gpuplugin.pid"
    processes.kill(processes.running([pid_file]).values())
    _launch(layout, "gpuplugin", node.gpu_plugin(programs, gpus), programs)
    _await(layout, "kubelet", lambda: _node_is_ready(layout, programs, gpus), seconds=60)


def _component(programs: binaries.Binaries, arguments: list[str]) -> list[str]:
    """Return the command line of a component of the one Kubernetes binary."""
    return [str(programs.kubernetes), *arguments]


def _launch(layout: Layout, name: str, argv: list[str], programs: binaries.Binaries) -> None:
    processes.start(
        argv,
        pid_file=layout.pids / f"{name}.pid",
        log_file=layout.logs / f"{name}.log",
        environment={"PATH": programs.runtime_path},
    )


def _await(layout: Layout, name: str, is_there: Callable[[], bool], *, seconds: float) -> None:
    """Wait until `is_there`, watching that the process `name` lives meanwhile."""
    deadline = time.monotonic() + seconds
    while not is_there():
        died = processes.read_pid_file(layout.pids / f"{name}.pid") is None
        if died or time.monotonic() > deadline:
            log = layout.logs / f"{name}.log"
            said = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
            trouble = "ended" if died else f"is not ready after {seconds:.0f} s"
            raise NotReadyError(f"{name} {trouble}; the end of its log:\n{said}")
        time.sleep(0.1)


def _answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _api_is_ready(layout: Layout) -> bool:
    context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
    return _answers(f"https://{ADDRESS}:{API_PORT}/readyz", context)


def _kubectl(layout: Layout, programs: binaries.Binaries, *arguments: str, text: str = "") -> str:
    return run([programs.kubectl, f"--kubeconfig={layout.kubeconfig}", *arguments], input_text=text)


def _apply(layout: Layout, programs: binaries.Binaries, manifests: list[services.Manifest]) -> None:
    """Create the first objects of a new cluster."""
    bundle = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    _kubectl(layout, programs, "create", "--validate=false", "-f", "-", text=bundle)


def _exists(layout: Layout, programs: binaries.Binaries, name: str) -> bool:
    try:
        _kubectl(layout, programs, "get", name)
    except CommandFailedError:
        return False
    return True


def _node_is_ready(layout: Layout, programs: binaries.Binaries, gpus: int) -> bool:
    """Return whether pods can be scheduled, with all GPUs."""
    try:
        status = json.loads(_kubectl(layout, programs, "get", "node", NODE, "-o", "json"))["status"]
    except CommandFailedError:
        return False  # the kubelet has not registered yet
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status["conditions"])
    return ready and status.get("allocatable", {}).get("nvidia.com/gpu", "0") == str(gpus)


def _resolvers() -> str:
    """Return the host's resolver configuration, for pods that ask for it."""
    path = Path("/etc/resolv.conf")
    return path.read_text() if path.exists() else ""
