"""The callbacks that a manifest asks for, by Keras' class and argument names."""

from __future__ import annotations

import difflib
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import keras

from perdure.contract.environment import CALLBACKS
from perdure.errors import Refused


def callbacks_from(text: str) -> list[Any]:
    """Make the callbacks of the JSON list `[{"name": ..., "args": {...}}]`.

    Raises:
        Refused: naming what is not known or does not fit.
    """
    return [_make(entry["name"], entry.get("args", {})) for entry in _entries(text)]


def _entries(text: str) -> list[dict[str, Any]]:
    try:
        entries = json.loads(text)
    except ValueError:
        entries = None
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise Refused(
            f'{CALLBACKS}: expected a JSON list of {{"name": ..., "args": {{...}}}}. Received: {text[:200]}'
        )
    return entries


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not set(entry) <= {"name", "args"}:
        return False
    return isinstance(entry.get("name"), str) and isinstance(entry.get("args", {}), dict)


def _make(name: str, arguments: dict[str, Any]) -> Any:
    cls = _imported(name) if ":" in name else _keras_callback(name)
    if not (isinstance(cls, type) and issubclass(cls, keras.callbacks.Callback)):
        raise Refused(f"{CALLBACKS}: expected a class of Keras callbacks. Received: {name!r}.")
    values = {key: _value(key, value) for key, value in arguments.items()}
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise Refused(f"{CALLBACKS}: {name} does not take these arguments: {error}") from error


def _keras_callback(name: str) -> Any:
    names = [n for n in dir(keras.callbacks) if isinstance(getattr(keras.callbacks, n), type)]
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]}?" if close else f" Keras has: {', '.join(names)}."
        raise Refused(
            f"{CALLBACKS}: expected a Keras callback or module:Class. Received: {name!r}.{hint}"
        )
    return getattr(keras.callbacks, name)


def _value(key: str, value: Any) -> Any:
    """Functions are given by name: `module:function`."""
    is_function = key == "schedule" or key.startswith("on_")
    return _imported(value) if is_function and isinstance(value, str) else value


def _imported(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    main = sys.modules["__main__"]
    is_script = module_name == Path(getattr(main, "__file__", None) or "").stem
    try:
        module = main if is_script else importlib.import_module(module_name)
        return getattr(module, attribute)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise Refused(
            f"{CALLBACKS}: expected a name that can be imported. Received: {name!r} ({error})."
        ) from error
