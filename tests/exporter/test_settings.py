"""Flags, environment variables and what is wrong with them."""

import dataclasses

import pytest

from lowtide_exporter.errors import ExporterSettingsError
from lowtide_exporter.main import main
from lowtide_exporter.settings import ExporterSettings, environment_name, parse_settings


def test_defaults_need_nothing():
    """No flag and no variable: port 9400, one second, five minutes of retention."""
    settings = parse_settings([], {})

    assert settings == ExporterSettings()
    assert (settings.port, settings.period_seconds, settings.retention_seconds) == (9400, 1, 300)


def test_a_flag_wins_over_its_variable():
    """Both name the same setting."""
    variables = {"LOWTIDE_PORT": "1", "LOWTIDE_NODE_NAME": "n1", "LOWTIDE_ALLOW_MOCK": "true"}

    settings = parse_settings(["--port", "2", "--period-seconds=0.5"], variables)

    assert (settings.port, settings.node_name) == (2, "n1")
    assert (settings.allow_mock, settings.period_seconds) == (True, 0.5)


def test_a_service_called_lowtide_does_not_set_the_port():
    """Kubernetes puts LOWTIDE_PORT=tcp://... into every pod beside such a Service."""
    settings = parse_settings([], {"LOWTIDE_PORT": "tcp://10.96.0.7:9400"})

    assert settings.port == 9400


def test_retention_is_at_least_three_scrape_intervals():
    """A pod that ends just after a scrape must be seen twice more."""
    settings = parse_settings(["--retain-seconds", "60", "--scrape-interval-seconds", "60"], {})

    assert settings.retention_seconds == 180


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "no"], "--port is 'no': give a whole number"),
        (["--period-seconds", "0"], "give a value from 0.02 to 60"),
        (["--period-seconds", "nan"], "give a value from 0.02 to 60"),
        (["--allow-mock", "perhaps"], "--allow-mock is 'perhaps': give 1 or 0"),
        (["--nvml-library", "/x.so"], "add --allow-mock"),
        (["--tls-key", "/key"], "needs both --tls-certificate and --tls-key"),
        (["--log-level", "loud"], "give debug, info, warning or error"),
        (["--dcgm-url", "http://$(NODE_ADDRESS):9400/metrics"], "needs --node-address"),
        (["--dcgm-url", "http://fd00::7:9400/metrics"], "begins with http:// or https://"),
        (["--dcgm-url", "ftp://node/metrics"], "begins with http:// or https://"),
        (["--dcgm-url", "node:9400"], "begins with http:// or https://"),
    ],
)
def test_a_wrong_setting_says_what_would_be_right(arguments, message):
    """The name as the user wrote it, the value seen, and the way out."""
    with pytest.raises(ExporterSettingsError, match=message):
        parse_settings(arguments, {})


def test_a_wrong_variable_is_named_as_a_variable():
    """A user who set a variable is not told about a flag."""
    with pytest.raises(ExporterSettingsError, match="LOWTIDE_PORT is 'x'"):
        parse_settings([], {"LOWTIDE_PORT": "x"})


def test_wrong_use_ends_with_two(capsys):
    """Standard output stays empty; standard error names the way to help."""
    code = main(["--port", "no"])

    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert "lowtide-exporter --help" in captured.err


def test_every_setting_is_in_the_help_with_its_variable(capsys):
    """A new setting documents itself."""
    with pytest.raises(SystemExit) as ended:
        parse_settings(["--help"], {})

    text = capsys.readouterr().out.replace("\n", "")
    assert ended.value.code == 0
    for field in dataclasses.fields(ExporterSettings):
        assert "--" + field.name.replace("_", "-") in text
        assert environment_name(field.name) in text


@pytest.mark.parametrize(
    ("address", "page"),
    [
        pytest.param("10.0.0.7", "http://10.0.0.7:9400/metrics", id="IPv4"),
        pytest.param("fd00::7", "http://[fd00::7]:9400/metrics", id="IPv6"),
        pytest.param("[fd00::7]", "http://[fd00::7]:9400/metrics", id="in brackets already"),
        pytest.param("node-7", "http://node-7:9400/metrics", id="name"),
    ],
)
def test_the_nodes_address_stands_in_the_url_as_it_must(address, page):
    """An IPv6 address in a URL needs brackets, which the kubelet does not put there."""
    settings = parse_settings(
        ["--dcgm-url", "http://$(NODE_ADDRESS):9400/metrics", "--node-address", address], {}
    )

    assert settings.dcgm_page == page
