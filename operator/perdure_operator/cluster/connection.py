"""Where the API server is, and who we are to it."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from perdure_operator.cluster.errors import ConfigError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_REREAD_SECONDS = 60.0

log = logging.getLogger(__name__)


class Credentials:
    """The Authorization header: read again every minute, and at once where it was refused.

    `read(renewed)` gives the header's value, None where a client certificate says who we are;
    `renewed` asks for a new one although the old one has not run out. It may take its time.
    """

    def __init__(self, read: Callable[[bool], str | None]) -> None:
        self._read = read
        self._value = read(False)
        self._reread_at = time.monotonic() + _REREAD_SECONDS
        self._lock = asyncio.Lock()

    async def value(self) -> str | None:
        """The header's value, None where none is to be sent."""
        if time.monotonic() >= self._reread_at:
            async with self._lock:
                if time.monotonic() >= self._reread_at:
                    await self._reread(renewed=False)
        return self._value

    async def renew(self, refused: str | None) -> bool:
        """Read again because the API server refused the value; whether there is another one."""
        async with self._lock:
            if self._value == refused:
                await self._reread(renewed=True)
        return self._value != refused

    async def _reread(self, *, renewed: bool) -> None:
        self._reread_at = time.monotonic() + _REREAD_SECONDS
        try:
            self._value = await asyncio.to_thread(self._read, renewed)
        except (ConfigError, OSError) as error:
            log.warning("the credentials could not be read again, the last ones stay: %s", error)


@dataclass(frozen=True)
class Connection:
    """The way to an API server. `server_name` is the name in its certificate, if not the host's."""

    host: str
    credentials: Credentials
    tls: ssl.SSLContext | None = None
    server_name: str | None = None


def connect() -> Connection:
    """The connection that $KUBECONFIG names, else the pod's own, else that of ~/.kube/config.

    Raises:
        ConfigError: there is none, or it cannot be used; the message says why.
    """
    if not os.environ.get("KUBECONFIG") and os.environ.get("KUBERNETES_SERVICE_HOST"):
        return in_cluster(SERVICE_ACCOUNT)
    return from_kubeconfig(os.environ.get("KUBECONFIG") or "~/.kube/config")


def in_cluster(account: Path) -> Connection:
    """The connection of a pod, by the files of its service account."""
    token = account / "token"

    def read(renewed: bool) -> str:
        if text := token.read_text(encoding="ascii").strip():
            return f"Bearer {text}"
        raise ConfigError(f"{token}: expected a service account's token. Received: an empty file.")

    try:
        tls = ssl.create_default_context(cafile=str(account / "ca.crt"))
        credentials = Credentials(read)
    except OSError as error:
        raise ConfigError(
            f"expected the files of a service account in {account}. Received: {error}. "
            "Is automountServiceAccountToken false?"
        ) from error
    return Connection(server_of_the_pod(), credentials, tls)


def server_of_the_pod() -> str:
    """The API server's URL as the kubelet gives it to a pod: an address, which needs no DNS."""
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"


def from_kubeconfig(files: str) -> Connection:
    """The current context of kubeconfig `files` (separated by colons), read by the official client.

    An exec plugin's token is asked for again when it runs out or is refused; an exec plugin's
    certificate is read once.
    """
    configuration = _load(files)

    def read(renewed: bool) -> str | None:
        nonlocal configuration
        if renewed:
            configuration = _load(files)
        value: str | None = configuration.get_api_key_with_prefix("BearerToken")
        return value

    credentials, host = Credentials(read), str(configuration.host)
    tls = _tls(configuration) if host.startswith("https://") else None
    if tls is not None and not configuration.cert_file and configuration.api_key == {}:
        raise ConfigError(
            f"{files}: expected a token, a client certificate or an exec plugin that gives one "
            "for the user of the current context. Received: none."
        )
    return Connection(host, credentials, tls, configuration.tls_server_name)


def _load(files: str) -> Any:
    # Imported here: 75 MB, which a pod never needs.
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        config.load_kube_config(files, client_configuration=configuration, persist_config=False)
    except (config.ConfigException, OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(
            f"expected a pod's service account or a usable kubeconfig in {files} "
            f"(set KUBECONFIG). Received: {error}"
        ) from error
    return configuration


def _tls(configuration: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context
