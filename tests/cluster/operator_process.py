"""Operator as a process of this machine, which serves one namespace and can be killed."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 240


class Operator:
    """An operator process that serves one namespace and can be killed."""

    def __init__(self, kubeconfig: str, settings: Path, port: int) -> None:
        self._metrics = f"http://127.0.0.1:{port}/metrics"
        self._environment = {**os.environ, "KUBECONFIG": kubeconfig}
        self._command = [sys.executable, "-m", "lowtide_operator.main", "--settings", str(settings)]
        self._log = settings.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; return once it has looked at a job."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log
            )
        until(self._has_looked, "the operator has looked at a job")

    def _has_looked(self) -> bool:
        try:
            with urllib.request.urlopen(self._metrics, timeout=5) as answer:
                page = answer.read().decode()
        except OSError:
            return False
        ok = re.search(r'reconciliations_total\{outcome="ok"\} (\d+)', page)
        return ok is not None and int(ok[1]) > 0

    def kill(self) -> None:
        """End the process as a lost node would: without a word."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=10)
        self._process = None

    def stop(self) -> int:
        """Ask the process to end; return its exit status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.terminate()
        try:
            return process.wait(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)
            raise


def until(holds: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait until something holds; return its value."""
    end = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.3)
    return value
