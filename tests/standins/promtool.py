"""Tests of rules by promtool, and the notation of its series."""

import subprocess
from pathlib import Path
from typing import Any

import yaml


def selector(name: str, **labels: str) -> str:
    """Return a series in the notation of Prometheus."""
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


def run_promtool(promtool: Path, rules_file: Path, tests: list[dict[str, Any]]) -> None:
    """Run promtool on test groups; its own words are the failure."""
    groups = [group["name"] for group in yaml.safe_load(rules_file.read_text())["groups"]]
    document = {
        "rule_files": [str(rules_file)],
        "evaluation_interval": "1m",
        # An alert on a recorded series sees it only if that was evaluated before.
        "group_eval_order": sorted(
            groups, key=lambda name: name not in ("lowtide-recording", "lowtide-workloads")
        ),
        "tests": tests,
    }
    target = rules_file.with_name("tests.yaml")
    target.write_text(yaml.safe_dump(document, sort_keys=False))
    command = [promtool, "test", "rules", target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
