"""Power of the whole node from a meter of its own, as a cross-check and nothing else.

It is never attributed: it holds fans, disks and power supplies, and most such meters are a second
old and a percent off. Both kinds may take seconds to answer (the ACPI meter asks a controller, a
Redfish service is a small computer), so they are read in a thread, rarely.

hwmon: the kernel's ACPI 4.0 power meter, Documentation/hwmon/acpi_power_meter.rst, microwatts.
Redfish: a Power resource (PowerControl[].PowerConsumedWatts) or an EnvironmentMetrics resource
(PowerWatts.Reading) of DMTF DSP0268, by its full URL.
"""

import base64
import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from lowtide.limits import NODE_WATTS_MAX, believable_watts
from lowtide.meters.errors import MalformedAnswerError, SourceError, UnknownMeterError
from lowtide.meters.exchange import fetch
from lowtide.meters.psys import PsysMeter

_log = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 15.0
MAX_AGE_SECONDS: Final = 60.0
"""An older value is not shown."""
_TIMEOUT_SECONDS: Final = 10.0
_ANSWER_MAX_BYTES: Final = 1 << 20
_ACPI_METER: Final = "power_meter"


class NodeMeter(Protocol):
    """A meter of the whole node; `source` names its kind."""

    source: str

    def read(self) -> float:
        """Return the power in watts.

        Raises:
            SourceError: it cannot be read now.
        """


class HwmonMeter:
    """The ACPI power meter below a sysfs root; several (one per supply domain) are added."""

    source = "hwmon"

    def __init__(self, sysfs: str) -> None:
        self._root = Path(sysfs) / "class" / "hwmon"

    def read(self) -> float:
        """See `NodeMeter`."""
        watts = [
            self._read_microwatts(directory / "power1_average") / 1e6
            for directory in sorted(self._root.glob("hwmon*"))
            if self._name(directory) == _ACPI_METER
        ]
        if not watts:
            raise SourceError(f"hwmon: no {_ACPI_METER} below {self._root}")
        return sum(watts)

    @staticmethod
    def _name(directory: Path) -> str:
        try:
            return (directory / "name").read_text().strip()
        except OSError:
            return ""

    @staticmethod
    def _read_microwatts(path: Path) -> int:
        try:
            return int(path.read_text())
        except OSError as error:
            raise SourceError(f"hwmon: {path} cannot be read: {error.strerror}") from None
        except ValueError:
            raise SourceError(f"hwmon: {path} holds no number") from None


class RedfishMeter:
    """A resource of the node's management controller."""

    source = "redfish"

    def __init__(self, url: str, credentials_file: str, ca_file: str) -> None:
        self._url, self._credentials_file, self._ca_file = url, credentials_file, ca_file

    def read(self) -> float:
        """See `NodeMeter`."""
        try:
            text = fetch(
                self._url,
                seconds=_TIMEOUT_SECONDS,
                bytes_max=_ANSWER_MAX_BYTES,
                headers=self._headers(),
                ca_file=self._ca_file,
            )
        except SourceError as error:
            raise SourceError(f"redfish: {error}") from None
        return parse_power(text)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self._credentials_file:
            try:
                line = Path(self._credentials_file).read_text().strip()
            except OSError as error:
                raise SourceError(
                    f"redfish: {self._credentials_file} cannot be read: {error.strerror}"
                ) from None
            headers["Authorization"] = "Basic " + base64.b64encode(line.encode()).decode()
        return headers


def parse_power(text: bytes) -> float:
    """Return the watts in a Power or EnvironmentMetrics resource.

    Raises:
        MalformedAnswerError: it holds no power.
    """
    try:
        body: Any = json.loads(text)
        if "PowerControl" in body:
            values = [control.get("PowerConsumedWatts") for control in body["PowerControl"]]
            watts = sum(float(value) for value in values if value is not None)
        else:
            watts = float(body["PowerWatts"]["Reading"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise MalformedAnswerError(f"redfish: no power in the answer: {error!r}") from None
    if not believable_watts(watts, NODE_WATTS_MAX):
        raise MalformedAnswerError(f"redfish: {watts} W is not the power of a node")
    return watts


class NodePower:
    """Reads a meter in a daemon thread; its values are safe to read from any thread."""

    def __init__(self, meter: NodeMeter, clock: Callable[[], float] = time.monotonic) -> None:
        self._meter = meter
        self._clock = clock
        self._stop = threading.Event()
        self._value: tuple[float, float] | None = None
        self.source = meter.source
        self.error: Exception | None = None

    def start(self) -> None:
        """Begin to read, now and every fifteen seconds."""
        threading.Thread(target=self._run, name="node-power", daemon=True).start()

    def stop(self) -> None:
        """Stop reading."""
        self._stop.set()

    def read_once(self) -> None:
        """Read the meter and remember what it said."""
        try:
            watts = self._meter.read()
        except Exception as error:  # any error: the end of this thread would go unnoticed
            if self.error is None:
                _log.warning("source %s is down: %s", self.source, error)
            self.error = error
        else:
            if believable_watts(watts, NODE_WATTS_MAX) is not None:
                self._value = (self._clock(), watts)
            self.error = None

    @property
    def good_at(self) -> float | None:
        """When the last good value was read, None before the first."""
        return None if self._value is None else self._value[0]

    @property
    def watts(self) -> float | None:
        """The last value, None where there is none or it is too old."""
        if self._value is None or self._clock() - self._value[0] > MAX_AGE_SECONDS:
            return None
        return self._value[1]

    def _run(self) -> None:
        self.read_once()
        while not self._stop.wait(PERIOD_SECONDS):
            self.read_once()


def make_meter(setting: str, *, sysfs: str, credentials_file: str, ca_file: str) -> NodeMeter:
    """Return the meter that `--node-power` names: `hwmon`, `psys`, or a Redfish resource's URL.

    Raises:
        UnknownMeterError: it names another meter.
    """
    if setting == HwmonMeter.source:
        return HwmonMeter(sysfs)
    if setting == PsysMeter.source:
        return PsysMeter(sysfs)
    parts = urlsplit(setting)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.password:
        raise UnknownMeterError(
            f"--node-power is {setting!r}: give hwmon, psys, or the http(s) URL of a Redfish "
            "resource without credentials"
        )
    return RedfishMeter(setting, credentials_file, ca_file)
