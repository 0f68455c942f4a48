"""The chart, rendered by the real Helm 3 and Helm 4."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "lowtide"
HELM_TIMEOUT_SECONDS = 240

# The tool that fetches helm belongs to the test cluster, which is a program, not a package.
sys.path.insert(0, str(ROOT / "tests" / "cluster"))

Documents = list[dict[str, Any]]
Render = Callable[..., Documents]


class HelmRefusedError(Exception):
    """Helm ended with an error; the message is what it wrote."""


@pytest.fixture(
    scope="session",
    params=[pytest.param(3, marks=pytest.mark.slow), 4],  # the older one in `make test` only
    ids=["helm3", "helm4"],
)
def helm(request: pytest.FixtureRequest) -> Path:
    """The helm binary of one major version."""
    from singlenode import toolchain
    from singlenode.errors import ClusterError
    from singlenode.layout import Layout
    from singlenode.progress import Progress

    try:
        clients = toolchain.client_tools(Layout.default(), Progress(silent=True))
    except ClusterError as error:
        pytest.skip(f"helm {request.param} is not cached and cannot be fetched: {error}")
    return clients / f"helm{request.param}"


@pytest.fixture(scope="session")
def render(helm: Path) -> Render:
    """A function that renders the chart with values and returns the objects, hooks included.

    Equal values are rendered once: a run of helm takes a fifth of a second.
    """
    seen: dict[str, bytes] = {}

    def run(
        values: dict[str, Any] | None = None, *, kubernetes: str = "1.37.2", served: str = ""
    ) -> Documents:
        command = [str(helm), "template", "lowtide", str(CHART), "--namespace", "tide"]
        command += ["--kube-version", kubernetes, "--values", "-"]
        command += [f"--api-versions={served}"] if served else []
        key = yaml.safe_dump([values, kubernetes, served])
        if key in seen:
            return cast("Documents", pickle.loads(seen[key]))
        answer = subprocess.run(
            command,
            input=yaml.safe_dump(values or {}),
            capture_output=True,
            text=True,
            timeout=HELM_TIMEOUT_SECONDS,
            check=False,
        )
        if answer.returncode != 0:
            raise HelmRefusedError(answer.stderr)
        found = list(filter(None, yaml.load_all(answer.stdout, Loader=yaml.CSafeLoader)))
        seen[key] = pickle.dumps(found)
        return found

    return run


@pytest.fixture(scope="session")
def refusal(render: Render) -> Callable[..., str]:
    """A function that returns why the chart refuses some values."""

    def run(values: dict[str, Any], **options: str) -> str:
        with pytest.raises(HelmRefusedError) as caught:
            render(values, **options)
        return str(caught.value)

    return run


@pytest.fixture(scope="session")
def pick() -> Callable[..., dict[str, Any]]:
    """A function that returns the one object of a kind, and a name if given."""

    def run(documents: Documents, kind: str, name: str | None = None) -> dict[str, Any]:
        (found,) = [
            document
            for document in documents
            if document["kind"] == kind and name in (None, document["metadata"]["name"])
        ]
        return found

    return run
