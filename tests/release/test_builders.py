"""What `make images` tells Docker, Podman and Buildah, word by word, without any of them.

A stand-in writes down what it is told and answers as the program does.
`tests/cluster/test_image_tool.py` builds with the real ones that a machine has.
"""

import json
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = """\
#!{python}
import json, sys
from pathlib import Path
told = sys.argv[1:]
with open({told!r}, "a") as file:
    file.write(json.dumps([Path(sys.argv[0]).name, *told]) + "\\n")
for start, answer in json.loads(Path({answers!r}).read_text()):
    if " ".join([Path(sys.argv[0]).name, *told]).startswith(start):
        if answer is None:
            sys.exit(start + " is refused")
        if answer.startswith("error: "):
            sys.exit(answer)
        print(answer)
        break
"""
BUILD: dict[str, Any] = {
    "dockerfile": Path("Dockerfile"),
    "context": Path("context"),
    "target": "exporter",
    "tag": "r.example/lowtide/exporter:1.0",
    "arguments": {"REQUIREMENT": "lowtide[exporter]", "BASE_IMAGE": "base@sha256:1"},
    "labels": {"title": "lowtide-exporter"},
    "epoch_seconds": 1234,
    "platform": "linux/arm64",
}
COMMON = [
    *("--file", "Dockerfile", "--target", "exporter", "--tag", "r.example/lowtide/exporter:1.0"),
    *("--build-arg=BASE_IMAGE=base@sha256:1", "--build-arg=REQUIREMENT=lowtide[exporter]"),
    *("--label=title=lowtide-exporter", "--platform=linux/arm64"),
]
BUILDKIT = "Driver:        {driver}\nNodes:\nBuildKit version: {version}"


class Machine:
    """A folder of stand-ins, which is all of PATH."""

    def __init__(self, directory: Path) -> None:
        """Begin with no program."""
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.told, self.answers = directory / "told", directory / "answers"
        self.says()

    def says(self, *answers: tuple[str, str | None]) -> None:
        """Set what they answer to commands that begin so; None, or an error, is a refusal."""
        self.answers.write_text(json.dumps(answers))

    def has(self, *programs: str) -> None:
        """Put stand-ins for `programs` on PATH."""
        for name in programs:
            text = STAND_IN.format(
                python=sys.executable, told=str(self.told), answers=str(self.answers)
            )
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)

    def commands(self) -> list[list[str]]:
        """Every command so far."""
        return [json.loads(line) for line in self.told.read_text().splitlines()]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine without any of the three programs."""
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(made.bin))
    return made


@pytest.fixture
def builders(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that talks to them; it belongs to a tool, which is no package."""
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "images"))
    import image_builders

    return image_builders


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        pytest.param(
            "docker",
            [
                *("docker", "buildx", "build", "--network=none", "--provenance=false", *COMMON),
                "--build-arg=SOURCE_DATE_EPOCH=1234",
                "--output=type=docker,name=r.example/lowtide/exporter:1.0,rewrite-timestamp=true",
                "context",
            ],
            id="docker",
        ),
        pytest.param(
            "podman",
            [
                *("podman", "build", "--isolation=chroot", "--layers", "--pull=never"),
                *("--timestamp=1234", *COMMON, "context"),
            ],
            id="podman",
        ),
        pytest.param(
            "buildah",
            [
                *("buildah", "build", "--isolation=chroot", "--layers", "--pull=never"),
                *("--timestamp=1234", "--identity-label=false", *COMMON, "context"),
            ],
            id="buildah",
        ),
    ],
)
def test_each_program_is_told_the_same_build(
    machine: Machine, builders: Any, program: str, expected: list[str]
) -> None:
    """One target, one time for all files, and nothing that would differ in a second build."""
    machine.has(program)

    builders.Builder(program).build(builders.Build(**BUILD))

    assert machine.commands() == [expected]


@pytest.mark.parametrize("program", ["docker", "podman", "buildah"])
def test_base_is_pulled_and_tried_for_the_platform(
    machine: Machine, builders: Any, program: str
) -> None:
    """A base of this machine's own kind would give an image whose parts do not fit."""
    machine.has(program)
    inspected = json.dumps([{"Digest": "sha256:1"}])
    machine.says(
        ("docker image inspect", "base@sha256:1"),
        (f"{program} pull", "1234"),
        (f"{program} inspect", inspected),
        ("buildah from", "working-container"),
        (f"{program} run", "3.13"),
    )

    base = builders.Builder(program).base("base", "linux/arm64")

    assert (base.digest, base.python) == ("sha256:1", "3.13")
    verbs = {"pull", "from"} if program == "buildah" else {"pull", "run"}
    told = {verb: words for _, verb, *words in machine.commands() if verb in verbs}
    assert set(told) == verbs
    assert all("--platform=linux/arm64" in words for words in told.values())


def test_missing_emulator_is_named(machine: Machine, builders: Any) -> None:
    """The kernel's own answer says neither what is missing nor for which platform."""
    machine.has("podman")
    machine.says(
        ("podman pull", "1234"),
        ("podman inspect", '[{"Digest": "sha256:1"}]'),
        ("podman run", "error: exec /usr/bin/python3: exec format error"),
    )

    with pytest.raises(
        builders.BuildError, match=r"programs of linux/arm64: install qemu-user-static"
    ):
        builders.Builder("podman").base("base", "linux/arm64")


@pytest.mark.parametrize(
    ("answers", "chosen"),
    [
        pytest.param([], "docker", id="all work"),
        pytest.param([("docker info", None)], "podman", id="docker without its daemon"),
        pytest.param([("docker buildx", None)], "podman", id="docker without buildx"),
        pytest.param([("docker info", None), ("podman info", None)], "buildah", id="the last"),
    ],
)
def test_first_program_that_works_is_taken(
    machine: Machine, builders: Any, answers: list[tuple[str, None]], chosen: str
) -> None:
    """A client without what it needs builds nothing, so the next one is asked."""
    machine.has("docker", "podman", "buildah")
    machine.says(*answers)

    assert builders.choose(None, None).program == chosen


def test_without_a_program_one_sentence_says_what_to_install(
    machine: Machine, builders: Any
) -> None:
    """All three are named."""
    with pytest.raises(builders.BuildError, match=r"docker .* podman or buildah on this machine"):
        builders.choose(None, None)


@pytest.mark.parametrize(
    ("driver", "version", "store", "same"),
    [
        pytest.param("docker", "v0.8+unknown", "overlay2", False, id="old docker"),
        pytest.param("docker", "v0.22.0", "overlay2", False, id="docker's own store"),
        pytest.param("docker", "v0.22.0", "io.containerd.snapshotter.v1", True, id="containerd's"),
        pytest.param("docker-container", "v0.13.0", "overlay2", True, id="builder of its own"),
        pytest.param("docker-container", "v0.12.5", "overlay2", False, id="old builder"),
        pytest.param("remote", "v0.22.0", "overlay2", True, id="builder elsewhere"),
    ],
)
def test_docker_says_whether_it_makes_the_same_again(
    machine: Machine, builders: Any, driver: str, version: str, store: str, same: bool
) -> None:
    """A claim of one digest is made only where BuildKit writes the times of files."""
    machine.has("docker")
    inspected = BUILDKIT.format(driver=driver, version=version)
    machine.says(("docker buildx inspect", inspected), ("docker info", f"[[driver-type {store}]]"))

    assert builders.Builder("docker").makes_the_same_again() is same


def test_digest_of_a_pushed_image_is_the_registrys(machine: Machine, builders: Any) -> None:
    """Docker's own name of an image is none that a cluster can pull by."""
    machine.has("docker")
    known = ["other.example/lowtide/exporter@sha256:2", "r.example/lowtide/exporter@sha256:3"]
    machine.says(("docker image inspect", json.dumps(known)))

    assert builders.Builder("docker").push(BUILD["tag"]) == "sha256:3"
    assert machine.commands()[0] == ["docker", "push", "--quiet", BUILD["tag"]]


def test_size_is_counted_in_an_archive_of_docker(builders: Any, tmp_path: Path) -> None:
    """Files of all layers, unpacked: 3,000,000 and 1,000,000 bytes."""
    from contents import contents

    layers = {
        "one/layer.tar": {"usr/lib/python3.11/a.py": 3_000_000},
        "two/layer.tar": {"./opt/lowtide/lib/python3.11/site-packages/numpy/b.so": 1_000_000},
    }
    archive = tmp_path / "exporter.tar"
    with tarfile.open(archive, "w") as packed:
        add(packed, "manifest.json", json.dumps([{"Layers": list(layers)}]).encode())
        for name, files in layers.items():
            inner = BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as layer:
                for path, size in files.items():
                    add(layer, path, bytes(size))
            add(packed, name, inner.getvalue())

    size, largest = contents(builders.Saved("sha256:1", archive))

    assert size == 4_000_000
    assert largest == [
        "3 MB usr/lib/python3.11",
        "1 MB opt/lowtide/lib/python3.11/site-packages/numpy",
    ]


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file to an archive."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, BytesIO(content))


def test_help_names_the_builders() -> None:
    """`make images BUILDER=…` takes one of three."""
    command = [sys.executable, ROOT / "tools" / "images" / "build.py", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=240).stdout

    assert "--builder {docker,podman,buildah}" in said
