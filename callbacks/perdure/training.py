"""The one line: `model.fit(..., callbacks=perdure.callbacks(...))`."""

from __future__ import annotations

from typing import Any

import keras

from perdure import keras_internals
from perdure.attempt import Attempt, begun, current
from perdure.data import Source
from perdure.fitting.from_manifest import callbacks_from
from perdure.fitting.gates import Gate, QuietProgbar, gated
from perdure.fitting.hooks import First, Hooks, Last
from perdure.fitting.needless import without_needless


def callbacks(*own: Any) -> list[Any]:
    """What to pass to `fit`, `evaluate` or `predict` as `callbacks`.

    Args:
        *own: all your callbacks, or lists of them; one that is added to the returned list would run on
            steps that are not computed. Those of the manifest are added after them.

    Returns:
        A list: Perdure's first callback, yours behind gates, and Perdure's last one.

    Raises:
        perdure.errors.TrainerExit: a `SystemExit` with the code of the contract, if this run can never
            work (78) or its store does not answer (69).
    """
    attempt = current()
    with attempt.exits:
        keras_internals.check_versions()
        users = [*_flat(own), *callbacks_from(attempt.settings.callbacks)]
        users = without_needless(users, attempt.board)
    begun()
    keras_internals.watch_epoch_iterators(lambda arguments: _prepared(attempt, arguments))
    hooks = Hooks(attempt, users)
    passed = [_passed(callback, hooks) for callback in users]
    hooks.gates = [callback for callback in passed if isinstance(callback, Gate)]
    return [First(hooks), *passed, *_progress(users, hooks), Last(hooks)]


def _flat(callbacks: Any) -> list[Any]:
    """The callbacks in nested lists.

    Raises:
        TypeError: something that is no Keras callback is among them.
    """
    flat = []
    for item in callbacks:
        if isinstance(item, list | tuple):
            flat += _flat(item)
        elif isinstance(item, keras.callbacks.Callback):
            flat.append(item)
        elif item is not None:
            raise TypeError(f"perdure.callbacks: expected Keras callbacks. Received: {item!r}.")
    return flat


def _passed(callback: Any, hooks: Hooks) -> Any:
    """Keras looks for History and the progress bar by their type, so they stay as they are."""
    plain = keras.callbacks.History | keras.callbacks.ProgbarLogger
    return callback if isinstance(callback, plain) else gated(callback, hooks)


def _progress(users: list[Any], hooks: Hooks) -> list[Any]:
    has_own = any(isinstance(callback, keras.callbacks.ProgbarLogger) for callback in users)
    return [] if has_own else [QuietProgbar(hooks.gates_are_open)]


def _prepared(attempt: Attempt, arguments: dict[str, Any]) -> dict[str, Any]:
    """Give shuffled arrays an order that another process can have again, unless the script set a seed."""
    if isinstance(arguments.get("x"), Source):
        _refuse_beside_source(arguments)
    seed = keras_internals.script_seed()
    is_ours = seed is None or (attempt.settings.managed and seed == attempt.fixed.seed)
    if not (is_ours and arguments.get("shuffle") is True and keras_internals.are_arrays(arguments)):
        return arguments
    adapter = keras_internals.KeyedArrayAdapter(
        seed=attempt.fixed.seed,
        **{
            name: arguments.get(name)
            for name in ("x", "y", "sample_weight", "batch_size", "class_weight")
        },
        steps=arguments.get("steps_per_epoch"),
        shuffle=True,
    )
    return {**arguments, "x": adapter, "y": None, "sample_weight": None, "class_weight": None}


def _refuse_beside_source(arguments: dict[str, Any]) -> None:
    """Keras passes over these arguments in silence where the data is an adapter."""
    for name in ("y", "sample_weight", "batch_size", "class_weight"):
        if arguments.get(name) is not None:
            raise ValueError(
                f"fit: expected no argument {name} where x is made by perdure.data, whose batches are "
                f"complete. Received: {name}. Give it to perdure.data instead."
            )
