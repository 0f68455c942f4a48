"""Job on a real GPU: the exporter's joules beside the counter's own difference. Prints JSON.

Starts the exporter with a job directory, lets it learn the idle floor, runs a load for a while
under a job id, and compares what the exporter gives that job with the counter read directly at
the job's start and end. Also prints the exporter's CPU time and memory. Needs PyTorch and a GPU.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import pynvml
from prometheus_client.parser import text_string_to_metric_families

LOAD = Path(__file__).with_name("gpu_load.py")
PAUSE = threading.Event()


def scrape(port: int) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return all samples of the exporter."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }


def process_cost(pid: int) -> tuple[float, int]:
    """Return CPU seconds and resident bytes of a process."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    seconds = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return seconds, int(words[21]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Run the job and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job-seconds", type=float, default=75.0)
    parser.add_argument("--learn-seconds", type=float, default=20.0)
    parser.add_argument("--port", type=int, default=19400)
    parser.add_argument("--period-seconds", type=float, default=1.0)
    options = parser.parse_args()
    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    with tempfile.TemporaryDirectory() as jobs:
        exporter = subprocess.Popen(
            [
                *(sys.executable, "-m", "lowtide_exporter.main", "--job-directory", jobs),
                *("--port", str(options.port), "--listen-address", "127.0.0.1"),
                *("--period-seconds", str(options.period_seconds)),
            ]
        )
        try:
            PAUSE.wait(options.learn_seconds)
            cpu_before, _ = process_cost(exporter.pid)
            load = subprocess.Popen(
                [sys.executable, str(LOAD), "1000", "0.8", "0"], stdout=subprocess.PIPE, text=True
            )
            (Path(jobs) / "0").write_text("job-1\n")
            start_mj = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
            began = time.monotonic()
            PAUSE.wait(options.job_seconds)
            load.send_signal(signal.SIGTERM)
            load.communicate(timeout=30)
            (Path(jobs) / "0").unlink()
            end_mj = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
            seconds = time.monotonic() - began
            PAUSE.wait(5)
            samples = scrape(options.port)
            cpu_after, memory = process_cost(exporter.pid)
        finally:
            exporter.terminate()
            exporter.wait(20)
    parts = {
        dict(labels)["part"]: value
        for (name, labels), value in samples.items()
        if name == "lowtide_pod_energy_joules_total" and value
    }
    counter_joules = (end_mj - start_mj) / 1000
    print(
        json.dumps(
            {
                "job_seconds": seconds,
                "counter_joules": counter_joules,
                "exporter_joules": parts,
                "exporter_to_counter": sum(parts.values()) / counter_joules,
                "exporter_millicores": 1000 * (cpu_after - cpu_before) / (seconds + 5),
                "exporter_resident_mebibytes": memory / 2**20,
                "other": {
                    f"{name}{sorted(labels)}": value
                    for (name, labels), value in sorted(samples.items(), key=str)
                    if name.startswith(
                        ("lowtide_gpu", "lowtide_attr", "lowtide_node", "lowtide_so")
                    )
                },
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
