"""The chart: what it takes, what it refuses, what it makes of it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import generate
import pytest
import yaml
from rendering import CHART, EVERYTHING, ROOT, helm, of_kind, refused, templated

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
METADATA = yaml.safe_load((CHART / "Chart.yaml").read_text())

with_helm = pytest.mark.usefixtures("helm")


@with_helm
@pytest.mark.parametrize("values", [(), EVERYTHING, ("watchNamespaces={a}",)], ids=str)
def test_lint(values):
    run = helm("lint", "--strict", str(CHART), *(f"--set={value}" for value in values))
    assert run.returncode == 0, run.stdout


@with_helm
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("watchNamespace=a", "additional properties 'watchNamespace' not allowed"),
        ("image.tga=1", "additional properties 'tga' not allowed"),
        ("resources.limit.cpu=1", "additional properties 'limit' not allowed"),
        ("serviceMonitor.enabled=yes please", "got string, want boolean"),
        ("watchNamespaces=a", "got string, want array"),
        ("watchNamespaces={A}", "does not match pattern"),
        ("watchNamespaces={a,a}", "items at 0 and 1 are equal"),
        ("defaultStore=bucket/prefix", "does not match pattern"),
        ("image.digest=abc", "does not match pattern"),
        ("image.pullPolicy=Sometimes", "value must be one of"),
        ("podMonitor.interval=often", "does not match pattern"),
        ("serviceAccount.create=false", "expected serviceAccount.name to name an existing one"),
    ],
)
def test_what_cannot_be_meant_is_refused(value, said):
    assert said in refused(value)


def described(document: Any, schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The values that have no schema, or whose schema lets anything in."""
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    properties = schema.get("properties", {})
    if properties and schema.get("additionalProperties") is not False:
        yield path
    for key, value in document.items() if properties else ():
        if key not in properties:
            yield (*path, key)
        elif isinstance(value, dict):
            yield from described(value, properties[key], (*path, key))


def test_every_value_has_a_schema():
    assert list(described(VALUES, SCHEMA)) == []


def leaves(document: dict[str, Any], known: set[str], path: str = "") -> Iterator[str]:
    for key, value in document.items():
        name = f"{path}{key}"
        if name in known or not isinstance(value, dict):
            yield name
        else:
            yield from leaves(value, known, f"{name}.")


def test_every_value_is_described():
    lines = (CHART / "values.yaml").read_text().splitlines()
    known = {".".join(path) for path, _ in generate.described(lines)}
    assert set(leaves(VALUES, known)) == known


def test_the_versions_are_the_operators():
    project = tomllib.loads((ROOT / "operator/pyproject.toml").read_text())["project"]
    kustomization = yaml.safe_load((ROOT / "deploy/kustomization.yaml").read_text())
    assert METADATA["appVersion"] == METADATA["version"] == project["version"]
    assert kustomization["images"][0]["newTag"] == project["version"]


@with_helm
def test_the_crd_outlives_the_release_unless_it_is_told_not_to():
    source = yaml.safe_load(generate.CRD.read_text())
    (kept,) = of_kind(templated(), "CustomResourceDefinition")
    assert kept["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert kept == source
    (gone,) = of_kind(templated("crds.keep=false"), "CustomResourceDefinition")
    assert gone == source
    assert not of_kind(templated("crds.enabled=false"), "CustomResourceDefinition")


def test_kubectl_can_apply_the_crd():
    """Its last-applied annotation holds the whole file, and may have 256 KiB."""
    assert len(json.dumps(yaml.safe_load(generate.CRD.read_text()))) < 250_000


@with_helm
@pytest.mark.parametrize(
    ("values", "image"),
    [
        ((), f"perdure-operator:{METADATA['appVersion']}"),
        (
            ("image.registry=registry.example/", "image.tag=v2"),
            "registry.example/perdure-operator:v2",
        ),
        (
            ("image.tag=v2", f"image.digest=sha256:{'0' * 64}"),
            f"perdure-operator@sha256:{'0' * 64}",
        ),
    ],
    ids=["default", "registry and tag", "digest"],
)
def test_image(values, image):
    (deployment,) = of_kind(templated(*values), "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == image


@with_helm
def test_the_pod_is_as_the_values_say():
    (deployment,) = of_kind(
        templated(
            "defaultStore=s3://bucket/prefix",
            "nodeSelector.pool=system",
            "tolerations[0].operator=Exists",
            "priorityClassName=high",
            "podLabels.team=ml",
            "podAnnotations.note=yes",
            "imagePullSecrets[0].name=registry",
            "podSecurityContext.runAsUser=null",
            "resources.requests.cpu=2",
        ),
        "Deployment",
    )
    template = deployment["spec"]["template"]
    pod, container = template["spec"], template["spec"]["containers"][0]
    assert container["env"] == [
        {"name": "PERDURE_OPERATOR_DEFAULT_STORE", "value": "s3://bucket/prefix"}
    ]
    assert pod["nodeSelector"] == {"pool": "system"}
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["priorityClassName"] == "high"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert "runAsUser" not in pod["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["resources"]["requests"] == {"cpu": 2, "memory": "256Mi"}
    assert template["metadata"]["labels"]["team"] == "ml"
    assert template["metadata"]["annotations"] == {"note": "yes"}


@with_helm
def test_rights_and_account_of_ones_own():
    objects = templated(
        "rbac.create=false",
        "rbac.aggregate=false",
        "serviceAccount.create=false",
        "serviceAccount.name=mine",
    )
    assert {obj["kind"] for obj in objects} == {"CustomResourceDefinition", "Deployment"}
    (deployment,) = of_kind(objects, "Deployment")
    assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == "mine"


@with_helm
def test_two_releases_do_not_share_a_name():
    first, second = templated(), helm("template", "other", str(CHART)).stdout
    names = {obj["metadata"]["name"] for obj in first if obj["kind"] != "CustomResourceDefinition"}
    others = {
        obj["metadata"]["name"]
        for obj in yaml.safe_load_all(second)
        if obj and obj["kind"] != "CustomResourceDefinition"
    }
    assert "other-perdure-operator" in others
    assert names.isdisjoint(others)


@with_helm
def test_labels_of_a_monitor_for_kube_prometheus_stack():
    objects = templated(
        *EVERYTHING,
        "podMonitor.additionalLabels.release=stack",
        "serviceMonitor.additionalLabels.release=stack",
    )
    monitors = of_kind(objects, "PodMonitor") + of_kind(objects, "ServiceMonitor")
    assert [monitor["metadata"]["labels"]["release"] for monitor in monitors] == ["stack", "stack"]


def test_notes_are_short():
    assert len((CHART / "templates/NOTES.txt").read_text().splitlines()) < 15
