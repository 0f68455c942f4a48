"""The node's own power meter: hwmon, Redfish and the platform's zone."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standins.host import RANGE_MICROJOULES, HostTrees
from standins.nvml.control import gpu_uuid

from lowtide.meters.errors import MalformedAnswerError, SourceError, UnknownMeterError
from lowtide.meters.node_power import (
    MAX_AGE_SECONDS,
    HwmonMeter,
    NodePower,
    RedfishMeter,
    make_meter,
    parse_power,
)
from lowtide.meters.psys import PsysMeter

GPU_0 = gpu_uuid(0)
POWER = {"PowerControl": [{"PowerConsumedWatts": 1800}, {"PowerConsumedWatts": 400.5}]}
ENVIRONMENT = {"Id": "EnvironmentMetrics", "PowerWatts": {"Reading": 2200.5}}


class Controller:
    """A management controller that says in every answer that it is a stand-in."""

    def __init__(self):
        self.body, self.status, self.asked = dict(POWER), 200, []
        controller = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                controller.asked.append((self.path, self.headers.get("Authorization")))
                text = json.dumps({"Name": "stand-in", **controller.body}).encode()
                self.send_response(controller.status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/redfish/v1/Chassis/1/Power"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def controller():
    """A management controller of one node."""
    made = Controller()
    yield made
    made.stop()


def add_hwmon(root, number, name, microwatts=None):
    """Make one device of the kernel's hwmon class."""
    directory = root / "class" / "hwmon" / f"hwmon{number}"
    directory.mkdir(parents=True)
    (directory / "name").write_text(f"{name}\n")
    if microwatts is not None:
        (directory / "power1_average").write_text(f"{microwatts}\n")


def test_only_the_acpi_meter_counts(tmp_path):
    """A graphics card and a power supply have power files too: they are not node meters."""
    add_hwmon(tmp_path, 0, "amdgpu", 90_000_000)
    add_hwmon(tmp_path, 1, "power_meter", 2_200_500_000)
    add_hwmon(tmp_path, 2, "pmbus", 1_000_000_000)

    assert HwmonMeter(str(tmp_path)).read() == 2200.5


@pytest.mark.parametrize(
    ("microwatts", "message"), [(None, "cannot be read"), ("n/a", "holds no number")]
)
def test_a_meter_that_cannot_be_read_is_a_source_error(tmp_path, microwatts, message):
    """The reason names the file."""
    add_hwmon(tmp_path, 0, "power_meter", microwatts)

    with pytest.raises(SourceError, match=message):
        HwmonMeter(str(tmp_path)).read()


def test_a_node_without_the_meter_says_so(tmp_path):
    """Most nodes have none."""
    with pytest.raises(SourceError, match="no power_meter below"):
        HwmonMeter(str(tmp_path)).read()


@pytest.mark.parametrize("body", [POWER, ENVIRONMENT])
def test_both_redfish_resources_are_understood(controller, tmp_path, body):
    """Two supplies of 1800 and 400.5 W, or one reading; the password is sent."""
    secret = tmp_path / "bmc"
    secret.write_text("reader:pass\n")
    controller.body = body

    watts = RedfishMeter(controller.url, str(secret), "").read()

    wanted = "Basic " + base64.b64encode(b"reader:pass").decode()
    assert watts == 2200.5
    assert controller.asked == [("/redfish/v1/Chassis/1/Power", wanted)]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"PowerControl": []}',
        b'{"PowerWatts": {"Reading": "x"}}',
        b'{"PowerControl": 3}',
    ],
)
def test_an_answer_without_power_is_refused(text):
    """Nothing is guessed, and no power is not 0 W."""
    with pytest.raises(MalformedAnswerError):
        parse_power(text)


def test_a_controller_that_refuses_is_said_once_and_its_value_grows_old(controller, caplog):
    """The last value is shown for a minute; the warning has no password in it."""
    now = [100.0]
    power = NodePower(RedfishMeter(controller.url, "", ""), clock=lambda: now[0])
    power.read_once()
    assert power.watts == 2200.5
    controller.status = 401
    power.read_once()
    power.read_once()
    assert power.watts == 2200.5
    now[0] += MAX_AGE_SECONDS + 1
    assert power.watts is None
    assert caplog.text.count("source redfish is down") == 1
    controller.status = 200
    power.read_once()
    assert power.error is None


def test_the_platforms_zone_gives_the_mean_power_between_two_readings(tmp_path):
    """200 W in the first second, 300 W over the next fifteen, a wrap between them."""
    trees, now = HostTrees(tmp_path), [0.0]
    whole = (RANGE_MICROJOULES + 1) / 1e6
    trees.set_zone("0", "package-0", 50.0)
    trees.set_zone("1", "psys", whole - 250.0)

    def pass_on(seconds):
        now[0] += seconds
        trees.set_zone("1", "psys", whole - 50.0)

    meter = PsysMeter(str(trees.sysfs), clock=lambda: now[0], pause=pass_on)
    first = meter.read()
    now[0] += 15.0
    trees.set_zone("1", "psys", whole - 50.0 + 4500.0)

    assert first == pytest.approx(200)
    assert meter.read() == pytest.approx(300)


def test_a_node_without_platform_zone_says_so(tmp_path):
    """Most servers have none, and a zone that holds no number does not count."""
    trees = HostTrees(tmp_path)
    trees.set_zone("0", "package-0", 50.0)
    with pytest.raises(SourceError, match="no zone of that name"):
        PsysMeter(str(trees.sysfs)).read()

    trees.set_zone("1", "psys", 1.0)
    (trees.sysfs / "class/powercap/intel-rapl:1/energy_uj").write_text("lots")
    with pytest.raises(SourceError, match="no number"):
        PsysMeter(str(trees.sysfs)).read()


def test_a_meter_with_a_bug_is_down_and_does_not_end_its_thread():
    """The thread goes on asking; the source says that it is down."""

    class Buggy:
        source = "hwmon"

        def read(self):
            raise ZeroDivisionError("a bug")

    power = NodePower(Buggy())
    power.read_once()

    assert isinstance(power.error, ZeroDivisionError)
    assert power.watts is None


@pytest.mark.parametrize("setting", ["ipmi", "ftp://bmc/x", "https://u:p@bmc/redfish", "https://"])
def test_a_setting_that_names_no_meter_is_refused(setting):
    """Credentials belong into a file, not into a command line."""
    with pytest.raises(UnknownMeterError, match="give hwmon, psys, or"):
        make_meter(setting, sysfs="/sys", credentials_file="", ca_file="")
