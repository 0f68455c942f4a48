"""`make release`: what it makes installs and runs without the checkout, and is the same twice."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_python_model import v3_0_1

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("operator", "exporter", "trainer")

# The tool that fetches helm and kubectl belongs to the test cluster, which is a program.
sys.path.insert(0, str(ROOT / "tests" / "cluster"))

pytestmark = [pytest.mark.slow, pytest.mark.beside_cluster]


def run(*command: str | Path, directory: Path | None = None) -> str:
    """What a program printed; its own words are the failure."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, cwd=directory)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clients() -> Path:
    """The directory with helm and kubectl."""
    from singlenode import toolchain
    from singlenode.errors import ClusterError
    from singlenode.layout import Layout
    from singlenode.progress import Progress

    try:
        return toolchain.client_tools(Layout.default(), Progress(silent=True))
    except ClusterError as error:
        pytest.skip(f"helm is not cached and cannot be fetched: {error}")


@pytest.fixture(scope="module")
def releases(clients: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two releases, made one after the other."""
    outputs = (tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two"))
    for output in outputs:
        run(sys.executable, ROOT / "tools" / "release", "--output", output)
    return outputs


@pytest.fixture(scope="module")
def release(releases: tuple[Path, Path]) -> Path:
    """The first of the two."""
    return releases[0]


def only(directory: Path, pattern: str) -> Path:
    """The one file of that form."""
    (file,) = directory.glob(pattern)
    return file


def test_second_run_gives_the_same_bytes(releases: tuple[Path, Path]) -> None:
    """Every file is the same again, and the checksums are those of the files."""
    first, second = (
        {file.name: file.read_bytes() for file in release.iterdir()} for release in releases
    )

    assert first == second
    sums = dict(reversed(line.split()) for line in first.pop("SHA256SUMS").decode().splitlines())
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in first.items()}


def objects(text: str) -> list[dict[str, Any]]:
    """Kubernetes objects of a stream, in an order of their own."""
    found = [one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one]
    return sorted(found, key=lambda one: (one["kind"], one["metadata"]["name"]))


def test_manifests_are_the_default_rendering_of_the_chart(
    release: Path, clients: Path, tmp_path: Path
) -> None:
    """`kubectl kustomize` gives what Helm makes of the packed chart and of the checkout's."""
    with tarfile.open(only(release, "*-manifests.tgz")) as files:
        files.extractall(tmp_path, filter="data")
    options = ("--namespace", "lowtide-system", "--no-hooks")
    packed, checkout = (
        objects(run(clients / "helm", "template", "lowtide", chart, *options))
        for chart in (only(release, "*-chart.tgz"), ROOT / "charts" / "lowtide")
    )

    plain = objects(run(clients / "kubectl", "kustomize", tmp_path / "lowtide"))

    assert packed == checkout
    assert [one for one in plain if one["kind"] != "Namespace"] == packed
    assert {"CustomResourceDefinition", "Deployment", "DaemonSet"} <= {o["kind"] for o in plain}


@pytest.mark.parametrize("program", PROGRAMS)
def test_bill_of_materials_is_one_that_cyclonedx_accepts(release: Path, program: str) -> None:
    """Every pinned package is in it with its hashes."""
    text = only(release, f"*-{program}.cdx.json").read_text()

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components = {one["name"]: one for one in json.loads(text)["components"]}
    assert components["prometheus-client"]["licenses"] == [
        {"expression": "Apache-2.0 AND BSD-2-Clause"}
    ]
    assert all(one["hashes"] for one in components.values())


@pytest.mark.parametrize("program", PROGRAMS)
def test_bill_of_materials_is_one_that_spdx_accepts(release: Path, program: str) -> None:
    """Both forms list the same packages, and the program depends on all of them."""
    text = only(release, f"*-{program}.spdx.json").read_text()
    listed = json.loads(only(release, f"*-{program}.cdx.json").read_text())["components"]

    graph = v3_0_1.SHACLObjectSet()
    v3_0_1.JSONLDDeserializer().read(io.BytesIO(text.encode()), graph)
    v3_0_1.JSONLDSerializer().write(graph, io.BytesIO())  # refuses what lacks a mandatory field

    names = {one.name for one in graph.foreach_type(v3_0_1.software_Package)}
    assert names == {f"lowtide-{program}", *(one["name"] for one in listed)}
    (needs,) = (
        one
        for one in graph.foreach_type(v3_0_1.Relationship)
        if one.relationshipType == v3_0_1.RelationshipType.dependsOn
    )
    assert len(needs.to) == len(listed)


def test_every_shipped_package_has_its_licence(release: Path) -> None:
    """Name, version and licence of each, and the texts that the packages bring."""
    text = only(release, "*-licences.txt").read_text()

    for program in PROGRAMS:
        for one in json.loads(only(release, f"*-{program}.cdx.json").read_text())["components"]:
            assert f"\n{one['name']} {one['version']}: " in text
    assert "Permission is hereby granted, free of charge" in text


def test_source_archive_gives_the_same_wheel(release: Path, tmp_path: Path) -> None:
    """Whoever builds from source installs the same files."""
    with tarfile.open(only(release, "lowtide-?.?.?.tar.gz")) as files:
        files.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()

    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", directory=source)

    built, shipped = only(source / "dist", "*.whl"), only(release, "*.whl")
    assert contents(built) == contents(shipped)


def contents(wheel: Path) -> set[tuple[str, int]]:
    """Names and checksums of the files in a wheel."""
    with zipfile.ZipFile(wheel) as files:
        return {(one.filename, one.CRC) for one in files.infolist()}


def test_command_line_installs_and_works_without_the_checkout(
    release: Path, tmp_path: Path
) -> None:
    """An empty environment, `lowtide[cli]`, and the verbs that need no cluster."""
    environment, wheel = tmp_path / "environment", only(release, "*.whl")
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "--quiet", "--python", sys.executable, environment)
    run(
        *(uv, "pip", "install", "--quiet", "--python", environment / "bin" / "python"),
        *("--constraint", ROOT / "constraints.txt", f"lowtide[cli] @ {wheel.as_uri()}"),
        directory=tmp_path,
    )
    trace = tmp_path / "DE.csv"
    trace.write_bytes((ROOT / "examples" / "traces" / "DE.csv").read_bytes())

    def lowtide(*arguments: str) -> str:
        return run(environment / "bin" / "lowtide", *arguments, directory=tmp_path)

    plan = lowtide(
        *("plan", "--zone", "DE", "--duration", "4h", "--trace", "DE.csv"),
        *("--at", "2021-08-14T01:00Z"),
    )
    assert "47 %" in plan
    assert "clairvoyant" in lowtide("backtest", "DE.csv", "--length", "4h", "--slack", "24h")
    assert "0.8" in lowtide(
        *("calc", "sam", "--accuracy", "0.8", "--energy", "100", "--unit", "Wh"),
        *("--alpha", "5", "--beta", "5"),
    )
    lowtide("explore", "-o", "explorer.html")
    assert "<html" in (tmp_path / "explorer.html").read_text().lower()
    run_figures = {"kind": "JobFigures", "name": "run-1", "accuracy": 0.9, "energy_joules": 3.6e6}
    (tmp_path / "report.json").write_text(json.dumps(run_figures))
    lowtide("label", "report.json", "-o", "label.svg")
    assert "run-1" in (tmp_path / "label.svg").read_text()
