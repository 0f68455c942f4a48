"""The settings must accept what the documentation shows."""

import re
from pathlib import Path

import pytest
import yaml

from lowtide.grid import errors
from lowtide.grid.providers.factory import TITLES
from lowtide.grid.settings import ZoneSettings

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "grid-data.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_is_accepted(block):
    """Copying an example must work."""
    for zone in yaml.safe_load(block)["zones"].values():
        assert ZoneSettings.model_validate(zone).providers


def test_every_kind_is_described_and_shown():
    """A kind that is not on the page does not exist for its readers."""
    shown = {
        provider["kind"]
        for block in BLOCKS
        for zone in yaml.safe_load(block)["zones"].values()
        for provider in zone["providers"]
    }

    assert shown == {*TITLES, "file"}
    assert all(f"| `{kind}` |" in TEXT for kind in shown)


def test_every_reason_is_explained():
    """A condition's reason must lead to what to do."""
    raised = {"Unauthorized", "RateLimited", "Unavailable", "BadAnswer", "StaleAnswer", "NoData"}

    assert all(f"| `{getattr(errors, name).reason}` |" in TEXT for name in raised)
