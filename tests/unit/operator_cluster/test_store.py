"""What the cache believes, whatever order it hears things in."""

from __future__ import annotations

import random

import pytest
from scripted_api import pod

from perdure_operator.cluster.objects import drop_managed_fields, name_of
from perdure_operator.cluster.store import Store


class Heard(list):
    """Changes, as (old version, new version) of a name."""

    def __call__(self, old, new):
        versions = [o and int(o["metadata"]["resourceVersion"]) for o in (old, new)]
        self.append((name_of(new or old)[1], *versions))


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def store(heard):
    return Store(lambda p: p.get("key"), heard)


def test_a_life(store, heard):
    store.put(pod("p", 1))
    store.put(pod("p", 2))
    store.put(pod("p", 2))
    store.remove(pod("p", 3))
    assert heard == [("p", None, 1), ("p", 1, 2), ("p", 2, None)]
    assert store.get(("a", "p")) is None
    assert len(store) == 0


def test_an_older_version_changes_nothing(store, heard):
    store.put(pod("p", 5))
    store.put(pod("p", 4))
    store.remove(pod("p", 4))
    assert heard == [("p", None, 5)]


def test_a_late_answer_brings_nothing_back(store, heard):
    store.put(pod("p", 1))
    store.remove(pod("p", 9))
    store.put(pod("p", 8))
    store.put(pod("p", 9))
    assert heard == [("p", None, 1), ("p", 1, None)]


def test_the_deletion_of_what_was_never_seen_is_remembered(store, heard):
    store.remove(pod("p", 9))
    store.put(pod("p", 8))
    assert heard == []


def test_what_left_the_selector_may_come_back(store, heard):
    store.put(pod("p", 1))
    store.remove(pod("p", 2))
    store.put(pod("p", 3))
    assert heard == [("p", None, 1), ("p", 1, None), ("p", None, 3)]


def test_another_object_under_the_same_name_is_a_deletion_and_an_addition(store, heard):
    store.put(pod("p", 1, uid="first"))
    store.put(pod("p", 7, uid="second"))
    store.remove(pod("p", 6, uid="first"))
    store.put(pod("p", 1, uid="first"))
    assert heard == [("p", None, 1), ("p", 1, None), ("p", None, 7)]


def test_a_list_is_compared(store, heard):
    for name, version in (("same", 1), ("older", 2), ("vanished", 3), ("written", 12)):
        store.put(pod(name, version))
    heard.clear()
    store.replace([pod("same", 1), pod("older", 8), pod("new", 9)], 10, None)
    assert sorted(heard) == [("new", None, 9), ("older", 2, 8), ("vanished", 3, None)]
    assert store.get(("a", "written")), "created after the list was made"


def test_a_vanished_object_stays_gone_for_late_answers(store, heard):
    store.put(pod("p", 3))
    store.replace([], 10, None)
    store.put(pod("p", 9))
    assert heard == [("p", None, 3), ("p", 3, None)]


def test_a_namespaces_list_leaves_the_others_alone(store):
    store.put(pod("p", 1, namespace="a", uid="1"))
    store.put(pod("p", 2, namespace="b", uid="2"))
    store.replace([], 10, "a")
    assert store.objects() == [pod("p", 2, namespace="b", uid="2")]


def test_the_index_follows(store):
    store.put(pod("p", 1, key="x"))
    store.put(pod("q", 2, key="x"))
    store.put(pod("r", 3))
    assert {o["metadata"]["name"] for o in store.indexed("x")} == {"p", "q"}
    store.put(pod("p", 4, key="y"))
    store.remove(pod("q", 5))
    assert store.indexed("x") == []
    assert store.indexed("y") == [pod("p", 4, key="y")]
    assert store.indexed(None) == []


def test_a_handler_that_fails_loses_nothing(caplog):
    def fail(old, new):
        raise RuntimeError("a bug")

    store = Store(None, fail)
    store.put(pod("p", 1))
    assert store.get(("a", "p")) == pod("p", 1)
    assert "a bug" in caplog.text


def test_after_time_went_back_older_versions_are_believed(store, heard):
    store.put(pod("p", 100))
    store.remove(pod("q", 90))
    store.clear(None)
    store.put(pod("p", 5))
    store.put(pod("q", 6))
    assert heard == [("p", None, 100), ("p", 100, None), ("p", None, 5), ("q", None, 6)]


def test_deletions_are_forgotten_in_the_end(store, monkeypatch):
    monkeypatch.setattr("perdure_operator.cluster.store._DELETIONS_REMEMBERED", 2)
    for number in range(1, 4):
        store.remove(pod(f"p{number}", number))
    for number in range(1, 4):
        store.put(pod(f"p{number}", 1))
    assert [name_of(o)[1] for o in store.objects()] == ["p1"]


def test_managed_fields_are_dropped_from_a_copy():
    full = pod("p", 1, spec={})
    full["metadata"]["managedFields"] = [1]
    assert drop_managed_fields(full) == pod("p", 1, spec={})
    assert full["metadata"]["managedFields"] == [1]


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_any_part_of_the_truth_and_then_a_list_is_the_truth(seed):
    """Events lost, doubled, late; answers of writes between them: the list repairs it, and who adds
    up what he was told has what the store has.
    """
    chance = random.Random(seed)
    told = dict[str, str]()

    def add_up(old, new):
        name = name_of(new or old)[1]
        assert (old is None) == (name not in told)
        if old is not None:
            assert told.pop(name) == old["metadata"]["uid"]
        if new is not None:
            told[name] = new["metadata"]["uid"]

    history, alive = [], {}
    for version in range(1, 200):
        name = f"p{chance.randrange(6)}"
        uid = alive.get(name)
        if uid and chance.random() < 0.3:
            del alive[name]
            history.append(("remove", pod(name, version, uid=uid)))
        else:
            alive[name] = uid or f"{name}-{version}"
            history.append(("put", pod(name, version, uid=alive[name])))
    heard = [h for h in history * 2 if chance.random() < 0.6]
    heard.sort(key=lambda h: int(h[1]["metadata"]["resourceVersion"]) + chance.randrange(30))
    store = Store(None, add_up)
    for verb, obj in heard:
        getattr(store, verb)(obj)
    newest = {name_of(o)[1]: o for verb, o in history if verb == "put"}
    store.replace([newest[name] for name in alive], 200, None)
    assert {name_of(o)[1]: o["metadata"]["uid"] for o in store.objects()} == alive == told
