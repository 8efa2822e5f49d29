"""Requests: what is written is read back, and what is not a request is refused by name."""

from __future__ import annotations

import pytest

from perdure.contract.requests import InvalidRequest, Request, Verb

ARGUMENTS = {
    Verb.LEARNING_RATE_FACTOR: {"factor": "0.5"},
    Verb.PATIENCE: {"callback": "größer", "patience": 3},
}


@pytest.mark.parametrize("verb", list(Verb))
def test_round_trip(verb):
    request = Request(7, verb, ARGUMENTS.get(verb, {}))
    assert Request.from_json(request.to_json()) == request


def test_arguments_are_none_unless_given():
    assert Request.from_json('{"id": 1, "verb": "stop"}') == Request(1, Verb.STOP, {})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("", "request: expected", id="empty"),
        pytest.param("stop", "request: expected", id="no JSON"),
        pytest.param("[" * 5000, "request: expected", id="nested too deep"),
        pytest.param("[]", "request: expected", id="no object"),
        pytest.param('{"verb": "stop"}', "request: expected", id="no id"),
        pytest.param('{"id": "1", "verb": "stop"}', "request: expected", id="id is a string"),
        pytest.param('{"id": 1.5, "verb": "stop"}', "request: expected", id="id is a fraction"),
        pytest.param('{"id": true, "verb": "stop"}', "request: expected", id="id is a boolean"),
    ],
)
def test_what_has_no_id_is_no_request(text, sentence):
    with pytest.raises(InvalidRequest) as refusal:
        Request.from_json(text)
    assert sentence in str(refusal.value)
    assert refusal.value.id is None


@pytest.mark.parametrize(
    ("rest", "sentence"),
    [
        pytest.param("", "request.verb: expected one of checkpoint", id="no verb"),
        pytest.param(', "verb": "Stop"', "Received: 'Stop'", id="another verb"),
        pytest.param(', "verb": []', "request.verb: expected", id="verb is a list"),
        pytest.param(', "verb": "stop", "arguments": [1]', "request.arguments:", id="a list"),
        pytest.param(', "verb": "stop", "arguments": null', "request.arguments:", id="null"),
        pytest.param(
            ', "verb": "stop", "arguments": {"now": true}',
            "expected none for stop. Received: now",
            id="an argument too many",
        ),
        pytest.param(
            ', "verb": "patience", "arguments": {"patience": 1, "factor": 2}',
            "expected only patience, callback for patience. Received: factor",
            id="another verb's argument",
        ),
        pytest.param(
            ', "verb": "patience"', "request.arguments.patience: expected", id="no patience"
        ),
    ],
)
def test_refusals_name_the_request(rest, sentence):
    with pytest.raises(InvalidRequest) as refusal:
        Request.from_json(f'{{"id": 5{rest}}}')
    assert sentence in str(refusal.value)
    assert refusal.value.id == 5


@pytest.mark.parametrize(
    ("value", "factor"), [('"0.5"', 0.5), ("2", 2.0), ("0.1", 0.1), ('"1e-3"', 0.001)]
)
def test_a_factor_is_a_number_or_its_text(value, factor):
    text = f'{{"id": 1, "verb": "learning-rate-factor", "arguments": {{"factor": {value}}}}}'
    assert Request.from_json(text).factor == factor


@pytest.mark.parametrize(
    "value", ["0", "-1", '"0"', '"x"', '"nan"', '"inf"', "NaN", "true", "null", "[1]", "9" * 400]
)
def test_what_is_no_factor(value):
    text = f'{{"id": 1, "verb": "learning-rate-factor", "arguments": {{"factor": {value}}}}}'
    with pytest.raises(
        InvalidRequest, match=r"request\.arguments\.factor: expected a number above 0"
    ):
        Request.from_json(text)


@pytest.mark.parametrize("value", ["-1", "1.5", '"2"', "true", "null"])
def test_what_is_no_patience(value):
    text = f'{{"id": 1, "verb": "patience", "arguments": {{"patience": {value}}}}}'
    with pytest.raises(InvalidRequest, match=r"request\.arguments\.patience: expected a whole"):
        Request.from_json(text)


def test_the_name_of_a_callback():
    named = Request(1, Verb.PATIENCE, {"patience": 2, "callback": "EarlyStopping"})
    assert (named.callback, named.patience) == ("EarlyStopping", 2)
    assert Request(1, Verb.PATIENCE, {"patience": 2}).callback is None
    with pytest.raises(InvalidRequest, match=r"arguments\.callback: expected the class name"):
        Request.from_json(
            '{"id": 1, "verb": "patience", "arguments": {"patience": 2, "callback": 3}}'
        )
