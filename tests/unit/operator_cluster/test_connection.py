"""Where the API server is, and who we are to it, by the files of a pod and by kubeconfigs."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys

import pytest
from cluster.certificates import Authority
from scripted_api import on_loop

from perdure_operator.cluster import connection
from perdure_operator.cluster.connection import Credentials, connect, from_kubeconfig, in_cluster
from perdure_operator.cluster.errors import ConfigError


@pytest.fixture
def authority(tmp_path):
    folder = tmp_path / "pki"
    folder.mkdir()
    return Authority(folder)


@pytest.fixture
def account(tmp_path, authority, monkeypatch):
    """The files and variables of a pod."""
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "token").write_text("first\n")
    (folder / "ca.crt").write_bytes(authority.certificate.read_bytes())
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    monkeypatch.setattr(connection, "SERVICE_ACCOUNT", folder)
    return folder


@pytest.fixture
def kubeconfig(tmp_path):
    """Writes a kubeconfig; its path."""

    def write(user, server="https://example.test:6443/", **cluster):
        path = tmp_path / "kubeconfig"
        context = {"cluster": "c", "user": "u"}
        path.write_text(
            json.dumps(
                {
                    "current-context": "x",
                    "contexts": [{"name": "x", "context": context}],
                    "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
                    "users": [{"name": "u", "user": user}],
                }
            )
        )
        return str(path)

    return write


@on_loop
async def test_in_a_pod(account):
    found = connect()
    assert found.host == "https://10.0.0.1:6443"
    assert found.tls is not None
    assert found.tls.verify_mode is ssl.CERT_REQUIRED
    assert len(found.tls.get_ca_certs()) == 1, "the cluster's authority alone is trusted"
    assert await found.credentials.value() == "Bearer first"


def test_an_address_of_ipv6(account, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    assert connect().host == "https://[fd00::1]:6443"


@on_loop
async def test_a_rotated_token_is_read_when_its_minute_is_over(account, monkeypatch):
    credentials = connect().credentials
    (account / "token").write_text("second\n")
    assert await credentials.value() == "Bearer first"
    monkeypatch.setattr(connection, "_REREAD_SECONDS", 0.0)
    credentials = connect().credentials
    (account / "token").write_text("third\n")
    assert await credentials.value() == "Bearer third"


@on_loop
async def test_a_token_that_cannot_be_read_again_stays(account, caplog):
    credentials = connect().credentials
    (account / "token").write_text("")
    assert not await credentials.renew("Bearer first")
    (account / "token").unlink()
    assert not await credentials.renew("Bearer first")
    assert await credentials.value() == "Bearer first"
    assert caplog.text.count("could not be read again") == 2


@on_loop
async def test_a_token_refused_to_many_is_read_again_once():
    reads = []
    credentials = Credentials(lambda renewed: f"token {len(reads.append(renewed) or reads)}")
    answers = await asyncio.gather(*(credentials.renew("token 1") for _ in range(20)))
    assert answers == [True] * 20
    assert reads == [False, True]
    assert await credentials.value() == "token 2"


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
def test_a_pod_without_its_account(account, missing):
    (account / missing).unlink()
    with pytest.raises(ConfigError, match="automountServiceAccountToken"):
        connect()


def test_kubeconfig_wins_in_a_pod_where_it_is_named(account, kubeconfig, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", kubeconfig({"token": "t"}))
    assert connect().host == "https://example.test:6443"


@on_loop
async def test_a_token(kubeconfig, authority):
    path = kubeconfig({"token": "t"}, **{"certificate-authority": str(authority.certificate)})
    found = from_kubeconfig(path)
    assert await found.credentials.value() == "Bearer t"
    assert len(found.tls.get_ca_certs()) == 1


@on_loop
async def test_a_certificate(kubeconfig, authority):
    pair = authority.client("jane")
    path = kubeconfig({"client-certificate": str(pair.certificate), "client-key": str(pair.key)})
    assert await from_kubeconfig(path).credentials.value() is None


def test_names_of_servers(kubeconfig):
    path = kubeconfig({"token": "t"}, **{"tls-server-name": "kubernetes"})
    assert from_kubeconfig(path).server_name == "kubernetes"


def test_insecure_is_only_what_says_so(kubeconfig):
    checked = from_kubeconfig(kubeconfig({"token": "t"})).tls
    assert checked.verify_mode is ssl.CERT_REQUIRED
    assert checked.check_hostname
    skipped = from_kubeconfig(kubeconfig({"token": "t"}, **{"insecure-skip-tls-verify": True})).tls
    assert skipped.verify_mode is ssl.CERT_NONE


@on_loop
async def test_an_exec_plugin_is_asked_again_when_its_token_is_refused(kubeconfig, tmp_path):
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "import json, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1',"
        " 'kind': 'ExecCredential', 'status': {'token': f't{number}'}}))\n"
    )
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": ["-I", str(plugin)],
            "interactiveMode": "Never",
        }
    }
    credentials = from_kubeconfig(kubeconfig(user)).credentials
    assert await credentials.value() == "Bearer t1"
    assert await credentials.renew("Bearer t1")
    assert await credentials.value() == "Bearer t2"


@pytest.mark.parametrize(
    "user",
    [
        pytest.param({}, id="no user"),
        pytest.param(
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/nowhere"}},
            id="a plugin that is not there",
        ),
    ],
)
def test_nobody_is_never_asked_for_as_anonymous(kubeconfig, user):
    with pytest.raises(ConfigError, match="expected a token, a client certificate or an exec"):
        from_kubeconfig(kubeconfig(user))


@pytest.mark.parametrize("content", ["", "{}", "no: [yaml", '{"current-context": "gone"}'])
def test_a_kubeconfig_that_is_none(tmp_path, monkeypatch, content):
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(ConfigError, match="usable kubeconfig"):
        connect()


def test_nothing_at_all(tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"~/\.kube/config"):
        connect()


def test_the_files_of_another_pod(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(ConfigError, match="expected the files of a service account"):
        in_cluster(tmp_path)
