"""The blocks of Python in the pages run, each as a program of its own in an empty directory."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
BLOCKS = [
    pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}")
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    for number, text in enumerate(BLOCK.findall(page.read_text("utf-8")))
]


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.parametrize("text", BLOCKS)
def test_a_block_of_python_runs(text, tmp_path):
    """As a reader would paste it; torch takes seconds to import."""
    program = tmp_path / "example.py"
    program.write_text(text)

    result = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert result.returncode == 0, result.stderr
