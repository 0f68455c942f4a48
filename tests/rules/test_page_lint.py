"""The exporter's page passes promtool's lint, every metric of the catalogue in it."""

import subprocess
from pathlib import Path

from lowtide_exporter.page.catalogue import FAMILIES
from lowtide_exporter.page.exposition import TextWriter
from lowtide_exporter.page.snapshot import Snapshot


def test_every_metric_of_the_exporter_passes_the_linter(promtool: Path) -> None:
    """Names, units, types and help texts; promtool says nothing where all is well."""
    labelled = {family.name: ((tuple("x" for _ in family.labels), 1.0),) for family in FAMILIES}
    page = TextWriter().write(Snapshot(labelled), openmetrics=False)

    found = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, timeout=240, check=False
    )

    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")
