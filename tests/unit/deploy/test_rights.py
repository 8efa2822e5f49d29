"""The operator may do what the documents say, and its pod is a restricted one."""

from __future__ import annotations

import re

import pytest
import yaml
from rendering import ROOT

CONTRACT_GROUP = "perdure.dev"
DEPLOYMENT = yaml.safe_load((ROOT / "deploy/operator/deployment.yaml").read_text())
POD = DEPLOYMENT["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
RULES = next(yaml.safe_load_all((ROOT / "deploy/rbac/operator.yaml").read_text()))["rules"]
USERS = list(yaml.safe_load_all((ROOT / "deploy/rbac/users.yaml").read_text()))

FORBIDDEN = {
    "secrets",
    "configmaps",
    "nodes",
    "namespaces",
    "customresourcedefinitions",
    "pods/exec",
}


def documented() -> list[tuple[str, str, list[str]]]:
    """Group, resource and verbs of each row of the table in the documents."""
    text = (ROOT / "docs/operations.md").read_text().split("## What the operator may do")[1]
    rows = re.findall(
        r"^\| (\S+) \| `(\S+)` \| ([a-z, ]+) \|", text.split("\n## ")[0], re.MULTILINE
    )
    return [(group.strip("`"), resource, verbs.split(", ")) for group, resource, verbs in rows]


def test_the_documents_list_every_right():
    granted = [(r["apiGroups"][0] or "core", r["resources"][0], r["verbs"]) for r in RULES]
    assert documented() == granted
    assert all(len(rule["apiGroups"]) == len(rule["resources"]) == 1 for rule in RULES)


def test_the_operator_may_not_do_what_it_does_not():
    resources = {resource for rule in RULES for resource in rule["resources"]}
    verbs = {verb for rule in RULES for verb in rule["verbs"]}
    assert resources.isdisjoint(FORBIDDEN)
    assert verbs <= {"get", "list", "watch", "create", "update", "patch", "delete"}


def test_no_right_writes_a_spec():
    (rule,) = [rule for rule in RULES if rule["resources"] == ["trainingjobs"]]
    assert {"create", "update", "patch"}.isdisjoint(rule["verbs"])


@pytest.mark.parametrize("role", USERS, ids=lambda role: role["metadata"]["name"])
def test_users_get_trainingjobs_only(role):
    assert [rule["resources"] for rule in role["rules"]] == [["trainingjobs"]]
    assert role["rules"][0]["apiGroups"] == [CONTRACT_GROUP]
    assert any(key.startswith("rbac.authorization.k8s.io/") for key in role["metadata"]["labels"])


def test_who_may_view_may_not_write():
    (view,) = [role for role in USERS if role["metadata"]["name"].endswith("view")]
    assert view["rules"][0]["verbs"] == ["get", "list", "watch"]


def test_the_pod_is_restricted():
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["runAsUser"] == 65532
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [volume["name"] for volume in POD["volumes"]] == ["tmp"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & POD.keys()


def test_one_operator_at_a_time():
    assert DEPLOYMENT["spec"]["replicas"] == 1
    assert DEPLOYMENT["spec"]["strategy"] == {"type": "Recreate"}


def test_a_service_does_not_become_a_setting():
    """A Service called perdure-operator would set PERDURE_OPERATOR_PORT=tcp://... in the pod."""
    assert POD["enableServiceLinks"] is False
