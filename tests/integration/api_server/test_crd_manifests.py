"""The manifests of tests/manifests at a real API server: the same ones refused, in the same words.

Where the words are not ours, the reason stands here.
"""

from __future__ import annotations

import pytest
from installed_crd import ROOT, for_a_cluster, install, refusal

MANIFESTS = ROOT / "tests/manifests"
BAD = {path.stem: path for path in sorted(MANIFESTS.glob("bad/*.yaml"))}
GOOD = [*sorted(MANIFESTS.glob("good/*.yaml")), *sorted(ROOT.glob("deploy/examples/*/job.yaml"))]

NOT_SENT = {
    "alias-in-itself": "kubectl cannot make JSON of it",
    "callback-argument-not-finite": "JSON has no infinity: kubectl cannot send it",
    "duplicate-key": "kubectl refuses it, or sends the last of the two",
    "empty": "nothing is sent",
    "key-not-a-string": "kubectl quotes the key",
    "key-of-spec-not-a-string": "kubectl quotes the key",
    "kind-missing": "kubectl does not know where to send it",
    "name-is-a-number": "kubectl cannot read the metadata",
    "not-yaml": "kubectl cannot read it",
    "only-text": "kubectl cannot read it",
    "python-object": "kubectl reads a string",
    "several-documents": "two objects are two requests",
    "wrong-api-version": "no such version is served",
    "wrong-kind": "another kind is another kind's business",
}
GOOD_ON_A_CLUSTER = {
    "callback-argument-missing": "the image's own Keras says it",
    "callback-argument-of-another-choice": "the image's own Keras says it",
    "callback-argument-of-another-type": "the image's own Keras says it",
    "callback-argument-unknown": "the image's own Keras says it",
    "callback-arguments-too-deep": "no rule can look into a free object: the operator says it",
    "callback-function-without-module": "the image's own Keras says it",
    "callback-hook-unknown": "the image's own Keras says it",
    "callback-of-no-use": "the image's own Keras says it",
    "callback-unknown": "the image's own Keras says it",
    "command-not-found": "the image has the command",
    "env-from": "a cluster has Secrets and ConfigMaps",
    "env-value-from": "a cluster has Secrets and ConfigMaps",
    "rollback-unsupported": "what is supported is the operator's to say, in a condition",
    "working-dir-missing": "the image has the folder",
}
TYPES = {
    "args-with-a-number": 'spec.args[1] in body must be of type string: "integer"',
    "command-in-one-string": 'spec.command in body must be of type array: "string"',
    "cpu-fraction": 'cpu in body must be of type integer,string: "number"',
    "deadline-fraction": 'must be of type int32: "float64"',
    "env-value-number": 'spec.env[0].value in body must be of type string: "integer"',
    "learning-rate-factor-number": 'must be of type string: "number"',
    "run-is-a-number": 'spec.run in body must be of type string: "integer"',
    "spec-is-a-list": 'spec in body must be of type object: "array"',
    "suspend-is-a-string": 'spec.suspend in body must be of type boolean: "string"',
}
"""A value of a wrong type reaches no rule: the API server has its own sentence for it."""
KEYWORDS = {
    "callback-arguments-too-many": "spec.callbacks[0].args: Too many: 65: must have at most 64",
    "env-too-many": "spec.env: Too many: 65: must have at most 64 items",
    "interval-mode-unknown": 'supported values: "Auto", "Steps", "Seconds", "Epochs"',
    "name-missing": "metadata.name: Required value: name or generateName is required",
    "toleration-effect": 'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
}
"""What an enumeration or the length of a list refuses, the API server says itself."""
UNKNOWN = {stem for stem, path in BAD.items() if ": unknown field." in path.read_text()}


@pytest.fixture(scope="module", autouse=True)
def definition(control_plane):
    install(control_plane.admin)


def expected(stem: str) -> tuple[str, str]:
    """The field and the sentence that `perdure run` says."""
    line = BAD[stem].read_text().splitlines()[0].removeprefix("# expect: ")
    field, _, sentence = line.partition(": ")
    return field, sentence


def test_each_exception_is_a_manifest():
    exceptions = [*NOT_SENT, *GOOD_ON_A_CLUSTER, *TYPES, *KEYWORDS]
    assert set(exceptions) <= set(BAD)
    assert len(exceptions) == len(set(exceptions))


RULES = sorted(set(BAD) - {*NOT_SENT, *GOOD_ON_A_CLUSTER, *TYPES, *KEYWORDS} - UNKNOWN)


@pytest.mark.parametrize("stem", RULES)
def test_rule_is_refused_with_the_same_sentence(control_plane, stem):
    field, sentence = expected(stem)
    said = refusal(control_plane.admin, for_a_cluster(BAD[stem]))
    assert sentence in said
    assert field in said.replace("[cpu]", ".cpu").replace("[team]", ".team")
    assert said.count("\n*") <= 1 or stem == "name-not-a-label"


@pytest.mark.parametrize("stem", sorted({**TYPES, **KEYWORDS}))
def test_schema_is_refused_in_the_words_of_the_api_server(control_plane, stem):
    said = refusal(control_plane.admin, for_a_cluster(BAD[stem]))
    assert {**TYPES, **KEYWORDS}[stem] in said


@pytest.mark.parametrize("stem", sorted(UNKNOWN))
def test_unknown_field_is_refused_for_kubectl(control_plane, stem):
    field, _ = expected(stem)
    said = refusal(control_plane.admin, for_a_cluster(BAD[stem]), validate="strict")
    assert f'unknown field "{field}"' in said


@pytest.mark.parametrize("stem", sorted(GOOD_ON_A_CLUSTER))
def test_what_only_this_machine_refuses_is_taken(control_plane, stem):
    assert refusal(control_plane.admin, for_a_cluster(BAD[stem])) == ""


@pytest.mark.parametrize("manifest", GOOD, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_good_manifest_is_taken(control_plane, manifest):
    assert refusal(control_plane.admin, for_a_cluster(manifest), "strict") == ""


def test_image_is_needed(control_plane):
    manifest = for_a_cluster(MANIFESTS / "good/minimal.yaml")
    del manifest["spec"]["image"]
    said = refusal(control_plane.admin, manifest)
    assert "spec.image: Required value: expected the container image. Received: nothing." in said


def test_name_may_have_dots_for_kubernetes_but_not_for_us(control_plane):
    manifest = for_a_cluster(MANIFESTS / "good/minimal.yaml")
    manifest["metadata"]["name"] = "digits.1"
    said = refusal(control_plane.admin, manifest)
    assert "metadata.name: Invalid value: expected a DNS-1123 label" in said
    assert "Received: 'digits.1'." in said


def test_credentials_in_an_address_are_not_repeated(control_plane):
    manifest = for_a_cluster(BAD["store-with-credentials"])
    assert "secret@" in manifest["spec"]["checkpoint"]["store"]
    assert "secret" not in refusal(control_plane.admin, manifest)
