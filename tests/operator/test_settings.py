"""The settings file, its overrides and its error messages."""

from pathlib import Path

import pytest

from lowtide_operator import main
from lowtide_operator.main import unled
from lowtide_operator.reload import merged
from lowtide_operator.settings import OperatorSettings
from lowtide_operator.settings_file import OperatorSettingsError, load_settings


def write(folder: Path, text: str) -> Path:
    """Return a settings file with this content."""
    file = folder / "settings.yaml"
    file.write_text(text)
    return file


def test_no_file_at_all_gives_usable_settings() -> None:
    """Defaults need no account, no key and no Prometheus."""
    settings = load_settings(None, {})
    assert settings.zones == {}
    assert settings.prometheus.url is None
    assert settings.measurement.settle_seconds == 180


def test_in_a_pod_no_operator_runs_without_a_lease() -> None:
    """A second installation would suspend and resume the same Jobs in turn with the first."""
    bare = OperatorSettings()
    led = OperatorSettings.model_validate({"cluster": {"leaseNamespace": "lowtide"}})
    assert unled(bare, in_pod=False) is None
    assert unled(led, in_pod=True) is None
    assert (unled(bare, in_pod=True) or "").startswith("cluster.leaseNamespace is not set: ")


def test_a_process_in_a_pod_ends_before_it_asks_anything_without_a_lease(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is that of settings that cannot be used."""
    monkeypatch.setattr(main, "is_in_pod", lambda: True)
    monkeypatch.delenv("LOWTIDE_OPERATOR_CLUSTER__LEASE_NAMESPACE", raising=False)
    monkeypatch.delenv("LOWTIDE_OPERATOR_SETTINGS", raising=False)
    assert main.main([]) == 2
    assert "no operator writes without a Lease" in capsys.readouterr().err


def test_an_environment_variable_overrides_one_field(tmp_path: Path) -> None:
    """Both spellings of a field in the file are the same field."""
    file = write(tmp_path, "prometheus: {url: 'http://old:9090', timeoutSeconds: 3}")
    variables = {
        "LOWTIDE_OPERATOR_PROMETHEUS__URL": "http://new:9090",
        "LOWTIDE_OPERATOR_PROMETHEUS__TIMEOUT_SECONDS": "7",
        "LOWTIDE_OPERATOR_CAPACITY_GPUS": "8",
    }
    settings = load_settings(file, variables)
    assert settings.prometheus.url == "http://new:9090"
    assert settings.prometheus.timeout_seconds == 7
    assert settings.capacity_gpus == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("queue: {worker: 3}", "queue.worker is not a setting"),
        ("queue: {workers: 0}", r"queue.workers: .*greater than or equal to 1 \(value 0\)"),
        ("[1, 2]", "holds no mapping"),
        ("a: [", "is not YAML"),
        ("defaultZone: DE", "defaultZone 'DE' is not among the zones"),
        ("prometheus: {url: 'ftp://x'}", "must be an http or https URL"),
        ("prometheus: {url: 'http://u:p@x'}", "must not contain credentials"),
    ],
)
def test_a_wrong_file_is_refused_with_the_field(tmp_path: Path, text: str, message: str) -> None:
    """The sentence names the field and the value."""
    with pytest.raises(OperatorSettingsError, match=message):
        load_settings(write(tmp_path, text), {})


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A path that was given must exist."""
    with pytest.raises(OperatorSettingsError, match="No such file"):
        load_settings(tmp_path / "none.yaml", {})


def test_the_only_zone_is_that_of_jobs_that_name_none() -> None:
    """With two zones a default must be chosen."""
    one = OperatorSettings.model_validate({"zones": {"DE": {}}})
    two = OperatorSettings.model_validate({"zones": {"DE": {}, "FR": {}}})
    assert one.zone_of_unmarked_jobs == "DE"
    assert two.zone_of_unmarked_jobs is None


def test_a_changed_file_takes_effect_only_where_that_is_safe() -> None:
    """Prices change at once; a port keeps its value and is named."""
    before = OperatorSettings()
    after = OperatorSettings.model_validate(
        {"price": {"perHour": "2"}, "server": {"metricsPort": 1234}}
    )
    result, left = merged(before, after)
    assert result.price == after.price
    assert result.server == before.server
    assert left == {"server"}


def test_a_dispatcher_of_some_namespaces_is_refused() -> None:
    """Kueue has one for all, so workloads of the others would wait for ever."""
    with pytest.raises(ValueError, match="Kueue has one dispatcher for all namespaces"):
        OperatorSettings.model_validate(
            {"dispatcher": {"enabled": True}, "cluster": {"namespaces": ["red"]}}
        )
