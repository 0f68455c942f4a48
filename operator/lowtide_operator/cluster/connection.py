"""Connection to the API server: where it is, with which rights, and through which proxy.

The client that is returned never retries, because the queue does.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from kubernetes.aio import client, config
from kubernetes.aio.config import incluster_config

from lowtide_operator.cluster.errors import ClusterError


class PlainApiClient(client.ApiClient):
    """Client that sends bodies of plain values as they are.

    The library copies every body first, to turn its own models into plain values: for a Job
    template of a megabyte that takes longer than writing it out, and the event loop with it.
    """

    async def param_serialize(  # type: ignore[override]
        self, *, body: Any = None, **more: Any
    ) -> Any:
        """Return the parts of a request; a mapping as its body holds plain values already."""
        is_plain = isinstance(body, dict)
        parts = await super().param_serialize(body=None if is_plain else body, **more)
        method, url, headers, sent, post = parts
        return method, url, headers, body if is_plain else sent, post


async def connect(*, workers: int) -> PlainApiClient:
    """Return a client of the cluster this process runs in, else of the current kubeconfig.

    Raises:
        ClusterError: neither is there.
    """
    configuration = client.Configuration()
    try:
        config.load_incluster_config(  # type: ignore[no-untyped-call]
            client_configuration=configuration
        )
    except config.ConfigException:
        try:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                # The library reads the variable once, when it is imported.
                config_file=os.environ.get("KUBECONFIG"),
                client_configuration=configuration,
            )
        except (config.ConfigException, OSError) as error:
            raise ClusterError(f"no cluster: not inside one, and no kubeconfig ({error})") from None
    configuration.connection_pool_maxsize = workers
    # Only the queue retries.
    configuration.retries = None
    # With trust_env the session reads the environment and ~/.netrc for every request, in two
    # other threads.
    configuration.client_session_kwargs = {"trust_env": False}
    configuration.proxy = configuration.proxy or _environment_proxy(configuration.host)
    return PlainApiClient(configuration)


def is_in_pod() -> bool:
    """Return whether this process has the credentials of a pod, which `connect` then uses."""
    token = Path(incluster_config.SERVICE_TOKEN_FILENAME)
    return incluster_config.SERVICE_HOST_ENV_NAME in os.environ and token.is_file()


def _environment_proxy(server: str) -> str | None:
    """Return the proxy that the environment names for a server, `None` for a direct way.

    The client can talk to proxies of plain HTTP only.
    """
    address = urlsplit(server)
    if not address.hostname or proxy_bypass(address.hostname):
        return None
    proxy = getproxies().get(address.scheme, "")
    return proxy if proxy.startswith("http://") else None
