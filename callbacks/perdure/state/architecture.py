"""What a model is, beside its values: its architecture and how it is compiled, as Keras serialises them.

A file for serving is made from it. Training never reads it.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from perdure import keras_internals
from perdure.state.codec import Array

CODE = "__lambda__"


class Architecture:
    """The architecture of a fit's model, serialised once: for a large one that takes 0.1 s."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._captured: dict[str, Any] | None = None

    def capture(self) -> dict[str, Any]:
        """`json`, the bytes of Keras' own description, or `missing`, why there is none."""
        if self._captured is None:
            self._captured = _captured(self._model)
        return self._captured


def _captured(model: Any) -> dict[str, Any]:
    try:
        config = _serialized(model)
        text = json.dumps(config)
    except Exception as error:  # from get_config methods of the script's own classes
        return {"missing": f"Keras cannot serialise the model ({type(error).__name__})"}
    missing = _what_it_lacks(model, config)
    if missing is not None:
        return {"missing": missing}
    data: Array = np.frombuffer(text.encode(), np.uint8)
    return {"json": data}


def _serialized(model: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of lambdas: export says it to who wants to export
        return keras_internals.serialized(model)


def _what_it_lacks(model: Any, config: dict[str, Any]) -> str | None:
    """Why a model that is rebuilt from `config` would not be this one."""
    if any(part.get("class_name") == CODE for part in parts(config)):
        return "the model has a lambda, which Keras can only save as code"
    for layer in keras_internals.layers_of(model):
        if hasattr(layer, "save_assets") and layer.get_config().get("vocabulary") is None:
            return f"layer {layer.name} has a vocabulary that is no variable"
    return None


def parts(config: Any) -> Iterator[dict[str, Any]]:
    """All JSON objects in `config`, itself included."""
    if isinstance(config, dict):
        yield config
    for item in config.values() if isinstance(config, dict) else config:
        if isinstance(item, dict | list | tuple):
            yield from parts(item)
