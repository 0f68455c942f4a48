"""Programs that build images: Docker, Podman and Buildah, told the same thing each in its way."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REWRITES_TIMES = (0, 13)
"""First version of BuildKit that dates the files of an image with a given time."""


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
class Saved:
    """An image as it was written to the disk."""

    digest: str
    """Of its manifest; of its configuration where Docker keeps no manifest."""
    path: Path
    """Directory of an OCI layout, or an archive of Docker."""


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

    def base(self, name: str, platform: str | None) -> Base:
        """Pull the base image `name` for `platform`, once, and say which one it is.

        Raises:
            BuildError: there is none, or its programs do not run here.
        """
        of_platform = () if platform is None else (f"--platform={platform}",)
        if self.program == "docker":
            self.run("pull", "--quiet", *of_platform, name)
            found = self.run("image", "inspect", "--format", "{{index .RepoDigests 0}}", name)
            reference, digest = found, found.partition("@")[2]
        else:
            reference = self.run("pull", "--quiet", *of_platform, name).splitlines()[-1]
            kind = ("--type", "image") if self.program == "buildah" else ()
            found = json.loads(self.run("inspect", *kind, reference))
            image = found[0] if isinstance(found, list) else found
            digest = image.get("FromImageDigest") or image["Digest"]
        return Base(name, reference, digest, self._python(reference, platform, of_platform))

    def _python(self, reference: str, platform: str | None, of_platform: Sequence[str]) -> str:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        try:
            if self.program != "buildah":
                program = ("--entrypoint", "python3", reference, "-c", code)
                return self.run("run", "--rm", *of_platform, *program)
            container = self.run("from", "--pull-never", *of_platform, reference)
            try:
                return self.run("run", "--isolation=chroot", container, "--", "python3", "-c", code)
            finally:
                self.run("rm", container)
        except BuildError as error:
            if "exec format error" not in str(error).lower():
                raise
            raise BuildError(
                f"this machine runs no programs of {platform or 'the base image'}: "
                "install qemu-user-static, or build on a machine of that kind"
            ) from error

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
            self.run(
                *("buildx", "build", "--network=none", "--provenance=false"),
                *(*common, epoch, output, build.context),
            )
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

    def save(self, tag: str, directory: Path) -> Saved:
        """Write the image into `directory`: one OCI layout, or Docker's archive of this image."""
        if self.program == "docker":
            directory.mkdir(parents=True, exist_ok=True)
            file = directory / f"{tag.rpartition('/')[2].partition(':')[0]}.tar"
            self.run("image", "save", "--output", file, tag)
            return Saved(self.run("image", "inspect", "--format", "{{.Id}}", tag), file)
        digest = directory.with_suffix(".digest")
        self.run("push", "--quiet", "--digestfile", digest, tag, f"oci:{directory}:{tag}")
        try:
            return Saved(digest.read_text().strip(), directory)
        finally:
            digest.unlink()

    def push(self, tag: str) -> str | None:
        """Send the image to the registry that its tag names.

        Return the digest that it has there, or None for the one that it was saved with.
        """
        self.run("push", "--quiet", tag)
        if self.program != "docker":
            return None
        known = json.loads(self.run("image", "inspect", "--format", "{{json .RepoDigests}}", tag))
        repository = tag.rpartition(":")[0]
        return next(
            (one.partition("@")[2] for one in known if one.startswith(f"{repository}@")), None
        )

    def makes_the_same_again(self) -> bool:
        """Return whether a second build has the same digest.

        Docker dates files with the moment of their build, unless its BuildKit writes the image
        itself: in a builder of its own, or into containerd's store of images.
        """
        if self.program != "docker":
            return True
        builder = self.run("buildx", "inspect")
        version = re.search(r"BuildKit(?: version)?:\s+v(\d+)\.(\d+)", builder)
        known = (int(version[1]), int(version[2])) if version else (0, 0)
        if known < REWRITES_TIMES:
            return False
        if re.search(r"^Driver:\s+docker$", builder, re.MULTILINE) is None:
            return True
        return "io.containerd.snapshotter" in self.run("info", "--format", "{{.DriverStatus}}")


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
            if program == "docker":
                builder.run("buildx", "version")
        except BuildError:
            if name:
                raise
            continue
        return builder
    wanted = name or "docker (with its daemon and buildx), podman or buildah"
    raise BuildError(f"there is no {wanted} on this machine: install it and try again")
