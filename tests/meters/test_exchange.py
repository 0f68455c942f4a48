"""An exchange ends by its deadline, whatever the peer sends."""

import contextlib

import pytest
from standins.peers import DRIP_SECONDS, Endless, sending

from lowtide.meters.errors import SourceError
from lowtide.meters.exchange import fetch

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def peer():
    """Start peers that send pieces, one after the other, and return their address."""
    with contextlib.ExitStack() as peers:
        yield lambda pieces, pause=0.0: peers.enter_context(sending(pieces, pause)) + "/metrics"


def test_a_whole_answer_is_returned(peer):
    url = peer([HEAD + b"Content-Length: 5\r\n\r\nhe", b"llo"])

    assert fetch(url, seconds=10, bytes_max=100) == b"hello"


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="status line"),
        pytest.param(HEAD + b"X-Long: ", id="header"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", id="chunk size"),
        pytest.param(HEAD + b"\r\n", id="body"),
    ],
)
def test_a_peer_that_drips_is_given_up_at_the_deadline(peer, beginning):
    """Each byte comes in time, the whole never does."""
    url = peer(Endless(beginning), DRIP_SECONDS)

    with pytest.raises(SourceError, match=r"no whole answer in 0\.5 s"):
        fetch(url, seconds=0.5, bytes_max=1000)


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        pytest.param([HEAD + b"\r\n", b"#" * 2000], "longer than 1000 bytes", id="a flood"),
        pytest.param([HEAD + b"Content-Length: 9\r\n\r\n"], "9 bytes early", id="a broken promise"),
        pytest.param([b"HTTP/1.1 403 Forbidden\r\n\r\n"], "answered 403 Forbidden", id="a refusal"),
        pytest.param([b"hello\r\n\r\n"], "hello", id="no HTTP"),
    ],
)
def test_a_malformed_answer_is_an_error(peer, pieces, reason):
    with pytest.raises(SourceError, match=reason):
        fetch(peer(pieces), seconds=10, bytes_max=1000)


def test_a_peer_that_is_not_there_is_an_error():
    with pytest.raises(SourceError, match="refused"):
        fetch("http://127.0.0.1:1/metrics", seconds=10, bytes_max=1000)
