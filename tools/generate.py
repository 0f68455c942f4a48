"""Rewrites every generated file, or with --check only says which ones differ.

Each entry is a path and the function that makes its text. CI runs `--check`.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import chart_values
import grafana
import references
import vmui

from lowtide.report.dashboards import DASHBOARDS
from lowtide.trainingjob import crd

ROOT = Path(__file__).resolve().parent.parent

GENERATED: dict[str, Callable[[], str]] = {
    "crds/trainingjobs.lowtide.dev.yaml": crd.crd_text,
    "charts/lowtide/templates/crds/trainingjobs.lowtide.dev.yaml": crd.chart_text,
    "charts/lowtide/values.schema.json": chart_values.schema_text,
    "docs/reference/chart-values.md": chart_values.reference_text,
    "docs/reference/commands.md": references.commands_text,
    "docs/reference/series.md": references.metrics_text,
    "docs/reference/settings.md": references.settings_text,
    "docs/reference/trainingjob.md": references.api_text,
    **{
        f"charts/lowtide/files/{folder}/{board.uid.removeprefix('lowtide-')}.json": partial(
            write, board
        )
        for folder, write in (("dashboards", grafana.text), ("vmui", vmui.text))
        for board in DASHBOARDS
    },
}


def main() -> int:
    """Return 0, or 1 when `--check` found a file that differs from its source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing, exit 1 on a difference"
    )
    check = parser.parse_args().check
    stale = []
    for name, make in GENERATED.items():
        path, text = ROOT / name, make()
        if path.is_file() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for name in stale:
        print(f"{'differs from its source' if check else 'written'}: {name}", file=sys.stderr)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
