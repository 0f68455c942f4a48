"""The names that `lowtide.metrics` promises to other code are described on their page."""

import re
from pathlib import Path

from lowtide import metrics

PAGE = Path(__file__).parents[2] / "docs/reference/library.md"


def test_every_promised_name_is_described_and_no_other() -> None:
    table = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    described = set(re.findall(r"`(\w+)`", "\n".join(table)))

    assert described == set(metrics.__all__)
    assert all(hasattr(metrics, name) for name in metrics.__all__)


def test_the_example_of_the_page_holds() -> None:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

    assert found is not None
    exec(compile(found[1], str(PAGE), "exec"), {})
