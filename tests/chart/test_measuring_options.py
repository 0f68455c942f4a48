"""The chart's options for measuring: direct scraping, claimed devices, processes of the node."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from lowtide_exporter.settings import parse_settings
from lowtide_operator.settings import OperatorSettings

pytestmark = pytest.mark.slow

Documents = list[dict[str, Any]]
Render = Callable[..., Documents]
Pick = Callable[..., dict[str, Any]]

DIRECT = {"directScrape": {"enabled": True}}


def settings_of(documents: Documents, pick: Pick) -> OperatorSettings:
    """Return the settings as the operator reads them."""
    text = pick(documents, "ConfigMap", "lowtide-operator")["data"]["settings.yaml"]
    return OperatorSettings.model_validate(yaml.safe_load(text))


def test_direct_scraping_names_the_exporters_service(render: Render, pick: Pick) -> None:
    """The operator gets the address of the headless Service; the user's limits stay."""
    values = {**DIRECT, "settings": {"exporters": {"scrapeIntervalSeconds": 5}}}
    documents = render(values)

    exporters = settings_of(documents, pick).exporters
    service = pick(documents, "Service", "lowtide-exporter")

    assert exporters.url == "http://lowtide-exporter.tide.svc:9400/metrics"
    assert exporters.scrape_interval_seconds == 5
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["ports"][0]["port"] == 9400


def test_direct_scraping_adds_no_right(render: Render, pick: Pick) -> None:
    """Addresses come from DNS: the operator's role is the same, and nothing is set without it."""
    role = pick(render(DIRECT), "ClusterRole", "lowtide-operator")

    assert role == pick(render(), "ClusterRole", "lowtide-operator")
    assert settings_of(render(), pick).exporters.url is None


def test_a_restricted_network_lets_the_operator_scrape(render: Render, pick: Pick) -> None:
    """Where only some peers may come in, the operator is one of the exporters' peers."""
    policy = {"networkPolicy": {"enabled": True, "from": [{"podSelector": {}}]}}

    peers = pick(render({**DIRECT, **policy}), "NetworkPolicy", "lowtide-exporter")
    without = pick(render(policy), "NetworkPolicy", "lowtide-exporter")

    operator = peers["spec"]["ingress"][0]["from"][-1]["podSelector"]["matchLabels"]
    assert operator["app.kubernetes.io/component"] == "operator"
    named, test = without["spec"]["ingress"][0]["from"]
    assert named == {"podSelector": {}}
    assert test["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "test"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"exporter": {"enabled": False}}, "nothing to scrape"),
        ({"settings": {"prometheus": {"url": "http://p:9090"}}}, "samples come from one of them"),
    ],
)
def test_direct_scraping_that_cannot_be_is_refused(
    render: Render, values: dict[str, Any], message: str
) -> None:
    """The message says which two values do not go together."""
    with pytest.raises(Exception, match=message):
        render({**DIRECT, **values})


def test_claimed_devices_need_a_right_of_their_own(render: Render, pick: Pick) -> None:
    """The role gets get and list on ResourceSlices only where the values ask for it."""
    with_slices = {"exporter": {"readResourceSlices": True}}

    rules = pick(render(with_slices), "ClusterRole", "lowtide-exporter")["rules"]

    assert {
        "apiGroups": ["resource.k8s.io"],
        "resources": ["resourceslices"],
        "verbs": ["get", "list"],
    } in rules
    without = pick(render(), "ClusterRole", "lowtide-exporter")["rules"]
    assert "resourceslices" not in str(without)


def test_processes_of_the_node_are_seen_only_on_request(render: Render, pick: Pick) -> None:
    """The pod gets hostPID, and no privilege with it."""
    values = {"exporter": {"hostPID": True}}

    spec = pick(render(values), "DaemonSet", "lowtide-exporter")["spec"]["template"]["spec"]
    plain = pick(render(), "DaemonSet", "lowtide-exporter")["spec"]["template"]["spec"]

    assert spec["hostPID"] is True
    assert spec["containers"][0]["securityContext"]["privileged"] is False
    assert "hostPID" not in plain


def test_existing_dcgm_exporter_is_asked_on_the_same_node(render: Render, pick: Pick) -> None:
    """The address may name the node: the exporter, not the kubelet, puts its address in."""
    url = "http://$(NODE_ADDRESS):9400/metrics"
    documents = render({"exporter": {"dcgm": {"url": url}}})

    (container,) = pick(documents, "DaemonSet")["spec"]["template"]["spec"]["containers"]

    variables = {variable["name"]: variable for variable in container["env"]}
    seen = variables["LOWTIDE_DCGM_URL"]["value"].replace("$$(", "$(")  # as the kubelet unescapes
    node = variables["LOWTIDE_NODE_ADDRESS"]["valueFrom"]
    assert variables["LOWTIDE_DCGM_URL"]["value"] == url.replace("$(", "$$(")
    assert node == {"fieldRef": {"fieldPath": "status.hostIP"}}
    assert parse_settings(
        [], {"LOWTIDE_DCGM_URL": seen, "LOWTIDE_NODE_ADDRESS": "fd00::7"}
    ).dcgm_page == ("http://[fd00::7]:9400/metrics")


def test_no_dcgm_exporter_is_asked_by_default(render: Render, pick: Pick) -> None:
    """Without an address the variable is not there at all."""
    (container,) = pick(render(), "DaemonSet")["spec"]["template"]["spec"]["containers"]

    assert "LOWTIDE_DCGM_URL" not in {variable["name"] for variable in container["env"]}


def test_address_of_dcgm_exporter_must_be_a_url(refusal: Callable[..., str]) -> None:
    """A host without http is refused at install time, with the path of the value."""
    assert "url" in refusal({"exporter": {"dcgm": {"url": "nvidia-dcgm-exporter:9400"}}})


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"exporter": {"retainSeconds": 200}}, id="gone too soon"),
        pytest.param({"settings": {"measurement": {"settleSeconds": 600}}}, id="waits too long"),
        pytest.param(
            {"exporter": {"scrapeIntervalSeconds": 90, "retainSeconds": 60}},
            id="scraped too rarely",
        ),
    ],
)
def test_figures_that_would_be_gone_before_they_are_read_are_refused(
    render: Render, values: dict[str, Any]
) -> None:
    """Final figures stay for the operator's longest wait and two scrapes."""
    with pytest.raises(Exception, match=r"exporter\.retainSeconds is"):
        render(values)


def test_the_chart_knows_how_long_the_operator_waits(render: Render) -> None:
    """180 s and two scrapes of 30 s are 240 s; the longest wait is the operator's own default."""
    assert OperatorSettings().measurement.settle_seconds == 180
    assert render({"exporter": {"retainSeconds": 240}})
    with pytest.raises(Exception, match="at least 240 s"):
        render({"exporter": {"retainSeconds": 239}})


def test_the_chart_knows_how_often_the_operator_scrapes(render: Render) -> None:
    """180 s and two scrapes of 15 s, the operator's own default, are 210 s; of 300 s, 780 s."""
    seldom = {"exporters": {"scrapeIntervalSeconds": 300}}
    assert OperatorSettings().exporters.scrape_interval_seconds == 15
    assert render({**DIRECT, "exporter": {"retainSeconds": 210}})
    with pytest.raises(Exception, match="at least 210 s"):
        render({**DIRECT, "exporter": {"retainSeconds": 209}})
    with pytest.raises(Exception, match="at least 780 s"):
        render({**DIRECT, "settings": seldom})


@pytest.mark.parametrize(
    ("own", "labels"),
    [
        ({"url": "http://p:9090"}, {"job": "lowtide-exporter"}),
        ({"url": "http://p:9090", "exporterLabels": {}}, {}),
        ({}, {}),
    ],
)
def test_the_operator_believes_the_targets_that_the_chart_makes(
    own: dict[str, Any], labels: dict[str, str], render: Render, pick: Pick
) -> None:
    """This holds unless the settings say otherwise, or name no Prometheus."""
    values = {
        "monitoring": {"serviceMonitor": {"enabled": True}},
        "settings": {"prometheus": own},
    }
    assert settings_of(render(values), pick).prometheus.exporter_labels == labels


def test_the_overhead_of_a_zone_is_a_number_or_a_query(render: Render, pick: Pick) -> None:
    """The operator reads both from the chart's settings."""
    query = {"url": "http://prometheus:9090", "query": "site_pue"}
    pue = {"DE": {"value": 1.25, "kind": "Measured"}, "FR": {"prometheus": query}}
    values = {"settings": {"zones": {"DE": {}, "FR": {}}, "pue": pue}}
    found = settings_of(render(values), pick).pue
    assert (found["DE"].value, found["DE"].kind) == (1.25, "Measured")
    assert found["FR"].prometheus is not None
    assert found["FR"].prometheus.query == "site_pue"
