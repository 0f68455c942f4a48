"""Fixtures of the tests that need a real cluster.

`KUBECONFIG` set: that cluster, if it is meant for tests (`singlenode.access`). Otherwise the
cluster of this machine: one that was started with `up` is used and left alone; if there is none it
is started once for the whole run and removed at the end, unless LOWTIDE_KEEP_CLUSTER is set. Tests
that start clusters of their own come first, while the machine has none.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import footprint
import kept
import measuredday
import onecluster
import pytest
import unlabelled
from clients import Helm, Kubectl, RunningCluster, fresh_namespace
from demonstration import day, stage
from measured import Installed
from singlenode import access, binaries, ownership
from singlenode import cluster as single_node
from singlenode import images as project_images
from singlenode.layout import Layout
from singlenode.progress import Progress

KEEP_VARIABLE = "LOWTIDE_KEEP_CLUSTER"
IMAGES_VARIABLE = "LOWTIDE_TEST_IMAGES"
CRD = "customresourcedefinition/trainingjobs.lowtide.dev"
FIRST_BUILD_SECONDS = 2400
KEPT_RELEASE_GPUS = 3
"""One for a job that is paused, two for workloads beside it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests in order, and give all of them the time for the first build.

    First those that need a machine without a cluster. Those that share a release come last, by its
    kind: it stays until the end, and no other can be installed beside it.
    """
    here = Path(__file__).parent
    ours = [item for item in items if item.path.is_relative_to(here)]
    for item in ours:
        if item.get_closest_marker("cluster") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(FIRST_BUILD_SECONDS))

    late = ("kept_direct_release", "kept_release", "measured_day")

    def place(item: pytest.Item) -> int:
        fixtures = getattr(item, "fixturenames", ())
        if "vacant_machine" in fixtures:
            return -1
        return max((late.index(name) + 1 for name in late if name in fixtures), default=0)

    items.sort(key=place)


@pytest.fixture(scope="session")
def programs() -> binaries.Binaries:
    """All programs of the cluster, built on the first run."""
    return binaries.provide(Layout.default(), Progress())


@pytest.fixture(scope="session")
def cluster(programs: binaries.Binaries) -> Iterator[RunningCluster]:
    """The cluster of this session: named by KUBECONFIG, found running, or started here."""
    layout = Layout.default()
    named = access.external_kubeconfig(os.environ, layout, programs.kubectl)
    if named is not None:
        yield RunningCluster(named, programs, None)
        return
    with onecluster.shared(layout, keep=bool(os.environ.get(KEEP_VARIABLE))) as found:
        yield RunningCluster(str(found.kubeconfig), programs, found)


@contextmanager
def installation(
    cluster: RunningCluster,
    kubectl: Kubectl,
    built: dict[str, project_images.Image],
    *,
    scrapes_itself: bool = False,
    gpus: int = stage.GPUS,
) -> Iterator[Installed]:
    """Install the chart as the demo does; it and the stand-ins are removed at the end."""
    assert cluster.layout is not None
    on = stage.Stage(cluster.layout, cluster.programs, Path(sys.executable))
    # Helm takes over no definition that others applied.
    kubectl("delete", CRD, "--ignore-not-found")
    single_node.set_gpus(on.layout, on.programs, gpus)
    mock_nvml = stage.start_mock_gpus(on, gpus)
    try:
        stage.install(on, built, mock_nvml, scrapes_itself=scrapes_itself)
        yield Installed(on, built, mock_nvml)
    finally:
        kubectl("delete", "trainingjobs", "--all", "--all-namespaces", "--ignore-not-found")
        helm = [str(cluster.programs.clients / "helm"), f"--kubeconfig={cluster.kubeconfig}"]
        where = ["--namespace", stage.RELEASE_NAMESPACE]
        stage.run([*helm, "uninstall", "lowtide", *where, "--ignore-not-found", "--wait"])
        kubectl("delete", CRD, "--ignore-not-found")
        day.end(on.layout)
        stage.stop_mock_gpus(on)
        single_node.set_gpus(on.layout, on.programs, stage.GPUS)


@pytest.fixture(scope="module")
def scrapes_itself() -> bool:
    """Whether the operator of a module's release scrapes the exporters; a module may say so."""
    return False


@pytest.fixture(scope="module")
def gpus() -> int:
    """How many GPUs the node says it has in a module; a module may say so."""
    return stage.GPUS


@pytest.fixture(scope="module")
def installed(
    cluster: RunningCluster,
    kubectl: Kubectl,
    built: dict[str, project_images.Image],
    scrapes_itself: bool,
    gpus: int,
) -> Iterator[Installed]:
    """The chart as the demo installs it, for one module's own jobs."""
    with installation(cluster, kubectl, built, scrapes_itself=scrapes_itself, gpus=gpus) as release:
        yield release


@pytest.fixture(scope="session")
def releases(
    cluster: RunningCluster, kubectl: Kubectl, built: dict[str, project_images.Image]
) -> Iterator[kept.KeptRelease]:
    """The chart as the demo installs it, for modules that share it; removed at the end."""
    found = kept.KeptRelease(
        kubectl,
        lambda itself: installation(
            cluster, kubectl, built, scrapes_itself=itself, gpus=KEPT_RELEASE_GPUS
        ),
    )
    yield found
    found.remove()


@pytest.fixture(scope="module")
def kept_release(releases: kept.KeptRelease) -> Installed:
    """The chart for a module that leaves it as it was, with an operator that has just started."""
    return releases.get()


@pytest.fixture(scope="module")
def kept_direct_release(releases: kept.KeptRelease) -> Installed:
    """The same for a cluster without Prometheus: the operator scrapes the exporters."""
    return releases.get(scrapes_itself=True)


@pytest.fixture(scope="session")
def unlabelled_team(kubectl: Kubectl) -> Iterator[unlabelled.Team]:
    """Workloads that nobody labelled, not yet started."""
    team = unlabelled.Team(kubectl)
    yield team
    team.end()


@pytest.fixture(scope="session")
def measured_day(releases: kept.KeptRelease, kubectl: Kubectl) -> measuredday.MeasuredDay:
    """One day in the life of an installed chart, for all tests that only look at it."""
    return measuredday.live_through(releases.get(), kubectl)


@pytest.fixture
def vacant_machine() -> Iterator[Layout]:
    """A machine without a cluster; afterwards everything must be as it was.

    Skips where a cluster is running that the test must not remove.
    """
    if os.environ.get("KUBECONFIG") or ownership.current() is not None:
        pytest.skip("starts clusters of its own, and a cluster is in use on this machine")
    layout = Layout.default()
    before = footprint.take()
    yield layout
    single_node.down(layout, Progress())
    assert footprint.take().new_since(before) == {}


@pytest.fixture(scope="session")
def kubectl(cluster: RunningCluster) -> Kubectl:
    """The client of the cluster, as its administrator."""
    return Kubectl(cluster.programs.kubectl, cluster.kubeconfig)


@pytest.fixture(scope="session")
def helm(cluster: RunningCluster, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 4 for the cluster."""
    home = tmp_path_factory.mktemp("helm4")
    return Helm(cluster.programs.clients / "helm4", cluster.kubeconfig, home)


@pytest.fixture(scope="session")
def helm3(cluster: RunningCluster, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 3 for the cluster."""
    home = tmp_path_factory.mktemp("helm3")
    return Helm(cluster.programs.clients / "helm3", cluster.kubeconfig, home)


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A fresh namespace of this test's own."""
    with fresh_namespace(kubectl) as name:
        yield name


@pytest.fixture(scope="session")
def built(cluster: RunningCluster) -> dict[str, project_images.Image]:
    """The project's images, built from the tree once and loaded: what is edited later waits."""
    if cluster.layout is None:
        pytest.skip("images are built for a cluster on this machine only")
    progress = Progress()
    made = project_images.build(project_images.RECIPES, cluster.layout, progress)
    made["base"] = project_images.base(cluster.layout, progress)
    project_images.load(made.values(), cluster.layout, cluster.programs)
    return made


@pytest.fixture(scope="session")
def images(cluster: RunningCluster, request: pytest.FixtureRequest) -> dict[str, str]:
    """The project's images as the cluster knows them: operator, exporter, trainer and base.

    Built from the tree and loaded. For a cluster that KUBECONFIG names they must have been
    pushed somewhere: LOWTIDE_TEST_IMAGES then names a JSON file with the same keys.
    """
    if cluster.layout is None:
        file = os.environ.get(IMAGES_VARIABLE)
        if not file:
            pytest.skip(f"a cluster named by KUBECONFIG needs {IMAGES_VARIABLE}")
        return dict(json.loads(Path(file).read_text()))
    made: dict[str, project_images.Image] = request.getfixturevalue("built")
    return {name: image.reference for name, image in made.items()}


@pytest.fixture(scope="session")
def image(cluster: RunningCluster) -> str:
    """An image with a Python that is on the node."""
    if cluster.layout is None:
        return os.environ.get("LOWTIDE_TEST_IMAGE", "python:3.13-slim")
    base = project_images.base(cluster.layout, Progress())
    project_images.load([base], cluster.layout, cluster.programs)
    return base.reference
