"""Programs that build images: Docker, Podman and Buildah, told the same thing each in its way."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class BuildError(Exception):
    """One sentence that says what could not be done, and what the builder said of it."""


@dataclass(frozen=True, slots=True)
class Base:
    """A base image as the builder holds it."""

    name: str
    """As the user named it."""
    reference: str
    """What a Dockerfile names it by: never another image than the one with the digest."""
    digest: str
    python: str
    """Version of its `python3`, as 3.13."""


@dataclass(frozen=True, slots=True)
class Build:
    """What one image is built from."""

    dockerfile: Path
    context: Path
    target: str
    tag: str
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    epoch_seconds: int
    """Time of every file in the image, and of the image."""
    platform: str | None


@dataclass(frozen=True, slots=True)
class Builder:
    """One of the three programs, by its command line."""

    program: str
    options: tuple[str, ...] = ()

    def run(self, *arguments: str | Path) -> str:
        """Return what the program printed.

        Raises:
            BuildError: it failed; its own last lines are told.
        """
        argv = [self.program, *self.options, *map(str, arguments)]
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            said = " / ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
            raise BuildError(f"`{self.program} {arguments[0]}` failed: {said}")
        return done.stdout.strip()

    def base(self, name: str) -> Base:
        """Pull the base image `name`, once, and say which one it is."""
        if self.program == "docker":
            self.run("pull", "--quiet", name)
            found = self.run("image", "inspect", "--format", "{{index .RepoDigests 0}}", name)
            reference, digest = found, found.partition("@")[2]
        else:
            reference = self.run("pull", "--quiet", name).splitlines()[-1]
            kind = ("--type", "image") if self.program == "buildah" else ()
            found = json.loads(self.run("inspect", *kind, reference))
            image = found[0] if isinstance(found, list) else found
            digest = image.get("FromImageDigest") or image["Digest"]
        return Base(name, reference, digest, self._python(reference))

    def _python(self, reference: str) -> str:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        if self.program != "buildah":
            return self.run("run", "--rm", "--entrypoint", "python3", reference, "-c", code)
        container = self.run("from", "--pull-never", reference)
        try:
            return self.run("run", "--isolation=chroot", container, "--", "python3", "-c", code)
        finally:
            self.run("rm", container)

    def build(self, build: Build) -> None:
        """Build one image and name it `build.tag`."""
        common = [
            *("--file", build.dockerfile, "--target", build.target, "--tag", build.tag),
            *(f"--build-arg={name}={value}" for name, value in sorted(build.arguments.items())),
            *(f"--label={name}={value}" for name, value in sorted(build.labels.items())),
            *(() if build.platform is None else (f"--platform={build.platform}",)),
        ]
        if self.program == "docker":
            epoch = f"--build-arg=SOURCE_DATE_EPOCH={build.epoch_seconds}"
            output = f"--output=type=docker,name={build.tag},rewrite-timestamp=true"
            self.run("buildx", "build", *common, epoch, output, "--provenance=false", build.context)
            return
        same_each_time = (f"--timestamp={build.epoch_seconds}", "--identity-label=false")
        if self.program == "podman":
            same_each_time = same_each_time[:1]
        self.run(
            *("build", "--isolation=chroot", "--layers", "--pull=never"),
            *same_each_time,
            *common,
            build.context,
        )

    def save(self, tag: str, directory: Path) -> str:
        """Write the image into the OCI layout `directory`; return the digest of its manifest."""
        if self.program == "docker":
            file = directory.with_suffix(".tar")
            self.run("image", "save", "--output", file, tag)
            return self.run("image", "inspect", "--format", "{{.Id}}", tag)
        digest = directory.with_suffix(".digest")
        self.run("push", "--quiet", "--digestfile", digest, tag, f"oci:{directory}:{tag}")
        try:
            return digest.read_text().strip()
        finally:
            digest.unlink()

    def push(self, tag: str) -> None:
        """Send the image to the registry that its tag names."""
        self.run("push", "--quiet", tag)


def choose(name: str | None, storage: Path | None) -> Builder:
    """Return the builder of that name, or the first one that answers.

    Raises:
        BuildError: there is none.
    """
    for program in [name] if name else ["docker", "podman", "buildah"]:
        if shutil.which(program) is None:
            continue
        options: Sequence[str] = ()
        if storage is not None and program != "docker":
            options = ("--root", str(storage / "root"), "--runroot", str(storage / "run"))
        builder = Builder(program, tuple(options))
        try:
            # Docker's client alone answers `version` and builds nothing.
            builder.run("info")
        except BuildError:
            if name:
                raise
            continue
        return builder
    wanted = name or "docker (with its daemon), podman or buildah"
    raise BuildError(f"there is no {wanted} on this machine: install it and try again")
