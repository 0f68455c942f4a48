"""Hours of jobs and faults, and tens of thousands of pods: exact and flat."""

import importlib.util
import json
import sys
import tracemalloc
from pathlib import Path

import pytest
from standins.nvml.control import gpu_uuid

from lowtide_exporter.page.exposition import TextWriter

ACCURACY = Path(__file__).parents[3] / "benchmarks" / "exporter" / "accuracy.py"


@pytest.fixture
def accuracy(monkeypatch):
    """The accuracy benchmark as a module."""
    spec = importlib.util.spec_from_file_location("accuracy", ACCURACY)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "accuracy", module)
    monkeypatch.setenv("LOWTIDE_MOCK_STATE", "")
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.beside_cluster
def test_hours_of_faults_conserve_every_millijoule(accuracy, capsys):
    """Lost, reset, stuck and reloaded GPUs, silent kubelets, jobs that come and go."""
    accuracy.run_day(seconds=3 * 3600.0)

    report = capsys.readouterr().out
    assert "residual 0 mJ" in report
    assert "'reset': 0" not in report


@pytest.mark.slow
@pytest.mark.beside_cluster
def test_the_error_is_a_hundredth_of_the_common_designs(accuracy, tmp_path):
    """One 75 s job scraped every 30 s: below 0.1 percent where a labelled counter loses tens."""
    errors = accuracy.run_job(tmp_path, 75.0, 30.0, accuracy.random.Random(1))

    assert abs(errors["Lowtide"]) < 0.001
    assert abs(errors["device counter + pod label"]) > 0.2


def churn(node, writer, pods, first=0):
    """Let pods come and go on one GPU, one after another, with a scrape now and then."""
    for number in range(first, first + pods):
        node.start_pod(f"job-{number}", gpu_uuid(0))
        node.run_until(node.seconds + 2, step=2.0)
        node.delete_pod(f"job-{number}")
        node.run_until(node.seconds + 2, step=2.0)
        if number % 10 == 0:
            writer.write(node.loop.snapshot(), openmetrics=True)


def test_nothing_is_kept_of_retired_pods(make_node):
    """After many pods, accounts and texts are those of the retention time, no more."""
    node = make_node(gpus=1, retention_seconds=20)
    writer = TextWriter()

    churn(node, writer, 100)

    assert len(node.ledger.pods.retained) <= 20 / 4 + 1
    assert len(json.dumps(sorted(map(str, writer._series)))) < 20_000
    assert node.value("lowtide_attribution_residual_joules", component="gpu") == 0


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.timeout(3600)
def test_memory_is_flat_over_twenty_thousand_pods(make_node):
    """The second ten thousand pods need no more memory than the first."""
    node = make_node(gpus=1, retention_seconds=20)
    writer = TextWriter()
    churn(node, writer, 200)
    tracemalloc.start()
    churn(node, writer, 9_800, first=200)
    half, _ = tracemalloc.get_traced_memory()

    churn(node, writer, 10_000, first=10_000)

    full, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert full - half < 200_000
