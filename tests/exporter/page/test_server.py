"""The HTTP server: formats, health, credentials, storms."""

import base64
import errno
import gzip
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest as plain_latest
from prometheus_client.openmetrics.exposition import generate_latest as open_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_plain
from standins.nvml.control import gpu_uuid

from lowtide_exporter.errors import ExporterSettingsError
from lowtide_exporter.page.catalogue import FAMILIES, MetricType
from lowtide_exporter.page.collector import SnapshotCollector
from lowtide_exporter.page.exposition import TextWriter
from lowtide_exporter.page.server import ExporterServer, Renderer
from lowtide_exporter.settings import ExporterSettings

OPEN = "application/openmetrics-text; version=1.0.0"


@contextmanager
def serving(node, **options):
    """Serve a node's loop; yields (url, list of snapshots taken, server)."""
    taken = []

    def take():
        taken.append(node.loop.snapshot())
        return taken[-1]

    settings = ExporterSettings(listen_address="127.0.0.1", port=0, **options)
    server = ExporterServer(
        settings, Renderer(take, lambda: node.loop.ticks), lambda: node.loop.ticks > 0
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    scheme = "https" if settings.tls_certificate else "http"
    try:
        yield f"{scheme}://127.0.0.1:{server.port}", taken, server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def get(url, context=None, **headers):
    """Return (status, headers, body)."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=240, context=context) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_ready_only_after_the_first_reading(node):
    """Healthy from the start; ready once there is something to say."""
    with serving(node) as (url, _, _):
        before = [get(f"{url}/{path}")[0] for path in ("healthz", "readyz", "nothing")]
        node.tick()
        after = get(f"{url}/readyz")[0]

    assert before == [200, 503, 404]
    assert after == 200


def test_both_formats_parse_and_hold_the_whole_catalogue(node):
    """Every family with samples is known to the catalogue, with its type, unit and help."""
    node.start_pod('a"b\\c\nd', gpu_uuid(0))
    node.run_until(112)
    node.end_pod('a"b\\c\nd')
    node.run_until(120)

    with serving(node) as (url, _, _):
        _, plain_headers, plain = get(f"{url}/metrics")
        _, open_headers, opened = get(f"{url}/metrics", Accept=OPEN)

    assert plain_headers["Content-Type"].startswith("text/plain")
    assert open_headers["Content-Type"].startswith("application/openmetrics-text")
    known = {family.name.removesuffix("_total"): family for family in FAMILIES}
    for text, parse in ((plain, parse_plain), (opened, parse_open)):
        for metric in parse(text.decode()):
            family = known[metric.name.removesuffix("_total")]
            assert metric.type == family.kind.value
            assert metric.documentation == family.text
    units = {m.name: m.unit for m in parse_open(opened.decode())}
    assert units["lowtide_pod_energy_joules"] == "joules"
    assert 'pod="a\\"b\\\\c\\nd"' in plain.decode()


@pytest.mark.parametrize("openmetrics", [False, True])
def test_the_page_is_the_client_librarys_to_the_byte(node, openmetrics):
    """Our quick writer must agree with the reference, hostile labels and old series included."""
    writer, registry = TextWriter(), CollectorRegistry()
    registry.register(SnapshotCollector(lambda: snapshot))
    encode = open_latest if openmetrics else plain_latest
    for name in ("plain", 'a"b\\c\nd', "plain", "ünï\tcode"):
        node.start_pod(name, gpu_uuid(0), uid=f"uid-{name}-{node.seconds}")
        node.run_until(node.seconds + 12.3)
        node.delete_pod(name)
        snapshot = node.loop.snapshot()

        assert writer.write(snapshot, openmetrics=openmetrics) == encode(registry)


def test_half_a_character_does_not_cost_the_page(node):
    """JSON can hold what UTF-8 cannot: the name is changed, the page comes."""
    node.start_pod("half \ud83d", gpu_uuid(0))
    node.run_until(105)

    page = TextWriter().write(node.loop.snapshot(), openmetrics=False).decode()

    assert 'pod="half ?"' in page


def test_a_page_can_be_restricted_to_some_metrics(node):
    """As the client library's own server does with name[]."""
    node.run_until(105)
    with serving(node) as (url, _, _):
        _, _, page = get(f"{url}/metrics?name[]=lowtide_gpu_up")

    assert {metric.name for metric in parse_plain(page.decode())} == {"lowtide_gpu_up"}


def test_counter_names_end_in_total_and_units_in_names():
    """Prometheus naming: base units, `_total` for counters."""
    for family in FAMILIES:
        assert family.name.endswith("_total") == (family.kind is MetricType.COUNTER)
        assert family.unit == "" or family.name.removesuffix("_total").endswith(family.unit)


def test_a_storm_of_scrapes_renders_once_per_tick(node):
    """A hundred scrapers at once cost one rendering and no device call."""
    node.run_until(105)
    with serving(node) as (url, taken, _):
        before = node.control.calls
        with ThreadPoolExecutor(20) as pool:
            bodies = set(pool.map(lambda _: get(f"{url}/metrics")[2], range(100)))
        one_tick = len(taken)
        node.tick()
        get(f"{url}/metrics")

    assert len(bodies) == 1
    assert one_tick == 1
    assert len(taken) == 2
    assert before + 2 == node.control.calls  # only the tick's own two


def test_compression_on_request(node):
    """Prometheus asks for gzip."""
    node.tick()
    with serving(node) as (url, _, _):
        _, headers, packed = get(f"{url}/metrics", **{"Accept-Encoding": "gzip"})
        plain = get(f"{url}/metrics")[2]

    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == plain


def test_basic_auth_lets_in_only_the_right_user(node, tmp_path):
    """Metrics need the password, health checks do not."""
    secret = tmp_path / "auth"
    secret.write_text("prometheus:open sesame\n")
    right = "Basic " + base64.b64encode(b"prometheus:open sesame").decode()
    node.tick()
    with serving(node, basic_auth_file=str(secret)) as (url, _, _):
        statuses = [
            get(f"{url}/metrics")[0],
            get(f"{url}/metrics", Authorization=right + "x")[0],
            get(f"{url}/metrics", Authorization=right)[0],
            get(f"{url}/healthz")[0],
        ]

    assert statuses == [401, 401, 200, 200]


@pytest.mark.parametrize("content", [None, "no colon"])
def test_an_unusable_password_file_is_refused(node, tmp_path, content):
    """The exporter must not start without the protection that was asked for."""
    secret = tmp_path / "auth"
    if content is not None:
        secret.write_text(content)

    with (
        pytest.raises(ExporterSettingsError, match="--basic-auth-file"),
        serving(node, basic_auth_file=str(secret)),
    ):
        pass


def test_https_with_a_certificate(node, tmp_path):
    """TLS 1.2 or newer, from two PEM files; a client that talks plain HTTP disturbs no other."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make_certificate(key, certificate)
    context = ssl.create_default_context(cafile=str(certificate))
    node.tick()
    options = {"tls_certificate": str(certificate), "tls_key": str(key)}
    with serving(node, **options) as (url, _, _):
        with pytest.raises((urllib.error.URLError, OSError)):
            get(url.replace("https", "http") + "/metrics")
        status, _, body = get(f"{url}/metrics", context)

    assert status == 200
    assert b"lowtide_build_info" in body


def has_ipv6():
    """Whether this machine has an IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def served_at(node, *hosts):
    """Return the status of /healthz of a server without an address, by host."""
    server = ExporterServer(
        ExporterSettings(port=0), Renderer(node.loop.snapshot, lambda: 0), lambda: False
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        return [get(f"http://{host}:{server.port}/healthz")[0] for host in hosts]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_without_an_address_both_families_are_served(node):
    """A pod in an IPv6 cluster has no other address, and one in an IPv4 cluster neither."""
    assert served_at(node, "127.0.0.1", "[::1]") == [200, 200]


def test_a_node_without_ipv6_is_served_too(node, monkeypatch):
    """The kernel may know no such family."""

    def refuse(server):
        if server.address_family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        bind(server)

    bind = ExporterServer.server_bind
    monkeypatch.setattr(ExporterServer, "server_bind", refuse)

    assert served_at(node, "127.0.0.1") == [200]


def test_connections_that_drip_keep_no_probe_and_no_scrape_out(node):
    """More than there are places send half a request and wait: each newcomer is served."""
    node.tick()
    with serving(node) as (url, _, server), ExitStack() as dripping:
        for _ in range(40):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=240)
            dripping.enter_context(connection)
            connection.sendall(b"GET /metrics HTTP/1.1\r\nX: ")

        answers = [get(f"{url}/healthz")[0], get(f"{url}/metrics")[0]]

    assert answers == [200, 200]


def test_a_new_password_holds_at_once_and_a_broken_file_changes_nothing(node, tmp_path):
    """Kubernetes renews the file in place; a half-written one must not open the page."""
    path = tmp_path / "auth"
    path.write_text("scraper:old")
    node.tick()
    with serving(node, basic_auth_file=str(path)) as (url, _, _):

        def statuses(*users):
            headers = ["Basic " + base64.b64encode(user.encode()).decode() for user in users]
            return [get(f"{url}/metrics", Authorization=header)[0] for header in headers]

        before = statuses("scraper:old", "scraper:renewed")
        path.write_text("scraper:renewed")
        after = statuses("scraper:old", "scraper:renewed")
        path.write_text("nonsense")
        broken = statuses("nonsense", "scraper:renewed")

    assert (before, after, broken) == ([200, 401], [401, 200], [401, 200])


def make_certificate(key, certificate):
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate),
            *("-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )


def test_a_renewed_certificate_is_served_without_a_restart(node, tmp_path):
    """The next connection gets it; one that cannot be used leaves the one before in force."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make_certificate(key, certificate)
    node.tick()

    def served():
        return ssl.get_server_certificate(("127.0.0.1", server.port)).strip()

    options = {"tls_certificate": str(certificate), "tls_key": str(key)}
    with serving(node, **options) as (_, _, server):
        first = served()
        make_certificate(key, certificate)
        second, wanted = served(), certificate.read_text().strip()
        certificate.write_text("-----BEGIN CERTIFICATE-----\nhalf")
        third = served()

    assert first != second
    assert second == third == wanted
