"""The callbacks that a manifest asks for, by Keras' class and argument names.

They are checked against the Keras of this process, which need not be the one that the manifest's author
had in mind: its classes, their signatures, and for the arguments that the contract's table knows the
kind of their values, because Keras itself stores most of them unseen and fails at the end of an epoch.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import keras

from perdure.contract.callback_arguments import Signature, is_reference, misfits, wrong_values
from perdure.contract.environment import CALLBACKS
from perdure.contract.keras_callbacks import BY_NAME, unknown_class
from perdure.errors import Refused
from perdure.fitting.imported import imported

_HOOKS = tuple(name for name in dir(keras.callbacks.Callback) if name.startswith("on_"))
_BASES = (keras.callbacks.Callback, keras.callbacks.CallbackList)
_PASSED_ON = {keras.callbacks.LambdaCallback: _HOOKS, keras.callbacks.ReduceLROnPlateau: ()}
"""What Keras' classes with `**kwargs` do something with; anything else they swallow in silence."""


def callbacks_from(text: str) -> list[Any]:
    """Make the callbacks of the JSON list `[{"name": ..., "args": {...}}]`.

    Raises:
        Refused: with a sentence for each thing that is not known or does not fit.
    """
    made, problems = [], []
    for index, entry in enumerate(_entries(text)):
        try:
            made.append(_make(f"spec.callbacks[{index}]", entry["name"], entry.get("args", {})))
        except Refused as refusal:
            problems.append(refusal.message)
    if problems:
        raise Refused("\n".join(problems))
    return made


def _entries(text: str) -> list[dict[str, Any]]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
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


def _make(where: str, name: str, arguments: dict[str, Any]) -> Any:
    cls = _own_class(where, name) if ":" in name else _keras_class(where, name)
    problems = [*misfits(where, _called(cls), arguments, _signature(cls))]
    problems += wrong_values(where, arguments, _known_arguments(cls))
    if problems:
        raise Refused("\n".join(problems))
    values = {key: _value(where, cls, key, value) for key, value in arguments.items()}
    try:
        return cls(**values)
    except (TypeError, ValueError, ImportError) as error:
        raise Refused(f"{where}: {_called(cls)} refuses these arguments: {error}") from error


def _keras_class(where: str, name: str) -> type:
    cls = getattr(keras.callbacks, name, None)
    is_refused = name in BY_NAME and BY_NAME[name].refusal
    if cls is None or not _is_callback(cls) or is_refused:
        raise Refused(unknown_class(where, name, tuple(_keras_names())))
    return cls  # type: ignore[no-any-return]


def _keras_names() -> Iterator[str]:
    for name in dir(keras.callbacks):
        is_refused = name in BY_NAME and BY_NAME[name].refusal
        if _is_callback(getattr(keras.callbacks, name)) and not is_refused:
            yield name


def _own_class(where: str, name: str) -> type:
    cls = imported(f"{where}.name", name)
    if not _is_callback(cls):
        raise Refused(
            f"{where}.name: expected a class derived from keras.callbacks.Callback. "
            f"Received: {name!r}, which is {_what(cls)}."
        )
    return cls  # type: ignore[no-any-return]


def _is_callback(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, keras.callbacks.Callback) and cls not in _BASES


def _what(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


def _is_of_keras(cls: type) -> bool:
    return getattr(keras.callbacks, cls.__name__, None) is cls


def _called(cls: type) -> str:
    return f"{cls.__name__} of Keras {keras.__version__}" if _is_of_keras(cls) else cls.__name__


def _signature(cls: type) -> Signature:
    parameters = inspect.signature(cls).parameters.values()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return Signature(
        tuple({**dict.fromkeys(p.name for p in named), **dict.fromkeys(_PASSED_ON.get(cls, ()))}),
        tuple(p.name for p in named if p.default is p.empty),
        any(p.kind is p.VAR_KEYWORD for p in parameters) and cls not in _PASSED_ON,
    )


def _known_arguments(cls: type) -> Any:
    return BY_NAME[cls.__name__].arguments if _is_of_keras(cls) and cls.__name__ in BY_NAME else ()


def _value(where: str, cls: type, key: str, value: Any) -> Any:
    """Functions are given by name, `module:function`; classes of one's own take them as `on_...` and
    `schedule`, as Keras' do.
    """
    known = {argument.name: argument.is_function for argument in _known_arguments(cls)}
    is_function = known.get(key, key == "schedule" or key.startswith("on_"))
    if not (is_function and is_reference(value)):
        return value
    function = imported(f"{where}.args.{key}", value)
    if not callable(function):
        raise Refused(
            f"{where}.args.{key}: expected a function. Received: {value!r}, which is {_what(function)}."
        )
    return function
