"""The way to the API server: which proxy is used, and which files are left alone."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio.client import V1DeleteOptions, V1Preconditions

from lowtide_operator.cluster.client import Cluster
from lowtide_operator.cluster.connection import connect
from lowtide_operator.cluster.leadership import Leadership

PROXY = "http://proxy.example.org:3128"


@asynccontextmanager
async def connected() -> AsyncIterator[Any]:
    """Give a client and close it."""
    api = await connect(workers=1)
    try:
        yield api
    finally:
        await api.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a setter of the environment's proxies; none is left of those that were there."""

    def use(**variables: str) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return use


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"http_proxy": PROXY}, PROXY, id="of the scheme"),
        pytest.param({"https_proxy": PROXY}, None, id="of another scheme"),
        pytest.param({"http_proxy": PROXY, "no_proxy": "127.0.0.1"}, None, id="an exception"),
        pytest.param({"http_proxy": "https://proxy.example.org"}, None, id="not plain HTTP"),
    ],
)
async def test_the_proxy_of_the_environment_is_used(
    kubeconfig: Path,
    environment: Callable[..., None],
    variables: dict[str, str],
    proxy: str | None,
) -> None:
    """As every other client of the cluster does; the server here is http://127.0.0.1."""
    environment(**variables)
    async with connected() as api:
        assert api.configuration.proxy == proxy


async def test_the_proxy_of_the_kubeconfig_comes_first(
    kubeconfig: Path, environment: Callable[..., None]
) -> None:
    """It was named for this very cluster."""
    environment(http_proxy=PROXY)
    document = yaml.safe_load(kubeconfig.read_text())
    document["clusters"][0]["cluster"]["proxy-url"] = "http://nearer.example.org:3128"
    kubeconfig.write_text(yaml.safe_dump(document))
    async with connected() as api:
        assert api.configuration.proxy == "http://nearer.example.org:3128"


async def test_a_netrc_that_knows_the_server_is_not_read(
    kubeconfig: Path,
    environment: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two credentials in one request would be refused; and it would be read for every request."""
    environment()
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with connected() as api:
        assert await Cluster(api, Leadership(), timeout_seconds=10).serves_training_jobs("default")


async def test_a_body_of_plain_values_is_sent_without_a_copy(api: Any, kubeconfig: Path) -> None:
    """Copying a template of a megabyte would hold up every other job; models are still turned."""
    async with connected() as client:
        body = {"spec": {"template": {"spec": {}}}}
        parts = await client.param_serialize(method="POST", resource_path="/apis", body=body)
        assert parts[3] is body
        options = V1DeleteOptions(preconditions=V1Preconditions(uid="u"))
        parts = await client.param_serialize(method="DELETE", resource_path="/apis", body=options)
        assert parts[3] == {"preconditions": {"uid": "u"}}
