"""The images of operator, exporter and trainer, built from this checkout: `make images`.

Built twice from one commit and one base image they have the same digests. Beside the images comes
`build/images/images.json`, with names, digests, sizes and what is largest in each.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import image_builders
import wheels
from contents import contents

REPOSITORY = wheels.REPOSITORY
HERE = Path(__file__).resolve().parent
SOURCE = "https://lowtide.dev"


@dataclass(frozen=True, slots=True)
class Image:
    """One image: the target of the Dockerfile, and what is installed in it."""

    name: str
    requirement: str
    description: str


IMAGES = (
    Image("operator", "lowtide[operator]", "Runs TrainingJobs when the grid is clean"),
    Image("exporter", "lowtide[exporter]", "Counts the joules of every pod on a GPU node"),
    Image("trainer", "lowtide[trainer]", "Trains, saves checkpoints and reports; with torch"),
)
KNOWN = f"there are {', '.join(image.name for image in IMAGES)}"


def main() -> int:
    """Build what the command line asks for; return 0, or 1 with one sentence."""
    arguments = parser().parse_args()
    if unknown := sorted(set(arguments.names) - {image.name for image in IMAGES}):
        print(f"error: there is no image {', '.join(unknown)}: {KNOWN}", file=sys.stderr)
        return 1
    try:
        builder = image_builders.choose(arguments.builder, arguments.storage)
        say(f"building with {builder.program}")
        made = build_all(arguments, builder)
    except (image_builders.BuildError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    file = arguments.output / "images.json"
    file.write_text(json.dumps(made, indent=2) + "\n")
    for one in made:
        print(f"{one['reference']}  {one['digest']}  {one['megabytes']} MB")
    say(f"written: {file}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    found = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    found.add_argument("names", nargs="*", help="operator, exporter, trainer (default: all)")
    found.add_argument("--registry", default="localhost", help="with a path, before /lowtide")
    found.add_argument("--push", action="store_true", help="send them to the registry")
    found.add_argument("--base-image", default="docker.io/library/python:3.13-slim")
    found.add_argument("--builder", choices=["docker", "podman", "buildah"])
    found.add_argument("--platform", choices=wheels.MACHINES, help="default: this machine's")
    found.add_argument("--output", type=Path, default=REPOSITORY / "build" / "images")
    found.add_argument("--storage", type=Path, help="where podman and buildah keep their files")
    return found


def build_all(
    arguments: argparse.Namespace, builder: image_builders.Builder
) -> list[dict[str, object]]:
    """Return what `images.json` says of the images, once they are built, saved and pushed."""
    wanted = [image for image in IMAGES if not arguments.names or image.name in arguments.names]
    say(f"pulling {arguments.base_image}")
    base = builder.base(arguments.base_image, arguments.platform)
    arguments.output.mkdir(parents=True, exist_ok=True)
    layout = arguments.output / "oci"
    shutil.rmtree(layout, ignore_errors=True)
    reproducible = builder.makes_the_same_again()
    if not reproducible:
        say(
            "this docker dates files anew, so a second build has another digest: a builder of its"
            " own has not (docker buildx create --use)"
        )
    application = arguments.output / "context" / "application"
    shutil.rmtree(application, ignore_errors=True)
    wheels.project_wheel(application, commit_seconds())
    made = []
    for one in wanted:
        tag = f"{arguments.registry}/lowtide/{one.name}:{version()}"
        build_one(one, tag, base, application, builder, arguments)
        saved = builder.save(tag, layout)
        digest = saved.digest
        if arguments.push:
            say(f"pushing {tag}")
            digest = builder.push(tag) or digest
        size, largest = contents(saved)
        made.append(
            {
                "name": one.name,
                "reference": tag,
                "digest": digest,
                "reproducible": reproducible,
                "baseName": base.name,
                "baseDigest": base.digest,
                "python": base.python,
                "megabytes": round(size / 1e6),
                "largest": largest,
            }
        )
    return made


def build_one(
    image: Image,
    tag: str,
    base: image_builders.Base,
    application: Path,
    builder: image_builders.Builder,
    arguments: argparse.Namespace,
) -> None:
    """Fetch the wheels of one image and build it with the wheel in `application`."""
    context = arguments.output / "context" / image.name
    shutil.rmtree(context, ignore_errors=True)
    (context / "dependencies").mkdir(parents=True)
    say(f"fetching the wheels of {image.name} for Python {base.python}")
    requirements = HERE / "requirements" / f"{image.name}.txt"
    wheels.fetch(requirements, context / "dependencies", base.python, arguments.platform)
    shutil.copytree(application, context / "application")
    shutil.copy(HERE / "runtime.py", context)
    say(f"building {tag}")
    builder.build(
        image_builders.Build(
            dockerfile=HERE / "Dockerfile",
            context=context,
            target=image.name,
            tag=tag,
            arguments={"BASE_IMAGE": base.reference, "REQUIREMENT": image.requirement},
            labels=labels(image, base),
            epoch_seconds=commit_seconds(),
            platform=arguments.platform,
        )
    )
    shutil.rmtree(context)


def labels(image: Image, base: image_builders.Base) -> dict[str, str]:
    """Return the labels that the image specification of the OCI defines."""
    spec = "org.opencontainers.image"
    return {
        f"{spec}.title": f"lowtide-{image.name}",
        f"{spec}.description": image.description,
        f"{spec}.version": version(),
        f"{spec}.revision": git("rev-parse", "HEAD"),
        f"{spec}.url": SOURCE,
        f"{spec}.licenses": "Apache-2.0",
        f"{spec}.base.name": base.name.partition("@")[0],
        f"{spec}.base.digest": base.digest,
    }


def version() -> str:
    """Return the version, from the one place that has it."""
    text = (REPOSITORY / "lowtide" / "__init__.py").read_text()
    return text.partition('__version__ = "')[2].partition('"')[0]


def commit_seconds() -> int:
    """Return the time that files and images are dated with: SOURCE_DATE_EPOCH or the commit's."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct"))


def git(*arguments: str) -> str:
    """Return what Git answers about this checkout."""
    argv = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"lowtide: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
