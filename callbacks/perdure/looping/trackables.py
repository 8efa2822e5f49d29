"""What a loop was given by name: things that hold variables, and objects with a state of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from perdure import keras_internals
from perdure.errors import Refused
from perdure.looping import objects
from perdure.state import variables
from perdure.state.variables import Listed

KINDS = (
    "a Keras model, layer, optimizer, metric, variable or SeedGenerator; a tf.Variable, tf.Module or "
    "tf.random.Generator; a generator of numpy.random or random; a dict or a list of plain data; an "
    "object with get_state() and set_state(state); or a list, tuple or dict of these"
)


def variables_in(value: Any) -> list[Listed] | None:
    """The variables of one thing, None if it is nothing that holds variables."""
    match value:
        case keras.layers.Layer():
            return variables.held_by(value)
        case keras.optimizers.Optimizer():
            return [("optimizer", variable.path, variable) for variable in value.variables]
        case keras.metrics.Metric():
            return [("metrics", variable.path, variable) for variable in value.variables]
        case keras.Variable():
            return [("model", value.path, value)]
        case keras.random.SeedGenerator() | tf.random.Generator():
            return [("model", "state", value.state)]
        case tf.Variable():
            return [("model", value.name, value)]
        case tf.Module():
            return [("model", variable.name, variable) for variable in value.variables]
    return None


class Trackables:
    """Everything that a loop was given, in the order in which it was given."""

    def __init__(self, given: dict[str, Any]) -> None:
        """Raises TypeError: something of `given` is nothing whose state could be saved."""
        items = [item for name, value in given.items() for item in _flat(name, value)]
        self._holders = {name: value for name, value in items if variables_in(value) is not None}
        self.objects = {name: value for name, value in items if name not in self._holders}
        for name, value in self.objects.items():
            _check(name, value)
        self._check_there_are_variables()

    def _check_there_are_variables(self) -> None:
        if not self._holders:
            raise TypeError(
                f"perdure.loop: expected what is trained, by name, such as model=model, "
                f"optimizer=optimizer. Received: {', '.join(self.objects) or 'nothing'}."
            )

    def by_name(self) -> dict[str, list[Listed]]:
        """The variables of each holder; one that two of them have belongs to the first."""
        seen: set[int] = set()
        return {
            name: [entry for entry in variables_in(value) or () if _is_new(entry[2], seen)]
            for name, value in self._holders.items()
        }

    def listed(self) -> list[Listed]:
        """All variables, named for messages, and the global generators."""
        return [
            *(
                (group, f"{name}/{path}", variable)
                for name, entries in self.by_name().items()
                for group, path, variable in entries
            ),
            *variables.streams(),
        ]

    @property
    def models(self) -> list[Any]:
        """The Keras models."""
        return [value for value in self._holders.values() if isinstance(value, keras.Model)]

    @property
    def optimizers(self) -> list[Any]:
        """Every optimizer once: those that were given, and those found on layers that were."""
        found: dict[int, Any] = {}
        for value in self._holders.values():
            for optimizer in _optimizers_in(value):
                found.setdefault(id(optimizer), optimizer)
        return list(found.values())

    def trained(self) -> list[list[int] | None]:
        """Of each optimizer the places of what it trains among `_trainable`, None before it is built.

        Raises:
            Refused: it trains what the loop was not given.
        """
        places = {id(variable): place for place, variable in enumerate(self._trainable())}
        return [_places(optimizer, places) for optimizer in self.optimizers]

    def _trainable(self) -> list[Any]:
        """What an optimizer may train."""
        entries = (entry for entries in self.by_name().values() for entry in entries)
        return [variable for group, _, variable in entries if group == "model"]

    def build_optimizers(self, trained: list[list[int] | None]) -> None:
        """Make the variables of optimizers that are not built yet; `trained` is of the dead run, whose
        other variables are all here.
        """
        variables = self._trainable()
        for optimizer, places in zip(self.optimizers, trained, strict=True):
            if places is not None and not optimizer.built:
                optimizer.build([variables[place] for place in places])


def _is_new(variable: Any, seen: set[int]) -> bool:
    key = id(variables.handle(variable))
    is_new = key not in seen
    seen.add(key)
    return is_new


def _optimizers_in(value: Any) -> list[Any]:
    if isinstance(value, keras.optimizers.Optimizer):
        return [value]
    return variables.optimizers_of(value) if isinstance(value, keras.layers.Layer) else []


def _places(optimizer: Any, places: dict[int, int]) -> list[int] | None:
    if not optimizer.built:
        return None
    trained = keras_internals.trained_by(optimizer)
    missing = [variable.path for variable in trained if id(variable) not in places]
    if missing:
        raise Refused(
            f"perdure.loop: expected all that {type(optimizer).__name__} {optimizer.name} trains. "
            f"Received: nothing that has {missing[0]}. Give its model to the loop too."
        )
    return [places[id(variable)] for variable in trained]


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The things in `value`, which is one itself, or a container of them."""
    items = _items(value)
    if items and all(_is_thing(item) for item in items.values()):
        for key, item in items.items():
            yield f"{name}/{key}", item
    else:
        yield name, value


def _items(value: Any) -> dict[Any, Any]:
    if isinstance(value, dict):
        return value
    return dict(enumerate(value)) if isinstance(value, list | tuple) else {}


def _is_thing(value: Any) -> bool:
    """Whether it has a state of its own, rather than being part of a container's."""
    return variables_in(value) is not None or objects.is_stateful(value)


def _check(name: str, value: Any) -> None:
    problem = objects.problem_of(value)
    if problem is not None:
        raise TypeError(f"perdure.loop: expected {KINDS}. Received: {name}, {problem}.")
