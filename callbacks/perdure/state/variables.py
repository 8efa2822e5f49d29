"""All variables of a training process, in an order that is the same in every process.

They are matched by position, shape and dtype; paths are for messages, because Keras numbers automatic
names per process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from perdure import keras_internals
from perdure.lineage.chunk_writer import Tensor
from perdure.lineage.table import TensorEntry

MOST_ITEMS = 1000  # of a container that optimizers and variables are looked for in
MODEL_GROUPS = ("model", "optimizer", "metrics")


@dataclass(frozen=True)
class Named:
    """A variable with its group and the path that messages use."""

    group: str
    path: str
    variable: Any


def variables_of(model: Any) -> list[Named]:
    """Weights, seed generators, optimizer slots and metrics of `model`, and the global generators."""
    return [
        *(Named("model", variable.path, variable) for variable in model.variables),
        *(Named("model", variable.name, variable) for variable in _plain_variables_of(model)),
        *(
            Named("optimizer", v.path, v)
            for optimizer in optimizers_of(model)
            for v in optimizer.variables
        ),
        *(Named("metrics", variable.path, variable) for variable in model.metrics_variables),
        *(
            Named("streams", name, v)
            for name, v in keras_internals.global_random_variables().items()
        ),
    ]


def optimizers_of(model: Any) -> list[Any]:
    """Every optimizer found on the model: the compiled one, then attributes in name order."""
    compiled = getattr(
        model, "optimizer", None
    )  # a model that is not compiled has no such attribute
    found = [compiled] if compiled is not None else []
    for layer in keras_internals.layers_of(model):
        for value in _attributes(layer):
            if isinstance(value, keras.optimizers.Optimizer) and all(value is not o for o in found):
                found.append(value)
    return found


def _plain_variables_of(model: Any) -> list[Any]:
    """TensorFlow's own variables on the model's layers, which Keras does not list."""
    known = {id(_handle(variable)) for variable in [*model.variables, *model.metrics_variables]}
    found: dict[int, Any] = {}
    for layer in keras_internals.layers_of(model):
        for value in _attributes(layer):
            if isinstance(value, tf.Variable) and id(value) not in known:
                found[id(value)] = value
    return list(found.values())


def _attributes(layer: Any) -> Iterator[Any]:
    """The values of an object's public attributes in name order, through lists, tuples and dicts."""
    stack = [value for name, value in sorted(vars(layer).items(), reverse=True) if name[0] != "_"]
    while stack:
        value = stack.pop()
        yield value
        if not isinstance(value, dict | list | tuple) or len(value) > MOST_ITEMS:
            continue
        if isinstance(value, dict):
            stack += [value[key] for key in sorted(value, key=repr, reverse=True)]
        else:
            stack += reversed(value)


class VariableReader:
    """Reads all variables of a model at once, by reference.

    One traced function reads them: TensorFlow then hands out the buffers themselves and copies a
    variable only when the next step writes it.
    """

    def __init__(self) -> None:
        self._names: list[tuple[str, str]] = []
        self._ids: tuple[int, ...] = ()
        self._read: Callable[[], list[Any]] = list

    def read(self, model: Any) -> list[Tensor]:
        """The tensors of `model` as they are now."""
        named = variables_of(model)
        ids = tuple(id(entry.variable) for entry in named)
        if ids != self._ids:
            self._trace(named, ids)
        return [
            Tensor(group, path, value.numpy)
            for (group, path), value in zip(self._names, self._read(), strict=True)
        ]

    def _trace(self, named: Sequence[Named], ids: tuple[int, ...]) -> None:
        handles = [_handle(entry.variable) for entry in named]
        self._names = [(entry.group, entry.path) for entry in named]
        self._ids = ids

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def read() -> list[Any]:
            return [handle.read_value() for handle in handles]

        self._read = read.get_concrete_function() if handles else list


def _handle(variable: Any) -> Any:
    """The TensorFlow variable behind a Keras variable."""
    return variable.value if isinstance(variable, keras.Variable) else variable


def mismatch(
    model: Any, entries: Sequence[TensorEntry], groups: Sequence[str] = MODEL_GROUPS
) -> str | None:
    """The first difference between the model's variables and a checkpoint's table, as a sentence."""
    present = [entry for entry in variables_of(model) if entry.group in groups]
    saved = [entry for entry in entries if entry.group in groups]
    for position, (ours, theirs) in enumerate(zip(present, saved, strict=False)):
        shape, dtype = tuple(ours.variable.shape), _dtype(ours.variable)
        if (ours.group, shape, dtype) != (theirs.group, theirs.shape, _tf_dtype(theirs.dtype)):
            return (
                f"variable {position}: the checkpoint has {theirs.group} {theirs.path} "
                f"{_tf_dtype(theirs.dtype)}{list(theirs.shape)}, this model has {ours.group} {ours.path} "
                f"{dtype}{list(shape)}"
            )
    if len(present) != len(saved):
        return f"the checkpoint has {len(saved)} variables, this model has {len(present)}"
    return None


def _dtype(variable: Any) -> str:
    return str(tf.as_dtype(variable.dtype).name)


def _tf_dtype(name: str) -> str:
    from perdure.lineage.dtypes import dtype_of

    return str(tf.as_dtype(dtype_of(name)).name)


def assign(
    model: Any, entries: Sequence[TensorEntry], arrays: Sequence[np.ndarray[Any, Any]],
    groups: Sequence[str] = MODEL_GROUPS,
) -> None:  # fmt: skip
    """Give every variable the value that the checkpoint has for it; `mismatch` was None before."""
    streams = {e.path: a for e, a in zip(entries, arrays, strict=True) if e.group == "streams"}
    values = [a for e, a in zip(entries, arrays, strict=True) if e.group in groups]
    targets = [entry for entry in variables_of(model) if entry.group in groups]
    for target, value in zip(targets, values, strict=True):
        target.variable.assign(value)
    for name, variable in keras_internals.make_global_generators(streams).items():
        variable.assign(streams[name])
