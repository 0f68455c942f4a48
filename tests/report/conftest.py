"""Two finished jobs as the API server stores them, and a real headless Chromium."""

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webdriver import WebDriver

DENSENET: dict[str, Any] = {
    "apiVersion": "lowtide.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {
        "name": "densenet121",
        "namespace": "ml",
        "uid": "25c78b6d-0f1e-4d5c-8a5e-0c1b2a3d4e5f",
    },
    "spec": {"template": {}},
    "status": {
        "attempts": [
            {"name": "d-1", "start": "2026-03-02T01:00:00Z", "end": "2026-03-02T01:02:00Z"},
            {"name": "d-2", "start": "2026-03-02T03:00:00Z", "end": "2026-03-02T03:01:32Z"},
        ],
        "training": {"model": "DenseNet-121", "dataset": "digits", "accuracy": "0.861"},
        "energy": {
            "totalJoules": 15516,
            "kind": "Measured",
            "mock": True,
            "energyCoverage": "1",
            "final": True,
            "components": [
                {"component": "gpu", "part": "active", "method": "exclusive",
                 "quality": "counter", "joules": 15516}
            ],
        },
        "carbon": {"operationalGrams": "0.48", "embodiedGrams": "0.11", "signal": "Average",
                   "zone": "DE", "source": "file"},
        "sci": {"gramsPerUnit": "0.59", "functionalUnit": "TrainingJob",
                "functionalUnitCount": "1"},
        "counterfactual": {"runNowGrams": "1.19", "avoidedGrams": "0.71", "avoidedPercent": "60"},
        "efficiency": {"metrics": [{"name": "SAM5[Wh]", "value": "3.73"}], "label": "C"},
        "cost": {"currency": "USD", "instance": "0.0709"},
    },
}  # fmt: skip


@pytest.fixture
def densenet() -> dict[str, Any]:
    """The baseline: two attempts, 120 s and 92 s."""
    return copy.deepcopy(DENSENET)


@pytest.fixture
def inception() -> dict[str, Any]:
    """The candidate: one attempt of 190 s."""
    job = copy.deepcopy(DENSENET)
    job["metadata"]["name"] = "inceptionv3"
    status = job["status"]
    status["attempts"] = [
        {"name": "i-1", "start": "2026-03-02T01:00:00Z", "end": "2026-03-02T01:03:10Z"}
    ]
    status["training"] |= {"model": "InceptionV3", "accuracy": "0.904"}
    status["energy"] |= {"totalJoules": 12240}
    status["carbon"] |= {"operationalGrams": "0.37", "embodiedGrams": "0.10"}
    status["sci"] |= {"gramsPerUnit": "0.47"}
    status["counterfactual"] |= {"runNowGrams": "0.92", "avoidedGrams": "0.55"}
    status["efficiency"] = {"metrics": [{"name": "SAM5[Wh]", "value": "5.67"}], "label": "B"}
    status["cost"] |= {"instance": "0.0635"}
    return job


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the browser saves files."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def browser(downloads: Path) -> Iterator[WebDriver]:
    """Chromium without a window; skips where it or its driver is missing."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver_program = shutil.which("chromedriver")
    if program is None or driver_program is None:
        pytest.skip("needs chromium and chromedriver (Debian packages chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1280,950",
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_program))
    yield driver
    driver.quit()
