"""What the types let through is what Kubernetes takes, under the restricted Pod Security level."""

from __future__ import annotations

import json

import pytest
from installed_crd import ROOT, for_a_cluster, install

from perdure_operator.build.job import attempt_job
from perdure_operator.build.pod import Surroundings
from perdure_operator.model import from_api

POD = ROOT / "tests/manifests/good/pod.yaml"
PASSED_ON = [
    *("affinity", "imagePullSecrets", "initContainers", "nodeSelector", "priorityClassName"),
    *("runtimeClassName", "schedulerName", "serviceAccountName", "tolerations"),
    *("topologySpreadConstraints", "volumes"),
]
TO_BE_MADE_FIRST = {"priorityClassName", "runtimeClassName", "serviceAccountName"}


@pytest.fixture(scope="module")
def job(control_plane):
    """The Job made from a stored TrainingJob that uses every field of the pod."""
    install(control_plane.admin)
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = control_plane.namespace("n-every-pod-field", restricted)
    sent = json.dumps(for_a_cluster(POD))
    control_plane.admin.kubectl("create", "-n", namespace, "-f", "-", stdin=sent)
    stored = control_plane.admin.get("tj", "digits", "-n", namespace)
    around = Surroundings(attempt=1, image="digits:1", store="s3://bucket", grace_seconds=30)
    return attempt_job(from_api(stored), around)


def created(admin, document):
    """The object as the API server would store it; strict: it knows every field."""
    namespace = document["metadata"]["namespace"]
    command = ["create", "-n", namespace, "--dry-run=server", "--validate=strict", "-o", "json"]
    return json.loads(admin.kubectl(*command, "-f", "-", stdin=json.dumps(document)))


def missing(sent, stored, path=""):
    """The paths at which `stored` has not what was sent."""
    if isinstance(sent, dict):
        return [p for k, v in sent.items() for p in missing(v, stored.get(k, {}), f"{path}.{k}")]
    if isinstance(sent, list):
        pairs = enumerate(zip(sent, stored, strict=False))
        return [p for i, (one, other) in pairs for p in missing(one, other, f"{path}[{i}]")]
    return [] if str(sent) == str(stored) else [path]


def test_every_field_reaches_the_pod(control_plane, job):
    sent = for_a_cluster(POD)["spec"]
    pod = created(control_plane.admin, job)["spec"]["template"]["spec"]
    assert [p for field in PASSED_ON for p in missing(sent[field], pod[field], field)] == []
    trainer = pod["containers"][0]
    assert missing(sent["volumeMounts"], trainer["volumeMounts"]) == []
    assert missing(sent["envFrom"], trainer["envFrom"]) == []
    assert {variable["name"] for variable in sent["env"]} < {v["name"] for v in trainer["env"]}


def test_its_pods_are_restricted(control_plane, job):
    """A namespace's level is enforced on pods alone."""
    template = job["spec"]["template"]
    metadata = {**template["metadata"], "name": "p", "namespace": job["metadata"]["namespace"]}
    spec = {k: v for k, v in template["spec"].items() if k not in TO_BE_MADE_FIRST}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    made = created(control_plane.admin, pod)["spec"]
    assert made["securityContext"]["runAsNonRoot"]
    assert not made["automountServiceAccountToken"]
