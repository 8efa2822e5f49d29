"""Requests: what is written is read back, and what is not a request is refused by name."""

from __future__ import annotations

import pytest

from perdure.contract.requests import Request, Verb


@pytest.mark.parametrize("verb", list(Verb))
def test_round_trip(verb):
    request = Request(7, verb, {"factor": 0.5, "text": "größer"})
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
        pytest.param('{"id": 1}', "request.verb: expected one of checkpoint", id="no verb"),
        pytest.param('{"id": 1, "verb": "Stop"}', "Received: 'Stop'", id="another verb"),
        pytest.param('{"id": 1, "verb": []}', "request.verb: expected", id="verb is a list"),
        pytest.param(
            '{"id": 1, "verb": "stop", "arguments": [1]}', "request.arguments:", id="arguments"
        ),
        pytest.param(
            '{"id": 1, "verb": "stop", "arguments": null}', "request.arguments:", id="null"
        ),
    ],
)
def test_refusals(text, sentence):
    with pytest.raises(ValueError, match="expected") as refusal:
        Request.from_json(text)
    assert sentence in str(refusal.value)
