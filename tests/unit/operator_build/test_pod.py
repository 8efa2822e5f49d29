"""The pod of a trainer."""

from __future__ import annotations

from typing import Any

import pytest
from looks import training_job

from perdure_operator.build.pod import Surroundings, pod_template

AROUND = Surroundings(3, "digits@sha256:1", "s3://b/p", 45)
HOMES = {"/home/trainer": "perdure-home", "/tmp": "perdure-tmp", "/etc/perdure": "perdure-control"}


def template(around: Surroundings = AROUND, **fields: Any) -> dict[str, Any]:
    return pod_template(training_job(**fields), around)


def pod(**fields: Any) -> dict[str, Any]:
    spec: dict[str, Any] = template(**fields)["spec"]
    return spec


def trainer(**fields: Any) -> dict[str, Any]:
    (container,) = pod(**fields)["containers"]
    return container


def environment(**fields: Any) -> dict[str, Any]:
    """What the program sees: of equal names the last wins."""
    return {v["name"]: v.get("value", v.get("valueFrom")) for v in trainer(**fields)["env"]}


def mounts(**fields: Any) -> dict[str, str]:
    return {mount["mountPath"]: mount["name"] for mount in trainer(**fields)["volumeMounts"]}


def test_the_smallest():
    container = trainer()
    assert (container["name"], container["image"]) == ("trainer", "digits@sha256:1")
    assert container["command"] == ["python", "train.py"]
    assert not {"args", "workingDir", "envFrom", "resources", "imagePullPolicy"} & set(container)
    assert container["ports"] == [{"name": "metrics", "containerPort": 9464}]
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert pod()["restartPolicy"] == "Never"
    assert pod()["terminationGracePeriodSeconds"] == 45


def test_it_is_restricted_and_knows_nothing_of_the_api():
    spec = pod(initContainers=[{"name": "fetch", "image": "curl:1", "command": ["curl"]}])
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in (*spec["containers"], *spec["initContainers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }


def test_who_it_runs_as():
    given = pod(runAsUser=1000, runAsGroup=0, fsGroup=2000)["securityContext"]
    assert (given["runAsUser"], given["runAsGroup"], given["fsGroup"]) == (1000, 0, 2000)
    assert given["runAsNonRoot"] is True


PASSED_ON = {
    "imagePullSecrets": [{"name": "registry"}],
    "serviceAccountName": "trainer",
    "nodeSelector": {"gpu": "h200"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "priorityClassName": "low",
    "schedulerName": "other",
    "runtimeClassName": "nvidia",
}


@pytest.mark.parametrize("field", PASSED_ON)
def test_fields_of_the_pod_are_passed_on(field):
    assert field not in pod()
    assert pod(**PASSED_ON)[field] == PASSED_ON[field]


def test_affinity_and_spread_are_passed_on():
    match = {"key": "zone", "operator": "In", "values": ["a"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [match]}]}
    needed = "requiredDuringSchedulingIgnoredDuringExecution"
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    spec = pod(affinity={"nodeAffinity": {needed: terms}}, topologySpreadConstraints=[spread])
    (term,) = spec["affinity"]["nodeAffinity"][needed]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [match]
    (found,) = spec["topologySpreadConstraints"]
    assert found.items() >= spread.items()


def test_resources_and_the_container():
    resources = {"limits": {"nvidia.com/gpu": 1, "memory": "8Gi"}, "requests": {"cpu": "2"}}
    container = trainer(
        resources=resources, args=["--fast"], workingDir="/app", imagePullPolicy="Always"
    )
    limits = {key: str(value) for key, value in container["resources"]["limits"].items()}
    assert limits == {"nvidia.com/gpu": "1", "memory": "8Gi"}
    assert container["resources"]["requests"] == {"cpu": "2"}
    assert (container["args"], container["workingDir"]) == (["--fast"], "/app")
    assert container["imagePullPolicy"] == "Always"


def test_labels_and_annotations():
    metadata = template(labels={"team": "a"}, annotations={"note": "b"})["metadata"]
    assert metadata["labels"]["team"] == "a"
    assert metadata["labels"]["perdure.dev/attempt"] == "3"
    assert metadata["annotations"] == {"note": "b"}


def test_our_labels_win():
    metadata = template(labels={"app.kubernetes.io/name": "mine"})["metadata"]
    assert metadata["labels"]["app.kubernetes.io/name"] == "trainer"


def test_the_newest_request_comes_with_the_pod():
    around = Surroundings(3, "i", "s3://b/p", 30, '{"id": 1}')
    assert template(around)["metadata"]["annotations"] == {"perdure.dev/request": '{"id": 1}'}
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    (item,) = volumes["perdure-control"]["downwardAPI"]["items"]
    assert item["path"] == "request"
    assert item["fieldRef"] == {"fieldPath": "metadata.annotations['perdure.dev/request']"}


def test_what_the_program_is_told():
    told = environment()
    assert told["PERDURE_STORE"] == "s3://b/p"
    assert told["PERDURE_JOB"] == "team/digits/1"
    assert told["PERDURE_ATTEMPT"] == "3"
    assert told["PERDURE_GRACE"] == "45"
    assert told["PERDURE_REQUEST_FILE"] == "/etc/perdure/request"
    assert (told["HOME"], told["PYTHONUNBUFFERED"]) == ("/home/trainer", "1")
    assert told["PYTHONHASHSEED"] == told["PERDURE_SEED"]


def test_the_users_variables():
    secret = {"secretKeyRef": {"name": "s", "key": "k"}}
    variables = [
        {"name": "HOME", "value": "/app"},
        {"name": "TOKEN", "valueFrom": secret},
        {"name": "LOGS", "value": "$(HOME)/logs"},
    ]
    told = environment(env=variables)
    assert (told["HOME"], told["TOKEN"], told["LOGS"]) == ("/app", secret, "$(HOME)/logs")
    assert [v["name"] for v in trainer(env=variables)["env"]].count("HOME") == 1


def test_what_looks_like_a_reference_in_ours_is_none():
    told = environment(callbacks=[{"name": "CSVLogger", "args": {"filename": "$(HOME).csv"}}])
    assert "$$(HOME).csv" in told["PERDURE_CALLBACKS"]


def test_the_stores_credentials_come_last():
    checkpoint = {"store": "s3://bucket/p", "credentialsSecret": "s3"}
    given = trainer(checkpoint=checkpoint, envFrom=[{"configMapRef": {"name": "c"}}])["envFrom"]
    assert given == [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "s3"}}]


def test_it_can_write_at_home_and_in_tmp():
    assert mounts() == HOMES
    names = [volume["name"] for volume in pod()["volumes"]]
    assert sorted(names) == sorted(HOMES.values())


def test_shared_memory():
    assert mounts(sharedMemory="2Gi") == HOMES | {"/dev/shm": "perdure-shm"}
    volume = pod(sharedMemory="2Gi")["volumes"][-1]
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "2Gi"}


def test_the_users_mounts_come_first():
    fields = {
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}],
        "volumeMounts": [{"name": "data", "mountPath": "/tmp/"}],
    }
    found = mounts(**fields)
    assert found["/tmp/"] == "data"
    assert "/tmp" not in found
    assert pod(**fields)["volumes"][0] == fields["volumes"][0]
