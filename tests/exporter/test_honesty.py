"""Whatever happens to a node, no status says more than the truth, and less is said to be less.

Each history is one seed: pods with returning names, losses, resets, garbage, silence, kills with
and without state, clock steps. A failure prints its seed; `benchmarks/exporter/histories.py --seed`
runs it alone and tells what happened. docs/decisions/ends-of-a-pod.md says what is allowed and why.
"""

import pytest
from standins.histories.history import find_faults

BLOCK = 125


@pytest.fixture
def _no_disk(monkeypatch):
    """Thousands of small state files: what a crash of the machine leaves is not asked here."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.mark.usefixtures("_no_disk")
def test_a_sample_of_histories_is_honest(tmp_path):
    """Reported ≤ truth + 0.1 %, less is marked, final stays final, nothing falls in a segment."""
    assert find_faults(range(4), tmp_path) == []


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("_no_disk")
@pytest.mark.parametrize("block", range(16))
def test_two_thousand_histories_are_honest(tmp_path, block):
    """The same, 125 histories at a time."""
    assert find_faults(range(1000 + BLOCK * block, 1000 + BLOCK * (block + 1)), tmp_path) == []
