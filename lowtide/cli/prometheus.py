"""What Prometheus knows about running jobs at this moment: power, energy, epochs, accuracy.

For people who watch; figures of record come from the operator, which integrates raw samples. No
user-supplied text ever reaches a query. A Prometheus that does not answer is no error here: the
readings are then unknown, and the view says so.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from lowtide import names
from lowtide.report.live import Reading

POD_NAME: Final = re.compile(r"^(?P<job>.+)-[0-9]+(-[0-9]+)?-[a-z0-9]{5}$")
"""`<trainingjob>-<attempt>[-<index>]-<five characters>`, as the Job controller names pods."""

Key = tuple[str, str]
"""Namespace and name of a TrainingJob."""


class PrometheusError(Exception):
    """Prometheus gave no usable answer; the message says what it did instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """One Prometheus server."""

    url: str
    timeout_seconds: float = 5.0
    token_file: Path | None = None
    """File with a bearer token, read at every request; absent: none is sent."""

    def vector(self, query: str) -> list[tuple[Mapping[str, str], float]]:
        """Return labels and value of each series of an instant query.

        Raises:
            PrometheusError: no answer in time, an error, or not a vector.
        """
        headers = {}
        if self.token_file is not None:
            headers["Authorization"] = f"Bearer {_token(self.token_file)}"
        try:
            answer = requests.post(
                f"{self.url.rstrip('/')}/api/v1/query",
                data={"query": query},
                headers=headers,
                timeout=(self.timeout_seconds, self.timeout_seconds),
            )
            body = answer.json()
        except requests.exceptions.JSONDecodeError as error:
            raise PrometheusError(f"{self.url} answered {answer.status_code}, no JSON") from error
        except requests.exceptions.RequestException as error:
            raise PrometheusError(f"{self.url} does not answer: {type(error).__name__}") from error
        return _vector(body)


def readings(prometheus: Prometheus, *, rate_seconds: int) -> dict[Key, Reading]:
    """Return what is known of every training job that Prometheus has seen lately.

    Args:
        prometheus: whom to ask.
        rate_seconds: over how long power is averaged; at least four scrape intervals.

    Raises:
        PrometheusError: no answer in time, or an error.
    """

    def by_job(expression: str, combine: Callable[[Iterable[float]], float]) -> dict[Key, float]:
        values: dict[Key, list[float]] = {}
        for labels, value in prometheus.vector(f"sum by (namespace, pod) ({expression})"):
            pod = POD_NAME.match(labels.get("pod", ""))
            if pod and math.isfinite(value):
                values.setdefault((labels.get("namespace", ""), pod["job"]), []).append(value)
        return {key: combine(found) for key, found in values.items()}

    energy = by_job(names.METRIC_POD_ENERGY, sum)
    power = by_job(f"rate({names.METRIC_POD_ENERGY}[{rate_seconds}s])", sum)
    # A resumed job has one pod per attempt; the latest one has come furthest.
    epochs = by_job(names.METRIC_TRAINER_EPOCHS, max)
    planned = by_job(names.METRIC_TRAINER_EPOCHS_PLANNED, max)
    accuracy = by_job(names.METRIC_TRAINER_ACCURACY, max)
    return {
        key: Reading(
            power_watts=power.get(key),
            energy_joules=energy.get(key),
            epochs=epochs.get(key),
            epochs_planned=planned.get(key),
            accuracy_ratio=accuracy.get(key),
        )
        for key in energy.keys() | epochs.keys()
    }


def _vector(body: Any) -> list[tuple[Mapping[str, str], float]]:
    if not isinstance(body, dict) or body.get("status") != "success":
        reason = body.get("error") if isinstance(body, dict) else body
        raise PrometheusError(f"Prometheus refused the query: {reason!s:.200}")
    try:
        return [(entry["metric"], float(entry["value"][1])) for entry in body["data"]["result"]]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise PrometheusError(f"Prometheus answered with no vector: {error!r:.200}") from error


def _token(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise PrometheusError(f"token file {path}: {error.strerror or error}") from error
