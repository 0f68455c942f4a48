"""The script of `helm test`: its words about the answers it gets."""

import importlib.util
import socket
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "charts" / "lowtide" / "files" / "test" / "answers.py"
GPU = 'lowtide_gpu_info{gpu="0"} 1\n'


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, with the names of both services."""
    spec = importlib.util.spec_from_file_location("answers", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("OPERATOR", "operator.test")
    monkeypatch.setenv("EXPORTER", "exporters.test")
    return module


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("lowtide_operator_info 1\n", "healthy, 1 series"),
        (
            'lowtide_operator_exporters{state="answering"} 3.0\n'
            'lowtide_operator_exporters{state="failing"} 1.0\n',
            "healthy, 2 series, scrapes 3 exporters itself",
        ),
    ],
    ids=["with Prometheus", "without"],
)
def test_exporters_are_counted_where_the_operator_scrapes_them(
    answers: ModuleType, monkeypatch: pytest.MonkeyPatch, lines: str, said: str
) -> None:
    """Only exporters that answered count; where Prometheus scrapes, none is mentioned."""
    monkeypatch.setattr(answers, "page", lambda url, token="": lines)

    assert answers.operator() == said


def test_an_operator_without_its_series_is_no_answer(
    answers: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program's page is not taken for the operator's."""
    monkeypatch.setattr(answers, "page", lambda url, token="": "up 1\n")

    with pytest.raises(ValueError, match="no series named lowtide_operator"):
        answers.operator()


def test_every_exporter_is_asked_whatever_its_kind_of_address(
    answers: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An IPv6 address stands in brackets in a URL; an address that is listed twice is one pod."""
    pages = {
        "http://10.0.0.7:9400/metrics": GPU,
        "http://[fd00::7]:9400/metrics": 2 * GPU,
    }
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 0)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fd00::7", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(answers, "page", lambda url: pages[url])

    assert answers.exporter() == "2 ready, 3 GPUs seen"
