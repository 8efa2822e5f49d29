"""kubectl and Helm install the same objects: neither way of installing can fall behind the other."""

from __future__ import annotations

import copy

import pytest
from rendering import EVERYTHING, Json, kustomized, of_kind, templated

pytestmark = pytest.mark.usefixtures("helm", "kubectl")

MEANING = ("rbac.authorization.k8s.io/", "grafana_dashboard")


def by_name(objects: list[Json]) -> dict[tuple[str, str, str], Json]:
    named = {
        (obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): plain(obj)
        for obj in objects
    }
    assert len(named) == len(objects)
    return named


def plain(obj: Json) -> Json:
    """Without what says only who has installed it."""
    obj = copy.deepcopy(obj)
    metadata = obj["metadata"]
    metadata.pop("annotations", None)
    labels = metadata.pop("labels", {})
    metadata["labels"] = {k: v for k, v in labels.items() if k.startswith(MEANING)}
    if obj["kind"] == "ConfigMap":
        obj["data"] = {name: text.strip() for name, text in obj["data"].items()}
    return obj


def test_both_ways_install_the_same_objects():
    ours = by_name(kustomized("deploy"))
    assert ours.pop(("Namespace", "", "perdure-system"))
    assert by_name(templated()) == ours
    assert len(ours) == 7


def test_both_ways_watch_with_the_same_objects():
    ours = by_name(kustomized("deploy/prometheus") + kustomized("deploy/grafana"))
    with_everything = by_name(templated(*EVERYTHING))
    assert {key: with_everything[key] for key in with_everything.keys() & ours.keys()} == ours
    assert with_everything.keys() - by_name(templated()).keys() == ours.keys()


def test_objects_carry_the_labels_of_an_installation():
    for obj in (*kustomized("deploy"), *kustomized("deploy/grafana"), *templated(*EVERYTHING)):
        labels = obj["metadata"].get("labels", {})
        if obj["kind"] != "CustomResourceDefinition":
            assert labels["app.kubernetes.io/name"] == "perdure", obj["metadata"]["name"]
            assert labels["app.kubernetes.io/instance"] == "perdure"


def test_watching_namespaces_takes_the_same_rights_in_each_of_them():
    objects = templated("watchNamespaces={a,b}", "podMonitor.enabled=true")
    (everywhere,) = [
        r
        for r in of_kind(templated(), "ClusterRole")
        if r["metadata"]["name"] == "perdure-operator"
    ]
    roles, bindings = of_kind(objects, "Role"), of_kind(objects, "RoleBinding")
    assert [role["metadata"]["namespace"] for role in roles] == ["a", "b"]
    assert all(role["rules"] == everywhere["rules"] for role in roles)
    assert [binding["metadata"]["namespace"] for binding in bindings] == ["a", "b"]
    assert all(b["subjects"][0]["namespace"] == "perdure-system" for b in bindings)
    assert not of_kind(objects, "ClusterRoleBinding")
    assert "perdure-operator" not in {
        r["metadata"]["name"] for r in of_kind(objects, "ClusterRole")
    }
    (deployment,) = of_kind(objects, "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "PERDURE_OPERATOR_NAMESPACES", "value": "a,b"}
    ]
    (monitor,) = of_kind(objects, "PodMonitor")
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["a", "b"]}
