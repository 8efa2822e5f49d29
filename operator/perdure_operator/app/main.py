"""`perdure operator`: the operator as a process. kopf gives the TrainingJobs' events, login, run loop
and signals; decisions and children are ours.
"""

from __future__ import annotations

import itertools
import logging
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click
import kopf

from perdure.contract import labels
from perdure_operator.app.operator import Operator, Options
from perdure_operator.app.storages import NoDiffBase
from perdure_operator.cluster.connection import server_of_the_pod

log = logging.getLogger(__name__)

_IDENTITY: Any = "perdure-operator"
"""Named, or kopf asks for the name of the user, which a pod's uid has not."""


@click.command()
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    envvar="PERDURE_OPERATOR_NAMESPACES",
    help="A namespace to work in; may be given several times. Default: all.",
)
@click.option(
    "--default-store",
    envvar="PERDURE_OPERATOR_DEFAULT_STORE",
    help="s3://bucket/prefix for jobs without a store of their own.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8081,
    show_default=True,
    envvar="PERDURE_OPERATOR_PORT",
    help="Where /healthz, /readyz and /metrics are served.",
)
def operator(namespaces: tuple[str, ...], default_store: str | None, port: int) -> None:
    """Bring TrainingJobs of a cluster through whatever happens to their pods."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)  # a line for every event it hears
    spaces = tuple(name.strip() for text in namespaces for name in text.split(",") if name.strip())
    options = Options(spaces, default_store or None, port)
    kopf.run(
        registry=_registry(options),
        settings=_settings(),
        identity=_IDENTITY,
        standalone=True,
        clusterwide=not spaces,
        namespaces=spaces,
    )


def _registry(options: Options) -> kopf.OperatorRegistry:
    registry, parts = kopf.OperatorRegistry(), dict[str, Operator]()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        if os.environ.get("KUBECONFIG") or not os.environ.get("KUBERNETES_SERVICE_HOST"):
            return kopf.login_via_client(**kwargs)
        account = kopf.login_with_service_account(**kwargs)  # with a server's name that needs DNS
        return account and replace(account, server=server_of_the_pod())

    @kopf.on.startup(registry=registry)
    async def start(**_: Any) -> None:
        parts["operator"] = Operator(options)
        await parts["operator"].start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await parts["operator"].stop()

    @kopf.on.event(labels.GROUP, labels.VERSION, labels.PLURAL, registry=registry)
    async def heard(event: kopf.RawEvent, **_: Any) -> None:
        parts["operator"].training_jobs.take_in(event["type"], dict(event["object"]))

    return registry


def _settings() -> kopf.OperatorSettings:
    """kopf as an event source and nothing more: it writes nothing, and never gives up.

    Why each is set: docs/decisions/0009.
    """
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = kopf.StatusProgressStorage()
    settings.watching.server_timeout = 290
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 10
    settings.watching.reconnect_backoff = 1
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.enforce_retry_after = True
    settings.networking.error_backoffs = _Patience()
    settings.process.ultimate_exiting_timeout = 10
    return settings


class _Patience:
    """Seconds between tries, without an end: an API server that is away is no reason to die."""

    def __iter__(self) -> Iterator[float]:
        for seconds in itertools.chain((1.0, 1.0, 2.0, 3.0, 5.0, 8.0), itertools.repeat(10.0)):
            yield seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
