"""A Prometheus behind a token or its own certificate authority, over real HTTP and TLS."""

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from pydantic import ValidationError

from lowtide_operator.sample_settings import PrometheusSettings
from lowtide_operator.samples.prometheus import Prometheus, PrometheusError
from lowtide_operator.samples.source import Selector

NOW = datetime(2026, 3, 2, tzinfo=UTC)
TOKEN = "s3cret"
ANSWER = {
    "status": "success",
    "data": {
        "resultType": "vector",
        "result": [{"metric": {"namespace": "ml", "pod_uid": "u"}, "value": [0, "7"]}],
    },
}


@asynccontextmanager
async def protected(context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve a Prometheus that asks for the token; yield its address."""

    async def query(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401, text="Unauthorized")
        return web.json_response(ANSWER)

    application = web.Application()
    application.router.add_post("/api/v1/query", query)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"{'https' if context else 'http'}://localhost:{port}"
    finally:
        await runner.cleanup()


async def ask(url: str, **settings: object) -> dict[str, float]:
    """Return what the operator's client reads from there."""
    async with aiohttp.ClientSession() as session:
        client = Prometheus(session, PrometheusSettings.model_validate({"url": url, **settings}))
        return dict(await client.pod_joules(NOW))


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """The token as Kubernetes mounts it from a Secret."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    return file


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for localhost that signs itself, and the server's side of it."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs the program openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    command = [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "ca.pem")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return folder / "ca.pem", context


async def test_token_opens_the_door(token: Path) -> None:
    """The token is read from its file, without the last newline."""
    async with protected() as url:
        assert await ask(url, tokenFile=str(token)) == {("ml", "u"): 7.0}


async def test_changed_token_is_read_again(token: Path) -> None:
    """A Secret that changes needs no restart."""
    token.write_text("old")
    async with protected() as url, aiohttp.ClientSession() as session:
        settings = PrometheusSettings.model_validate({"url": url, "tokenFile": str(token)})
        client = Prometheus(session, settings)
        with pytest.raises(PrometheusError, match="refuses the token"):
            await client.pod_joules(NOW)

        token.write_text(TOKEN)

        assert await client.pod_joules(NOW) == {("ml", "u"): 7.0}


async def test_missing_token_is_one_sentence_with_the_setting(tmp_path: Path) -> None:
    """Without a setting its name is told; without the file of the Secret, its path."""
    missing = tmp_path / "nothing"
    async with protected() as url:
        with pytest.raises(PrometheusError, match=r"answered 401: .* prometheus\.tokenFile"):
            await ask(url)
        with pytest.raises(PrometheusError, match=rf"{missing} cannot be read: No such file"):
            await ask(url, tokenFile=str(missing))


async def test_token_is_in_no_message(token: Path) -> None:
    """A refused token is named by its file, never by its content."""
    token.write_text("wrong-but-secret")
    async with protected() as url:
        with pytest.raises(PrometheusError) as caught:
            await ask(url, tokenFile=str(token))

    assert "wrong-but-secret" not in str(caught.value)


async def test_own_authority_is_trusted_when_it_is_named(
    token: Path, authority: tuple[Path, ssl.SSLContext]
) -> None:
    """An https address whose certificate no public authority signed."""
    file, context = authority
    async with protected(context) as url:
        assert await ask(url, tokenFile=str(token), caFile=str(file)) == {("ml", "u"): 7.0}


async def test_unknown_authority_is_one_sentence_with_the_setting(
    token: Path, authority: tuple[Path, ssl.SSLContext], tmp_path: Path
) -> None:
    """Neither an unnamed authority nor a missing file lets the token out."""
    async with protected(authority[1]) as url:
        with pytest.raises(PrometheusError, match=r"not trusted: .* prometheus\.caFile"):
            await ask(url, tokenFile=str(token))
        with pytest.raises(PrometheusError, match="cannot be used: No such file"):
            await ask(url, tokenFile=str(token), caFile=str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    "result",
    [
        pytest.param([{"metric": {}}], id="no value"),
        pytest.param([{"metric": {"pod_uid": "u"}, "value": [0]}], id="half a value"),
        pytest.param([{"metric": {"pod_uid": "u"}, "value": [0, "much"]}], id="no number"),
        pytest.param(["text"], id="a text"),
        pytest.param({"a": 1}, id="no list"),
        pytest.param(7, id="a number"),
    ],
)
async def test_series_of_an_unknown_form_are_one_sentence(
    result: object, token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something else than a Prometheus answers; nothing is read from it, and it is tried again."""
    monkeypatch.setitem(ANSWER, "data", {"resultType": "vector", "result": result})
    pods = Selector("lowtide_pod_energy_joules_total")
    async with protected() as url, aiohttp.ClientSession() as session:
        settings = PrometheusSettings.model_validate({"url": url, "tokenFile": str(token)})
        client = Prometheus(session, settings)

        with pytest.raises(PrometheusError, match="Prometheus answered"):
            await client.pod_joules(NOW)
        with pytest.raises(PrometheusError, match="Prometheus answered"):
            await client.samples(pods, NOW - timedelta(minutes=1), NOW)


async def test_headers_of_the_settings_travel_with_every_query() -> None:
    """Mimir answers no query without a tenant, and says so in words that are shown."""

    async def query(request: web.Request) -> web.Response:
        if request.headers.get("X-Scope-OrgID") != "team-a":
            return web.Response(status=401, text="no org id\n")
        return web.json_response(ANSWER)

    application = web.Application()
    application.router.add_post("/api/v1/query", query)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        with pytest.raises(PrometheusError, match=r"answered 401: no org id .*prometheus\.headers"):
            await ask(url)
        assert await ask(url, headers={"X-Scope-OrgID": "team-a"}) == {("ml", "u"): 7.0}
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Authorization": "Bearer hush"}, "carries a secret"),
        ({"X-Api-Key": "hush"}, "carries a secret"),
        ({"Host": "other"}, "belongs to the connection"),
        ({"X-Scope-OrgID": "a\r\nX-Other: b"}, "one line of printable ASCII"),
        ({"X Scope": "a"}, "letters, digits and hyphens"),
    ],
)
def test_a_header_that_cannot_be_plain_is_refused(headers: dict[str, str], message: str) -> None:
    """Secrets stay in files, and no value is shown."""
    with pytest.raises(ValidationError, match=message) as caught:
        PrometheusSettings.model_validate({"url": "http://p:9090", "headers": headers})

    assert "hush" not in str(caught.value)
