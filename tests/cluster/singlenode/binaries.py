"""The programs that are compiled here, from the Go modules beside this package.

The cluster runs those of `MODULES`; those of `COMPANIONS` are other people's programs that tests
hold the project's own output against. Each module has its own cache entry, keyed by its files: a
fresh clone on a machine that has built them once builds nothing.
"""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from singlenode import cache, packages, toolchain
from singlenode.commands import run, watch
from singlenode.errors import ClusterError
from singlenode.layout import SOURCES, Layout
from singlenode.progress import Progress


@dataclass(frozen=True, slots=True)
class Module:
    """One Go module of `tests/cluster`, built to a static binary of the same name."""

    name: str
    compiled_packages: int
    """How many packages a cold build compiles: the scale of the progress display."""
    core_minutes: float
    """CPU minutes of a cold build on the reference machine (two shared cores)."""
    package: str = "."
    """Package of the program, where it is not the module's own."""
    is_for_kinds: bool = False
    """Whether only `make test-kinds` builds it, because that takes long."""

    @property
    def directory(self) -> Path:
        """Folder of its sources."""
        return SOURCES / self.name

    @property
    def files(self) -> list[Path]:
        """Everything its binary depends on, besides the compiler."""
        return sorted(
            path for path in self.directory.iterdir() if path.suffix in {".go", ".mod", ".sum"}
        )

    @property
    def key(self) -> str:
        """Name of its cache entry: another source or another machine has another one."""
        return cache.digest([platform.machine(), *self.files])


MODULES = (
    # What an earlier module has compiled the later ones take from Go's own cache.
    Module("kubernetes", compiled_packages=2700, core_minutes=20),
    Module("coredns", compiled_packages=90, core_minutes=0.5),
    Module("gpuplugin", compiled_packages=10, core_minutes=0.1),
    Module("pause", compiled_packages=5, core_minutes=0.1),
)
COMPANIONS = (
    Module(
        "victoriametrics",
        compiled_packages=300,
        core_minutes=1,
        package="github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics",
    ),
    Module("jobset", compiled_packages=680, core_minutes=8, package="sigs.k8s.io/jobset"),
    Module(
        "kueue",
        compiled_packages=1500,
        core_minutes=20,
        package="sigs.k8s.io/kueue/cmd/kueue",
        is_for_kinds=True,
    ),
    # Built against what Kueue is built against, so that most of it is compiled already.
    Module(
        "trainer",
        compiled_packages=900,
        core_minutes=1,
        package="github.com/kubeflow/trainer/v2/cmd/trainer-controller-manager",
        is_for_kinds=True,
    ),
    # These two against what JobSet is built against, for the same reason.
    Module(
        "trainingoperator",
        compiled_packages=800,
        core_minutes=3,
        package="github.com/kubeflow/training-operator/cmd/training-operator.v1",
        is_for_kinds=True,
    ),
    Module(
        "rayoperator",
        compiled_packages=800,
        core_minutes=3,
        package="github.com/ray-project/kuberay/ray-operator",
        is_for_kinds=True,
    ),
    Module(
        "otelcollector",
        compiled_packages=1700,
        core_minutes=9.5,
        is_for_kinds=True,
    ),
)


_GO_ENVIRONMENT = {
    "CGO_ENABLED": "0",
    "GOTOOLCHAIN": "local",
    "GOFLAGS": "",
    "GOROOT": "",
    "GOGC": "400",  # the compiler collects garbage less often: a tenth less time, more memory
}


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where every program of the cluster is."""

    kubernetes: Path
    coredns: Path
    gpuplugin: Path
    pause: Path
    debian: Path
    clients: Path

    @property
    def containerd(self) -> Path:
        """The container runtime."""
        return self.debian / "usr/bin/containerd"

    @property
    def ctr(self) -> Path:
        """The container runtime's client."""
        return self.debian / "usr/bin/ctr"

    @property
    def prometheus(self) -> Path:
        """The Prometheus server."""
        return self.debian / "usr/bin/prometheus"

    @property
    def network_plugins(self) -> Path:
        """The directory of the CNI plugins."""
        return self.debian / "usr/lib/cni"

    @property
    def kubectl(self) -> Path:
        """The command line client."""
        return self.clients / "kubectl"

    @property
    def runtime_path(self) -> str:
        """A PATH on which containerd finds runc and its shim."""
        return os.pathsep.join(
            [
                str(self.debian / "usr/bin"),
                str(self.debian / "usr/sbin"),
                "/usr/sbin:/usr/bin:/sbin:/bin",
            ]
        )


def provide(layout: Layout, progress: Progress) -> Binaries:
    """Return all programs, fetching and building what the cache lacks."""
    packages.install(progress)
    with cache.lock(layout.cache / "debian" / ".lock"):
        debian = packages.unpack(layout.cache / "debian" / _distribution(), progress)
    clients = toolchain.client_tools(layout, progress)
    built = {module.name: _build(module, layout, progress) for module in MODULES}
    return Binaries(**built, debian=debian, clients=clients)


def build_companions(layout: Layout, progress: Progress, *, kinds: bool = False) -> None:
    """Build the companions that the cache lacks; tests of one that cannot be built are skipped.

    With `kinds` also those that take long.
    """
    for module in COMPANIONS:
        if module.is_for_kinds and not kinds:
            continue
        try:
            _build(module, layout, progress)
        except ClusterError as error:
            progress.step(f"{module.name} cannot be built, its tests are skipped: {error}")


def companion(layout: Layout, name: str) -> Path | None:
    """Return a companion's program, `None` where it is not built."""
    path = place_of(name, layout)
    return path if path.is_file() else None


def place_of(name: str, layout: Layout) -> Path:
    """Return where a companion's program is once it is built."""
    (module,) = (module for module in COMPANIONS if module.name == name)
    return _place(module, layout) / module.key / name


def missing_for_kinds(layout: Layout) -> list[str]:
    """Return the companions that only `make test-kinds` builds and that are not built."""
    names = [module.name for module in COMPANIONS if module.is_for_kinds]
    return [name for name in names if companion(layout, name) is None]


def module_folder(layout: Layout, name: str, progress: Progress) -> Path:
    """Return the folder of the module that a companion is built from, with its manifests."""
    (module,) = (module for module in COMPANIONS if module.name == name)
    command: list[str | Path] = [toolchain.go(layout, progress), "list", "-mod=readonly"]
    command += ["-f", "{{.Module.Dir}}", module.package]
    where = run(command, environment=_GO_ENVIRONMENT, directory=module.directory)
    return Path(where.strip())


def _distribution() -> str:
    """Return for example `debian-12`, or `debian` where the release has no number."""
    fields = platform.freedesktop_os_release()
    return "-".join(filter(None, [fields.get("ID", "linux"), fields.get("VERSION_ID", "")]))


def _build(module: Module, layout: Layout, progress: Progress) -> Path:
    """Return the binary of one module."""

    def compile_module(directory: Path, lock: int) -> None:
        go = toolchain.go(layout, progress)
        minutes = module.core_minutes / len(os.sched_getaffinity(0))
        progress.step(f"building {module.name} from its Go module (once, {_about(minutes)})")
        compiled = 0

        def count(line: str) -> None:
            nonlocal compiled
            compiled += not line.startswith("go: ")
            progress.update(f"{compiled} of about {module.compiled_packages} packages: {line}")

        watch(
            [
                go, "build", "-v", "-trimpath", "-mod=readonly", "-buildvcs=false",
                "-gcflags=all=-dwarf=false", f"-ldflags=-s -w {_version_flags(module)}",
                "-o", directory / module.name, module.package,
            ],
            count,
            environment=_GO_ENVIRONMENT,
            directory=module.directory,
            pass_fds=[lock],
        )  # fmt: skip

    return cache.entry(_place(module, layout), module.key, compile_module) / module.name


def _place(module: Module, layout: Layout) -> Path:
    """Return the directory of a module's cache entries."""
    return layout.cache / "go-modules" / module.name


def _about(minutes: float) -> str:
    return f"about {minutes:.0f} min" if minutes >= 1 else "less than a minute"


def _version_flags(module: Module) -> str:
    """Return the linker flags that tell Kubernetes its version; empty for the other modules."""
    match = re.search(
        r"^\s*k8s\.io/kubernetes v(\d+)\.(\d+)\.\d+$",
        (module.directory / "go.mod").read_text(),
        re.MULTILINE,
    )
    if match is None:
        return ""
    version, package = match[0].split()[1], "k8s.io/component-base/version"
    return (
        f"-X {package}.gitVersion={version} "
        f"-X {package}.gitMajor={match[1]} -X {package}.gitMinor={match[2]}"
    )
