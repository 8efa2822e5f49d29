"""The informer on a real API server: what it believes is what is there, whatever happened between."""

from __future__ import annotations

import asyncio
import random
import resource
import time
from contextlib import asynccontextmanager

import pytest
from cluster.control_plane import ControlPlane
from fault_proxy import Fault, FaultProxy
from scripted_api import on_loop, status

from perdure_operator.cluster import api as api_module
from perdure_operator.cluster.api import Api
from perdure_operator.cluster.connection import Connection, Credentials, from_kubeconfig
from perdure_operator.cluster.errors import AlreadyExists, NotFound
from perdure_operator.cluster.informer import Informer
from perdure_operator.cluster.objects import name_of, uid_of
from perdure_operator.cluster.resources import Resource

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SELECTED = "perdure.dev/test"


def config_map(name, **data):
    metadata = {"name": name, "labels": {SELECTED: "x"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


class Following:
    """A running informer of a namespace, a direct client beside it, and what was heard in sum."""

    def __init__(self, watched: Api, direct: Api, namespace: str, **options: float) -> None:
        self.direct, self.namespace = direct, namespace
        self.told: dict[tuple[str, str], str] = {}
        self.informer = Informer(
            watched,
            CONFIG_MAPS,
            namespaces=[namespace],
            label_selector=SELECTED,
            on_change=self._add_up,
            **options,
        )

    def _add_up(self, old, new):
        name = name_of(new or old)
        assert (old is None) == (name not in self.told), "changes follow from each other"
        if old is not None:
            assert self.told.pop(name) == uid_of(old)
        if new is not None:
            self.told[name] = uid_of(new)

    async def create(self, *names):
        for name in names:
            await self.direct.create(CONFIG_MAPS, self.namespace, config_map(name))

    async def delete(self, *names):
        for name in names:
            await self.direct.delete(CONFIG_MAPS, self.namespace, name)

    async def becomes_true(self, *, limit=90.0):
        """Wait until the cache, and the sum of its changes, are what the API server has."""
        deadline = time.monotonic() + limit
        while True:
            items, _ = await self.direct.list(CONFIG_MAPS, self.namespace, label_selector=SELECTED)
            truth = {name_of(o): (uid_of(o), o["metadata"]["resourceVersion"]) for o in items}
            cached = {
                name_of(o): (uid_of(o), o["metadata"]["resourceVersion"])
                for o in self.informer.objects()
            }
            if cached == truth and self.told == {n: uid for n, (uid, _) in truth.items()}:
                return sorted(name for _, name in truth)
            assert time.monotonic() < deadline, (cached, truth, self.told)
            await asyncio.sleep(0.05)


@asynccontextmanager
async def following(
    control_plane: ControlPlane, namespace: str, connection: Connection, **options: float
):
    direct = from_kubeconfig(str(control_plane.admin.kubeconfig))
    async with Api(connection) as watched, Api(direct) as api:
        together = Following(watched, api, namespace, **options)
        running = asyncio.create_task(together.informer.run())
        try:
            await together.informer.synced()
            yield together
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def behind_a_proxy(control_plane: ControlPlane, namespace: str, **options: float):
    credentials = Credentials(lambda renewed: f"Bearer {control_plane.admin.token}")
    async with (
        FaultProxy(control_plane.admin) as proxy,
        following(
            control_plane, namespace, Connection(proxy.url, credentials), **options
        ) as together,
    ):
        yield proxy, together


@on_loop
async def test_without_faults(control_plane, namespace):
    connection = from_kubeconfig(str(control_plane.admin.kubeconfig))
    async with following(control_plane, namespace, connection) as together:
        await together.create("a", "b", "c")
        await together.delete("b")
        await together.direct.merge_patch(
            CONFIG_MAPS, namespace, "a", {"metadata": {"labels": {SELECTED: None}}}
        )
        assert await together.becomes_true() == ["c"]
        await together.direct.merge_patch(
            CONFIG_MAPS, namespace, "a", {"metadata": {"labels": {SELECTED: "again"}}}
        )
        assert await together.becomes_true() == ["a", "c"]


@on_loop
async def test_a_write_is_seen_before_its_event(control_plane, namespace):
    async with behind_a_proxy(control_plane, namespace) as (proxy, together):
        proxy.freeze()
        made = await together.direct.create(CONFIG_MAPS, namespace, config_map("a"))
        together.informer.observe(made)
        assert together.informer.get(namespace, "a")["metadata"]["uid"] == uid_of(made)
        patched = await together.direct.merge_patch(
            CONFIG_MAPS, namespace, "a", {"data": {"x": "1"}}
        )
        together.informer.observe(patched)
        together.informer.observe(made)
        assert together.informer.get(namespace, "a")["data"] == {"x": "1"}
        proxy.thaw()
        assert await together.becomes_true() == ["a"]


@on_loop
async def test_deleted_and_made_anew_while_nothing_was_heard(control_plane, namespace):
    """Not reachable, while one object goes, one comes, and one is another one of the same name."""
    async with behind_a_proxy(control_plane, namespace) as (proxy, together):
        await together.create("gone", "kept", "anew")
        await together.becomes_true()
        await proxy.refuse()
        await together.delete("gone", "anew")
        await together.create("come", "anew")
        await proxy.listen()
        assert await together.becomes_true() == ["anew", "come", "kept"]


@on_loop
async def test_a_watch_that_is_cut(control_plane, namespace):
    async with behind_a_proxy(control_plane, namespace) as (proxy, together):
        for name in ("a", "b", "c", "d"):
            await together.create(name)
            proxy.cut()
        await together.delete("a")
        assert await together.becomes_true() == ["b", "c", "d"]


@on_loop
async def test_a_watch_that_cannot_go_on(control_plane, namespace):
    async with behind_a_proxy(control_plane, namespace) as (proxy, together):
        await together.create("a", "b")
        await together.becomes_true()
        proxy.faults.append(Fault(lambda r: "watch" in r.query, status(410, "Expired"), times=2))
        proxy.freeze()
        await together.delete("a")
        proxy.cut()
        proxy.thaw()
        assert await together.becomes_true() == ["b"]


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED"])
@on_loop
async def test_lost_events_are_made_good_by_the_next_list(control_plane, namespace, kind):
    """Every event of a kind is lost, as etcd itself has lost some."""
    async with behind_a_proxy(control_plane, namespace, relist_seconds=1.0) as (proxy, together):
        proxy.drop = lambda found, obj: found == kind
        await together.create("a", "b")
        await together.direct.merge_patch(CONFIG_MAPS, namespace, "b", {"data": {"x": "1"}})
        await together.delete("a")
        assert await together.becomes_true() == ["b"]


@on_loop
async def test_silence_is_noticed(control_plane, namespace, monkeypatch):
    """The connection is open and nothing comes: not even the bookmarks that are due."""
    monkeypatch.setattr(api_module, "_SILENCE_SECONDS", 1.0)
    async with behind_a_proxy(control_plane, namespace) as (proxy, together):
        proxy.freeze()
        await together.create("a")
        assert await together.becomes_true() == ["a"]


@on_loop
async def test_the_api_server_is_killed(control_plane, namespace):
    connection = from_kubeconfig(str(control_plane.admin.kubeconfig))
    async with following(control_plane, namespace, connection) as together:
        await together.create("a", "b")
        await together.becomes_true()
        server = control_plane.components["kube-apiserver"]
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        up = time.monotonic()
        await together.delete("a")
        await together.create("c")
        assert await together.becomes_true() == ["b", "c"]
        print(f"true again {time.monotonic() - up:.1f} s after the API server was ready")


@on_loop
async def test_rights_that_are_taken_away_and_given_back(control_plane, namespace, caplog):
    admin = control_plane.admin
    admin.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    role = ("--verb=get,list,watch", "--resource=configmaps", "-n", namespace)
    admin.kubectl("create", "role", "reader", *role)
    binding = ("--role=reader", f"--serviceaccount={namespace}:reader", "-n", namespace)
    admin.kubectl("create", "rolebinding", "reader", *binding)
    access = control_plane.service_account(namespace, "reader")
    proxy = FaultProxy(access)
    async with proxy:
        credentials = Credentials(lambda renewed: f"Bearer {access.token}")
        async with following(control_plane, namespace, Connection(proxy.url, credentials)) as all_:
            await all_.create("a")
            await all_.becomes_true()
            admin.kubectl("delete", "rolebinding", "reader", "-n", namespace)
            proxy.cut()
            while "cannot list" not in caplog.text:
                await asyncio.sleep(0.05)
            await all_.create("b")
            admin.kubectl("create", "rolebinding", "reader", *binding)
            assert await all_.becomes_true() == ["a", "b"]
    assert caplog.text.count("cannot list resource") == 1


@on_loop
async def test_a_random_walk_through_faults(control_plane, namespace):
    """Objects come and go, watches are cut, frozen and lose deletions: the end is the truth."""

    chance = random.Random(7)
    async with behind_a_proxy(control_plane, namespace) as (proxy, together):
        faults = [proxy.cut, proxy.freeze, proxy.thaw]
        for _ in range(120):
            name = f"c{chance.randrange(8)}"
            verb = chance.choice([together.create, together.delete])
            try:
                await verb(name)
            except (AlreadyExists, NotFound):
                continue
            if chance.random() < 0.3:
                chance.choice(faults)()
        proxy.thaw()
        proxy.cut()
        await together.becomes_true()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_objects(control_plane, namespace):
    """What a cold start with many objects takes; printed, for it depends on the machine."""

    async def go():
        connection = from_kubeconfig(str(control_plane.admin.kubeconfig))
        async with Api(connection) as api:
            begun = time.perf_counter()
            names = iter(range(10_000))

            async def create():
                for number in names:
                    body = config_map(f"c{number}", text="x" * 2000)
                    await api.create(CONFIG_MAPS, namespace, body)

            await asyncio.gather(*(create() for _ in range(30)))
            print(f"created {10_000 / (time.perf_counter() - begun):.0f}/s", end="; ")
            heard = [0]

            def count(old, new):
                heard[0] += 1

            informer = Informer(api, CONFIG_MAPS, namespaces=[namespace], on_change=count)
            before, cpu, begun = memory(), time.process_time(), time.perf_counter()
            running = asyncio.create_task(informer.run())
            await informer.synced()
            print(
                f"listed in {time.perf_counter() - begun:.1f} s, "
                f"{time.process_time() - cpu:.1f} s of CPU, {memory() - before} MiB",
                end="; ",
            )
            assert heard[0] == len(informer) == 10_001
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(go())


def memory() -> int:
    """The process's peak memory in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
