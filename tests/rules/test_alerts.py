"""Every alert: fires, does not fire one sample earlier, resolves, and stays silent without data.

promtool compares labels and annotations whole, so a case also states the complete label set and
the words that a person reads. Times are minutes; a sample is a minute.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from standins.alert_cases import CASES, PRESENT, AlertCase
from standins.promtool import run_promtool, selector

ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = "https://lowtide.dev/docs/runbooks"


def unit_tests(case: AlertCase, rule: dict[str, Any]) -> dict[str, Any]:
    """Return promtool's test group of one case."""
    firing = {
        "exp_labels": {"severity": rule["labels"]["severity"], **case.labels},
        "exp_annotations": {
            "summary": rule["annotations"]["summary"],
            "description": case.description,
            "runbook_url": f"{RUNBOOKS}/{case.page}.md",
        },
    }

    def at(minute: int, expected: list[dict[str, Any]]) -> dict[str, Any]:
        return {"eval_time": f"{minute}m", "alertname": case.alert, "exp_alerts": expected}

    series = case.series if case.alert == "OperatorDown" else PRESENT | case.series
    return {
        "name": case.alert,
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            at(case.fires_minute - 1, []),
            at(case.fires_minute, [firing]),
            at(case.resolved_minute, []),
        ],
    }


def test_rules_pass_the_linter(promtool: Path, rules_file: Path) -> None:
    """No duplicate, no syntax error, nothing that promtool warns about."""
    command = [promtool, "check", "rules", "--lint=all", "--lint-fatal", rules_file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case(alerts: dict[str, dict[str, Any]]) -> None:
    """An alert without a test is not shipped."""
    assert {case.alert for case in CASES} == set(alerts)


@pytest.mark.slow
def test_alerts_fire_in_time_and_resolve(
    promtool: Path, rules_file: Path, alerts: dict[str, dict[str, Any]]
) -> None:
    """Silent one sample before, firing with all its labels and words, silent at the end."""
    tests = [unit_tests(case, alerts[case.alert]) for case in CASES]

    run_promtool(promtool, rules_file, tests)


def test_nothing_fires_without_data(
    promtool: Path, rules_file: Path, alerts: dict[str, dict[str, Any]]
) -> None:
    """Missing series are silent, but for the operator's own absence."""
    quiet = {
        "name": "nothing",
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in PRESENT.items()],
        "alert_rule_test": [
            {"eval_time": "150m", "alertname": name, "exp_alerts": []} for name in alerts
        ],
    }

    run_promtool(promtool, rules_file, [quiet])


def test_power_is_recorded_per_job(promtool: Path, rules_file: Path) -> None:
    """Pods of plain and of indexed Jobs are given to the TrainingJob that exists.

    600 J a minute are 10 W; both pods of `many` together 20 W; the notebook belongs to no job.
    """
    pods = ["bert-1-2-abcde", "many-1-0-abcde", "many-1-1-fghij", "notebook"]
    series = {
        **{
            selector("lowtide_pod_energy_joules_total", namespace="team", pod=pod): "0+600x20"
            for pod in pods
        },
        selector("lowtide_trainingjob_info", namespace="team", trainingjob="bert-1"): "1x20",
        selector("lowtide_trainingjob_info", namespace="team", trainingjob="many"): "1x20",
    }
    name = "namespace_trainingjob:lowtide_power_watts:rate5m"
    expected = [
        {"labels": selector(name, namespace="team", trainingjob=job), "value": watts}
        for job, watts in (("bert-1", 10), ("many", 20))
    ]

    run_promtool(
        promtool,
        rules_file,
        [
            {
                "name": "power per job",
                "interval": "1m",
                "input_series": [{"series": s, "values": v} for s, v in series.items()],
                "promql_expr_test": [{"expr": name, "eval_time": "10m", "exp_samples": expected}],
            }
        ],
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_runbook_exists_and_answers_the_three_questions(case: AlertCase) -> None:
    """A person called at night finds what it means, how to confirm it and what to do."""
    page = (ROOT / "docs" / "runbooks" / f"{case.page}.md").read_text(encoding="utf-8")

    assert page.startswith(f"# {case.alert}\n")
    for heading in ("## What it means", "## Confirm", "## What to do"):
        assert heading in page
