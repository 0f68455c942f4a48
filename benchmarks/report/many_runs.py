"""Comparison and explorer page of many runs: time, peak memory, size of the page.

Run: `.venv/bin/python benchmarks/report/many_runs.py [RUNS]`, 200,000 by default. A table is drawn
from a seed and given to `lowtide compare` and `lowtide explore` as a person would; both are
programs of their own, so start and imports count. Where Chromium is here, the page is opened too.
Exit code 1 if either command needs more than 20 s of processor time or 1 GB.
"""

import csv
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 200_000
LIMIT_SECONDS = 20.0
LIMIT_BYTES = 1_000_000_000
HEADER = (
    "name", "model", "dataset", "environment", "accuracy", "energy (kWh)", "duration (h)", "epochs",
    "operational_grams",
)  # fmt: skip


def write_table(path: Path, runs: int) -> None:
    """Write a table of runs of 40 models on two environments."""
    dice = random.Random(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(HEADER)
        for number in range(runs):
            kwh = dice.lognormvariate(0, 1)
            table.writerow(
                (
                    f"run-{number}", f"model{dice.randrange(40)}", "ImageNet",
                    dice.choice(("A100 x8 - torch", "H100 x8 - torch")),
                    f"{dice.uniform(0.5, 0.9):.4f}", f"{kwh:.4f}",
                    f"{kwh * dice.uniform(0.5, 1.5):.4f}", 90, f"{400 * kwh:.2f}",
                )
            )  # fmt: skip


def measured(arguments: list[str], folder: Path) -> tuple[float, float, int]:
    """Return wall seconds, processor seconds and peak bytes of a command."""
    program = Path(sys.executable).with_name("lowtide")
    with (folder / "out.txt").open("wb") as out:
        began = time.monotonic()
        process = subprocess.Popen([program, *arguments], stdout=out, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"lowtide {' '.join(arguments)} ended with {process.returncode}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def opened_seconds(page: Path) -> float | None:
    """Return how long a browser needs until the page is drawn; `None` without Chromium."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        return None
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    window = webdriver.Chrome(options=options, service=Service(driver))
    try:
        window.get(page.as_uri())
        WebDriverWait(window, 120).until(lambda w: w.execute_script("return !!window.lowtide"))
        return float(window.execute_script("return lowtide.timings.open")) / 1000
    finally:
        window.quit()


def main() -> int:
    """Print a line for each command; return 1 if one is over its limits."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    over = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table, page = folder / "runs.csv", folder / "page.html"
        write_table(table, runs)
        print(f"{runs:,} runs       wall s   processor s   peak MB")
        for title, arguments in (
            ("compare", ["compare", str(table)]),
            ("explore", ["explore", "--from", str(table), "-o", str(page)]),
        ):
            wall, processor, peak = measured(arguments, folder)
            over = over or processor > LIMIT_SECONDS or peak > LIMIT_BYTES
            print(f"{title:<15} {wall:8.1f} {processor:13.1f} {peak / 1e6:9.0f}")
        print(f"page {page.stat().st_size / 1e6:.1f} MB", end="")
        seconds = opened_seconds(page)
        print("" if seconds is None else f", open in a browser after {seconds:.1f} s")
    print("over the limits" if over else "within 20 s of processor time and 1 GB")
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
