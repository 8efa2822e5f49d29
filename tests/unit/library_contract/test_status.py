"""The status document: exact round trips, strict refusals, and a termination message that always fits."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from perdure.contract.exits import ExitCode, Reason
from perdure.contract.status import (
    TERMINATION_MESSAGE_LIMIT,
    Activity,
    Committed,
    Departure,
    Ending,
    Kind,
    Leaving,
    Metric,
    Notice,
    Status,
    is_termination_message,
)

FULL = Status(
    job="team/digits/2",
    attempt=4,
    worker=1,
    pid=17,
    starts=9,
    activity=Activity.VALIDATING,
    fit=1,
    epoch=7,
    step=1834,
    total_steps=5000,
    steps_trained=34,
    steps_replayed=5,
    steps_to_replay=6,
    steps_per_second=12.5,
    resumed_from=17,
    metrics=(Metric("loss", "nan"), Metric("val_loss", "-inf"), Metric("größe", "0.1")),
    checkpoints=3,
    checkpoint=Committed(18, 1800, "2026-01-02T03:04:05.678Z", 4096, "ab" * 20),
    uncommitted_since="2026-01-02T03:05:00.000Z",
    grace_needed_seconds=1.25,
    request_obeyed="5",
    seconds={"Training": 12.5, "a_key_that_is_no_field": 1.0},
    notices=(Notice(Kind.DATA_CHANGED, "the data is another"),),
    departure=Departure(Leaving.SAVE_FRESH, 30.0, 27.5, 3.25, 1e8),
    ending=Ending(
        ExitCode.RESUME, Reason.PREEMPTED, "told to go", "cd" * 20, "val_loss", 5, "0.34"
    ),
)
LONG = {"ascii": "x", "umlaut": "ü", "emoji": "😀", "quote": '"', "control": "\x00"}


def ended(message: str = "", notices: int = 0, metrics: int = 0, text: str = "") -> Status:
    return replace(
        FULL,
        notices=tuple(Notice(Kind.DATA_CHANGED, f"{n} {text}") for n in range(notices)),
        metrics=tuple(Metric(f"{text[:60]}{n}", repr(n / 7)) for n in range(metrics)),
        ending=Ending(ExitCode.REFUSED, Reason.REFUSED, message, "cd" * 20),
    )


def test_every_field_of_the_example_differs_from_its_default():
    default = Status("", 0)
    same = [f.name for f in fields(Status) if getattr(FULL, f.name) == getattr(default, f.name)]
    assert same == ["schema"]


@pytest.mark.parametrize(
    "status",
    [pytest.param(FULL, id="all fields"), pytest.param(Status("a/b/1", 1), id="defaults")],
)
def test_round_trip(status):
    assert Status.from_json(status.to_json()) == status


def test_keys_are_camel_case_and_those_of_seconds_stay():
    document = json.loads(FULL.to_json())
    assert document["totalSteps"] == 5000
    assert document["checkpoint"]["time"] == "2026-01-02T03:04:05.678Z"
    assert not [key for key in document if "_" in key]
    assert document["seconds"] == FULL.seconds


def test_document_is_strict_json():
    json.loads(FULL.to_json(), parse_constant=pytest.fail)


def test_keys_of_a_newer_writer_are_passed_over():
    document = json.loads(FULL.to_json())
    document["newField"] = {"a": [1]}
    for part in (
        document["checkpoint"],
        document["departure"],
        document["ending"],
        document["metrics"][0],
    ):
        part["newField"] = 1
    document["notices"][0]["newField"] = 1
    assert Status.from_json(json.dumps(document)) == FULL


def document(**changes: object) -> str:
    return json.dumps({**json.loads(FULL.to_json()), **changes})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("Traceback (most recent call last):", id="no JSON"),
        pytest.param("[]", id="no object"),
        pytest.param("null", id="null"),
        pytest.param("{}", id="no schema"),
        pytest.param(document(schema=2), id="newer schema"),
        pytest.param(document(schema="1"), id="schema of another type"),
        pytest.param('{"schema":1}', id="no job"),
        pytest.param(document(metrics=None), id="metrics null"),
        pytest.param(document(metrics=["loss"]), id="metrics of strings"),
        pytest.param(document(notices=[{"kind": "A"}]), id="notice without message"),
        pytest.param(document(ending={"reason": "Preempted"}), id="ending without code"),
        pytest.param(document(checkpoint=3), id="checkpoint is a number"),
        pytest.param("[" * TERMINATION_MESSAGE_LIMIT, id="nested too deep"),
    ],
)
def test_what_is_no_status_is_refused(text):
    with pytest.raises(ValueError, match=r"^not a status document: "):
        Status.from_json(text)
    assert not is_termination_message(text)


@pytest.mark.parametrize(
    ("text", "is_ours"),
    [
        pytest.param(None, False, id="none"),
        pytest.param(replace(FULL, ending=None).to_json(), False, id="a status without an ending"),
        pytest.param(FULL.to_json(), True, id="with an ending"),
    ],
)
def test_termination_message_is_recognized_by_its_ending(text, is_ours):
    assert is_termination_message(text) is is_ours


def test_short_message_is_not_cut():
    assert Status.from_json(FULL.to_termination_message()) == FULL


@pytest.mark.parametrize("character", LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize("length", [0, 1, 190, 250, 900, 901, 2000, 4096, 100_000])
@pytest.mark.parametrize(("notices", "metrics"), [(0, 0), (11, 0), (0, 400), (40, 40)])
def test_termination_message_always_fits(character, length, notices, metrics):
    status = ended(f"{character * length}the end", notices, metrics, character * length)
    message = status.to_termination_message()
    assert len(message.encode()) <= TERMINATION_MESSAGE_LIMIT
    assert is_termination_message(message)
    ending = Status.from_json(message).ending
    assert (ending.code, ending.reason, ending.digest) == (78, "Refused", "cd" * 20)
    assert ending.message.endswith("the end")


def test_message_of_any_length_fits_and_keeps_its_end():
    for length in range(0, 6000, 7):
        message = ended("é" * length + "why").to_termination_message()
        assert len(message.encode()) <= TERMINATION_MESSAGE_LIMIT
        assert Status.from_json(message).ending.message.endswith("why")


def test_what_matters_less_is_cut_first():
    kept = Status.from_json(ended("why", notices=3, metrics=400).to_termination_message())
    assert kept.ending.message == "why"
    assert [metric.name for metric in kept.metrics] == [str(n) for n in range(12)]
    assert len(kept.notices) == 3


def test_long_message_of_a_status_without_ending_fits():
    status = replace(ended(notices=40, metrics=400, text="x" * 500), ending=None)
    assert len(status.to_termination_message().encode()) <= TERMINATION_MESSAGE_LIMIT


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("step", "x"),
        ("step", True),
        ("step", 1.5),
        ("job", None),
        ("stepsPerSecond", "fast"),
        ("seconds", {"Training": "long"}),
        ("seconds", [1]),
        ("checkpoint", {"record": "1", "step": 1, "time": "", "bytes": 1, "digest": ""}),
        ("ending", {"code": "0", "reason": "Finished"}),
        ("departure", {"decision": "SaveFresh", "leftSeconds": "1"}),
        ("departure", "SaveFresh"),
        ("metrics", [{"name": "loss", "value": 1}]),
    ],
)
def test_a_value_of_another_type_is_no_status(field, value):
    document = json.loads(FULL.to_json()) | {field: value}
    with pytest.raises(ValueError, match="not a status document"):
        Status.from_json(json.dumps(document))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_refused(number):
    text = FULL.to_json().replace("12.5", number)
    with pytest.raises(ValueError, match="expected a finite number"):
        Status.from_json(text)
