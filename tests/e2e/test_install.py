"""Installing by kubectl and by Helm, upgrading and uninstalling, on a real API server."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster.access import Access, CommandFailed
from cluster.cluster import Cluster
from cluster.control_plane import ControlPlane
from cluster.processes import wait_for
from go_programs import NotBuildable
from rendering import CHART, ROOT

NAMESPACE = "perdure-system"
CRD = "trainingjobs.perdure.dev"
OPERATOR = "perdure-operator"
DEPLOY = str(ROOT / "deploy")
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
READ = {"get", "list", "watch"}
WRITE = {"create", "update", "patch", "delete", "deletecollection"}
RULES = next(yaml.safe_load_all((ROOT / "deploy/rbac/operator.yaml").read_text()))["rules"]
WANTED = sorted(
    (rule["apiGroups"][0], rule["resources"][0], verb) for rule in RULES for verb in rule["verbs"]
)


@pytest.fixture(scope="module")
def own_plane() -> Iterator[ControlPlane]:
    """A control plane of this module's own: what is installed here is for the whole cluster."""
    try:
        with Cluster(nodes=0) as cluster:
            yield cluster.control_plane
    except NotBuildable as error:
        pytest.skip(str(error))


@pytest.fixture
def plane(own_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The control plane; whatever a test installs is removed after it."""
    yield own_plane
    remove(own_plane.admin)


@pytest.fixture
def admin(plane: ControlPlane) -> Access:
    """The administrator, who installs."""
    return plane.admin


@pytest.fixture(params=["kubectl", "helm"])
def installed(request: pytest.FixtureRequest, plane: ControlPlane) -> ControlPlane:
    """Installed in each of the two ways."""
    if request.param == "kubectl":
        plane.admin.kubectl("apply", "-k", DEPLOY, "--validate=strict")
    else:
        plane.namespace(NAMESPACE, RESTRICTED)
        install(plane.admin)
    return plane


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster with a node, of this module's own for the same reason."""
    try:
        with Cluster(nodes=1, targets=["operator"]) as cluster:
            yield cluster
    except NotBuildable as error:
        pytest.skip(str(error))


def remove(admin: Access) -> None:
    """Whatever is installed, and in whichever way."""
    admin.helm("uninstall", "perdure", "-n", NAMESPACE, "--ignore-not-found")
    admin.kubectl("delete", "-k", DEPLOY, "--ignore-not-found", "--timeout=120s")


def install(admin: Access, *values: str, release: str = "perdure") -> None:
    options = [f"--set={value}" for value in values]
    admin.helm(
        "upgrade", "--install", release, str(CHART), "-n", NAMESPACE, "--create-namespace", *options
    )


def rights(who: Access, namespace: str) -> list[tuple[str, str, str]]:
    """Group, resource and verb of everything that RBAC grants, but for asking about oneself."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    answer = who.kubectl(
        "create", "-f", "-", "-o", "json", "--validate=false", stdin=json.dumps(review)
    )
    return sorted(
        (group, resource, verb)
        for rule in json.loads(answer)["status"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if not resource.startswith("selfsubject")
    )


def on_trainingjobs(who: Access) -> dict[str, set[str]]:
    """The verbs that somebody may use on TrainingJobs and their subresources."""
    granted = rights(who, "default")
    names = {resource for _, resource, _ in granted if resource.startswith("trainingjobs")}
    return {name: {verb for _, resource, verb in granted if resource == name} for name in names}


def test_the_operator_may_do_what_it_does_and_no_more(installed):
    operator = installed.service_account(NAMESPACE, OPERATOR)
    assert rights(operator, "default") == WANTED


def test_the_operators_pod_is_admitted_where_pods_are_restricted(installed):
    admin = installed.admin
    wait_for(
        "the operator's pod to be admitted",
        lambda: bool(admin.get("pods", "-n", NAMESPACE)["items"]),
    )
    labels = admin.get("namespace", NAMESPACE)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_roles_of_a_namespace_include_its_trainingjobs(plane, admin):
    install(admin)
    for role, verbs in {"view": READ, "edit": READ | WRITE, "admin": READ | WRITE}.items():
        binding = (
            "rolebinding",
            role,
            "-n",
            "default",
            f"--clusterrole={role}",
            f"--user=some-{role}",
        )
        admin.kubectl("create", *binding)
        user = plane.user(f"some-{role}")
        wait_for(
            f"the role {role} to allow {verbs} on TrainingJobs, and nothing on their status",
            lambda user=user, verbs=verbs: on_trainingjobs(user) == {"trainingjobs": verbs},
            seconds=60,
        )


def test_applying_again_changes_nothing(admin):
    admin.kubectl("apply", "-k", DEPLOY)
    again = admin.kubectl("apply", "-k", DEPLOY).splitlines()
    assert len(again) == 8
    assert all(line.endswith("unchanged") for line in again)


def test_helm_leaves_the_trainingjobs_and_takes_them_up_again(admin):
    install(admin)
    admin.kubectl("wait", f"crd/{CRD}", "--for=condition=Established")
    admin.kubectl("apply", "-f", f"{DEPLOY}/examples/digits/job.yaml", "-n", "default")
    admin.helm("uninstall", "perdure", "-n", NAMESPACE)
    with pytest.raises(CommandFailed, match="NotFound"):
        admin.kubectl("get", "deployment", OPERATOR, "-n", NAMESPACE)
    admin.kubectl("get", "trainingjob", "digits", "-n", "default")
    with pytest.raises(CommandFailed, match="invalid ownership metadata"):
        install(admin, release="other")
    install(admin)
    install(admin, "podLabels.team=ml")
    template = admin.get("deployment", OPERATOR, "-n", NAMESPACE)["spec"]["template"]
    assert template["metadata"]["labels"]["team"] == "ml"
    admin.kubectl("get", "trainingjob", "digits", "-n", "default")


def test_the_crd_may_be_installed_apart(admin):
    admin.kubectl("apply", "--server-side", "-f", f"{DEPLOY}/crds")
    with pytest.raises(CommandFailed, match="invalid ownership metadata"):
        install(admin)
    install(admin, "crds.enabled=false")
    admin.helm("uninstall", "perdure", "-n", NAMESPACE)
    admin.kubectl("get", "crd", CRD)


def test_rights_in_some_namespaces_only(plane, admin):
    for name in ("watched", "other"):
        plane.namespace(name)
    install(admin, "watchNamespaces={watched}")
    operator = plane.service_account(NAMESPACE, OPERATOR)
    assert rights(operator, "watched") == WANTED
    assert rights(operator, "other") == rights(operator, NAMESPACE) == []


def overlay(folder: Path, image: str) -> str:
    """A kustomization as a user writes it to name an image of one's own."""
    name, tag = image.rsplit(":", 1)
    kustomization = {
        "resources": [os.path.relpath(DEPLOY, folder)],
        "images": [{"name": OPERATOR, "newName": name, "newTag": tag}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return str(folder)


@pytest.mark.parametrize("way", ["kubectl", "helm"])
def test_the_operator_runs_where_pods_are_restricted(cluster, way, tmp_path):
    admin, image = cluster.admin, cluster.image("operator")
    if way == "kubectl":
        admin.kubectl("apply", "-k", overlay(tmp_path, image))
    else:
        cluster.control_plane.namespace(NAMESPACE, RESTRICTED)
        name, tag = image.rsplit(":", 1)
        install(admin, f"image.repository={name}", f"image.tag={tag}")
    try:
        wait_rollout(admin)
        (pod,) = admin.get("pods", "-n", NAMESPACE)["items"]
        metrics = f"http://{pod['status']['podIP']}:8081/metrics"
        with urllib.request.urlopen(metrics, timeout=10) as answer:
            assert b"perdure_build_info{" in answer.read()
        assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
        assert "forbidden" not in admin.kubectl("logs", f"deployment/{OPERATOR}", "-n", NAMESPACE)
    finally:
        remove(admin)


def wait_rollout(admin: Access) -> None:
    """Wait until the operator is ready; what its pod said if it is not."""
    deployment = (f"deployment/{OPERATOR}", "-n", NAMESPACE)
    try:
        admin.kubectl("rollout", "status", *deployment, "--timeout=180s")
    except CommandFailed as late:
        pods = admin.kubectl("describe", "pods", "-n", NAMESPACE)
        raise AssertionError(f"{late}\n{pods}\n{admin.kubectl('logs', *deployment)}") from late


def test_kubectl_removes_everything(admin):
    admin.kubectl("apply", "-k", DEPLOY)
    admin.kubectl("delete", "-k", DEPLOY, "--timeout=120s")
    ours = admin.kubectl(
        "get",
        "crds,clusterroles,clusterrolebindings,namespaces",
        "-o",
        "name",
        "-l",
        "app.kubernetes.io/name=perdure",
    )
    assert ours == ""
    with pytest.raises(CommandFailed, match="NotFound"):
        admin.kubectl("get", "crd", CRD)
