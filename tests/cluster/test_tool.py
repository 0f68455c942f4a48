"""The parts of the cluster's tool that need neither root nor a cluster."""

import json
import os
import re
import subprocess
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from singlenode import access, archive, binaries, cache, discovery, node, preflight, processes
from singlenode.binaries import MODULES, Module
from singlenode.commands import beside, run
from singlenode.errors import (
    CommandFailedError,
    ForbiddenContextError,
    UnsupportedMachineError,
)
from singlenode.hosttorch import host_torch
from singlenode.layout import Layout
from singlenode.ownership import Owner
from singlenode.processes import Identity


def own_identity() -> Identity:
    """Return the identity of the test process."""
    identity = Identity.of(os.getpid())
    assert identity is not None
    return identity


def await_that(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, four minutes at most."""
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_started_process_is_named_by_its_pid_file_and_killed(tmp_path: Path) -> None:
    """A started process is found by its pid file, and gone when `kill` returns."""
    pid_file, log = tmp_path / "sleeper.pid", tmp_path / "sleeper.log"
    processes.start(["/bin/sleep", "60"], pid_file=pid_file, log_file=log)
    sleeper = processes.read_pid_file(pid_file)
    assert sleeper is not None

    processes.kill([sleeper])

    assert not sleeper.is_alive
    assert processes.read_pid_file(pid_file) is None


def test_recycled_pid_is_not_killed(tmp_path: Path) -> None:
    """A pid file whose start time is another process's names no process, and none is killed."""
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        identity = Identity.of(stranger.pid)
        assert identity is not None
        former = replace(identity, started_ticks=identity.started_ticks - 1)
        (tmp_path / "former.pid").write_text(f"{former.pid} {former.started_ticks}\n")

        processes.kill([former])

        assert processes.read_pid_file(tmp_path / "former.pid") is None
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("content", ["", "12", "twelve 3", "99999999 1"])
def test_useless_pid_file_names_no_process(tmp_path: Path, content: str) -> None:
    """A half-written or foreign pid file does not make the tool fail."""
    (tmp_path / "odd.pid").write_text(content)

    assert processes.read_pid_file(tmp_path / "odd.pid") is None


def test_output_of_a_started_process_is_logged(tmp_path: Path) -> None:
    """Both streams of a process go to its log: the last words explain why it died."""
    pid_file, log = tmp_path / "pid", tmp_path / "log"

    processes.start(["/bin/sh", "-c", "echo out; echo err >&2"], pid_file=pid_file, log_file=log)

    await_that(lambda: processes.read_pid_file(pid_file) is None)
    assert log.read_text() == "out\nerr\n"


def test_work_beside_a_failure_is_asked_to_end_and_waited_for(tmp_path: Path) -> None:
    """A build beside one that fails cleans up before the caller goes on."""
    begun, cleaned = tmp_path / "begun", tmp_path / "cleaned"
    script = f"trap 'touch {cleaned}; exit' TERM; touch {begun}; while :; do sleep 0.01; done"

    def work() -> None:
        with beside(["/bin/sh", "-c", script]):
            await_that(begun.exists)
            raise CommandFailedError("no compiler")

    with pytest.raises(CommandFailedError, match="no compiler"):
        work()

    assert cleaned.exists()


def test_work_beside_is_complete_when_both_are(tmp_path: Path) -> None:
    """The program beside a body has ended when the body's `with` does."""
    with beside(["/bin/sh", "-c", f"sleep 0.1; touch {tmp_path / 'made'}"]):
        pass

    assert (tmp_path / "made").exists()


LIVING = own_identity()
DEAD = Identity(pid=os.getpid(), started_ticks=1)


@pytest.mark.parametrize(
    ("complete", "starter", "bound", "abandoned"),
    [
        pytest.param(False, LIVING, None, False, id="being started"),
        pytest.param(False, DEAD, None, True, id="starter killed midway"),
        pytest.param(True, DEAD, None, False, id="kept until down"),
        pytest.param(True, DEAD, LIVING, False, id="its process lives"),
        pytest.param(True, DEAD, DEAD, True, id="its process is gone"),
    ],
)
def test_cluster_is_abandoned_when_no_process_needs_it_any_more(
    complete: bool, starter: Identity, bound: Identity | None, abandoned: bool
) -> None:
    """Only an abandoned cluster may be removed by the next `up`."""
    owner = Owner("/state", "2026-01-01T00:00:00Z", starter, "pytest", complete, bound)

    assert owner.is_abandoned is abandoned


def test_cache_entry_is_built_once(tmp_path: Path) -> None:
    """The second request finds the entry of the first."""
    built: list[Path] = []

    def build(directory: Path, _lock: int) -> None:
        built.append(directory)
        (directory / "file").write_text("content")

    first = cache.entry(tmp_path, "key", build)
    second = cache.entry(tmp_path, "key", build)

    assert first == second
    assert (second / "file").read_text() == "content"
    assert len(built) == 1


def test_programs_of_other_kinds_are_missing_until_each_is_built(tmp_path: Path) -> None:
    """By the name and the version that the tests would use."""
    layout = Layout(state=tmp_path / "state", cache=tmp_path / "cache")
    names = binaries.missing_for_kinds(layout)
    assert {"kueue", "trainer", "trainingoperator", "rayoperator"} <= set(names)

    for name in names:
        program = binaries.place_of(name, layout)
        program.parent.mkdir(parents=True)
        assert name in binaries.missing_for_kinds(layout)
        program.touch()

    assert binaries.missing_for_kinds(layout) == []


def test_failed_build_leaves_no_entry(tmp_path: Path) -> None:
    """A build that dies halfway is not taken for a finished one, and the next starts anew."""

    def die(directory: Path, _lock: int) -> None:
        (directory / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.entry(tmp_path, "key", die)

    entry = cache.entry(tmp_path, "key", lambda directory, _: None)

    assert list(entry.iterdir()) == []


def test_digest_of_a_tree_changes_with_names_and_contents_only(tmp_path: Path) -> None:
    """Bytecode, which every run rewrites, does not count."""
    package = tmp_path / "package"
    (package / "__pycache__").mkdir(parents=True)
    (package / "a.py").write_text("1")
    before = cache.tree_digest([package], base=tmp_path)

    (package / "__pycache__" / "a.pyc").write_text("bytecode")
    with_bytecode = cache.tree_digest([package], base=tmp_path)
    (package / "a.py").rename(package / "b.py")
    renamed = cache.tree_digest([package], base=tmp_path)

    assert with_bytecode == before
    assert renamed != before


@pytest.mark.parametrize(
    ("context", "named"),
    [("lowtide", None), ("kind-lowtide-ci", None), ("production", "production")],
)
def test_contexts_for_tests_are_used(context: str, named: str | None) -> None:
    """A context whose name says what it is for, or that the user names, is allowed."""
    access.check_context(context, named)


@pytest.mark.parametrize(("context", "named"), [("production", None), ("kind-kind", "other")])
def test_other_contexts_are_refused(context: str, named: str | None) -> None:
    """Tests never touch a cluster that the user merely happens to be logged in to."""
    with pytest.raises(ForbiddenContextError, match=f"LOWTIDE_TEST_CONTEXT={context}"):
        access.check_context(context, named)


POD = {
    "metadata": {
        "name": "exporter-x",
        "namespace": "lowtide",
        "uid": "u",
        "annotations": {"prometheus.io/scrape": "true"},
        "labels": {"app.kubernetes.io/name": "lowtide"},
    },
    "spec": {"nodeName": "n"},
    "status": {"podIP": "10.0.0.7", "phase": "Running"},
}


def test_discovery_names_labels_as_prometheus_does() -> None:
    """The names are those of Prometheus's own discovery (kubernetes_sd_config, role pod)."""
    entry = discovery.target(POD)

    assert entry is not None
    assert entry["targets"] == ["10.0.0.7"]
    assert entry["labels"]["__meta_kubernetes_namespace"] == "lowtide"
    assert entry["labels"]["__meta_kubernetes_pod_annotation_prometheus_io_scrape"] == "true"
    assert entry["labels"]["__meta_kubernetes_pod_label_app_kubernetes_io_name"] == "lowtide"


def test_discovery_leaves_out_pods_without_address() -> None:
    """A pod that waits for its node or its network cannot be asked."""
    assert discovery.target({**POD, "status": {"phase": "Pending"}}) is None


@pytest.mark.parametrize(
    ("capabilities", "granted"),
    [
        # Bit 24 is CAP_SYS_RESOURCE (linux/capability.h): 0x1000000.
        pytest.param("000001ffffffffff", True, id="all"),
        pytest.param("000001fffeffffff", False, id="all but that one"),
    ],
)
def test_missing_capability_is_seen(tmp_path: Path, capabilities: str, granted: bool) -> None:
    """Without the capability containerd must not lower the score of a sandbox."""
    status = tmp_path / "status"
    status.write_text(f"Name:\tpytest\nCapEff:\t{capabilities}\n")

    assert node.may_lower_oom_score(status) is granted


@pytest.mark.parametrize(("machine", "named"), [("aarch64", "arm64"), ("x86_64", "amd64")])
def test_image_says_the_machine_that_it_is_for(tmp_path: Path, machine: str, named: str) -> None:
    """A builder takes the image for another platform only if it says so itself."""
    layer = tmp_path / "layer.tar"
    with tarfile.open(layer, "w"):
        pass
    archive.write_image([layer], {}, "example/base:1", tmp_path / "image.tar", machine=machine)

    with tarfile.open(tmp_path / "image.tar") as files:
        (name,) = (name for name in files.getnames() if len(name) > len("manifest.json"))
        content = files.extractfile(name)
        assert content is not None
        assert json.load(content)["architecture"] == named


def test_image_archive_has_the_parts_that_loaders_read(tmp_path: Path) -> None:
    """Manifest, configuration and layer refer to each other by name and digest."""
    binary = tmp_path / "pause"
    binary.write_bytes(b"\x7fELF")

    image = archive.single_binary_image(binary, "example/pause:1", tmp_path / "image.tar")

    with tarfile.open(image) as files:
        parts = {member.name: files.extractfile(member) for member in files}
        contents = {name: part.read() for name, part in parts.items() if part is not None}
    (manifest,) = json.loads(contents["manifest.json"])
    configuration = json.loads(contents[manifest["Config"]])
    assert manifest["RepoTags"] == ["example/pause:1"]
    assert len(manifest["Layers"]) == len(configuration["rootfs"]["diff_ids"]) == 1
    assert configuration["config"]["Entrypoint"] == ["/pause"]


def test_host_torch_mounts_nothing_writable_but_scratch() -> None:
    """A pod cannot change the environment that it borrows."""
    lent = host_torch()

    writable = [mount["mountPath"] for mount in lent.volume_mounts if not mount.get("readOnly")]
    assert writable == ["/tmp"]
    assert {mount["name"] for mount in lent.volume_mounts} == {v["name"] for v in lent.volumes}


def test_failed_command_is_quoted() -> None:
    """The last lines of a failing program are in the message."""
    with pytest.raises(CommandFailedError, match="ended with status 3:\nno such thing"):
        run(["sh", "-c", "echo no such thing >&2; exit 3"])


def test_missing_command_is_named() -> None:
    """A program that is not there is named, without a traceback of the operating system."""
    with pytest.raises(CommandFailedError, match="lowtide-no-such-program is not installed"):
        run(["lowtide-no-such-program"])


def test_a_name_that_is_refused_on_the_path_is_not_installed(tmp_path: Path) -> None:
    """The kernel refuses a folder of the path, or one of that name, as it refuses a program."""
    (tmp_path / "lowtide-folder").mkdir()
    (tmp_path / "lowtide-text").touch()
    path = {"PATH": str(tmp_path)}

    with pytest.raises(CommandFailedError, match="lowtide-folder is not installed"):
        run(["lowtide-folder"], environment=path)
    with pytest.raises(CommandFailedError, match="lowtide-text cannot be executed: Permission"):
        run(["lowtide-text"], environment=path)


def test_state_directory_that_is_too_long_for_a_socket_is_refused() -> None:
    """A socket's path has less than 108 bytes (unix(7)); containerd's message would not help."""
    # 81 + len("/containerd.sock.ttrpc") = 81 + 22 = 103 fits; 90 + 22 = 112 is 5 too many.
    preflight.check_state_directory(Path("/" + 80 * "d"))

    with pytest.raises(UnsupportedMachineError, match="is 5 characters shorter"):
        preflight.check_state_directory(Path("/" + 89 * "d"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_every_go_module_is_complete(module: Module) -> None:
    """Each module carries its go.mod, and checksums where it has dependencies."""
    files = {path.name for path in module.files}

    assert {"go.mod", "main.go"} <= files
    assert "go.sum" in files or "require" not in (module.directory / "go.mod").read_text()


def test_go_modules_agree_on_the_versions_of_what_they_share() -> None:
    """A package in two versions is compiled twice, which costs minutes on the first build."""
    wanted: dict[str, set[str]] = {}
    for module in MODULES:
        text = (module.directory / "go.mod").read_text()
        for path, version in re.findall(r"^\s*(?:require )?(\S+\.\S+) (v\S+)", text, re.MULTILINE):
            wanted.setdefault(path, set()).add(version)

    assert {path: found for path, found in wanted.items() if len(found) > 1} == {}


def test_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    """A build that hangs leaves nothing running behind."""
    script = f"sleep 60 & echo $! > {tmp_path / 'child'}; wait"

    with pytest.raises(CommandFailedError, match=r"sh did not end within 0 s"):
        run(["sh", "-c", script], timeout_seconds=0.4)

    await_that(lambda: Identity.of(int((tmp_path / "child").read_text())) is None)
