"""Everything that a release consists of, made from this checkout into `dist/`: `make release`.

Wheel, source archive, chart, plain manifests, bills of materials in two forms, licences of what is
shipped, the changelog's section and checksums. A second run from the same commit gives the same
bytes. Nothing is published.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import archives
import bills
import helm
import licences

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools" / "images"))
import build as images  # noqa: E402  (the version and the commit's time have one place)


def main() -> int:
    """Make the release; return 0, or 1 with one sentence."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    output = parser.parse_args().output
    try:
        make(output)
    except (helm.HelmError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for file in sorted(output.iterdir()):
        print(f"{file.stat().st_size / 1e3:9,.0f} kB  {file.name}")
    return 0


def make(output: Path) -> None:
    """Fill the directory `output`, which is emptied first."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    version, seconds = images.version(), images.commit_seconds()
    name = f"lowtide-{version}"
    images.say("building wheel and source archive")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", output.resolve()],
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(seconds)},
    )
    images.say("packing chart and manifests")
    chart = archives.tree(ROOT / "charts" / "lowtide", "lowtide")
    archives.write(output / f"{name}-chart.tgz", chart, seconds)
    manifests = helm.manifests(output / f"{name}-chart.tgz")
    archives.write(output / f"{name}-manifests.tgz", manifests, seconds)
    images.say("writing bills of materials and licences")
    for program in bills.PROGRAMS:
        for suffix, text in bills.write(program, version, seconds).items():
            (output / f"{name}-{program}.{suffix}").write_text(text)
    (output / f"{name}-licences.txt").write_text(licences.text(bills.shipped()))
    (output / f"{name}-changes.md").write_text(changes(version))
    sums = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        for file in sorted(output.iterdir())
        if file.name != ".gitignore"
    ]
    (output / "SHA256SUMS").write_text("".join(sums))


def changes(version: str) -> str:
    """Return the changelog's section on `version`, or the one on what is not released yet."""
    sections = (ROOT / "CHANGELOG.md").read_text().split("\n## ")
    wanted = [one for one in sections if one.startswith(f"[{version}]")]
    unreleased = [one for one in sections if one.startswith("[Unreleased]")]
    return "## " + (wanted or unreleased)[0].strip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
