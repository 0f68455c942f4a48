"""The documentation as a site below `build/site/VERSION`: `make site`.

Every version keeps its own folder; `versions.json` lists them for the selector on the pages, and
`index.html` leads to the newest. The folder is served by any web server, or opened from the disk.
"""

import argparse
import json
import logging
import sys
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort, ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools" / "images"))
import build as images  # noqa: E402  (the version has one place)

REDIRECT = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Lowtide</title>
<meta http-equiv="refresh" content="0; url={0}/index.html"></head>
<body><a href="{0}/index.html">Lowtide {0}</a></body></html>
"""


def main() -> int:
    """Build the site; return 0, or 1 if a link leads nowhere."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--version", default=images.version())
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    site = arguments.output / arguments.version
    try:
        configuration = load_config(
            str(Path(__file__).with_name("mkdocs.yml")), site_dir=str(site.resolve()), strict=True
        )
        build(configuration)
    except (Abort, ConfigurationError) as error:
        print(f"error: the site was not built: {error}", file=sys.stderr)
        return 1
    list_versions(arguments.output)
    print(f"{arguments.output / 'index.html'}")
    return 0


def list_versions(output: Path) -> None:
    """Write what the selector reads, the newest version first, and the page that leads to it."""
    names = sorted((one.name for one in output.iterdir() if one.is_dir()), key=order, reverse=True)
    listed = [
        {"version": name, "title": name, "aliases": ["latest"] if name == names[0] else []}
        for name in names
    ]
    (output / "versions.json").write_text(json.dumps(listed, indent=2) + "\n")
    (output / "index.html").write_text(REDIRECT.format(names[0]))


def order(version: str) -> tuple[int, ...]:
    """Return what versions are sorted by; one that is no number comes before all others."""
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else (-1,)


if __name__ == "__main__":
    sys.exit(main())
