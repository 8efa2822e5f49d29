"""The client against a real API server, and a proxy between them that does what networks do."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from fault_proxy import Fault, FaultProxy, method
from scripted_api import on_loop, reset, status

from perdure_operator.cluster import api as api_module
from perdure_operator.cluster.api import Api
from perdure_operator.cluster.connection import Connection, Credentials, from_kubeconfig
from perdure_operator.cluster.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Unauthorized,
    Unavailable,
)
from perdure_operator.cluster.objects import uid_of
from perdure_operator.cluster.resources import EVENTS, JOBS, PODS, Resource

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace")
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")


def client(access, **options):
    """A client that is that user."""
    return Api(from_kubeconfig(str(access.kubeconfig)), **options)


def through(proxy, **options):
    """A client behind the proxy, known by the same token."""
    credentials = Credentials(lambda renewed: f"Bearer {proxy.access.token}")
    return Api(Connection(proxy.url, credentials), **options)


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def event(name, namespace):
    return {
        "regarding": {"kind": "Pod", "namespace": namespace, "name": "p"},
        "metadata": {"name": name},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Normal",
        "reason": "Tested",
        "action": "Testing",
        "reportingController": "perdure.dev/tests",
        "reportingInstance": "here",
    }


def pod(name):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }


@on_loop
async def test_a_life(control_plane, namespace):
    async with client(control_plane.admin) as api:
        created = await api.create(CONFIG_MAPS, namespace, config_map("c", a="1"))
        assert await api.get(CONFIG_MAPS, namespace, "c") == created
        patched = await api.merge_patch(CONFIG_MAPS, namespace, "c", {"data": {"b": "2"}})
        assert patched["data"] == {"a": "1", "b": "2"}
        await api.delete(CONFIG_MAPS, namespace, "c", uid=uid_of(created))
        with pytest.raises(NotFound):
            await api.get(CONFIG_MAPS, namespace, "c")


@on_loop
async def test_what_is_there_already(control_plane, namespace):
    async with client(control_plane.admin) as api:
        await api.create(CONFIG_MAPS, namespace, config_map("c"))
        with pytest.raises(AlreadyExists):
            await api.create(CONFIG_MAPS, namespace, config_map("c"))


@on_loop
async def test_each_precondition_that_fails_is_a_conflict(control_plane, namespace):
    async with client(control_plane.admin) as api:
        old = await api.create(CONFIG_MAPS, namespace, config_map("c"))
        await api.merge_patch(CONFIG_MAPS, namespace, "c", {"data": {"a": "1"}})
        version, other = old["metadata"]["resourceVersion"], "00000000-0000-0000-0000-000000000000"
        of = (CONFIG_MAPS, namespace, "c")
        for stale in (
            api.merge_patch(*of, {"metadata": {"resourceVersion": version}, "data": {"a": "2"}}),
            api.merge_patch(*of, {"metadata": {"uid": other}, "data": {"a": "2"}}),
            api.delete(*of, uid=other),
            api.delete(*of, resource_version=version),
        ):
            with pytest.raises(Conflict):
                await stale
        assert (await api.get(*of))["data"] == {"a": "1"}
        await api.create(PODS, namespace, pod("p"))
        with pytest.raises(Conflict, match="immutable"):
            await api.merge_patch(PODS, namespace, "p", {"metadata": {"uid": other}})


@on_loop
async def test_why_something_is_forbidden_is_said(control_plane, namespace):
    control_plane.admin.kubectl("create", "serviceaccount", "nobody", "-n", namespace)
    async with client(control_plane.service_account(namespace, "nobody")) as api:
        with pytest.raises(Forbidden, match=r'cannot list resource "pods" .* in the namespace'):
            await api.list(PODS, namespace)
        with pytest.raises(Forbidden, match='cannot watch resource "pods"'):
            _ = [e async for e in api.watch(PODS, resource_version="0")]


@on_loop
async def test_a_quota_says_what_it_limits(control_plane, namespace):
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": {"hard": {"configmaps": "0"}},
    }
    async with client(control_plane.admin) as api:
        await api.create(QUOTAS, namespace, quota)
        with pytest.raises(Forbidden, match="exceeded quota: q, requested: configmaps=1"):
            await fill(api, namespace)


@on_loop
async def test_a_namespace_that_goes_takes_nothing_new(control_plane, namespace):
    async with client(control_plane.admin) as api:
        kept = {**config_map("kept"), "metadata": {"name": "kept", "finalizers": ["a.test/keep"]}}
        await api.create(CONFIG_MAPS, namespace, kept)
        await api.delete(NAMESPACES, None, namespace)
        with pytest.raises(Forbidden, match="being terminated"):
            await api.create(CONFIG_MAPS, namespace, config_map("c"))
        await api.merge_patch(CONFIG_MAPS, namespace, "kept", {"metadata": {"finalizers": None}})


@on_loop
async def test_what_breaks_the_schema_is_said(control_plane, namespace):
    template = {"spec": {**pod("p")["spec"], "restartPolicy": "Always"}}
    job = {"metadata": {"name": "j"}, "spec": {"template": template}}
    async with client(control_plane.admin) as api:
        with pytest.raises(Invalid, match=r"restartPolicy: Required value"):
            await api.create(JOBS, namespace, job)


@on_loop
async def test_who_is_not_known(control_plane):
    known = from_kubeconfig(str(control_plane.admin.kubeconfig))
    stranger = Connection(known.host, Credentials(lambda renewed: "Bearer nobody"), known.tls)
    async with Api(stranger) as api:
        with pytest.raises(Unauthorized):
            await api.list(PODS)


@on_loop
async def test_a_certificate_is_who_we_are(control_plane, namespace):
    async with client(control_plane.user("jane", "system:masters")) as api:
        assert await api.list(PODS, namespace) == ([], (await api.list(PODS, namespace))[1])


@on_loop
async def test_an_authority_that_is_not_the_clusters_is_not_trusted(control_plane):
    known = from_kubeconfig(str(control_plane.admin.kubeconfig))
    async with Api(Connection(known.host, known.credentials)) as api:
        with pytest.raises(Unavailable, match="certificate verify failed"):
            await api.list(PODS)


@pytest.mark.parametrize("compacted", [False, True], ids=["a snapshot", "its compaction meanwhile"])
@on_loop
async def test_a_list_of_many_pages(control_plane, namespace, compacted, monkeypatch):
    """Of events, which alone the API server reads from etcd page by page."""
    monkeypatch.setattr(api_module, "PAGE", 7)
    async with FaultProxy(control_plane.admin) as proxy, through(proxy) as api:
        for number in range(20):
            await api.create(EVENTS, namespace, event(f"e{number}", namespace))

        async def compact(request):
            await forget_the_past(control_plane, api, namespace)
            return await proxy.pass_on(request)

        if compacted:
            proxy.faults.append(Fault(lambda r: r.query.get("continue", "") != "", compact))
        items, version = await api.list(EVENTS, namespace)
    assert {e["metadata"]["name"] for e in items} == {f"e{number}" for number in range(20)}
    assert {(e["apiVersion"], e["kind"]) for e in items} == {("events.k8s.io/v1", "Event")}
    assert int(version) >= max(int(e["metadata"]["resourceVersion"]) for e in items)
    lists = [path for verb, path in proxy.requests if verb == "GET"]
    assert len(lists) == 3
    assert ("limit" in lists[-1]) is not compacted


@on_loop
async def test_a_watch_from_before_a_compaction_is_gone(control_plane, namespace):
    async with client(control_plane.admin) as api:
        _, version = await api.list(EVENTS, namespace)
        await forget_the_past(control_plane, api, namespace)
        with pytest.raises(Gone):
            _ = [e async for e in api.watch(EVENTS, namespace, resource_version=version)]


@on_loop
async def test_a_watch_hears_what_happens(control_plane, namespace):
    async with client(control_plane.admin) as api:
        _, version = await api.list(CONFIG_MAPS, namespace)
        await api.create(CONFIG_MAPS, namespace, config_map("c"))
        await api.merge_patch(CONFIG_MAPS, namespace, "c", {"data": {"a": "1"}})
        await api.delete(CONFIG_MAPS, namespace, "c")
        heard = []
        async for kind, obj in api.watch(
            CONFIG_MAPS, namespace, resource_version=version, timeout_seconds=1
        ):
            if kind != "BOOKMARK":
                heard.append((kind, obj["metadata"]["name"], obj.get("data")))
        assert heard == [
            ("ADDED", "c", None),
            ("MODIFIED", "c", {"a": "1"}),
            ("DELETED", "c", {"a": "1"}),
        ]


@pytest.mark.parametrize("fault", [reset, status(504, "Timeout")], ids=["reset", "504"])
@on_loop
async def test_an_answer_that_is_lost_leaves_the_write_done(control_plane, namespace, fault):
    """The caller is told that he cannot know, and finds by looking again that it was done."""
    async with FaultProxy(control_plane.admin) as proxy, through(proxy) as api:
        of = (CONFIG_MAPS, namespace, "c")
        writes = [
            ("POST", lambda: api.create(CONFIG_MAPS, namespace, config_map("c")), AlreadyExists),
            ("PATCH", lambda: api.merge_patch(*of, {"data": {"a": "1"}}), None),
        ]
        for verb, write, again in writes:
            proxy.faults.append(Fault(method(verb), fault, after=True))
            with pytest.raises(Unavailable) as raised:
                await write()
            assert raised.value.maybe_done
            if again is None:
                assert (await api.get(*of))["data"] == {"a": "1"}
            else:
                with pytest.raises(again):
                    await write()
        assert [verb for verb, _ in proxy.requests] == ["POST", "POST", "PATCH", "GET"]


async def fill(api, namespace):
    """Create objects until that is refused: a quota takes force when the controller has counted."""
    while True:
        await api.create(CONFIG_MAPS, namespace, {"metadata": {"generateName": "c-"}})
        await asyncio.sleep(0.1)


async def forget_the_past(control_plane, api, namespace):
    """Have etcd forget everything before now, as it does every five minutes."""
    for _ in range(3):
        newest = await api.create(CONFIG_MAPS, namespace, {"metadata": {"generateName": "c-"}})
    flag, command = "--client-url=", control_plane.components["etcd"].command
    [url] = [each.removeprefix(flag) for each in command if each.startswith(flag)]
    body = {"revision": newest["metadata"]["resourceVersion"], "physical": True}
    async with aiohttp.request("POST", f"{url}/v3/kv/compaction", json=body) as answer:
        assert answer.status == 200
