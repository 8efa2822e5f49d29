"""What a trainer was told, and the sentence for what it cannot use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from perdure.contract.environment import InvalidSetting, Job, Keep
from perdure.contract.interval import Budget, Every
from perdure.contract.prices import Prices
from perdure.settings import Settings


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/app/my train.py", "--epochs", "3"])
    monkeypatch.setattr("perdure.contract.environment.DEFAULT_TERMINATION_LOG", "/no/such/file")


def test_defaults(tmp_path):
    assert Settings.from_environ({}) == Settings(
        store=(tmp_path / ".perdure").as_uri(),
        job=Job("local", "my-train", "1"),
        job_is_given=False,
        managed=False,
        attempt=1,
        every=Every(),
        keep=Keep(3),
        prices=None,
        grace_seconds=30.0,
        store_deadline_seconds=300.0,
        metrics_port=9464,
        termination_log=None,
        continues=False,
        callbacks="[]",
        request_file=None,
    )


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("PERDURE_STORE", "s3://bucket/prefix", "store", "s3://bucket/prefix"),
        ("PERDURE_JOB", "team/digits/2", "job", Job("team", "digits", "2")),
        ("PERDURE_JOB", "team/digits/2", "job_is_given", True),
        ("PERDURE_ATTEMPT", "4", "attempt", 4),
        ("PERDURE_ATTEMPT", "4", "managed", True),
        ("PERDURE_EVERY", "500 steps", "every", Every("steps", 500)),
        ("PERDURE_EVERY", "auto,min=5 s", "every", Every(budget=Budget(least_seconds=5))),
        ("PERDURE_PRICES", "write=5,sent=1", "prices", Prices(write=5, sent=1)),
        ("PERDURE_KEEP", "last=1,best=loss:max", "keep", Keep(1, "loss", "max")),
        ("PERDURE_GRACE", "0", "grace_seconds", 0.0),
        ("PERDURE_STORE_DEADLINE", "2.5", "store_deadline_seconds", 2.5),
        ("PERDURE_METRICS_PORT", "0", "metrics_port", 0),
        ("PERDURE_METRICS_PORT", "65535", "metrics_port", 65535),
        ("PERDURE_TERMINATION_LOG", "/tmp/message", "termination_log", Path("/tmp/message")),
        ("PERDURE_CONTINUE", "true", "continues", True),
        ("PERDURE_CONTINUE", "false", "continues", False),
        (
            "PERDURE_REQUEST_FILE",
            "/etc/perdure/request",
            "request_file",
            Path("/etc/perdure/request"),
        ),
        ("PERDURE_REQUEST_FILE", "", "request_file", None),
        ("PERDURE_CALLBACKS", '[{"name": "A"}]', "callbacks", '[{"name": "A"}]'),
    ],
)
def test_setting(name, text, field, value):
    assert getattr(Settings.from_environ({name: text}), field) == value


@pytest.mark.parametrize(
    "name",
    ["STORE", "JOB", "EVERY", "KEEP", "PRICES", "GRACE", "STORE_DEADLINE", "METRICS_PORT", "TERMINATION_LOG",
     "CONTINUE", "CALLBACKS"],
)  # fmt: skip
def test_empty_is_unset(name):
    assert Settings.from_environ({f"PERDURE_{name}": ""}) == Settings.from_environ({})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PERDURE_JOB", "digits"),
        ("PERDURE_ATTEMPT", "0"),
        ("PERDURE_ATTEMPT", "1.5"),
        ("PERDURE_ATTEMPT", "first"),
        ("PERDURE_EVERY", "sometimes"),
        ("PERDURE_EVERY", "auto,min=0 s"),
        ("PERDURE_KEEP", "all"),
        ("PERDURE_PRICES", "free"),
        ("PERDURE_GRACE", "-1"),
        ("PERDURE_GRACE", "inf"),
        ("PERDURE_STORE_DEADLINE", "5 min"),
        ("PERDURE_METRICS_PORT", "65536"),
        ("PERDURE_METRICS_PORT", "-1"),
        ("PERDURE_METRICS_PORT", "http"),
        ("PERDURE_CONTINUE", "yes"),
        ("PERDURE_CONTINUE", "True"),
    ],
)
def test_a_bad_setting_is_named(name, text):
    with pytest.raises(InvalidSetting) as refusal:
        Settings.from_environ({name: text})
    sentence = str(refusal.value)
    assert sentence.startswith(f"{name}: expected ")
    assert f"Received: {text!r}" in sentence or f"Received: {text}" in sentence


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("PERDURE_STROE", "Did you mean PERDURE_STORE?"),
        ("PERDURE_EVRY", "Did you mean PERDURE_EVERY?"),
        ("PERDURE_XYZZYX_QQQQQQQQQQQQQQ", "Known: PERDURE_ATTEMPT, "),
    ],
)
def test_an_unknown_setting_is_refused_with_a_hint(name, hint):
    with pytest.raises(InvalidSetting) as refusal:
        Settings.from_environ({name: "1"})
    assert str(refusal.value).startswith(f"{name}: expected a setting that Perdure knows.")
    assert hint in str(refusal.value)


def test_other_variables_are_nobodys_business():
    others = {"PATH": "/bin", "XPERDURE_A": "1", "perdure_store": "x", "AWS_PROFILE": "a"}
    assert Settings.from_environ(others) == Settings.from_environ({})


def test_a_pod_needs_a_store():
    with pytest.raises(InvalidSetting, match=r"^PERDURE_STORE: expected s3://.*lost with the pod"):
        Settings.from_environ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})


def test_a_pod_with_a_store_is_fine():
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "PERDURE_STORE": "s3://bucket/a"}
    assert Settings.from_environ(environ).store == "s3://bucket/a"


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("train.py", "train"),
        ("/a/b/größe+1.py", "gr--e-1"),
        ("./--.py", "script"),
        (".hidden.py", "hidden"),
        ("a.b_c-9.py", "a.b_c-9"),
    ],
)
def test_a_lineage_is_named_after_its_script(monkeypatch, script, name):
    monkeypatch.setattr(sys, "argv", [script])
    job = Settings.from_environ({}).job
    assert job == Job("local", name)
    assert Job.parse(str(job)) == job


@pytest.mark.parametrize("argv", [[], [""], ["-c"], ["/usr/bin/ipython"]])
def test_a_notebook_has_a_new_lineage_each_time(monkeypatch, argv):
    monkeypatch.setattr(sys, "argv", argv)
    names = {Settings.from_environ({}).job.name for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("notebook-") for name in names)


def test_the_containers_termination_log_is_used_where_there_is_one(tmp_path, monkeypatch):
    log = tmp_path / "termination-log"
    log.touch()
    monkeypatch.setattr("perdure.contract.environment.DEFAULT_TERMINATION_LOG", str(log))
    assert Settings.from_environ({}).termination_log == log
