"""The four comparisons: their manifests are valid, and their command leads to a picture."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lowtide.trainingjob.models import TrainingJob
from lowtide_trainer.settings import parse_settings

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = sorted((ROOT / "examples" / "comparisons").glob("*.yaml"))
MODELS = {
    "gsf-pair": {"densenet121", "inceptionv3"},
    "apc-models": {"vgg19", "inceptionv3", "resnet50", "densenet169", "mobilenetv2"},
    "sam": {"resnet50"},
    "ranking": {
        *("densenet121", "densenet169", "resnet50", "mobilenetv2", "mobilenetv3"),
        *("efficientnetb0", "vgg19", "vit_b_16"),
    },
}


def tool():
    """Return the program as a module."""
    spec = importlib.util.spec_from_file_location("comparison", ROOT / "tools" / "comparison.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_is_a_manifest_for_each_comparison():
    assert {path.stem for path in MANIFESTS} == MODELS.keys()


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_holds_jobs_that_differ_in_what_is_compared(path):
    """Valid TrainingJobs of one series, with flags that the trainer takes."""
    items = yaml.safe_load(path.read_text())["items"]
    arguments = tool().jobs(path.stem)

    for item in items:
        job = TrainingJob.model_validate(item)
        assert job.spec.metrics.series == path.stem
        pod = item["spec"]["template"]["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert len({name for name, _ in arguments}) == len(items)
    assert len({tuple(given) for _, given in arguments}) == len(items)
    assert {parse_settings(given, {}).model for _, given in arguments} == MODELS[path.stem]
    quick = [parse_settings(tool().quick(given), {}) for _, given in arguments]
    assert {(one.epochs, one.samples) for one in quick} == {(1, 8)}


def test_a_quick_run_of_sam_keeps_what_its_picture_is_of():
    """Epochs and shares of the data, each of eight samples."""
    keeps = tool().KEPT["sam"]
    runs = [parse_settings(tool().quick(given, keeps=keeps), {}) for _, given in tool().jobs("sam")]

    found = [(one.epochs, one.data_share, one.samples) for one in runs]
    assert found == [(2, 1, 8), (4, 1, 8), (8, 1, 8), (4, 0.25, 8), (4, 0.5, 8), (4, 0.75, 8)]


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.timeout(900)
def test_a_comparison_ends_with_its_table_and_its_picture(tmp_path):
    """The pair at its smallest, with modelled energy: two rows, a verdict and a page."""
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "tools" / "comparison.py"), "gsf-pair"),
            *("--quick", "--model", "--output", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "change against gsf-pair-densenet121" in done.stdout
    page = (tmp_path / "gsf-pair.html").read_text()
    assert "gsf-pair-densenet121" in page
    assert "gsf-pair-inceptionv3" in page
