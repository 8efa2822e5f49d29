"""All variables of a training process, in an order that is the same in every process.

They are matched by position, shape and dtype; paths are for messages, because Keras numbers automatic
names per process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from perdure import keras_internals
from perdure.lineage.table import TensorEntry

MOST_ITEMS = 1000  # of a container that optimizers and variables are looked for in
MODEL_GROUPS = ("model", "optimizer", "metrics", "states")
ON_REPLICA = " on replica "


class Named(NamedTuple):
    """A TensorFlow variable with its group and the path that messages use."""

    group: str
    path: str
    variable: Any


Listed = tuple[str, str, Any]  # group, path, variable


def listed(model: Any) -> list[Listed]:
    """Weights, seed generators, optimizer slots and metrics of `model`, and the global generators."""
    return [*held_by(model), *streams()]


def held_by(layer: Any) -> list[Listed]:
    """Weights, seed generators, optimizer slots and metrics of a model or a layer, and the states of
    recurrent layers.
    """
    known, metrics = layer.variables, _metrics_variables(layer)
    held = _held_by_layers(layer)
    slots = [variable for optimizer in held.optimizers for variable in optimizer.variables]
    plain = _without(held.plain, map(handle, (*known, *metrics)) if held.plain else ())
    states = _without(held.of_keras, (*known, *metrics, *slots))
    return [
        *[("model", variable.path, variable) for variable in known],
        *[("model", variable.name, variable) for variable in plain],
        *[("optimizer", variable.path, variable) for variable in slots],
        *[("metrics", variable.path, variable) for variable in metrics],
        *[("states", variable.path, variable) for variable in states],
    ]


def streams() -> list[Listed]:
    """The global generators."""
    found = keras_internals.global_random_variables()
    return [("streams", name, variable) for name, variable in found.items()]


def _metrics_variables(layer: Any) -> list[Any]:
    """A layer that is no model has none."""
    return getattr(layer, "metrics_variables", [])


def variables_of(model: Any) -> list[Named]:
    """What is saved of `model`, in the order of the table."""
    return values_in(listed(model))


def values_in(variables: Iterable[Listed]) -> list[Named]:
    """The TensorFlow variables behind `variables`, each replica's of those that a strategy distributes."""
    return [
        Named(group, path if replica == 0 else f"{path}{ON_REPLICA}{replica}", component)
        for group, path, variable in variables
        for replica, component in enumerate(keras_internals.replicas_of(handle(variable)))
    ]


def is_of_other_replica(path: str) -> bool:
    """Whether a row of the table is of another replica than the first."""
    return path.rpartition(ON_REPLICA)[2].isdigit() and ON_REPLICA in path


def optimizers_of(model: Any) -> list[Any]:
    """Every optimizer found on the model: the compiled one, then attributes in name order."""
    return _held_by_layers(model).optimizers


class _Held(NamedTuple):
    optimizers: list[Any]
    plain: list[Any]
    of_keras: list[Any]


def _held_by_layers(model: Any) -> _Held:
    """The optimizers, TensorFlow's own variables and those of Keras in attributes of the model's layers.

    Keras lists none of the second, and of the third not all: not the states of stateful recurrent layers.
    """
    compiled = getattr(model, "optimizer", None)  # none at all on a model that is not compiled
    optimizers = {id(compiled): compiled} if compiled is not None else {}
    plain: dict[int, Any] = {}
    of_keras: dict[int, Any] = {}
    for layer in keras_internals.layers_of(model):
        for value in attributes_of(layer):
            kind: Any = type(value)
            if _is_a(keras.optimizers.Optimizer, kind):
                optimizers.setdefault(id(value), value)
            elif _is_a(tf.Variable, kind):
                plain[id(value)] = value
            elif _is_a(keras.Variable, kind):
                of_keras[id(value)] = value
    return _Held(list(optimizers.values()), list(plain.values()), list(of_keras.values()))


def _without(variables: Iterable[Any], known: Iterable[Any]) -> list[Any]:
    """Those of `variables` that are not among the `known` ones."""
    ids = {id(variable) for variable in known}
    return [variable for variable in variables if id(variable) not in ids]


@cache
def _is_a(base: Any, kind: Any) -> bool:
    """`issubclass`, which takes a microsecond for these bases and is asked for every attribute."""
    return bool(issubclass(kind, base))


def attributes_of(layer: Any) -> Iterator[Any]:
    """The values of an object's public attributes in name order, through lists, tuples and dicts."""
    attributes = vars(layer)
    for name in sorted(name for name in attributes if name[0] != "_"):
        value = attributes[name]
        if isinstance(value, dict | list | tuple):
            yield from _items(value)
        else:
            yield value


def _items(container: Any) -> Iterator[Any]:
    """What is in a container, and in those in it."""
    stack = [container]
    while stack:
        value = stack.pop()
        yield value
        if not isinstance(value, dict | list | tuple) or len(value) > MOST_ITEMS:
            continue
        if isinstance(value, dict):
            stack += [value[key] for key in sorted(value, key=repr, reverse=True)]
        else:
            stack += reversed(value)


def handle(variable: Any) -> Any:
    """The TensorFlow variable behind a Keras variable."""
    return variable.value if isinstance(variable, keras.Variable) else variable


def mismatch(
    model: Any, entries: Sequence[TensorEntry], groups: Sequence[str] = MODEL_GROUPS
) -> str | None:
    """The first difference between the model's variables and a checkpoint's table, as a sentence."""
    present = [entry for entry in variables_of(model) if entry.group in groups]
    return difference(present, [entry for entry in entries if entry.group in groups])


def difference(present: Sequence[Named], saved: Sequence[TensorEntry]) -> str | None:
    """The first difference between variables and saved ones, as a sentence."""
    for position, (ours, theirs) in enumerate(zip(present, saved, strict=False)):
        shape, dtype = tuple(ours.variable.shape), str(ours.variable.dtype.name)
        if (ours.group, shape, dtype) != (theirs.group, theirs.shape, _tf_dtype(theirs.dtype)):
            return (
                f"variable {position}: the checkpoint has {theirs.group} {theirs.path} "
                f"{_tf_dtype(theirs.dtype)}{list(theirs.shape)}, this model has {ours.group} {ours.path} "
                f"{dtype}{list(shape)}"
            )
    if len(present) != len(saved):
        return f"the checkpoint has {len(saved)} variables, this model has {len(present)}"
    return None


def _tf_dtype(name: str) -> str:
    from perdure.lineage.dtypes import dtype_of

    return str(tf.as_dtype(dtype_of(name)).name)


def assign(
    model: Any, entries: Sequence[TensorEntry], arrays: Sequence[np.ndarray[Any, Any]],
    groups: Sequence[str] = MODEL_GROUPS,
) -> None:  # fmt: skip
    """Give every variable the value that the checkpoint has for it; `mismatch` was None before."""
    values = [a for e, a in zip(entries, arrays, strict=True) if e.group in groups]
    targets = [entry for entry in variables_of(model) if entry.group in groups]
    for target, value in zip(targets, values, strict=True):
        target.variable.assign(value)
    assign_streams(entries, arrays)


def assign_streams(entries: Sequence[TensorEntry], arrays: Sequence[np.ndarray[Any, Any]]) -> None:
    """Put the global generators back that the checkpoint has, made where there are none yet."""
    saved = {e.path: a for e, a in zip(entries, arrays, strict=True) if e.group == "streams"}
    names = [name for name in saved if not is_of_other_replica(name)]
    made = keras_internals.make_global_generators(names)
    for entry in values_in(("streams", name, variable) for name, variable in made.items()):
        entry.variable.assign(saved[entry.path])
