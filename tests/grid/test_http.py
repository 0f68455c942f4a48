"""The HTTP client against a real server that misbehaves in every way it may."""

import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from standins.peers import dripping

from lowtide.grid.errors import BadAnswer, GridError, RateLimited, Unauthorized, Unavailable
from lowtide.grid.providers.http import HttpClient
from lowtide.grid.providers.throttle import Throttle


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that the client made, in seconds."""
    return []


@pytest.fixture
def client(server, pauses) -> HttpClient:
    return HttpClient(
        name="Service",
        base_url=server.url,
        body_max_bytes=10_000,
        sleep=pauses.append,
        uniform=lambda _low, _high: 1.0,
    )


def get(client, **more):
    return client.get_json("/data", zone="DE", **more)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_is_never_tried_again(server, client, status):
    """Retrying a 401 or 403 only gets an account locked."""
    server.gives_json({}, status=status)

    with pytest.raises(Unauthorized, match=f"Service answered {status} for zone DE"):
        get(client)

    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(429, RateLimited), (500, Unavailable), (503, Unavailable)]
)
def test_a_passing_fault_is_retried_once(server, client, pauses, status, error):
    """One retry after a pause, and a second fault is final."""
    server.gives_json({}, status=status)

    with pytest.raises(error):
        get(client)

    assert len(server.asked) == 2
    assert pauses == [1.0]


def test_a_retry_that_succeeds_is_an_answer(server, client):
    """A single 500 is invisible to the caller."""
    server.gives(server.reply(status=500), server.reply({"a": 1}))

    assert get(client) == ({"a": 1}, False)


def test_retry_after_in_seconds_is_honoured(server, client, pauses):
    """The service's own wish is added to the jitter."""
    server.gives(server.reply(status=429, headers={"Retry-After": "3"}), server.reply({}))

    get(client)

    assert pauses == [4.0]


def test_retry_after_as_a_date_is_honoured(server, client, pauses):
    """RFC 9110 allows an HTTP date as well."""
    began = datetime.now(UTC)
    moment = format_datetime(began + timedelta(seconds=5), usegmt=True)
    server.gives(server.reply(status=503, headers={"Retry-After": moment}), server.reply({}))

    get(client)

    passed_seconds = (datetime.now(UTC) - began).total_seconds()
    assert 5.0 - passed_seconds < pauses[0] <= 6.0  # a date has whole seconds, and one is added


def test_a_long_retry_after_is_handed_to_the_caller(server, client, pauses):
    """Ten minutes are not slept through in a worker thread, but they are not forgotten."""
    server.gives_json({}, status=429, headers={"Retry-After": "600"})

    with pytest.raises(RateLimited) as caught:
        get(client)

    assert caught.value.retry_after_seconds == 600
    assert (len(server.asked), pauses) == (1, [])


def test_a_nonsense_retry_after_is_ignored(server, client, pauses):
    """A header that is neither number nor date changes nothing."""
    server.gives(server.reply(status=429, headers={"Retry-After": "soon"}), server.reply({}))

    get(client)

    assert pauses == [1.0]


@pytest.mark.parametrize("status", [400, 404, 418])
def test_another_status_is_a_bad_answer(server, client, status):
    """A request that is refused now is refused in a second, too."""
    server.gives_json({}, status=status)

    with pytest.raises(BadAnswer, match=str(status)):
        get(client)

    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"<!doctype html><title>Sign in</title>", "web page", id="HTML with 200"),
        pytest.param(b'{"data": [', "not JSON", id="cut off"),
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"\xff\xfe\x00", "not JSON", id="binary"),
        pytest.param(b"[" * 9000, "not JSON", id="deeply nested"),
    ],
)
def test_an_answer_that_is_not_json_is_a_bad_answer(server, client, body, message):
    """Garbage with status 200 is an error, never an empty answer."""
    server.gives(server.reply(raw=body))

    with pytest.raises(BadAnswer, match=message):
        get(client)


def test_a_huge_body_is_cut_off(server, client):
    """The size limit holds whatever the service sends."""
    server.gives(server.reply(raw=b" " * 10_001))

    with pytest.raises(BadAnswer, match="more than 10000 bytes"):
        get(client)


def test_a_redirect_to_another_host_is_not_followed(server, client):
    """The token would go with it."""
    server.gives_json({}, status=302, headers={"Location": "http://localhost:1/data"})

    with pytest.raises(BadAnswer, match="another host"):
        get(client, headers={"auth-token": "secret"})

    assert len(server.asked) == 1


def test_a_redirect_on_the_same_host_is_followed(server, client):
    """A moved path on the same origin is harmless."""
    server.gives(server.reply(status=301, headers={"Location": "/v5/data"}), server.reply([7]))

    assert get(client)[0] == [7]
    assert server.asked[1].path == "/v5/data"


def test_endless_redirects_end(server, client):
    """A loop of redirects costs four requests."""
    server.gives_json({}, status=302, headers={"Location": "/data"})

    with pytest.raises(BadAnswer, match="more than 3 times"):
        get(client)

    assert len(server.asked) == 4


def test_silence_ends_in_a_time_out_without_retry(server, client):
    """A service that does not answer holds a worker thread once, not twice."""
    release = threading.Event()
    server.gives(server.reply({}, delay=release))

    with pytest.raises(Unavailable, match="did not answer in time"):
        get(replace(client, read_seconds=0.2))

    assert len(server.asked) == 1
    release.set()


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="status line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Long: ", id="header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", id="chunk size"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="body"),
    ],
)
def test_a_server_that_drips_is_given_up_at_the_deadline(client, beginning):
    """Each byte comes in time, the whole never does."""
    with dripping(beginning) as address, pytest.raises(Unavailable, match="not answer in time"):
        get(replace(client, base_url=address, total_seconds=0.5))


def test_a_dropped_connection_is_retried(server, client):
    """A connection that breaks is often a restart at the other end."""
    server.gives(server.reply(drop=True), server.reply({"a": 1}))

    assert get(client)[0] == {"a": 1}


def test_a_port_without_a_server_is_unavailable(pauses):
    """A refused connection is reported in one sentence."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        client = HttpClient(name="Service", base_url=address, sleep=pauses.append)

        with pytest.raises(Unavailable, match="Service cannot be reached for zone DE"):
            get(client)


def test_no_secret_in_errors_or_their_context(server, client):
    """Neither message nor chained exception holds query, header or host."""
    server.gives(server.reply(drop=True))

    with pytest.raises(GridError) as caught:
        get(client, params={"securityToken": "hush"}, headers={"auth-token": "hush"})

    error: BaseException | None = caught.value
    while error is not None:
        assert "hush" not in repr(error)
        error = error.__cause__ or error.__context__


def test_netrc_is_not_consulted(server, client, tmp_path, monkeypatch):
    """A password for this host in .netrc stays there."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hush\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server.gives_json({})

    get(client)

    assert "authorization" not in server.asked[0].headers


def test_our_own_limit_stops_requests_before_a_ban(server):
    """The third request within the window never leaves, and says how long to wait."""
    seconds = [100.0]
    throttle = Throttle(2, 60.0, monotonic=lambda: seconds[0])
    client = HttpClient(name="Service", base_url=server.url, throttle=throttle)
    server.gives_json({})
    get(client)
    seconds[0] = 110.0
    get(client)

    with pytest.raises(RateLimited) as caught:
        get(client)

    assert caught.value.retry_after_seconds == 50.0
    assert len(server.asked) == 2
    seconds[0] = 160.0
    get(client)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        pytest.param(
            401,
            b'{"status":"error","message":"Invalid auth token"}',
            "answered 401 for zone DE: Invalid auth token",
            id="Electricity Maps",
        ),
        pytest.param(
            400,
            b'{"title":"ArgumentException","status":400,"detail":"Unknown location eastmoon"}',
            "answered 400 for zone DE: Unknown location eastmoon",
            id="Carbon Aware SDK",
        ),
        pytest.param(
            400,
            b'<?xml version="1.0"?><Acknowledgement_MarketDocument xmlns="urn:x"><Reason>'
            b"<code>999</code><text>Requested period exceeds one year.</text></Reason>"
            b"</Acknowledgement_MarketDocument>",
            "answered 400 for zone DE: Requested period exceeds one year",
            id="ENTSO-E",
        ),
        pytest.param(403, b"no org id\n", "answered 403 for zone DE: no org id", id="plain text"),
        pytest.param(404, b"<html><body>Sign in</body></html>", "for zone DE", id="a web page"),
        pytest.param(404, b"", "answered 404 for zone DE", id="nothing"),
        pytest.param(404, b'{"error":{"code":"x","message":"deep"}}', "DE: deep", id="nested"),
        pytest.param(404, b"[" * 5000, "answered 404 for zone DE", id="too deep"),
    ],
)
def test_what_a_service_says_when_it_refuses_is_shown(server, client, status, body, said):
    """Its own words tell what to repair; a page for browsers does not."""
    server.gives(server.reply(raw=body, status=status))

    with pytest.raises(GridError) as caught:
        client.get("/x", zone="DE")

    assert str(caught.value).endswith(said)


@pytest.mark.parametrize(
    "body",
    [
        b'{"message":"token hush-hush-1 is not valid"}',
        b'{"message":"see https://vendor.example/?securityToken=hush-hush-1"}',
        b'{"message":"bad key eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"}',
        b'{"message":"line one\\nline two\\u001b[31m"}',
        b'{"message":"' + b"very long " * 400 + b'"}',
    ],
)
def test_a_stated_reason_is_short_and_tells_no_secret(server, client, body):
    """What was sent does not come back into a log, nor do addresses and long keys."""
    server.gives(server.reply(raw=body, status=401))

    with pytest.raises(Unauthorized) as caught:
        client.get(
            "/x",
            zone="DE",
            params={"securityToken": "hush-hush-1"},
            headers={"Authorization": "Bearer hush-hush-1"},
        )

    message = str(caught.value)
    assert "hush" not in message
    assert "eyJ" not in message
    assert "://" not in message
    assert message.isprintable()
    assert len(message) < 220
