"""A made-up past in the blocks that Prometheus serves, made by its own promtool."""

import subprocess
from pathlib import Path

LONGEST_BLOCK = "768h"
"""Of a block; promtool reads the whole source again for each, and two hours are its default."""


def make_blocks(promtool: Path, source: Path, store: Path) -> None:
    """Write the samples of an OpenMetrics file into the folder of a Prometheus."""
    options = [f"--max-block-duration={LONGEST_BLOCK}", "openmetrics"]
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", *options, source, store],
        check=True,
        capture_output=True,
        timeout=120,
    )
