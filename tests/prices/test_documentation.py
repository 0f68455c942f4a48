"""The settings must accept what the page on prices shows."""

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from lowtide.prices.settings import PriceProviderSettings
from lowtide_operator.settings import OperatorSettings

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "prices.md"
TEXT = PAGE.read_text(encoding="utf-8")
SHOWN = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
BLOCKS = [block for block in SHOWN if "prices" in yaml.safe_load(block)]
"""Settings; parts of a TrainingJob are checked with those of all pages."""
UNION, *_ = get_args(PriceProviderSettings)
KINDS = {model.model_fields["kind"].annotation.__args__[0] for model in get_args(UNION)}


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_is_accepted(block):
    """Copying an example must work."""
    assert OperatorSettings.model_validate(yaml.safe_load(block)).prices


def test_every_kind_is_described_and_shown():
    """A kind that is not on the page does not exist for its readers."""
    shown = {
        provider["kind"]
        for block in BLOCKS
        for zone in yaml.safe_load(block)["prices"].values()
        for provider in zone["providers"]
    }

    assert shown == KINDS
    assert all(f"| `{kind}` |" in TEXT for kind in KINDS)
