"""promtool, VictoriaMetrics, and the rules as the chart renders them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from standins.backfilled import program

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 240

# The tool that fetches promtool and helm belongs to the test cluster, which is not a package.
sys.path.insert(0, str(ROOT / "tests" / "cluster"))


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The promtool of the machine, or of the test cluster's cache."""
    return program("promtool")


@pytest.fixture(scope="session")
def victoria_metrics_program() -> Path:
    """The program, where it was built."""
    from singlenode.binaries import companion
    from singlenode.layout import Layout

    found = companion(Layout.default(), "victoriametrics")
    if found is None:
        pytest.skip("VictoriaMetrics is not built: `python tests/cluster build` builds it")
    return found


@pytest.fixture(scope="session")
def rules_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every rule of the chart, budgets included, as Prometheus reads them."""
    from singlenode import toolchain
    from singlenode.errors import ClusterError
    from singlenode.layout import Layout
    from singlenode.progress import Progress

    try:
        helm = toolchain.client_tools(Layout.default(), Progress(silent=True)) / "helm4"
    except ClusterError as error:
        pytest.skip(f"helm is not cached and cannot be fetched: {error}")
    budgets = {"jobEnergyKilowattHours": 2.5, "jobCarbonKilograms": 1}
    values = {"monitoring": {"prometheusRule": {"enabled": True, "budgets": budgets}}}
    command = [helm, "template", "lowtide", ROOT / "charts" / "lowtide", "--values", "-"]
    rendered = subprocess.run(
        [*command, "--show-only", "templates/monitoring/prometheusrule.yaml"],
        input=yaml.safe_dump(values),
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    target = tmp_path_factory.mktemp("rules") / "rules.yaml"
    target.write_text(yaml.safe_dump(yaml.safe_load(rendered.stdout)["spec"]))
    return target


@pytest.fixture(scope="session")
def alerts(rules_file: Path) -> dict[str, dict[str, Any]]:
    """Every alert by name."""
    groups = yaml.safe_load(rules_file.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
